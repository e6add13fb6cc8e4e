// Package check is the frame of the guest programs. Each of them shows a few
// properties of the machine that it runs on, one at a time:
//
//	sched            prints the names of the properties, one a line
//	sched timers     shows one; the last line says "ok timers", or why not
//
// The properties hold on Linux too, unless the tests say otherwise of one.
package check

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"time"
)

// Properties are a program's, by name. A nil error says that the property holds.
type Properties map[string]func() error

// Main shows the property that the first argument names and ends the program:
// with status 0 if it holds, with 1 and the reason if it does not.
func Main(p Properties) {
	if len(os.Args) < 2 {
		for _, name := range slices.Sorted(maps.Keys(p)) {
			fmt.Println(name)
		}
		return
	}
	name := os.Args[1]
	show, ok := p[name]
	if !ok {
		fmt.Printf("FAIL %s: no such property\n", name)
		os.Exit(1)
	}
	if err := show(); err != nil {
		fmt.Printf("FAIL %s: %v\n", name, err)
		os.Exit(1)
	}
	fmt.Println("ok", name)
}

// Equal fails if two values differ; what names them.
func Equal[T comparable](what string, got, want T) error {
	if got != want {
		return fmt.Errorf("%s is %v, want %v", what, got, want)
	}
	return nil
}

// Is fails if an error is not the wanted one; what names what was done.
func Is(what string, err, want error) error {
	if !errors.Is(err, want) {
		return fmt.Errorf("%s: %v, want %v", what, err, want)
	}
	return nil
}

// Within fails if done is not closed, or sent to, in time.
func Within[T any](d time.Duration, what string, done <-chan T) error {
	select {
	case <-done:
		return nil
	case <-time.After(d):
		return fmt.Errorf("%s: not within %v", what, d)
	}
}

// Setting returns the number that the tests gave in an environment variable,
// or def if they did not.
func Setting(name string, def int) int {
	n, err := strconv.Atoi(os.Getenv(name))
	if err != nil {
		return def
	}
	return n
}
