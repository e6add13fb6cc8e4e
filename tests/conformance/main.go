// Command conformance runs the tests of others inside guests and says which of them
// fail: those of packages of Go's standard library, bbolt and sqlite.
//
//	go run ./tests/conformance [-short] [-disk] [-o DIR] [PACKAGE...]
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"ringo.dev/ringo/tests/conformance/suites"
	"ringo.dev/ringo/tests/harness"
)

func main() {
	log.SetFlags(0)
	log.SetPrefix("conformance: ")
	var r suites.Runner
	flag.BoolVar(&r.Short, "short", false, "leave out tests that take long")
	flag.BoolVar(&r.Disk, "disk", false, "let temporary files be on a disk, not on tmpfs")
	output := flag.String("o", "", "`directory` for the whole output of the tests")
	flag.StringVar(&r.Go, "modules", "tests/conformance/modules", "`directory` of the module that names the versions")
	flag.Parse()
	failed, err := run(&r, flag.Args(), *output)
	if err != nil {
		log.Fatal(err)
	}
	if failed > 0 {
		os.Exit(1)
	}
}

// run runs the named suites, or all, and returns how many tests failed.
func run(r *suites.Runner, names []string, output string) (failed int, err error) {
	ctx := context.Background()
	if r.Dir, err = os.MkdirTemp("", "ringo-conformance-"); err != nil {
		return 0, err
	}
	defer os.RemoveAll(r.Dir)
	if r.Ringo, err = harness.Build(ctx, r.Dir); err != nil {
		return 0, err
	}
	for _, name := range names {
		if !slices.ContainsFunc(suites.All, func(s suites.Suite) bool { return s.Name == name }) {
			return 0, fmt.Errorf("there is no suite %q", name)
		}
	}
	fmt.Println("| package | passed | failed | skipped by themselves | time |")
	fmt.Println("|---|---|---|---|---|")
	for _, s := range suites.All {
		if len(names) > 0 && !slices.Contains(names, s.Name) {
			continue
		}
		got, err := r.Run(ctx, &s)
		if got != nil && output != "" {
			file := filepath.Join(output, strings.ReplaceAll(s.Name, "/", "-")+".txt")
			if err := os.WriteFile(file, []byte(got.Output), 0o644); err != nil {
				return failed, err
			}
		}
		if err != nil {
			return failed, err
		}
		fmt.Printf("| %s | %d | %d | %d | %v |\n", s.Name, got.Passed, len(got.Failed), got.Skipped, got.Took.Round(time.Second))
		for _, name := range got.Failed {
			fmt.Println("  FAIL", name)
		}
		failed += len(got.Failed)
	}
	return failed, nil
}
