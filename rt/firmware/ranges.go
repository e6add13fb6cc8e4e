package firmware

// Range is a range [Lo, Hi) of physical addresses.
type Range struct{ Lo, Hi uint64 }

// page is the unit in which memory is used.
const page = 4096

// Ranges is a set of pages of physical memory. If it gets too many ranges for its
// array, the smallest are left out.
type Ranges struct {
	list [64]Range // in ascending order, none touches the next
	n    int
}

// List returns the ranges in ascending order.
func (s *Ranges) List() []Range { return s.list[:s.n] }

// Has reports whether an address of the n bytes at addr is in the set. It is not inlined,
// to keep programs small.
//
//go:noinline
func (s *Ranges) Has(addr, n uint64) bool {
	for _, r := range s.List() {
		if addr < r.Hi && (addr >= r.Lo || n > r.Lo-addr) {
			return true
		}
	}
	return false
}

// Add adds the pages that lie as a whole in the n bytes at addr.
func (s *Ranges) Add(addr, n uint64) {
	const last = 1<<64 - page
	if addr > last {
		return
	}
	n = min(n, last-addr)
	r := Range{(addr + page - 1) &^ (page - 1), (addr + n) &^ (page - 1)}
	if r.Lo >= r.Hi {
		return
	}
	// What touches it becomes part of it.
	for i := 0; i < s.n; {
		if have := s.list[i]; have.Lo <= r.Hi && have.Hi >= r.Lo {
			r.Lo, r.Hi = min(r.Lo, have.Lo), max(r.Hi, have.Hi)
			s.remove(i)
			continue
		}
		i++
	}
	s.insert(r)
}

// Remove takes away the pages of which the range has any byte.
func (s *Ranges) Remove(r Range) {
	if r.Lo >= r.Hi {
		return
	}
	lo, hi := r.Lo&^(page-1), r.Hi
	if up := (hi + page - 1) &^ (page - 1); up > hi {
		hi = up
	}
	for i := 0; i < s.n; {
		have := s.list[i]
		if have.Hi <= lo || have.Lo >= hi {
			i++
			continue
		}
		s.remove(i)
		if have.Lo < lo {
			s.insert(Range{have.Lo, lo})
			i++
		}
		if have.Hi > hi {
			s.insert(Range{hi, have.Hi})
			return
		}
	}
}

func (s *Ranges) remove(i int) {
	s.n--
	copy(s.list[i:s.n], s.list[i+1:])
}

// insert enters a range that touches none of the others.
func (s *Ranges) insert(r Range) {
	if s.n == len(s.list) {
		least := 0
		for i, have := range s.list {
			if have.Hi-have.Lo < s.list[least].Hi-s.list[least].Lo {
				least = i
			}
		}
		if r.Hi-r.Lo <= s.list[least].Hi-s.list[least].Lo {
			return
		}
		s.remove(least)
	}
	at := s.n
	for at > 0 && s.list[at-1].Lo > r.Lo {
		s.list[at] = s.list[at-1]
		at--
	}
	s.list[at] = r
	s.n++
}
