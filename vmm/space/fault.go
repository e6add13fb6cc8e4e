package space

import (
	"slices"
	"sync/atomic"

	"ringo.dev/ringo/vmm/abi"
)

// userEnd is where the lower half of the address space ends, the only one used.
const userEnd = 1 << 47

// Fault gives the guest the page at addr, if it may make the access need (bits
// of package abi) there.
func (s *Space) Fault(addr uint64, need int) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, err := s.translate(addr, need)
	return err
}

// translate returns the arena offset of a guest address, after a check that
// the guest may access it, and with a page given if there was none.
func (s *Space) translate(addr uint64, need int) (off uint64, err error) {
	if addr >= userEnd {
		return 0, ErrFault
	}
	e, size := s.find(addr)
	if e == nil || *e == 0 {
		if err := s.give(addr, need); err != nil {
			return 0, err
		}
		e, size = s.find(addr)
	}
	if !allows(*e, need) {
		return 0, ErrFault
	}
	off = *e&addrMask - Base + addr%size
	if off >= uint64(len(s.arena)) { // a device's page
		return 0, ErrFault
	}
	return off, nil
}

// How much is given at once.
const (
	// wholeSize is up to which size what the guest maps is given as a whole.
	wholeSize = 256 << 10
	// streamSize is the most that the first faults of a guest give that works
	// through memory in order.
	streamSize = 512 << 10
	// spareShare is which part of the budget may go at once, for more than a block.
	spareShare = 32
	// spareLarge is that for a large page with which a mapping begins.
	spareLarge = 16
)

// give gives frames to the block around addr, as far as its region goes
// and pages are missing. When memory is short it is only the page at addr.
func (s *Space) give(addr uint64, need int) error {
	s.takePosted()
	i := s.search(addr)
	if i == len(s.regions) || addr < s.regions[i].start || s.regions[i].prot&need != need || need == 0 {
		return ErrFault
	}
	s.faults++
	if s.given(addr) { // with the mapping
		return nil
	}
	if _, err := s.makeLeaf(addr); err != nil {
		return err
	}
	r := s.regions[i]
	start, end, inOrder := s.block(r, addr&^(page-1))
	if end-start != LargePage || !s.giveLarge(start, r.prot) {
		s.giveRange(start, end, r.prot, inOrder)
	}
	if !s.given(addr) {
		return ErrNoMemory
	}
	return nil
}

// block chooses what is given for the page at addr in a region: 64 KiB, or, to a
// guest that works through the region in order, up or down, as much as it has been
// given there, up to a large page's size. Frames that the guest then does not touch
// cost the host nothing, but for the latter, whose memory is populated.
func (s *Space) block(r region, addr uint64) (start, end uint64, inOrder bool) {
	if s.budget < blockPages {
		return addr, addr + page, false
	}
	at := addr &^ (blockSize - 1)
	start, end = max(r.start, at), min(r.end, at+blockSize)
	below, above := s.below(r, start), s.above(r, end)
	size := uint64(blockSize)
	switch n := max(below, above); {
	case n >= LargePage:
		size = LargePage
	case n > blockSize:
		size = min(n, streamSize)
	}
	size = max(blockSize, min(size, s.budget*page/spareShare&^(blockSize-1)))
	table := at &^ (LargePage - 1) // the block is not to cross it
	if below >= above {
		end = min(r.end, at+size, table+LargePage)
	} else {
		start = max(r.start, at+blockSize-min(size, at+blockSize-table))
	}
	return start, end, below > 0 || above > 0
}

// below returns how much of a region lies given right below addr, as far as block
// wants to know: it looks at one page of each block.
func (s *Space) below(r region, addr uint64) (n uint64) {
	for n < LargePage && addr-n > r.start && s.given(addr-n-page) {
		n += blockSize
	}
	return n
}

// above is below for what follows addr.
func (s *Space) above(r region, addr uint64) (n uint64) {
	for n < LargePage && addr+n < r.end && s.given(addr+n) {
		n += blockSize
	}
	return n
}

// giveMapped gives what is first used of a new mapping of the guest's. Memory comes with
// it where much of that is used in order from the beginning on: in what is aligned
// to large pages, as the Go runtime's heap is, and in pieces of the size by which the
// runtime gets memory for itself.
func (s *Space) giveMapped(va, n uint64, prot int) {
	if va%LargePage == 0 && n >= LargePage && s.plentyForLarge() && s.giveLarge(va, prot) {
		return
	}
	first, populated := n, uint64(0)
	switch {
	case n > wholeSize && va%LargePage == 0:
		first, populated = 2*blockSize, 2*blockSize
	case n > wholeSize:
		first = blockSize
	case n > wholeSize/2:
		populated = wholeSize / 2
	}
	s.giveFirst(va, populated, prot, true)
	s.giveFirst(va+populated, first-populated, prot, false)
}

// giveLarge gives frames to the large page's size at va, a multiple of it, where there
// are none: such as the host has in one piece, which costs it as much as a third of the
// pages one by one, and the guest and KVM as one. It reports whether it did.
func (s *Space) giveLarge(va uint64, prot int) bool {
	if s.small || prot&abi.ProtShare != 0 {
		return false
	}
	e, err := s.makeEntry(va, 1)
	if err != nil {
		return false
	}
	if *e == 0 {
		if _, err := s.makeLeaf(va); err != nil {
			return false
		}
	}
	if *e&bitLarge != 0 || slices.Max(s.tableAt(*e & addrMask)[:]) != 0 {
		return false
	}
	off, ok := s.frames.large()
	if !ok {
		return false
	}
	s.charge(LargePage / page)
	if !populateLarge(s.arena[off:][:LargePage]) {
		s.small = true
		none := run{space: s, next: off, size: LargePage, how: free}
		none.end()
		return false
	}
	s.putLarge(e, Base+off|entryFlags(prot))
	return true
}

// PopulateAhead gets the host's memory for the large page with which the guest's first large
// mapping will begin, the heap of a Go program. It is for a thread that has nothing to
// do while the guest runs up to there: the host takes some tenths of a millisecond. If
// the guest is faster, nothing is lost.
func (s *Space) PopulateAhead() {
	s.mu.Lock()
	i, ok := s.frames.findLarge()
	ok = ok && len(s.whole) == 0 && s.plentyForLarge()
	s.mu.Unlock()
	if ok {
		populateLarge(s.arena[s.frames.base+uint64(i)*blockSize:][:LargePage])
	}
}

// plentyForLarge reports whether a mapping may begin with a large page.
func (s *Space) plentyForLarge() bool { return s.budget*page/spareLarge >= LargePage }

// giveFirst gives frames to the n bytes at va, which will be touched soon, if there
// are plenty, and populates them if asked.
func (s *Space) giveFirst(va, n uint64, prot int, touch bool) {
	for end := va + n; va < end && n <= s.budget*page/spareShare; {
		next := min(end, va&^(LargePage-1)+LargePage)
		if _, err := s.makeLeaf(va); err != nil {
			return
		}
		s.giveRange(va, next, prot, touch)
		va = next
	}
}

// giveRange gives frames to the pages from start to end that have none, which have
// one table in common, as far as there are any. It populates their memory if asked:
// to fault in many pages at once costs half as much as page by page, and the guest
// finds its neighbours translated with each that it touches.
func (s *Space) giveRange(start, end uint64, prot int, touch bool) {
	flags := entryFlags(prot)
	pool := &s.frames
	if prot&abi.ProtShare != 0 {
		pool = &s.shared
	}
	var run span // of frames to be populated
	given := func(off, n uint64) {
		if off != run.end {
			s.populateRun(run, touch)
			run = span{off, off}
		}
		run.end += n
	}
	for va := start; va < end; {
		if va%blockSize == 0 && end-va >= blockSize && s.budget >= blockPages && s.empty(va) {
			if off, ok := pool.block(); ok {
				s.charge(blockPages)
				for i := uint64(0); i < blockSize; i += page {
					atomic.StoreUint64(s.leaf(va+i), Base+off+i|flags)
				}
				given(off, blockSize)
				va += blockSize
				continue
			}
		}
		if e := s.leaf(va); *e == 0 {
			off, ok := s.takeFrame(pool)
			if !ok {
				break
			}
			atomic.StoreUint64(e, Base+off|flags)
			given(off, page)
		}
		va += page
	}
	s.populateRun(run, touch)
}

// populateRun touches frames if touch is set.
func (s *Space) populateRun(run span, touch bool) {
	if touch && run.next < run.end {
		populate(s.arena[run.next:run.end])
	}
}

// given reports whether the page at va has a frame.
func (s *Space) given(va uint64) bool {
	e, _ := s.find(va)
	return e != nil && *e != 0
}

// empty reports whether no page of the block at start has a frame.
func (s *Space) empty(start uint64) bool {
	for va := start; va < start+blockSize; va += page {
		if *s.leaf(va) != 0 {
			return false
		}
	}
	return true
}

// takeFrame takes one frame of a pool out of the budget.
func (s *Space) takeFrame(pool *frames) (off uint64, ok bool) {
	if s.budget == 0 {
		return 0, false
	}
	if off, ok = pool.one(); ok {
		s.charge(1)
	}
	return off, ok
}
