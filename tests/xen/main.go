// Command xen boots programs in domains of a real Xen, which runs in QEMU with
// AMD-V emulated (tests/rigs/xenrig.sh), and fetches pages from examples/web
// there:
//
//	go run ./tests/xen [-rig DIR] [-requests N] [-hvm | -guests] [-v]
//
// With -hvm the domain is an HVM one, which boots from a disk image.
// It builds the rig if it is not there. What it shows is one line each; it ends
// with status 0 if all of it held. Times mean little under emulation.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"ringo.dev/ringo/tests/harness"
	"ringo.dev/ringo/tests/load"
)

// options are the command's flags.
type options struct {
	rig      string
	requests int
	hvm      bool
	guests   bool
	verbose  bool
}

func main() {
	log.SetFlags(0)
	log.SetPrefix("xen: ")
	cache, err := os.UserCacheDir()
	if err != nil {
		log.Fatal(err)
	}
	var o options
	flag.StringVar(&o.rig, "rig", filepath.Join(cache, "ringo-rig", "xen"), "the rig's `directory`")
	flag.IntVar(&o.requests, "requests", 1000, "fetch this many pages from each web server")
	flag.BoolVar(&o.hvm, "hvm", false, "boot an HVM domain from a disk, instead of the PVH domains")
	flag.BoolVar(&o.guests, "guests", false, "show the guest programs' properties, too (minutes)")
	flag.BoolVar(&o.verbose, "v", false, "print the rig's console at the end")
	flag.Parse()
	if err := run(context.Background(), &o); err != nil {
		log.Fatal(err)
	}
}

// run shows all of it.
func run(ctx context.Context, o *options) error {
	script := filepath.Join("tests", "rigs", "xenrig.sh")
	if _, err := os.Stat(script); err != nil {
		return errors.New("run it in the root of the repository")
	}
	if _, err := os.Stat(filepath.Join(o.rig, "hvm.cpio")); err != nil {
		fmt.Println("building the rig in", o.rig)
		if out, err := exec.CommandContext(ctx, script, "build", o.rig).CombinedOutput(); err != nil {
			return fmt.Errorf("xenrig.sh build: %w\n%s", err, out)
		}
	}
	dir, err := os.MkdirTemp("", "ringo-xen-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	ringo, err := harness.Build(ctx, dir)
	if err != nil {
		return err
	}
	p, err := makePlan(ringo, o)
	if err != nil {
		return err
	}
	const tries = 3
	for try := 1; ; try++ {
		err = p.run(ctx, o, script, dir)
		if !errors.Is(err, errRig) || try == tries {
			return err
		}
		fmt.Println(err, "- once more")
	}
}

// errRig says that the rig failed, and not what ran in it.
var errRig = errors.New("the machine that QEMU emulates failed")

// signs of that are lines on the rig's console that nothing which runs in a
// domain can bring about.
var signs = []string{
	// Xen's own timer did not interrupt, and so it stood still with all domains
	// until something else did.
	"Platform timer appears to have unexpectedly wrapped",
	// The domain got an interrupt with interrupts off.
	"the machine interrupts a processor that has interrupts off",
}

// patience is for the rig's boot and each of its steps, on a busy machine.
const patience = 15 * time.Minute

// run boots the rig, and checks what happens there.
func (p *plan) run(ctx context.Context, o *options, script, dir string) error {
	file := filepath.Join(dir, "script")
	if err := os.WriteFile(file, []byte(p.script.String()), 0o666); err != nil {
		return err
	}
	for i := range p.servers {
		if err := p.servers[i].choosePort(); err != nil {
			return err
		}
	}
	cmd := exec.CommandContext(ctx, script, append([]string{"run", o.rig, file}, p.files...)...)
	cmd.Env = append(os.Environ(), "WORK="+dir, "FORWARD="+p.forward())
	if o.hvm {
		cmd.Env = append(cmd.Env, "HVM=1")
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	start := time.Now()
	rig, err := harness.StartGuest(cmd)
	if err != nil {
		return err
	}
	defer rig.Stop()
	if o.verbose {
		defer func() { fmt.Print(rig.Output()) }()
	}
	failed := 0
	for _, name := range p.shown {
		fmt.Printf("   %s\n", name) // the first is Xen's own start, too: minutes on a busy machine
		if err := p.show(ctx, rig, name); err != nil {
			fmt.Printf("FAIL %s: %v\n", name, err)
			failed++
			continue
		}
		fmt.Printf("ok %s (%.1fs)\n", name, time.Since(start).Seconds())
	}
	for _, s := range p.servers {
		fmt.Printf("   %s, %d requests\n", s.name, o.requests)
		took, err := s.fetch(o.requests)
		if err != nil {
			fmt.Printf("FAIL %s: %v\n%s\n", s.name, err, rig.Output())
			failed++
			continue
		}
		fmt.Printf("ok %s, %d requests in %.1fs\n", s.name, o.requests, took.Seconds())
	}
	if failed == 0 {
		return nil
	}
	for _, sign := range signs {
		if strings.Contains(rig.Output(), sign) {
			return fmt.Errorf("%w: %s", errRig, sign)
		}
	}
	return fmt.Errorf("%d failed", failed)
}

// show waits for the script's word on one of the things that it does.
func (p *plan) show(ctx context.Context, rig *harness.Guest, name string) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	end := " " + name + " SHOWN"
	if err := rig.Await(ctx, end); err != nil {
		return err
	}
	before, _, _ := strings.Cut(rig.Output(), end)
	if strings.HasSuffix(before, "ok") {
		return nil
	}
	return fmt.Errorf("the rig's console:\n%s", before[max(0, strings.LastIndex(before, "SHOWN")):])
}

// server is a domain that runs examples/web.
type server struct {
	name string
	addr string // in the rig's network
	port int    // of this machine, which leads there
}

// choosePort takes a port of the loopback address that nobody uses.
func (s *server) choosePort() error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	s.port = l.Addr().(*net.TCPAddr).Port
	return l.Close()
}

// fetch gets a page again and again, a few at a time, over a connection of its
// own each time. It returns how long that took.
func (s *server) fetch(requests int) (time.Duration, error) {
	const clients = 4
	var made atomic.Int64
	failed := make(chan error, clients)
	start := time.Now()
	for range clients {
		go func() {
			client := load.HTTP{Addr: fmt.Sprintf("127.0.0.1:%d", s.port), Path: "/", Want: "hello from ringo\n"}
			for n := made.Add(1); n <= int64(requests); n = made.Add(1) {
				if err := client.Do(); err != nil {
					failed <- fmt.Errorf("request %d: %w", n, err)
					return
				}
			}
			failed <- nil
		}()
	}
	var err error
	for range clients {
		err = errors.Join(err, <-failed)
	}
	return time.Since(start), err
}
