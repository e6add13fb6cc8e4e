// Command input shows what its standard descriptors are and does what its
// argument says with standard input.
package main

import (
	"bufio"
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strconv"
	"sync/atomic"
	"syscall"

	"golang.org/x/sys/unix"
)

func main() {
	what := "lines"
	if len(os.Args) > 1 {
		what = os.Args[1]
	}
	if err := do(what); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
}

func do(what string) error {
	switch what {
	case "describe":
		describe("stdin", os.Stdin)
		describe("stdout", os.Stdout)
	case "lines": // until the end, each as it comes
		fmt.Println("ready")
		s := bufio.NewScanner(os.Stdin)
		for s.Scan() {
			fmt.Printf("line %q\n", s.Text())
		}
		fmt.Println("end")
		return s.Err()
	case "resized": // waits for another size of the terminal
		c := make(chan os.Signal, 1)
		signal.Notify(c, syscall.SIGWINCH)
		fmt.Println("ready")
		<-c
		describe("stdout", os.Stdout)
	case "compute": // from the first byte on, until somebody else has read the second
		fmt.Println("ready")
		if _, err := os.Stdin.Read(make([]byte, 1)); err != nil {
			return err
		}
		var done atomic.Bool
		go func() {
			os.Stdin.Read(make([]byte, 1))
			done.Store(true)
		}()
		for !done.Load() {
		}
	case "sum":
		h := sha256.New()
		n, err := io.Copy(h, os.Stdin)
		fmt.Printf("%d bytes, %x\n", n, h.Sum(nil))
		return err
	default: // a number of bytes, and no more
		n, err := strconv.Atoi(what)
		if err != nil {
			return err
		}
		b := make([]byte, n)
		_, err = io.ReadFull(os.Stdin, b)
		fmt.Printf("read %q\n", b)
		return err
	}
	return nil
}

// describe prints what kind of file f is, and the size of a terminal.
func describe(name string, f *os.File) {
	info, err := f.Stat()
	if err != nil {
		fmt.Println(name, err)
		return
	}
	fmt.Printf("%s is %v", name, info.Mode().Type())
	if size, err := unix.IoctlGetWinsize(int(f.Fd()), unix.TIOCGWINSZ); err == nil {
		fmt.Printf(", a terminal of %d×%d", size.Col, size.Row)
	}
	fmt.Println()
}
