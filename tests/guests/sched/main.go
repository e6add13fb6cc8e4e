// Command sched shows that the Go scheduler, its timers and its tools find the
// machine that they need.
package main

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"runtime"
	"runtime/pprof"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"ringo.dev/ringo/tests/guests/check"
)

func main() {
	check.Main(check.Properties{
		"endless":    endless,
		"collect":    collectBesideEndless,
		"locked":     locked,
		"threads":    threads,
		"gomaxprocs": gomaxprocs,
		"goroutines": goroutines,
		"pingpong":   pingPong,
		"mutex":      mutex,
		"stacks":     stacks,
		"timers":     timers,
		"sleep":      sleep,
		"nanosleep":  nanosleep,
		"ticker":     ticker,
		"profile":    profile,
		"parallel":   parallel,
		"gc":         gc,
		"finalizer":  finalizer,
		"idle":       idle,
	})
}

// endless starts goroutines that never yield, and wants the others to go on.
func endless() error {
	for range runtime.GOMAXPROCS(0) + 1 {
		go forever()
	}
	for range 20 {
		time.Sleep(time.Millisecond)
		runtime.Gosched()
	}
	return nil
}

// collectBesideEndless wants collections to end though a goroutine never yields.
func collectBesideEndless() error {
	go forever()
	for range 3 {
		done := make(chan struct{})
		go func() { runtime.GC(); close(done) }()
		if err := check.Within(10*time.Second, "collection", done); err != nil {
			return err
		}
	}
	return nil
}

// locked wants a goroutine that is locked to its thread to stay there.
func locked() error {
	const goroutines = 8
	errs := make(chan error, goroutines)
	var mu sync.Mutex
	seen := map[int]bool{}
	var together sync.WaitGroup
	together.Add(goroutines)
	for range goroutines {
		go func() {
			runtime.LockOSThread() // the thread ends with the goroutine
			id := syscall.Gettid()
			mu.Lock()
			twice := seen[id]
			seen[id] = true
			mu.Unlock()
			together.Done()
			together.Wait()
			for range 50 {
				runtime.Gosched()
				if now := syscall.Gettid(); now != id || twice {
					errs <- fmt.Errorf("on thread %d, then on %d; shared: %v", id, now, twice)
					return
				}
			}
			time.Sleep(time.Millisecond)
			errs <- check.Equal("thread after a sleep", syscall.Gettid(), id)
		}()
	}
	for range goroutines {
		if err := <-errs; err != nil {
			return err
		}
	}
	return nil
}

// threads starts and ends many threads.
func threads() error {
	for range 200 {
		done := make(chan struct{})
		go func() {
			runtime.LockOSThread()
			close(done)
		}()
		<-done
	}
	return nil
}

func gomaxprocs() error {
	if err := check.Equal("GOMAXPROCS", runtime.GOMAXPROCS(0), runtime.NumCPU()); err != nil {
		return err
	}
	return check.Equal("number of CPUs", runtime.NumCPU(), check.Setting("CPUS", runtime.NumCPU()))
}

func goroutines() error {
	const n = 20_000
	var ran atomic.Int64
	var wg sync.WaitGroup
	start := make(chan struct{})
	for range n {
		wg.Go(func() { <-start; ran.Add(1) })
	}
	close(start)
	wg.Wait()
	return check.Equal("goroutines that ran", ran.Load(), n)
}

func pingPong() error {
	ping, pong := make(chan int), make(chan int)
	go func() {
		for n := range ping {
			pong <- n + 1
		}
		close(pong)
	}()
	n := 0
	for range 50_000 {
		ping <- n
		n = <-pong
	}
	close(ping)
	return check.Equal("count", n, 50_000)
}

func mutex() error {
	var mu sync.Mutex
	var wg sync.WaitGroup
	count := 0
	for range 16 {
		wg.Go(func() {
			for range 5000 {
				mu.Lock()
				count++
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	return check.Equal("count", count, 16*5000)
}

// stacks grows the stacks of several goroutines to a megabyte.
func stacks() error {
	var wg sync.WaitGroup
	var wrong atomic.Int64
	for n := range 8 {
		wg.Go(func() {
			if depth(8000, n) != 8000+n {
				wrong.Add(1)
			}
		})
	}
	wg.Wait()
	return check.Equal("wrong results", wrong.Load(), 0)
}

func depth(n, start int) int {
	var fill [12]int
	if n == 0 {
		return start
	}
	fill[n%12] = depth(n-1, start)
	return fill[n%12] + 1
}

// timers wants a thousand timers in their order, none early, and none that was stopped.
func timers() error {
	const n = 1000
	start := time.Now()
	fired := make(chan time.Duration, 2*n)
	for i := range n {
		after := time.Duration(i%100) * time.Millisecond
		time.AfterFunc(after, func() { fired <- time.Since(start) - after })
		if stopped := time.AfterFunc(after+time.Hour, func() { fired <- -time.Hour }); !stopped.Stop() {
			return errors.New("a timer fired an hour early")
		}
	}
	for range n {
		select {
		case late := <-fired:
			if late < 0 || late > 5*time.Second {
				return fmt.Errorf("a timer was %v late", late)
			}
		case <-time.After(20 * time.Second):
			return errors.New("timers are missing")
		}
	}
	return nil
}

// sleep wants the best of a few sleeps to be accurate, and none to be short.
func sleep() error {
	for _, d := range []time.Duration{50 * time.Microsecond, time.Millisecond, 20 * time.Millisecond, 200 * time.Millisecond} {
		best := time.Hour
		for range 5 {
			start := time.Now()
			time.Sleep(d)
			took := time.Since(start)
			if took < d {
				return fmt.Errorf("a sleep of %v took %v", d, took)
			}
			best = min(best, took)
		}
		if best > d+25*time.Millisecond {
			return fmt.Errorf("the best sleep of %v took %v", d, best)
		}
	}
	return nil
}

func ticker() error {
	t := time.NewTicker(5 * time.Millisecond)
	defer t.Stop()
	start := time.Now()
	for range 20 {
		<-t.C
	}
	if took := time.Since(start); took < 90*time.Millisecond || took > time.Second {
		return fmt.Errorf("20 ticks of 5ms took %v", took)
	}
	return nil
}

// profile wants CPU profiles in which the busy function is.
func profile() error {
	for range 4 { // the phases of the two timers behind a profile matter
		if err := profileOnce(); err != nil {
			return err
		}
	}
	return nil
}

func profileOnce() error {
	var compressed bytes.Buffer
	if err := pprof.StartCPUProfile(&compressed); err != nil {
		return err
	}
	spinHere(300 * time.Millisecond)
	pprof.StopCPUProfile()
	r, err := gzip.NewReader(&compressed)
	if err != nil {
		return err
	}
	text, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	if !bytes.Contains(text, []byte("main.spinHere")) {
		return fmt.Errorf("main.spinHere is not among the %d bytes of the profile", len(text))
	}
	return nil
}

//go:noinline
func spinHere(d time.Duration) {
	for start := time.Now(); time.Since(start) < d; {
		for range 1_000_000 {
		}
	}
}

// parallel wants as many goroutines as CPUs to run at the same time: each waits
// for the others without giving up its CPU.
func parallel() error {
	cpus := runtime.GOMAXPROCS(0)
	var arrived atomic.Int64
	done := make(chan struct{}, cpus)
	for range cpus {
		go func() {
			arrived.Add(1)
			for arrived.Load() < int64(cpus) {
			}
			done <- struct{}{}
		}()
	}
	for range cpus {
		if err := check.Within(20*time.Second, "meeting", done); err != nil {
			return err
		}
	}
	return nil
}

// gc allocates many times what there is room for, and checks what it keeps.
func gc() error {
	type node struct {
		left, right *node
		value       int
	}
	var build func(depth int) *node
	build = func(depth int) *node {
		if depth == 0 {
			return &node{value: 1}
		}
		return &node{build(depth - 1), build(depth - 1), 1}
	}
	var sum func(n *node) int
	sum = func(n *node) int {
		if n == nil {
			return 0
		}
		return n.value + sum(n.left) + sum(n.right)
	}
	var wg sync.WaitGroup
	errs := make(chan error, 4)
	for range 4 {
		wg.Go(func() {
			kept := build(12)
			for range 60 {
				if n := sum(build(12)); n != 1<<13-1 {
					errs <- fmt.Errorf("%d nodes in a tree of %d", n, 1<<13-1)
					return
				}
			}
			errs <- check.Equal("kept tree", sum(kept), 1<<13-1)
		})
	}
	wg.Wait()
	for range 4 {
		if err := <-errs; err != nil {
			return err
		}
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	if m.NumGC == 0 {
		return errors.New("no collection")
	}
	return nil
}

func finalizer() error {
	done := make(chan int, 1)
	func() {
		p := &[100]int{99}
		runtime.AddCleanup(p, func(n int) { done <- n }, 7)
	}()
	for range 10 {
		runtime.GC()
		select {
		case n := <-done:
			return check.Equal("argument", n, 7)
		case <-time.After(100 * time.Millisecond):
		}
	}
	return errors.New("the cleanup never ran")
}

// idle wants a sleeping program to use next to no CPU time.
func idle() error {
	before, err := cpuTime()
	if err != nil {
		return err
	}
	time.Sleep(500 * time.Millisecond)
	after, err := cpuTime()
	if err != nil {
		return err
	}
	if used := after - before; used > 250*time.Millisecond {
		return fmt.Errorf("%v of CPU time in a sleep of 500ms", used)
	}
	return nil
}

func cpuTime() (time.Duration, error) {
	var u syscall.Rusage
	err := syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano()), err
}

// forever uses a CPU and never yields it.
func forever() {
	//lint:ignore SA5002 that is what it is for
	for {
	}
}

// nanosleep: a goroutine that sleeps by a system call of its own keeps no other
// from running.
func nanosleep() error {
	var stop atomic.Bool
	defer stop.Store(true)
	go func() {
		for !stop.Load() {
			ts := syscall.NsecToTimespec(int64(50 * time.Millisecond))
			syscall.Nanosleep(&ts, nil)
		}
	}()
	runtime.Gosched()
	start := time.Now()
	for range 50 {
		time.Sleep(time.Millisecond)
	}
	if took := time.Since(start); took > time.Second {
		return fmt.Errorf("50 sleeps of 1 ms took %v", took)
	}
	return nil
}
