package space

import (
	"encoding/binary"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"ringo.dev/ringo/vmm/abi"
)

// Alias implements abi.PortAlias: list is the guest's address of n words.
//
// An alias does not own its frame. If the guest takes the page away to which the
// frame belongs, the alias shows whatever the frame is used for next: memory
// of the same guest, which is nobody's loss but its own.
func (s *Space) Alias(addr, list, n uint64, prot int) error {
	const rw = abi.ProtRead | abi.ProtWrite
	if n == 0 || n > abi.MaxAlias || list%8 != 0 || prot&^rw != 0 || !s.mappable(addr, n*page) {
		return unix.EINVAL
	}
	pieces, err := s.Slices(nil, list, n*8, false)
	if err != nil {
		return unix.EFAULT
	}
	words := make([]uint64, 0, n)
	for _, p := range pieces { // a word never crosses pages
		for ; len(p) > 0; p = p[8:] {
			words = append(words, binary.LittleEndian.Uint64(p))
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.takePosted()
	if len(s.regions) > maxRegions-2 {
		return unix.ENOMEM
	}
	s.cutRegion(addr, addr+n*page)
	run := run{space: s}
	defer run.end()
	for i, word := range words {
		if word >= addr && word-addr < n*page { // a page is no alias of itself
			return unix.EINVAL
		}
		if err := s.aliasPage(&run, addr+uint64(i)*page, word, prot); err != nil {
			return err
		}
	}
	return nil
}

// aliasPage maps the page at va to that at target, or to none.
func (s *Space) aliasPage(run *run, va, target uint64, prot int) error {
	entry := uint64(0)
	if target != 0 {
		if prot == 0 {
			return unix.EINVAL
		}
		off, err := s.translate(target, prot|abi.ProtRead)
		if err != nil {
			return unix.EFAULT
		}
		if off &^= page - 1; off < s.imageStart || off < s.shareStart && prot&abi.ProtWrite != 0 {
			return unix.EINVAL
		}
		entry = Base + off | entryFlags(prot) | bitAlias
	}
	e := s.leaf(va)
	if e == nil {
		if entry == 0 {
			return nil
		}
		var err error
		if e, err = s.makeLeaf(va); err != nil {
			return unix.ENOMEM
		}
	}
	old := *e
	if old == entry {
		return nil
	}
	atomic.StoreUint64(e, entry)
	if old != 0 {
		run.add(old)
	}
	return nil
}
