package space

import (
	"slices"
	"sort"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"ringo.dev/ringo/vmm/abi"
)

// region is a range of the guest's addresses that may be touched: zero pages,
// given on demand. Neighbours with equal protection are merged.
type region struct {
	start, end uint64
	prot       int
}

// maxRegions bounds the list, as vm.max_map_count does on Linux.
const maxRegions = 65536

// Map implements abi.PortMap.
func (s *Space) Map(addr, n uint64, prot int) error {
	const rwx = abi.ProtRead | abi.ProtWrite | abi.ProtExec
	if !s.mappable(addr, n) || prot&^rwx != 0 || prot&abi.ProtWrite != 0 && prot&abi.ProtExec != 0 {
		return unix.EINVAL
	}
	if prot != 0 {
		prot |= abi.ProtRead
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.regions) > maxRegions-2 {
		return unix.ENOMEM
	}
	end := addr + n
	for _, r := range s.regions[s.search(addr):] {
		if r.start >= end {
			break
		}
		start, end := max(r.start, addr), min(r.end, end)
		if r.prot == prot {
			s.drop(start, end)
		} else if err := s.protect(start, end, prot); err != nil {
			return err
		}
	}
	s.setRegion(addr, end, prot)
	return nil
}

// Unmap implements abi.PortUnmap.
func (s *Space) Unmap(addr, n uint64) error {
	if !s.mappable(addr, n) {
		return unix.EINVAL
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.regions) > maxRegions-2 {
		return unix.ENOMEM
	}
	s.drop(addr, addr+n)
	s.cutRegion(addr, addr+n)
	return nil
}

// Discard implements abi.PortDiscard.
func (s *Space) Discard(addr, n uint64) error {
	if !s.mappable(addr, n) {
		return unix.EINVAL
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.drop(addr, addr+n)
	return nil
}

// mappable reports whether the guest may change the n bytes at addr.
func (s *Space) mappable(addr, n uint64) bool {
	return (addr|n)%page == 0 && n != 0 && addr >= s.low && addr < s.high && n <= s.high-addr
}

// search returns the index of the first region that ends after addr.
func (s *Space) search(addr uint64) int {
	return sort.Search(len(s.regions), func(i int) bool { return s.regions[i].end > addr })
}

// cutRegion removes [start, end) from the list and returns where it was.
func (s *Space) cutRegion(start, end uint64) int {
	i := s.search(start)
	j := i
	var rest []region
	for ; j < len(s.regions) && s.regions[j].start < end; j++ {
		r := s.regions[j]
		if r.start < start {
			rest = append(rest, region{r.start, start, r.prot})
		}
		if r.end > end {
			rest = append(rest, region{end, r.end, r.prot})
		}
	}
	s.regions = slices.Replace(s.regions, i, j, rest...)
	return s.search(start)
}

// setRegion puts [start, end) into the list instead of what was there.
func (s *Space) setRegion(start, end uint64, prot int) {
	i := s.cutRegion(start, end)
	j := i
	if i > 0 && s.regions[i-1].end == start && s.regions[i-1].prot == prot {
		i--
		start = s.regions[i].start
	}
	if j < len(s.regions) && s.regions[j].start == end && s.regions[j].prot == prot {
		end = s.regions[j].end
		j++
	}
	s.regions = slices.Replace(s.regions, i, j, region{start, end, prot})
}

// drop takes the frames of [start, end) away.
func (s *Space) drop(start, end uint64) {
	var run span // frames whose translations are still to be forgotten
	s.each(start, end, func(_ uint64, e *uint64) {
		off := *e&addrMask - Base
		atomic.StoreUint64(e, 0)
		if off != run.end {
			s.release(run)
			run = span{off, off}
		}
		run.end += page
	})
	s.release(run)
}

// release gives frames that no entry refers to any more back to the host and
// to the allocator.
func (s *Space) release(run span) {
	if run.next == run.end {
		return
	}
	if err := unix.Madvise(s.arena[run.next:run.end], unix.MADV_DONTNEED); err != nil {
		panic("vmm: MADV_DONTNEED: " + err.Error()) // the guest would still reach the frames
	}
	for off := run.next; off < run.end; off += page {
		s.frames.free(off)
	}
	s.charge(-int64((run.end - run.next) / page))
}

// protect changes the protection of the pages in [start, end) that have frames.
func (s *Space) protect(start, end uint64, prot int) (err error) {
	flags := entryFlags(prot)
	s.each(start, end, func(_ uint64, e *uint64) {
		if err != nil {
			return
		}
		old, off := *e, *e&addrMask-Base
		lost := old&^flags&(bitPresent|bitWrite) | ^old&flags&bitNoExec
		if old&bitPresent == 0 || lost == 0 {
			atomic.StoreUint64(e, Base+off|flags)
			return
		}
		to, ok := s.takeFrame()
		if !ok {
			err = unix.ENOMEM
			return
		}
		copy(s.arena[to:to+page], s.arena[off:off+page])
		atomic.StoreUint64(e, Base+to|flags)
		s.release(span{off, off + page})
	})
	return err
}
