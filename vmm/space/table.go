package space

import (
	"sync/atomic"
	"unsafe"

	"ringo.dev/ringo/vmm/abi"
)

// table is one page table of any of the four levels.
type table [512]uint64

// Bits of a page table entry. The accessed and dirty bits are preset, so that
// nobody ever writes to a table but this package.
const (
	bitPresent  = 1 << 0
	bitWrite    = 1 << 1
	bitUser     = 1 << 2
	bitAccessed = 1 << 5
	bitDirty    = 1 << 6
	bitLarge    = 1 << 7  // of level 1: it is a page, and not a table
	bitKept     = 1 << 9  // ours: there is a frame, though the page allows no access
	bitAlias    = 1 << 10 // ours: the frame belongs to another page
	bitNoExec   = 1 << 63
	addrMask    = 0x000f_ffff_ffff_f000
)

// entryFlags is the leaf entry of a page with protection prot, without its address.
func entryFlags(prot int) uint64 {
	if prot == 0 {
		return bitKept
	}
	e := uint64(bitPresent | bitUser | bitAccessed | bitDirty | bitNoExec)
	if prot&abi.ProtWrite != 0 {
		e |= bitWrite
	}
	if prot&abi.ProtExec != 0 {
		e &^= bitNoExec
	}
	if prot&Supervisor != 0 {
		e &^= bitUser
	}
	return e
}

// allows reports whether entry e lets the guest's CPL 3 make the access need.
func allows(e uint64, need int) bool {
	return e&(bitPresent|bitUser) == bitPresent|bitUser &&
		(need&abi.ProtWrite == 0 || e&bitWrite != 0) &&
		(need&abi.ProtExec == 0 || e&bitNoExec == 0)
}

func (s *Space) gpa(t *table) uint64 {
	return Base + uint64(uintptr(unsafe.Pointer(t))-uintptr(unsafe.Pointer(&s.arena[0])))
}

func (s *Space) tableAt(gpa uint64) *table {
	return (*table)(unsafe.Pointer(&s.arena[gpa-Base : gpa-Base+page][0]))
}

// newTable returns the guest-physical address of an empty table.
func (s *Space) newTable() (gpa uint64, err error) {
	if s.budget == 0 {
		return 0, ErrNoMemory
	}
	off, ok := s.tables.take(page)
	if !ok {
		return 0, ErrNoMemory
	}
	if batch := uint64(8 * page); off%batch == 0 {
		populate(s.arena[off:min(off+batch, s.tables.end)])
	}
	s.charge(1)
	return Base + off, nil
}

func index(va uint64, level int) int { return int(va >> (12 + 9*level) & 511) }

// find returns the entry that maps the page at va, and the size of what it maps, or
// nil if there is no table for it.
func (s *Space) find(va uint64) (e *uint64, size uint64) {
	t := s.root
	for level := 3; level > 0; level-- {
		e := &t[index(va, level)]
		if *e == 0 {
			return nil, 0
		}
		if level == 1 && *e&bitLarge != 0 {
			return e, LargePage
		}
		t = s.tableAt(*e & addrMask)
	}
	return &t[index(va, 0)], page
}

// leaf returns the entry of the page at va, or nil if it has none of its own. A large
// page of the guest's memory is split for it.
func (s *Space) leaf(va uint64) *uint64 {
	e, size := s.find(va)
	if size == LargePage {
		t := s.split(e)
		if t == nil {
			return nil
		}
		e = &t[index(va, 0)]
	}
	return e
}

// putLarge makes entry e one for a large page, whose pages the guest can change. The
// table that it refers to, without any entry, is kept for split.
func (s *Space) putLarge(e *uint64, large uint64) {
	s.whole[e] = *e
	atomic.StoreUint64(e, large|bitLarge)
}

// split makes a large page that putLarge has made small ones, and returns their table,
// or nil for another large page. KVM does not see it, and need not: they translate
// addresses as before. When a page of them changes it loses its frame, and the host tells
// KVM to forget every translation to that, the large one as well.
func (s *Space) split(e *uint64) *table {
	entry, ok := s.whole[e]
	if !ok {
		return nil
	}
	delete(s.whole, e)
	t, first := s.tableAt(entry&addrMask), *e&^bitLarge
	for i := range t {
		atomic.StoreUint64(&t[i], first+uint64(i)*page)
	}
	atomic.StoreUint64(e, entry)
	return t
}

// makeLeaf is leaf, with the tables made that are missing.
func (s *Space) makeLeaf(va uint64) (*uint64, error) { return s.makeEntry(va, 0) }

// makeEntry returns the entry for va in a table of a level, with the tables made that
// are missing and the large page split of which it is a part. It is not for those that
// cannot be split.
func (s *Space) makeEntry(va uint64, level int) (*uint64, error) {
	t := s.root
	for l := 3; l > level; l-- {
		e := &t[index(va, l)]
		if *e == 0 {
			gpa, err := s.newTable()
			if err != nil {
				return nil, err
			}
			atomic.StoreUint64(e, gpa|bitPresent|bitWrite|bitUser|bitAccessed)
		}
		if l == 1 && *e&bitLarge != 0 {
			s.split(e)
		}
		t = s.tableAt(*e & addrMask)
	}
	return &t[index(va, level)], nil
}

// mapRange maps the n bytes at va to the arena from offset off.
func (s *Space) mapRange(va, off, n uint64, prot int) error {
	for i := uint64(0); i < n; i += page {
		e, err := s.makeLeaf(va + i)
		if err != nil {
			return err
		}
		atomic.StoreUint64(e, Base+off+i|entryFlags(prot))
	}
	return nil
}

// mapLarge is mapRange with large pages where they fit. It is for what the guest
// cannot change: these are never split.
func (s *Space) mapLarge(va, off, n uint64, prot int) error {
	if (va-off)%LargePage != 0 {
		return s.mapRange(va, off, n, prot)
	}
	for n > 0 {
		size := min(n, LargePage-va%LargePage)
		if size < LargePage {
			if err := s.mapRange(va, off, size, prot); err != nil {
				return err
			}
		} else {
			e, err := s.makeEntry(va, 1)
			if err != nil {
				return err
			}
			atomic.StoreUint64(e, Base+off|entryFlags(prot)|bitLarge)
		}
		va, off, n = va+size, off+size, n-size
	}
	return nil
}

// each calls f for every page in [start, end) that has a frame.
func (s *Space) each(start, end uint64, f func(va uint64, e *uint64)) {
	s.eachBelow(s.root, 3, 0, start, end, f)
}

// eachBelow does that for table t, which translates addresses from base on.
func (s *Space) eachBelow(t *table, level int, base, start, end uint64, f func(va uint64, e *uint64)) {
	size := uint64(page) << (9 * level)
	for i := (max(start, base) - base) / size; i < 512; i++ {
		va := base + i*size
		switch e := &t[i]; {
		case va >= end:
			return
		case *e == 0:
		case level == 0:
			f(va, e)
		case level == 1 && *e&bitLarge != 0 && s.split(e) == nil: // the guest cannot change it
		default:
			s.eachBelow(s.tableAt(*e&addrMask), level-1, va, start, end, f)
		}
	}
}
