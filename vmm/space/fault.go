package space

import (
	"sync/atomic"

	"golang.org/x/sys/unix"

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
	e := s.leaf(addr)
	if e == nil || *e == 0 {
		if e, err = s.populate(addr, need); err != nil {
			return 0, err
		}
	}
	if !allows(*e, need) {
		return 0, ErrFault
	}
	off = *e&addrMask - Base + addr%page
	if off >= uint64(len(s.arena)) { // a device's page
		return 0, ErrFault
	}
	return off, nil
}

// populate gives frames to the block around addr, as far as its region goes
// and pages are missing. When memory is short it is only the page at addr.
func (s *Space) populate(addr uint64, need int) (*uint64, error) {
	i := s.search(addr)
	if i == len(s.regions) || addr < s.regions[i].start || s.regions[i].prot&need != need || need == 0 {
		return nil, ErrFault
	}
	r := s.regions[i]
	first, err := s.makeLeaf(addr)
	if err != nil {
		return nil, err
	}
	addr &^= page - 1
	start, end := max(r.start, addr&^(blockSize-1)), min(r.end, addr&^(blockSize-1)+blockSize)
	if s.budget < blockPages {
		start, end = addr, addr+page
	}
	s.faults++
	flags := entryFlags(r.prot)
	pool := &s.frames
	if r.prot&abi.ProtShare != 0 {
		pool = &s.shared
	}
	if end-start == blockSize && s.empty(start) {
		if off, ok := pool.block(); ok {
			s.charge(blockPages)
			if s.given(start-page) || s.given(end) {
				// The guest works through memory in order: faulting in the whole
				// block at once costs half as much as page by page.
				unix.Madvise(s.arena[off:off+blockSize], unix.MADV_POPULATE_WRITE)
			}
			return first, s.mapRange(start, off, blockSize, r.prot)
		}
	}
	for va := start; va < end; va += page {
		e := s.leaf(va) // a block never crosses a table
		if *e != 0 {
			continue
		}
		off, ok := s.takeFrame(pool)
		if !ok {
			break
		}
		atomic.StoreUint64(e, Base+off|flags)
	}
	if *first == 0 {
		return nil, ErrNoMemory
	}
	return first, nil
}

// given reports whether the page at va has a frame.
func (s *Space) given(va uint64) bool {
	e := s.leaf(va)
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
