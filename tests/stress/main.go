// Command stress boots tests/programs/stress again and again, and counts the
// runs that do not end as they should:
//
//	go run ./tests/stress [-runs N] [-smp N] [-timeout D]
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"os"
	"strconv"
	"time"

	"ringo.dev/ringo/tests/harness"
)

func main() {
	log.SetFlags(0)
	log.SetPrefix("stress: ")
	runs := flag.Int("runs", 200, "boot it this often")
	cpus := flag.Int("smp", 2, "virtual CPUs")
	timeout := flag.Duration("timeout", time.Minute, "for each run")
	flag.Parse()
	failed, err := stress(*runs, *cpus, *timeout)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%d runs with %d CPUs, %d failed\n", *runs, *cpus, failed)
	if failed > 0 {
		os.Exit(1)
	}
}

// stress returns the number of runs that failed.
func stress(runs, cpus int, timeout time.Duration) (failed int, err error) {
	dir, err := os.MkdirTemp("", "ringo-stress-")
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(dir)
	ringo, err := harness.Build(context.Background(), dir)
	if err != nil {
		return 0, err
	}
	program, err := ringo.Program("tests/programs/stress")
	if err != nil {
		return 0, err
	}
	for n := range runs {
		ctx, cancel := context.WithTimeout(context.Background(), timeout)
		got, err := ringo.Run(ctx, "--net", "none", "--smp", strconv.Itoa(cpus), program)
		cancel()
		if err != nil || got.Status != 0 || got.Output != "ok\n" {
			failed++
			fmt.Printf("run %d: status %d, %v\n%s\n", n, got.Status, err, got.Output)
		}
	}
	return failed, nil
}
