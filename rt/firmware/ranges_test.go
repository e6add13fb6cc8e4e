package firmware

import (
	"math/rand/v2"
	"slices"
	"testing"
)

func TestRanges(t *testing.T) {
	const p = page
	var s Ranges
	for _, step := range []struct {
		do   string
		r    Range
		want []Range
	}{
		{"add", Range{p / 2, 4*p + p/2}, []Range{{p, 4 * p}}},
		{"add", Range{10*p + 1, 11 * p}, []Range{{p, 4 * p}}},
		{"add", Range{8 * p, 10 * p}, []Range{{p, 4 * p}, {8 * p, 10 * p}}},
		{"add", Range{6 * p, 7 * p}, []Range{{p, 4 * p}, {6 * p, 7 * p}, {8 * p, 10 * p}}},
		{"add", Range{3 * p, 8 * p}, []Range{{p, 10 * p}}},
		{"remove", Range{3*p + 1, 4*p + 1}, []Range{{p, 3 * p}, {5 * p, 10 * p}}},
		{"remove", Range{9*p + 1, 1<<64 - 1}, []Range{{p, 3 * p}, {5 * p, 9 * p}}},
		{"remove", Range{2 * p, 6 * p}, []Range{{p, 2 * p}, {6 * p, 9 * p}}},
		{"remove", Range{7 * p, 7 * p}, []Range{{p, 2 * p}, {6 * p, 9 * p}}},
		{"add", Range{1<<64 - 2*p, 1<<64 - 1}, []Range{{p, 2 * p}, {6 * p, 9 * p}, {1<<64 - 2*p, 1<<64 - p}}},
		{"remove", Range{0, 1<<64 - 1}, nil},
	} {
		if step.do == "add" {
			s.Add(step.r.Lo, step.r.Hi-step.r.Lo)
		} else {
			s.Remove(step.r)
		}
		if got := s.List(); !slices.Equal(got, step.want) {
			t.Fatalf("%s %#x: %#x, want %#x", step.do, step.r, got, step.want)
		}
	}
}

// TestRangesAgree compares with a set of pages, as long as there is room for all
// ranges.
func TestRangesAgree(t *testing.T) {
	const pages = 2 * 64
	rnd := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		var s Ranges
		var want [pages]bool
		for range 100 {
			lo, n := rnd.Uint64N(pages*page), rnd.Uint64N(20*page)
			hi := min(lo+n, pages*page)
			add := rnd.IntN(2) == 0
			if add {
				s.Add(lo, hi-lo)
			} else {
				s.Remove(Range{lo, hi})
			}
			for i := range want {
				first, next := uint64(i)*page, uint64(i+1)*page
				if add && lo <= first && next <= hi {
					want[i] = true
				}
				if !add && lo < hi && lo < next && first < hi {
					want[i] = false
				}
			}
			for i := range want {
				if got := s.Has(uint64(i)*page, page); got != want[i] {
					t.Fatalf("page %d is %v in %#x", i, got, s.List())
				}
			}
		}
	}
}

// TestRangesFull checks that the smallest ranges are left out.
func TestRangesFull(t *testing.T) {
	var s Ranges
	for i := range uint64(100) {
		s.Add(i*1000*page, (i+1)*page)
	}
	list := s.List()
	if len(list) != 64 || list[0].Hi-list[0].Lo != 37*page || list[63].Lo != 99*1000*page {
		t.Errorf("%d ranges from %#x to %#x", len(list), list[0], list[len(list)-1])
	}
	s.Remove(Range{99*1000*page + page, 99*1000*page + 2*page})
	if list = s.List(); len(list) != 64 || list[63].Lo != 99*1000*page+2*page {
		t.Errorf("%d ranges up to %#x", len(list), list[len(list)-1])
	}
}
