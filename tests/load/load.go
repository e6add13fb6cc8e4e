// Package load makes load in a closed loop: a number of clients, each of which
// sends its next request when it has the answer to the one before.
package load

import (
	"context"
	"fmt"
	"math"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Plan says how much load to make. It ends after Requests requests or the time
// Duration, whichever is set.
type Plan struct {
	Clients  int
	Requests int
	Duration time.Duration
}

// Result is what became of it.
type Result struct {
	Failed    int
	Err       error           // the first failure
	Took      time.Duration   // all together
	Latencies []time.Duration // of the successful requests, sorted
}

// Rate is the number of successful requests a second.
func (r *Result) Rate() float64 { return float64(len(r.Latencies)) / r.Took.Seconds() }

// Quantile is the latency that a share q (0 to 1) of the requests did not exceed.
func (r *Result) Quantile(q float64) time.Duration {
	if len(r.Latencies) == 0 {
		return 0
	}
	i := int(math.Ceil(q*float64(len(r.Latencies)))) - 1
	return r.Latencies[max(i, 0)]
}

// String says it in a line.
func (r *Result) String() string {
	s := fmt.Sprintf("%d requests in %v (%.0f/s), median %v, 99 %% %v, %d failed",
		len(r.Latencies), r.Took.Round(time.Millisecond), r.Rate(), r.Quantile(.5), r.Quantile(.99), r.Failed)
	if r.Err != nil {
		s += fmt.Sprintf(", the first one: %v", r.Err)
	}
	return s
}

// Client makes requests, one at a time. It is closed at the end.
type Client interface {
	Do() error
	Close() error
}

// Run makes load with clients from dial, which each makes one, until the plan
// is fulfilled or ctx ends. A client that fails goes on with its next request.
func Run(ctx context.Context, p Plan, dial func() Client) Result {
	if p.Duration > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, p.Duration)
		defer cancel()
	}
	left := atomic.Int64{}
	left.Store(math.MaxInt64)
	if p.Requests > 0 {
		left.Store(int64(p.Requests))
	}
	parts := make([]Result, p.Clients)
	start := time.Now()
	var wg sync.WaitGroup
	for i := range parts {
		wg.Go(func() {
			part := &parts[i]
			client := dial()
			defer client.Close()
			for ctx.Err() == nil && left.Add(-1) >= 0 {
				begin := time.Now()
				if err := client.Do(); err != nil {
					part.Failed++
					if part.Err == nil {
						part.Err = fmt.Errorf("after %v: %w", time.Since(begin), err)
					}
					continue
				}
				part.Latencies = append(part.Latencies, time.Since(begin))
			}
		})
	}
	wg.Wait()
	total := Result{Took: time.Since(start)}
	for _, part := range parts {
		total.Failed += part.Failed
		if total.Err == nil {
			total.Err = part.Err
		}
		total.Latencies = append(total.Latencies, part.Latencies...)
	}
	slices.Sort(total.Latencies)
	return total
}
