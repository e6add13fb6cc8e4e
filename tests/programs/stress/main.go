// Command stress uses goroutines, channels, mutexes, timers and the garbage
// collector all at once for a while, and checks that nothing got lost.
package main

import (
	"fmt"
	"os"
	"runtime"
	"sync"
	"time"
)

const (
	rounds  = 20
	workers = 32
	items   = 500
)

func main() {
	for round := range rounds {
		if err := stress(); err != nil {
			fmt.Printf("round %d: %v\n", round, err)
			os.Exit(1)
		}
	}
	fmt.Println("ok")
}

// stress sends items through a chain of workers, of which each allocates,
// counts under a mutex and sleeps now and then, while collections go on.
func stress() error {
	var (
		mu    sync.Mutex
		count int
		wg    sync.WaitGroup
	)
	collecting := make(chan struct{})
	go func() {
		for {
			select {
			case <-collecting:
				return
			default:
				runtime.GC()
			}
		}
	}()
	defer close(collecting)

	in := make(chan []int)
	out := make(chan []int, 8)
	for w := range workers {
		wg.Go(func() {
			for item := range in {
				made := make([]int, len(item)+1)
				copy(made, item)
				made[len(item)] = w
				mu.Lock()
				count++
				mu.Unlock()
				if count := len(made) + w; count%7 == 0 {
					time.Sleep(10 * time.Microsecond)
				}
				out <- made
			}
		})
	}
	go func() {
		for i := range items {
			in <- make([]int, i%64)
		}
		close(in)
		wg.Wait()
		close(out)
	}()
	got, timeout := 0, time.After(30*time.Second)
	for {
		select {
		case item, ok := <-out:
			if !ok {
				if got != items || count != items {
					return fmt.Errorf("%d items arrived and %d were counted, of %d", got, count, items)
				}
				return nil
			}
			if w := item[len(item)-1]; w < 0 || w >= workers {
				return fmt.Errorf("an item of worker %d", w)
			}
			got++
		case <-timeout:
			return fmt.Errorf("%d items of %d arrived in 30s", got, items)
		}
	}
}
