// Command parallel counts primes, first on one CPU and then on all of them, and
// prints how much faster that was.
package main

import (
	"flag"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

func main() {
	limit := flag.Int("limit", 8_000_000, "count the primes below `N`")
	flag.Parse()
	cpus := runtime.GOMAXPROCS(0)
	one, alone := measure(*limit, 1)
	all, together := measure(*limit, cpus)
	if one != all {
		panic(fmt.Sprintf("%d primes by one worker, %d by %d", one, all, cpus))
	}
	fmt.Printf("%d primes below %d\n", one, *limit)
	fmt.Printf("1 worker: %v, %d workers: %v\n", alone.Round(time.Millisecond), cpus, together.Round(time.Millisecond))
	fmt.Printf("speed-up %.2f\n", alone.Seconds()/together.Seconds())
}

func measure(limit, workers int) (primes int, took time.Duration) {
	start := time.Now()
	primes = count(limit, workers)
	return primes, time.Since(start)
}

// count counts the primes below limit. The workers take pieces of the range
// from a common counter, since the later ones take longer.
func count(limit, workers int) int {
	const piece = 10_000
	var next, total atomic.Int64
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			primes := 0
			for {
				end := int(next.Add(piece))
				if end-piece >= limit {
					break
				}
				for n := end - piece; n < min(end, limit); n++ {
					if prime(n) {
						primes++
					}
				}
			}
			total.Add(int64(primes))
		})
	}
	wg.Wait()
	return int(total.Load())
}

func prime(n int) bool {
	if n < 4 {
		return n >= 2
	}
	if n%2 == 0 {
		return false
	}
	for d := 3; d*d <= n; d += 2 {
		if n%d == 0 {
			return false
		}
	}
	return true
}
