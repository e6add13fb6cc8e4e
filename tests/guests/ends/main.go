// Command ends shows the ways in which a program can end. The tests know which
// status and which output each must have; none of them returns.
package main

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
	"syscall"

	"ringo.dev/ringo/tests/guests/check"
)

func main() {
	check.Main(check.Properties{
		"exit":       exit,
		"return":     func() error { return nil },
		"panic":      func() error { panic("as requested") },
		"panicelse":  panicElsewhere,
		"nil":        dereferenceNil,
		"deadlock":   func() error { select {} },
		"goexit":     func() error { runtime.Goexit(); return nil },
		"overflow":   overflow,
		"recursion":  func() error { return fmt.Errorf("reached depth %d", recurse(1)) },
		"terabyte":   func() error { return fmt.Errorf("got %d bytes", len(make([]byte, terabyte))) },
		"throw":      func() error { new(sync.Mutex).Unlock(); return nil },
		"breakpoint": func() error { runtime.Breakpoint(); return errors.New("went on") },
		"output":     output,
		"abort":      func() error { return killMyself(syscall.SIGABRT) },
		"terminate":  func() error { return killMyself(syscall.SIGTERM) },
		"kill":       func() error { return killMyself(syscall.SIGKILL) },
		"memory":     exhaust,
	})
}

func exit() error {
	defer fmt.Println("a deferred call that must not run")
	os.Exit(7)
	return nil
}

// panicElsewhere panics in another goroutine than the main one.
func panicElsewhere() error {
	go func() { panic(fmt.Errorf("in goroutine %d", 2)) }()
	select {}
}

func dereferenceNil() error {
	var p *struct{ n int }
	p.n++
	return nil
}

// overflow needs more stack than it may have.
func overflow() error {
	debug.SetMaxStack(1 << 20)
	return fmt.Errorf("reached depth %d", recurse(1))
}

func recurse(n int) int {
	if n == 0 {
		return 0
	}
	return recurse(n+1) + 1
}

// output writes more than any buffer on the way holds, and ends at once.
func output() error {
	for n := range 5000 {
		fmt.Printf("line %04d %s\n", n, strings.Repeat("x", 60))
	}
	os.Exit(0)
	return nil
}

func killMyself(s syscall.Signal) error {
	if err := syscall.Kill(os.Getpid(), s); err != nil {
		return err
	}
	select {}
}

// terabyte is a size at which no machine of ours can have a slice: a variable, since
// the compiler knows as much.
var terabyte = 1 << 40

// exhaust takes memory until there is none.
func exhaust() error {
	var kept [][]byte
	for {
		b := make([]byte, 1<<20)
		for i := range b {
			b[i] = 1
		}
		kept = append(kept, b)
		if len(kept) == 1<<12 {
			return errors.New("got 4 GB")
		}
	}
}
