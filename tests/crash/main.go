// Command crash kills virtual machines, at random moments, while they change files
// on a disk, and looks at what is left:
//
//	go run ./tests/crash [-cycles 1000] [-seed N] [-plain]
//
// The virtual machine monitor is a process of this command with SIGKILL as its
// end. That leaves the host with all that the monitor has written. So the monitor's
// disk has a cache (vmm/disk.Volatile) which, at the kill, loses any part of what
// was not flushed; with -plain it has none.
//
// After each kill the volume is checked as fsck does, and the next machine looks
// whether everything that was synced is there (tests/programs/crash). The first
// fault ends the run and leaves the disk for inspection.
package main

import (
	"context"
	"flag"
	"log"
	"math/rand/v2"
	"os"
	"path/filepath"
	"time"

	"ringo.dev/ringo/tests/harness"
)

func main() {
	log.SetFlags(0)
	log.SetPrefix("crash: ")
	beMonitor()
	var p plan
	flag.IntVar(&p.cycles, "cycles", 1000, "so many machines are killed")
	flag.Uint64Var(&p.seed, "seed", rand.Uint64(), "of what is random, but for the moments of the host")
	flag.BoolVar(&p.plain, "plain", false, "do not lose what was not flushed")
	flag.IntVar(&p.cpus, "smp", 1, "virtual CPUs")
	flag.Parse()
	if err := p.run(context.Background(), log.Printf); err != nil {
		log.Fatal(err)
	}
}

// build builds the program that changes files, and returns where it is.
func build(ctx context.Context, dir string) (string, error) {
	ringo, err := harness.Build(ctx, dir)
	if err != nil {
		return "", err
	}
	return ringo.Program("tests/programs/crash")
}

// run makes a volume and crashes it.
func (p *plan) run(ctx context.Context, logf func(string, ...any)) error {
	dir, err := os.MkdirTemp("", "ringo-crash-")
	if err != nil {
		return err
	}
	if p.image, err = build(ctx, dir); err != nil {
		return err
	}
	p.disk = filepath.Join(dir, "disk.img")
	logf("seed %d, disk %s", p.seed, p.disk)
	start := time.Now()
	if err := p.crash(ctx, logf); err != nil {
		return err
	}
	logf("%d machines killed in %v, %d of them while they started; %d versions were synced, none of them is lost; fsck found nothing",
		p.cycles, time.Since(start).Round(time.Second), p.early, p.synced)
	return os.RemoveAll(dir)
}
