// Package region keeps the map of an address space: which ranges are mapped and
// with what protection. It is a sorted table of fixed size, so that package
// runtime's additions can use it where nothing may be allocated.
package region

// Page is the unit of addresses and lengths; they are multiples of it.
const Page = 4096

// Region is one range [Start, End) with a protection. 0 is a reservation: taken,
// but not accessible.
type Region struct {
	Start, End uintptr
	Prot       int
}

// Max bounds the table. Neighbours of one protection are merged, so that few
// entries are in use; the untouched part of a table costs no memory.
const Max = 1 << 15

// Table is an address space: the regions within [Low, High), in ascending
// order, no two of which overlap. It has no lock of its own.
type Table struct {
	Low, High uintptr
	next      uintptr // where Search starts, downwards
	n         int
	regions   [Max]Region
}

// Init makes t an empty table for [low, high).
func (t *Table) Init(low, high uintptr) {
	t.Low, t.High, t.next, t.n = low, high, high, 0
}

// Len returns the number of regions; At returns the i-th.
func (t *Table) Len() int { return t.n }

// At returns the i-th region.
func (t *Table) At(i int) Region { return t.regions[i] }

// Inside reports whether [addr, addr+n) is a range of the address space.
func (t *Table) Inside(addr, n uintptr) bool {
	return addr >= t.Low && addr <= t.High && n <= t.High-addr
}

// Find returns the index of the first region that ends above addr. It is not inlined, to
// keep programs small, as border and splice are not.
//
//go:noinline
func (t *Table) Find(addr uintptr) int {
	lo, hi := 0, t.n
	for lo < hi {
		mid := (lo + hi) / 2
		if t.regions[mid].End <= addr {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	return lo
}

// Free reports whether [addr, addr+n) is inside and overlaps no region.
func (t *Table) Free(addr, n uintptr) bool {
	if !t.Inside(addr, n) {
		return false
	}
	i := t.Find(addr)
	return i == t.n || t.regions[i].Start >= addr+n
}

// Covers reports whether all of [addr, addr+n) has every bit of prot.
func (t *Table) Covers(addr, n uintptr, prot int) bool {
	if !t.Inside(addr, n) {
		return false
	}
	end := addr + n
	for i := t.Find(addr); addr < end; i++ {
		if i == t.n || t.regions[i].Start > addr || t.regions[i].Prot&prot != prot {
			return false
		}
		addr = t.regions[i].End
	}
	return true
}

// Search returns a free range of n bytes, or 0 if there is none. It goes down
// from where the last search ended, and once more from the top.
func (t *Table) Search(n uintptr) uintptr {
	if n == 0 || n > t.High-t.Low {
		return 0
	}
	for pass := 0; pass < 2; pass++ {
		top := t.next
		for i := t.Find(top-1) - 1; ; i-- {
			if i+1 < t.n && t.regions[i+1].Start < top {
				top = t.regions[i+1].Start
			}
			bottom := t.Low
			if i >= 0 {
				bottom = t.regions[i].End
			}
			if top >= bottom && top-bottom >= n {
				t.next = top - n
				return top - n
			}
			if i < 0 {
				break
			}
			top = t.regions[i].Start
		}
		t.next = t.High
	}
	return 0
}

// Set gives [start, end) the protection prot, in place of what was there. It
// reports whether the table had room.
func (t *Table) Set(start, end uintptr, prot int) bool {
	i, j, ok := t.cut(start, end)
	if !ok {
		return false
	}
	// Neighbours of the same protection become part of it.
	if i > 0 && t.regions[i-1].End == start && t.regions[i-1].Prot == prot {
		i--
		start = t.regions[i].Start
	}
	if j < t.n && t.regions[j].Start == end && t.regions[j].Prot == prot {
		end = t.regions[j].End
		j++
	}
	if !t.splice(i, j, 1) {
		return false
	}
	t.regions[i] = Region{start, end, prot}
	return true
}

// Remove frees [start, end). It reports whether the table had room.
func (t *Table) Remove(start, end uintptr) bool {
	i, j, ok := t.cut(start, end)
	return ok && t.splice(i, j, 0)
}

// cut divides the regions that reach across start or end, and returns from where to where
// those between are.
func (t *Table) cut(start, end uintptr) (i, j int, ok bool) {
	if i, ok = t.border(start); ok {
		j, ok = t.border(end)
	}
	return i, j, ok
}

// border returns the index of the first region from addr on. One that reaches across
// addr is divided.
//
//go:noinline
func (t *Table) border(addr uintptr) (i int, ok bool) {
	i = t.Find(addr)
	if i == t.n || t.regions[i].Start >= addr {
		return i, true
	}
	r := t.regions[i]
	if !t.splice(i, i, 1) {
		return 0, false
	}
	t.regions[i] = Region{r.Start, addr, r.Prot}
	t.regions[i+1].Start = addr
	return i + 1, true
}

// splice puts n regions, which the caller fills in, in the place of those from i to j.
//
//go:noinline
func (t *Table) splice(i, j, n int) bool {
	if t.n+n-(j-i) > Max {
		return false
	}
	copy(t.regions[i+n:], t.regions[j:t.n])
	t.n += n - (j - i)
	return true
}
