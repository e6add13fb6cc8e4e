// Command soak has examples/web in a virtual machine answer requests by the million:
//
//	go run ./tests/soak [-requests N] [-clients N] [-smp N] [-m SIZE]
//
// They come over a tap, in ten rounds, each over connections of its own. No request may
// fail, and in the second half of the rounds the machine's memory may not grow.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"net/netip"
	"os"
	"strconv"
	"syscall"
	"time"

	"ringo.dev/ringo/tests/harness"
	"ringo.dev/ringo/tests/load"
)

// options are the command's flags.
type options struct {
	requests, clients, cpus int
	memory                  string
}

func main() {
	log.SetFlags(0)
	log.SetPrefix("soak: ")
	var o options
	flag.IntVar(&o.requests, "requests", 10_000_000, "in all")
	flag.IntVar(&o.clients, "clients", 1000, "clients, each with a connection")
	flag.IntVar(&o.cpus, "smp", 1, "virtual CPUs")
	flag.StringVar(&o.memory, "m", "128M", "memory of the machine")
	flag.Parse()
	if err := run(context.Background(), &o); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, o *options) error {
	if dir, yes := harness.Isolated(); yes {
		return soak(ctx, harness.At(dir), o)
	}
	dir, err := os.MkdirTemp("", "ringo-soak-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	ringo, err := harness.Build(ctx, dir)
	if err != nil {
		return err
	}
	// In a network of its own, where the tap is no trouble to anybody.
	inside := ringo.Isolate(ctx, os.Args[1:]...)
	inside.Stdout, inside.Stderr = os.Stdout, os.Stderr
	return inside.Run()
}

const (
	rounds = 10
	page   = "hello from ringo\n"

	tapName  = "tap0"
	hostNet  = "10.0.0.1/24" // of the tap
	guestNet = "10.0.0.2/24"
	addr     = "10.0.0.2:8080"

	startTime = 30 * time.Second
	// slack is how much memory may vary between rounds: what a garbage collector lets
	// grow before it looks.
	slack = 8 << 20
)

// soak runs the machine and the rounds.
func soak(ctx context.Context, r *harness.Ringo, o *options) error {
	web, err := r.Program("examples/web")
	if err != nil {
		return err
	}
	if err := harness.MakeTap(tapName, netip.MustParsePrefix(hostNet)); err != nil {
		return err
	}
	g, err := r.Start(ctx, "--net", "tap:"+tapName, "--ip", guestNet, "--smp", strconv.Itoa(o.cpus), "-m", o.memory, web)
	if err != nil {
		return err
	}
	defer g.Stop()
	ready, cancel := context.WithTimeout(ctx, startTime)
	defer cancel()
	if err := g.Await(ready, "serving on"); err != nil {
		return err
	}
	var half int64 // the memory after half of the rounds
	for n := range rounds {
		plan := load.Plan{Clients: o.clients, Requests: o.requests / rounds}
		result := load.Run(ctx, plan, func() load.Client {
			return &load.HTTP{Addr: addr, Path: "/", Want: page, KeepAlive: true}
		})
		memory, err := harness.Memory(g.Process().Pid)
		if err != nil {
			return fmt.Errorf("%w; the machine's output:\n%s", err, g.Output())
		}
		fmt.Printf("%2d: %v, memory %.1f MB\n", n+1, &result, float64(memory)/(1<<20))
		if n+1 == rounds/2 {
			half = memory
		}
		if result.Failed > 0 {
			return fmt.Errorf("%d requests failed; the machine's output:\n%s", result.Failed, g.Output())
		}
		if n+1 > rounds/2 && memory > half+slack {
			return fmt.Errorf("memory grew by %d kB in the second half", (memory-half)>>10)
		}
	}
	if err := g.Process().Signal(syscall.SIGTERM); err != nil {
		return err
	}
	ended, cancel := context.WithTimeout(ctx, startTime)
	defer cancel()
	switch end, err := g.Wait(ended); {
	case err != nil:
		return err
	case end.Status != 0:
		return errors.New("the machine did not end well:\n" + end.Output)
	}
	return nil
}
