// Package calibrate finds out how fast a processor's counters run, by a timer of
// known frequency. It is for package runtime's additions: nothing is allocated.
//
// The timer begins anew after some time, as little as 55 ms (the 8254), and a
// hypervisor may keep the processor for longer than that between any two
// instructions. What is lost then does not show. So several short times are
// measured, until two of them agree.
package calibrate

import "math/bits"

// Reading is what the counters and the timer show at one time.
type Reading struct {
	TSC   uint64 // the time stamp counter, in the middle of the reading
	Width uint64 // how many of its counts the reading took
	APIC  uint32 // the local APIC's timer, which counts down
	Ref   uint32 // the timer of known frequency, which counts up
}

// Span is how far they went between two readings.
type Span struct{ TSC, APIC, Ref uint64 }

// Between returns the span from first to last, which is wrong if the timer went
// more than once around. mask has the bits of the timer that count.
func Between(first, last *Reading, mask uint32) Span {
	return Span{last.TSC - first.TSC, uint64(first.APIC - last.APIC), uint64((last.Ref - first.Ref) & mask)}
}

// Frequency returns the frequency of a counter that made some counts while a
// timer with frequency hz made ref; 0 if there is none that makes sense.
func Frequency(counts, hz, ref uint64) uint64 {
	hi, lo := bits.Mul64(counts, hz)
	if hi >= ref {
		return 0
	}
	q, _ := bits.Div64(hi, lo, ref)
	return q
}

// MaxSpans is how many spans are measured at most.
const MaxSpans = 12

// Spans are the spans measured so far. Of these only the slowest counter's is of
// interest, since that a timer went around makes the counter look faster.
type Spans struct {
	n       int
	slowest Span
}

// Add enters a span. It returns the two together, and true, when it says the same as
// the slowest before; or the slowest, when there have been too many.
func (s *Spans) Add(x Span) (Span, bool) {
	if s.n++; s.n == 1 {
		s.slowest = x
		return Span{}, false
	}
	y := s.slowest
	if agree(x, y) {
		return Span{x.TSC + y.TSC, x.APIC + y.APIC, x.Ref + y.Ref}, true
	}
	if relative(x) < relative(y) {
		s.slowest = x
	}
	return s.slowest, s.n >= MaxSpans
}

// relative returns the counter's frequency in a unit of its own. With a timer that
// did not move it is the highest.
func relative(x Span) uint64 { return Frequency(x.TSC, 1<<20, x.Ref) - 1 }

// agree reports whether two spans make the counter's frequency the same, but for
// what reading takes where each is an exit to the hypervisor.
func agree(x, y Span) bool {
	const tolerance = 512 // one part of
	a, b := relative(x), relative(y)
	return max(a, b)-min(a, b) <= a/tolerance
}
