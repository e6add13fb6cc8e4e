// Command bench compares examples/web in a virtual machine with the same file
// as a process, and prints a table:
//
//	go run ./tests/bench [-runs N] [-duration D] [-memory SIZE]
//
// The client reaches the machine over a tap. It reaches the process in two
// ways: over the same tap, at whose other end a relay passes frames on to a
// second network with the process in it, as the VMM passes them on to its
// guest; and at the tap's own address, which for Linux is its loopback. Where
// there are two CPUs, the client has one of them and the server with all that
// belongs to it the other; only for the first start the server has both.
//
// With -metal microvm,pc it measures the server as it boots by itself on
// QEMU's machines, emulated, with one processor.
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"os"
	"os/exec"
	"strconv"
	"time"

	"ringo.dev/ringo/tests/harness"
	"ringo.dev/ringo/tools/machine"
)

func main() {
	log.SetFlags(0)
	log.SetPrefix("bench: ")
	var o options
	flag.IntVar(&o.runs, "runs", 5, "measure everything this often; the table has the medians")
	flag.DurationVar(&o.duration, "duration", 3*time.Second, "of each load; 0: only start the server")
	o.memory = 64 << 20
	flag.Var(&o.memory, "memory", "memory of the virtual machine")
	flag.StringVar(&o.metal, "metal", "", "measure it on these `machines` of QEMU without KVM instead (microvm,pc,q35)")
	flag.StringVar(&o.relay, "relay", "", "(internal) serve this file behind the tap that is descriptor 3")
	flag.Parse()
	if err := run(&o); err != nil {
		log.Fatal(err)
	}
}

// options are the command's flags.
type options struct {
	runs     int
	duration time.Duration
	memory   machine.Size
	metal    string
	relay    string
}

func run(o *options) error {
	ctx := context.Background()
	if o.relay != "" {
		return relay(o.relay)
	}
	if dir, yes := harness.Isolated(); yes {
		return runInside(ctx, harness.At(dir), o)
	}
	// Outside: build, and go on in a network of its own.
	dir, err := os.MkdirTemp("", "ringo-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	// As it is installed to start quickly (docs/start.md), and as the process is built.
	ringo, err := harness.Build(ctx, dir, "CGO_ENABLED=0")
	if err != nil {
		return err
	}
	inside := ringo.Isolate(ctx, os.Args[1:]...)
	inside.Stdout, inside.Stderr = os.Stdout, os.Stderr
	if o.metal != "" {
		return inside.Run() // QEMU has several threads, which need more than one CPU
	}
	return pinned(inside.Run, clientCPU)
}

// imageSizes returns the sizes of examples/web built by go build and by ringo
// build, both stripped.
func imageSizes(ctx context.Context, r *harness.Ringo, dir string) (process, image int64, err error) {
	const strip = "-ldflags=-s -w"
	for i, cmd := range []*exec.Cmd{
		exec.CommandContext(ctx, "go", "build", strip, "-o", dir+"/0", harness.Module+"/examples/web"),
		r.Command(ctx, "build", strip, "-o", dir+"/1", harness.Module+"/examples/web"),
	} {
		cmd.Env = append(cmd.Environ(), "CGO_ENABLED=0")
		if out, err := cmd.CombinedOutput(); err != nil {
			return 0, 0, fmt.Errorf("%v: %w\n%s", cmd.Args, err, out)
		}
		st, err := os.Stat(dir + "/" + strconv.Itoa(i))
		if err != nil {
			return 0, 0, err
		}
		process, image = image, st.Size()
	}
	return process, image, nil
}

// runInside measures in a network of its own.
func runInside(ctx context.Context, r *harness.Ringo, o *options) error {
	if err := makeTap(); err != nil {
		return err
	}
	web, err := r.Program("examples/web")
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "ringo-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if o.metal != "" {
		return measureMetal(ctx, web, dir, o)
	}
	return measureAll(ctx, r, web, dir, o)
}
