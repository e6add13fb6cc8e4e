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
	s.mu.Lock()
	defer s.mu.Unlock()
	s.takePosted()
	return s.makeRegion(addr, n, prot)
}

// TakePosted has the space look for mappings in p from now on. The guest may write
// to it at any time.
func (s *Space) TakePosted(p *abi.Posted) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.posted = p
}

// takePosted makes the mappings that the guest has posted.
func (s *Space) takePosted() {
	if s.posted == nil {
		return
	}
	head := atomic.LoadUint32(&s.posted.Head)
	n := min(head-s.tail, abi.MaxPosted) // more is a mistake of the guest's
	for i := head - n; i != head; i++ {
		m := &s.posted.Mapping[i%abi.MaxPosted]
		s.makeRegion(atomic.LoadUint64(&m.Addr), atomic.LoadUint64(&m.Len), int(atomic.LoadUint64(&m.Prot))) // or there is none
	}
	s.tail = head
	atomic.StoreUint32(&s.posted.Tail, head)
}

// shareOnce gives the shared part to the guest. s.mu is held.
func (s *Space) shareOnce() error {
	if s.share == nil {
		return nil
	}
	err := s.share(Base+s.shareStart, s.arena[s.shareStart:])
	if err == nil {
		s.share = nil
	}
	return err
}

// makeRegion is Map under the lock.
func (s *Space) makeRegion(addr, n uint64, prot int) error {
	const all = abi.ProtRead | abi.ProtWrite | abi.ProtExec | abi.ProtShare
	if !s.mappable(addr, n) || prot&^all != 0 || prot&abi.ProtExec != 0 && prot&(abi.ProtWrite|abi.ProtShare) != 0 {
		return unix.EINVAL
	}
	if prot != 0 {
		prot |= abi.ProtRead
	}
	if len(s.regions) > maxRegions-2 {
		return unix.ENOMEM
	}
	if prot&abi.ProtShare != 0 {
		if err := s.shareOnce(); err != nil {
			return unix.ENOMEM
		}
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
	if prot != 0 {
		s.giveMapped(addr, n, prot)
	}
	return nil
}

// Unmap implements abi.PortUnmap.
func (s *Space) Unmap(addr, n uint64) error {
	if !s.mappable(addr, n) {
		return unix.EINVAL
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.takePosted()
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
	s.takePosted()
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

// drop takes the pages of [start, end) away, and their frames unless they are aliases.
func (s *Space) drop(start, end uint64) {
	run := run{space: s}
	s.each(start, end, func(_ uint64, e *uint64) {
		old := *e
		atomic.StoreUint64(e, 0)
		run.add(old)
	})
	run.end()
}

// run collects frames that lie next to each other, to which entries have changed or
// are gone, so that the translations of all of them are forgotten at once.
type run struct {
	space      *Space
	next, size uint64 // arena offset and length
	how        uint8
}

// What happens to a frame that an entry does not refer to any more.
const (
	forget = iota // only the translation goes
	free          // it goes back to the host and to the allocator
)

// add enters the frame of entry e, which is not in the table any more.
func (r *run) add(e uint64) {
	how := uint8(free)
	if e&bitAlias != 0 {
		how = forget
	}
	r.put(e&addrMask-Base, how)
}

// put enters the frame at an arena offset.
func (r *run) put(off uint64, how uint8) {
	if off != r.next+r.size || how != r.how || off == r.space.shareStart {
		r.end()
		r.next, r.how = off, how
	}
	r.size += page
}

// end does what was put off.
func (r *run) end() {
	if r.size == 0 {
		return
	}
	s, first, last := r.space, r.next, r.next+r.size
	r.size = 0
	advice := unix.MADV_DONTNEED
	if r.how == free && first >= s.shareStart {
		advice = unix.MADV_REMOVE
	}
	if err := unix.Madvise(s.arena[first:last], advice); err != nil {
		panic("vmm: forgetting frames: " + err.Error()) // the guest would still reach them
	}
	if r.how == forget {
		return
	}
	pool := &s.frames
	if first >= s.shareStart {
		pool = &s.shared
	}
	for off := first; off < last; off += page {
		pool.free(off)
	}
	s.charge(-int64((last - first) / page))
}

// protect changes the protection of the pages in [start, end) that have frames.
func (s *Space) protect(start, end uint64, prot int) (err error) {
	flags := entryFlags(prot)
	run := run{space: s}
	s.each(start, end, func(_ uint64, e *uint64) {
		if err != nil {
			return
		}
		old, off := *e, *e&addrMask-Base
		alias := old & bitAlias
		lost := old&^flags&(bitPresent|bitWrite) | ^old&flags&bitNoExec
		if old&bitPresent == 0 || lost == 0 {
			atomic.StoreUint64(e, Base+off|flags|alias)
			return
		}
		if off >= s.imageStart {
			atomic.StoreUint64(e, Base+off|flags|alias)
			run.put(off, forget)
			return
		}
		to, ok := s.takeFrame(&s.frames)
		if !ok {
			err = unix.ENOMEM
			return
		}
		copy(s.arena[to:to+page], s.arena[off:off+page])
		atomic.StoreUint64(e, Base+to|flags)
		run.put(off, free)
		if run.size >= blockSize {
			run.end() // so that the copies need little memory beside the originals
		}
	})
	run.end()
	return err
}
