// Command clock shows what time it is.
package main

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"ringo.dev/ringo/tests/guests/check"
)

func main() {
	check.Main(check.Properties{
		"monotonic": monotonic,
		"host":      host,
		"rates":     rates,
		"calls":     calls,
		"zones":     zones,
		"local":     local,
		"cputime":   cpuTime,
		"nanosleep": nanosleep,
	})
}

// monotonic wants the clock never to go back, on whichever CPU it is read.
func monotonic() error {
	var mu sync.Mutex
	var last time.Time
	var wg sync.WaitGroup
	var wrong error
	for range 4 {
		wg.Go(func() {
			for range 50_000 {
				mu.Lock()
				now := time.Now()
				if d := now.Sub(last); d < 0 && wrong == nil {
					wrong = fmt.Errorf("the clock went back by %v", -d)
				}
				last = now
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	return wrong
}

// host compares the time with that of the tests when they started the program.
func host() error {
	ns, err := strconv.ParseInt(os.Getenv("STARTED"), 10, 64)
	if err != nil {
		return fmt.Errorf("the tests did not say when they started: %w", err)
	}
	if d := time.Since(time.Unix(0, ns)); d < 0 || d > 30*time.Second {
		return fmt.Errorf("it is %v since the start", d)
	}
	return nil
}

// rates wants the two clocks to keep pace with each other.
func rates() error {
	read := func(clock int32) int64 {
		var t unix.Timespec
		unix.ClockGettime(clock, &t)
		return t.Nano()
	}
	mono, wall := read(unix.CLOCK_MONOTONIC), read(unix.CLOCK_REALTIME)
	time.Sleep(500 * time.Millisecond)
	mono, wall = read(unix.CLOCK_MONOTONIC)-mono, read(unix.CLOCK_REALTIME)-wall
	if d := time.Duration(mono - wall).Abs(); d > 10*time.Millisecond || mono < 5e8 {
		return fmt.Errorf("%v by one clock, %v by the other", time.Duration(mono), time.Duration(wall))
	}
	return nil
}

// calls wants every way to read the time to give the same.
func calls() error {
	now := time.Now()
	for name, read := range map[string]func() (time.Time, error){
		"clock_gettime": func() (time.Time, error) {
			var t unix.Timespec
			err := unix.ClockGettime(unix.CLOCK_REALTIME, &t)
			return time.Unix(t.Unix()), err
		},
		"gettimeofday": func() (time.Time, error) {
			var t unix.Timeval
			err := unix.Gettimeofday(&t)
			return time.Unix(t.Unix()), err
		},
		"time": func() (time.Time, error) {
			t, err := unix.Time(nil)
			return time.Unix(int64(t), 999999999), err
		},
	} {
		t, err := read()
		if err != nil {
			return err
		}
		if d := t.Sub(now); d < -time.Millisecond || d > 5*time.Second {
			return fmt.Errorf("%s says %v, time.Now said %v", name, t, now)
		}
	}
	return nil
}

// zones needs the time zone files.
func zones() error {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		return err
	}
	summer := time.Date(2025, 7, 1, 12, 0, 0, 0, time.UTC)
	return check.Equal("time in Berlin", summer.In(berlin).Format(time.TimeOnly), "14:00:00")
}

// local wants the local time zone to be that of /etc/localtime. It makes that file where
// there is none, as in a guest, and takes it away again.
func local() error {
	// A file of one zone (RFC 9636): what is counted, then one hour, and its name.
	const header = "TZif\x00" + "\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00" +
		"\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00\x04"
	const file = "/etc/localtime"
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	defer os.Remove(file)
	if _, err := f.WriteString(header + "\x00\x00\x0e\x10\x00\x00" + "ERE\x00"); err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	return check.Equal("time here", time.Unix(0, 0).Format(time.TimeOnly+" MST"), "01:00:00 ERE")
}

// cpuTime wants CPU time to pass as the program computes.
func cpuTime() error {
	read := func() (int64, error) {
		var t unix.Timespec
		err := unix.ClockGettime(unix.CLOCK_PROCESS_CPUTIME_ID, &t)
		return t.Nano(), err
	}
	before, err := read()
	if err != nil {
		return err
	}
	// On a busy machine others may have the CPU for most of the time.
	const patience = 10 * time.Second
	start := time.Now()
	for {
		for turn := time.Now(); time.Since(turn) < 10*time.Millisecond; {
		}
		after, err := read()
		if err != nil {
			return err
		}
		used, took := time.Duration(after-before), time.Since(start)
		if most := took * time.Duration(runtime.NumCPU()); used > most+10*time.Millisecond {
			return fmt.Errorf("%v of CPU time in %v of work, with %d CPUs", used, took, runtime.NumCPU())
		}
		if used >= 50*time.Millisecond {
			return nil
		}
		if took > patience {
			return fmt.Errorf("%v of CPU time in %v of work", used, took)
		}
	}
}

func nanosleep() error {
	start := time.Now()
	t := unix.NsecToTimespec(10e6)
	for left := t; ; t = left {
		if err := unix.Nanosleep(&t, &left); err != unix.EINTR {
			break
		}
	}
	if took := time.Since(start); took < 10*time.Millisecond || took > 5*time.Second {
		return fmt.Errorf("10ms took %v", took)
	}
	return nil
}
