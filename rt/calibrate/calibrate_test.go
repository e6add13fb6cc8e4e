package calibrate

import (
	"math/rand/v2"
	"testing"
)

// machine imitates counters: a processor of tscHz, an APIC of apicHz, and a timer.
type machine struct {
	ns            uint64
	tscHz, apicHz uint64
	refHz         uint64
	mask          uint32
}

func (m *machine) read() Reading {
	at := func(hz uint64) uint64 { return Frequency(m.ns, hz, 1e9) }
	return Reading{TSC: 1<<40 + at(m.tscHz), APIC: ^uint32(0) - uint32(at(m.apicHz)), Ref: uint32(at(m.refHz)+65000) & m.mask}
}

// measure measures spans of 2 ms, with what stall returns lost in each.
func (m *machine) measure(stall func() uint64) (spans int, s Span) {
	var all Spans
	for {
		first := m.read()
		m.ns += 2_000_000 + stall()
		last := m.read()
		spans++
		var done bool
		if s, done = all.Add(Between(&first, &last, m.mask)); done {
			return spans, s
		}
	}
}

func machines() []*machine {
	return []*machine{
		{tscHz: 2_595_123_000, apicHz: 1_000_000_000, refHz: 1_193_182, mask: 1<<16 - 1},
		{tscHz: 3_400_000_000, apicHz: 24_000_000, refHz: 3_579_545, mask: 1<<24 - 1},
		{tscHz: 999_999_999, apicHz: 100_000_000, refHz: 100_000_000, mask: 1<<32 - 1},
	}
}

// near reports whether got is want within one part of a thousand.
func near(got, want uint64) bool { return max(got, want)-min(got, want) <= want/1000 }

func check(t *testing.T, m *machine, s Span) {
	t.Helper()
	if got := Frequency(s.TSC, m.refHz, s.Ref); !near(got, m.tscHz) {
		t.Errorf("time stamp counter at %d Hz, want %d", got, m.tscHz)
	}
	if got := Frequency(s.APIC, m.refHz, s.Ref); !near(got, m.apicHz) {
		t.Errorf("APIC at %d Hz, want %d", got, m.apicHz)
	}
}

func TestUndisturbed(t *testing.T) {
	for _, m := range machines() {
		n, s := m.measure(func() uint64 { return 0 })
		if n != 2 {
			t.Errorf("%d spans measured, want 2", n)
		}
		check(t, m, s)
	}
}

// TestStalls keeps the processor away for longer than the 8254 takes to begin anew,
// in some of the spans.
func TestStalls(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 1000 {
		m := machines()[0]
		m.ns = r.Uint64N(1e9)
		_, s := m.measure(func() uint64 {
			if r.IntN(10) < 2 {
				return r.Uint64N(300_000_000)
			}
			return 0
		})
		check(t, m, s)
	}
}

// TestStallsWithoutWrap: time that is lost while the timer goes on does no harm.
func TestStallsWithoutWrap(t *testing.T) {
	m := machines()[1]
	stall := uint64(0)
	n, s := m.measure(func() uint64 { stall += 500_000_000; return stall })
	if n != 2 {
		t.Errorf("%d spans measured, want 2", n)
	}
	check(t, m, s)
}

// TestNeverAgree: the slowest one counts.
func TestNeverAgree(t *testing.T) {
	var all Spans
	for i := range MaxSpans {
		x := Span{TSC: 5_000_000 * uint64(2+(i+5)%MaxSpans), APIC: 1, Ref: 2386}
		s, done := all.Add(x)
		if done != (i == MaxSpans-1) {
			t.Fatalf("done after %d spans", i+1)
		}
		if done && s.TSC != 10_000_000 {
			t.Errorf("the span of %d counts was chosen", s.TSC)
		}
	}
}

func TestFrequency(t *testing.T) {
	for _, c := range []struct{ counts, hz, ref, want uint64 }{
		{0, 1000, 10, 0},
		{10, 1000, 10, 1000},
		{1 << 63, 1 << 30, 1 << 62, 1 << 31},
		{5, 1000, 0, 0},          // a timer that stands
		{1 << 63, 1 << 63, 1, 0}, // no number of 64 bits
		{1<<64 - 1, 1e9, 1e9, 1<<64 - 1},
	} {
		if got := Frequency(c.counts, c.hz, c.ref); got != c.want {
			t.Errorf("Frequency(%d, %d, %d) = %d, want %d", c.counts, c.hz, c.ref, got, c.want)
		}
	}
}
