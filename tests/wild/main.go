// Command wild builds programs that others have written, as they come from the Go
// module proxy, with ringo, and asks each for what it is there for: in machines with
// one and two virtual CPUs, and as processes of this system, for comparison.
//
//	go run ./tests/wild [-ways vm,smp2,process,qemu] [-v] [PROGRAM...]
//
// It needs the network for the module proxy. Of libraries that are no programs, there
// are small ones in testdata, each in a module of its own.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"ringo.dev/ringo/tests/harness"
)

func main() {
	log.SetFlags(0)
	log.SetPrefix("wild: ")
	names := flag.String("ways", "vm,smp2,process", "`list` of where the programs run: vm, smp2, process, qemu")
	verbose := flag.Bool("v", false, "print what the programs print")
	keep := flag.String("dir", "", "`directory` in which to build, which is kept (default a temporary one)")
	command := flag.String("ringo", "", "ringo `command` to use (default built from this source tree)")
	flag.Parse()
	failed, err := run(flag.Args(), strings.Split(*names, ","), *keep, *command, *verbose)
	if err != nil {
		log.Fatal(err)
	}
	if failed {
		os.Exit(1)
	}
}

// run builds and asks the named programs, or all, and prints a table of the results.
func run(names, wayNames []string, dir, command string, verbose bool) (failed bool, err error) {
	ctx := context.Background()
	selected, err := choose(names)
	if err != nil {
		return false, err
	}
	for _, w := range wayNames {
		if _, ok := ways[w]; !ok {
			return false, fmt.Errorf("there is no way %q", w)
		}
	}
	if dir == "" {
		if dir, err = os.MkdirTemp("", "ringo-wild-"); err != nil {
			return false, err
		}
		defer os.RemoveAll(dir)
	}
	if dir, err = filepath.Abs(dir); err != nil {
		return false, err
	}
	ringo := harness.At(dir)
	if ringo.Path = command; command == "" {
		if ringo, err = harness.Build(ctx, dir); err != nil {
			return false, err
		}
	}
	fmt.Println("| program | what it was asked | `-m` | file |", strings.Join(wayNames, " | "), "|")
	fmt.Println("|---|---|---|---|" + strings.Repeat("---|", len(wayNames)))
	for _, p := range selected {
		b := builder{ringo: ringo, dir: filepath.Join(dir, p.name)}
		file, err := b.build(ctx, p)
		if err != nil {
			failed = true
			fmt.Printf("| %s | | | | not built |\n", p.title())
			log.Printf("%s: %v", p.name, err)
			continue
		}
		info, err := os.Stat(file)
		if err != nil {
			return failed, err
		}
		row := fmt.Sprintf("| %s | %s | %s | %d MB |", p.title(), p.asked, p.memory, info.Size()>>20)
		for _, w := range wayNames {
			output, err := try(ctx, ringo, p, file, ways[w])
			result := "ok"
			if err != nil {
				failed, result = true, "fails"
				log.Printf("%s, %s: %v", p.name, w, err)
			}
			if err != nil || verbose {
				log.Printf("%s, %s printed:\n%s", p.name, w, output)
			}
			row += " " + result + " |"
		}
		fmt.Println(row)
	}
	return failed, nil
}

// choose returns the programs with the names, or all.
func choose(names []string) ([]*program, error) {
	var list []*program
	for i := range programs {
		if p := &programs[i]; len(names) == 0 || slices.Contains(names, p.name) {
			list = append(list, p)
		}
	}
	if len(names) > 0 && len(list) != len(names) {
		return nil, errors.New("not all of these programs are in the table of programs.go")
	}
	return list, nil
}
