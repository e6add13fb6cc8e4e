// Command matrix boots examples/web on each machine of QEMU, in each way, with
// each network card, and has it answer 1,000 requests; then it ends the program.
// KVM is not needed.
//
//	go run ./tests/matrix                      # all of it: half an hour
//	go run ./tests/matrix -run 'q35/uefi'      # what matches
//	go run ./tests/matrix -write               # all, into docs/hypervisors.md
//	go run ./tests/matrix -resume LOG          # what an earlier run with this output left
//	go run ./tests/matrix -guests -write       # the guest programs' properties, too
//
// A boot is named MACHINE/WAY/CARD/CPUS/MODEL: pc/iso/e1000/2/qemu64.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"os"
	"regexp"
	"time"

	"ringo.dev/ringo/tests/harness"
)

func main() {
	log.SetFlags(0)
	log.SetPrefix("matrix: ")
	var o options
	pattern := flag.String("run", "", "boot only what matches this `pattern`")
	flag.StringVar(&o.resume, "resume", "", "take what went well from the output of an earlier run, in this `FILE`")
	flag.BoolVar(&o.list, "list", false, "say what would be booted")
	flag.BoolVar(&o.write, "write", false, "write the tables into "+document)
	flag.BoolVar(&o.guests, "guests", false, "show the guest programs' properties on each machine, too (an hour)")
	flag.IntVar(&o.requests, "requests", 1000, "`NUMBER` of requests to each boot")
	flag.DurationVar(&o.patience, "patience", 4*time.Minute, "the `TIME` that each boot may take")
	flag.Parse()
	var err error
	if o.run, err = regexp.Compile(*pattern); err == nil {
		err = run(context.Background(), &o)
	}
	if err != nil {
		log.Fatal(err)
	}
}

// options are the command's flags.
type options struct {
	run      *regexp.Regexp
	resume   string
	list     bool
	write    bool
	guests   bool
	requests int
	patience time.Duration
}

// readResults returns what went well in the run whose output a file has; "" is
// none.
func readResults(file string) (map[cell]error, error) {
	results := make(map[cell]error)
	if file == "" {
		return results, nil
	}
	output, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	well := make(map[string]bool)
	for _, m := range regexp.MustCompile(`(?m)^\d+/\d+ (\S+): ok \(`).FindAllSubmatch(output, -1) {
		well[string(m[1])] = true
	}
	for _, c := range cells() {
		if well[c.String()] {
			results[c] = nil
		}
	}
	return results, nil
}

// errFailed says that not all boots did what they should.
var errFailed = errors.New("some failed")

func run(ctx context.Context, o *options) error {
	results, err := readResults(o.resume)
	if err != nil {
		return err
	}
	var chosen []cell
	for _, c := range cells() {
		if _, done := results[c]; !done && o.run.MatchString(c.String()) {
			chosen = append(chosen, c)
		}
	}
	if o.list {
		for _, c := range chosen {
			fmt.Println(c)
		}
		return nil
	}
	dir, err := os.MkdirTemp("", "ringo-matrix-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	ringo, err := harness.Build(ctx, dir)
	if err != nil {
		return err
	}
	image, err := ringo.Program("examples/web")
	if err != nil {
		return err
	}
	failed := false
	for i, c := range chosen {
		start := time.Now()
		err := c.show(ctx, ringo, image, o)
		results[c] = err
		verdict := "ok"
		if err != nil {
			verdict, failed = err.Error(), true
		}
		fmt.Printf("%d/%d %v: %s (%v)\n", i+1, len(chosen), c, verdict, time.Since(start).Round(100*time.Millisecond))
	}
	tables := bootTable(results, o.requests)
	if o.guests {
		shown, err := showGuests(ctx)
		if err != nil {
			return err
		}
		tables += "\n" + guestTable(shown)
		for _, s := range shown {
			failed = failed || s.failed > 0
		}
	}
	fmt.Print("\n", tables)
	if o.write {
		if err := writeTables(tables); err != nil {
			return err
		}
	}
	if failed {
		return errFailed
	}
	return nil
}
