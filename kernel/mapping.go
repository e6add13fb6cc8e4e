package kernel

import (
	"slices"
	"strconv"
	"sync"
	"syscall"

	"ringo.dev/ringo/kernel/pages"
	"ringo.dev/ringo/rt"
)

// Shared mappings of files (mmap(2) with MAP_SHARED). The pages in which a file's
// data lies are mapped once more, at an address of the program: what is written
// through one is there through the other. All that is within the file is mapped
// at once; a page that the file gets later is shown when it comes (Show). So a
// mapping never waits for anything when the program touches it.
//
// Three things know of a mapping: its file (Mappings), which tells it about pages;
// the table of areas, which says what of it is at which addresses; and rt, which
// knows that those addresses are not anonymous memory.

// Mappable is Content whose pages can be mapped.
type Mappable interface {
	Content
	// Map adds m to the file's Mappings and shows it the pages that it covers.
	// The file stays, even without a name and closed, until Unmap. Opened
	// files are the file system's, and Release is not called for it.
	Map(m *Mapping) Errno
	// Remap shows the pages again: the protection of a part has changed.
	Remap(m *Mapping) Errno
	// Unmap ends what Map began. There are no areas of m any more.
	Unmap(m *Mapping)
}

// Mapping is what one call of mmap has made, or what is left of it.
type Mapping struct {
	// First is the first page of the file that is mapped, N their number. They
	// do not change.
	First, N int64

	space    *addressSpace
	start    uintptr // where First is
	file     Mappable
	maxProt  int
	writable bool // some area of it may be, or was, written. Guarded by space.mu
	areas    int  // guarded by space.mu
}

// area is a range of addresses that belong to a mapping.
type area struct {
	start, end uintptr
	prot       int
	of         *Mapping
}

// addressSpace is the table of areas, in ascending order.
type addressSpace struct {
	mu    sync.Mutex
	areas []area
}

// NoPage and Hole stand for addresses of pages: NoPage is beyond the end of the
// file, where an access is SIGBUS; Hole reads as zeroes.
const (
	NoPage uintptr = 0
	Hole   uintptr = 1
)

// Writable reports whether the program may write to the file through m.
func (m *Mapping) Writable() bool {
	m.space.mu.Lock()
	defer m.space.mu.Unlock()
	return m.writable
}

// show maps the file's pages from first on, all covered by m, to those with the
// addresses in list.
func (m *Mapping) show(first int64, list []uintptr) Errno {
	s := m.space
	s.mu.Lock()
	defer s.mu.Unlock()
	start := m.start + uintptr(first-m.First)*pages.Size
	end := start + uintptr(len(list))*pages.Size
	for i := s.find(start); i < len(s.areas) && s.areas[i].start < end; i++ {
		a := s.areas[i]
		if a.of != m || a.prot == 0 {
			continue
		}
		lo, hi := max(a.start, start), min(a.end, end)
		if err := rt.Alias(lo, list[(lo-start)/pages.Size:(hi-start)/pages.Size], a.prot); err != 0 {
			return err
		}
	}
	return 0
}

// Mappings are those of one file. The file's own lock guards it.
type Mappings struct {
	list []*Mapping
}

// Add enters a mapping, Remove takes it out.
func (ms *Mappings) Add(m *Mapping) { ms.list = append(ms.list, m) }

// Remove is the opposite of Add.
func (ms *Mappings) Remove(m *Mapping) {
	ms.list = slices.DeleteFunc(ms.list, func(other *Mapping) bool { return other == m })
}

// Any reports whether the file is mapped.
func (ms *Mappings) Any() bool { return len(ms.list) > 0 }

// Writable reports whether the program may write to the file through a mapping.
func (ms *Mappings) Writable() bool {
	return slices.ContainsFunc(ms.list, (*Mapping).Writable)
}

// Cover reports whether page i of the file is mapped.
func (ms *Mappings) Cover(i int64) bool {
	for _, m := range ms.list {
		if i >= m.First && i-m.First < m.N {
			return true
		}
	}
	return false
}

// Show shows the pages from first to before end, as far as they are mapped. page
// returns the address of one, NoPage or Hole; it stays valid until the page is
// shown otherwise.
func (ms *Mappings) Show(first, end int64, page func(i int64) uintptr) Errno {
	const most = 512 // at a time
	var list []uintptr
	for _, m := range ms.list {
		for lo, hi := max(first, m.First), min(end, m.First+m.N); lo < hi; {
			n := min(hi-lo, most)
			list = list[:0]
			for i := lo; i < lo+n; i++ {
				p := page(i)
				if p == Hole {
					p = zeroPage()
				}
				list = append(list, p)
			}
			if err := m.show(lo, list); err != 0 {
				return err
			}
			lo += n
		}
	}
	return 0
}

// zeroes is a page of zeroes that is never written, for all who map files.
var zeroes struct {
	once sync.Once
	addr uintptr
}

// zeroPage returns the address of the page, NoPage if there is no memory for it.
func zeroPage() uintptr {
	zeroes.once.Do(func() {
		zeroes.addr = NoPage
		if p, ok := pages.NewStore(pages.Size).Get(); ok {
			zeroes.addr = p.Addr()
		}
	})
	return zeroes.addr
}

// find returns the index of the first area that ends above addr. s.mu is held.
func (s *addressSpace) find(addr uintptr) int {
	i, _ := slices.BinarySearchFunc(s.areas, addr, func(a area, addr uintptr) int {
		if a.end <= addr {
			return -1
		}
		return 1
	})
	return i
}

// cut takes [start, end) out of the table and returns the mappings of which
// nothing is left. s.mu is held.
func (s *addressSpace) cut(start, end uintptr) (gone []*Mapping) {
	i := s.find(start)
	j := i
	var rest []area
	for ; j < len(s.areas) && s.areas[j].start < end; j++ {
		a := s.areas[j]
		a.of.areas--
		if a.start < start {
			rest = append(rest, area{a.start, start, a.prot, a.of})
		}
		if a.end > end {
			rest = append(rest, area{end, a.end, a.prot, a.of})
		}
		if a.of.areas == 0 {
			gone = append(gone, a.of)
		}
	}
	for _, a := range rest {
		a.of.areas++
	}
	s.areas = slices.Replace(s.areas, i, j, rest...)
	return slices.DeleteFunc(gone, func(m *Mapping) bool { return m.areas > 0 })
}

// insert enters an area where there is none. s.mu is held.
func (s *addressSpace) insert(a area) {
	a.of.areas++
	a.of.writable = a.of.writable || a.prot&syscall.PROT_WRITE != 0
	s.areas = slices.Insert(s.areas, s.find(a.start), a)
}

// release ends mappings of which nothing is left.
func release(gone []*Mapping) {
	for _, m := range gone {
		m.file.Unmap(m)
	}
}

// Mmap is mmap(2) of a file with MAP_SHARED; off is in bytes.
func (k *Kernel) Mmap(addr, n uintptr, prot, flags, fd int, off int64) (uintptr, Errno) {
	const fixed, fixedNoReplace = 0x10, 0x100000
	d, err := k.file(fd)
	if err != 0 {
		return 0, err
	}
	n, err = mapLength(n)
	switch {
	case err != 0:
		return 0, err
	case off < 0 || off%pages.Size != 0 || addr%pages.Size != 0 && flags&(fixed|fixedNoReplace) != 0:
		return 0, syscall.EINVAL
	case off+int64(n) < off:
		return 0, syscall.EOVERFLOW
	case !d.readable() || prot&syscall.PROT_WRITE != 0 && !d.writable():
		return 0, syscall.EACCES
	case prot&syscall.PROT_EXEC != 0:
		return 0, syscall.EPERM // as of a file system that is mounted with noexec
	}
	file, ok := mappable(d)
	if !ok {
		return 0, syscall.ENODEV
	}
	m := &Mapping{First: off / pages.Size, N: int64(n / pages.Size), space: &k.space, file: file}
	m.maxProt = syscall.PROT_READ
	if d.writable() {
		m.maxProt |= syscall.PROT_WRITE
	}
	if prot&syscall.PROT_WRITE != 0 {
		prot |= syscall.PROT_READ
	}
	s := &k.space
	s.mu.Lock()
	at, err := rt.MapFile(addr, n, flags&(fixed|fixedNoReplace))
	var gone []*Mapping
	if err == 0 {
		gone = s.cut(at, at+n)
		m.start = at
		s.insert(area{at, at + n, prot, m})
	}
	s.mu.Unlock()
	release(gone)
	if err != 0 {
		return 0, err
	}
	if err := file.Map(m); err != 0 {
		s.mu.Lock()
		s.cut(at, at+n)
		rt.Unmap(at, n)
		s.mu.Unlock()
		if err == syscall.ENOMEM || err == syscall.ENOSPC {
			rt.ConsoleWrite([]byte("ringo: mmap: no memory for " + strconv.FormatUint(uint64(n)>>10, 10) +
				" KiB of a file: a mapping is in memory as a whole; give the machine more (-m)\n"))
			err = syscall.ENOMEM
		}
		return 0, err
	}
	return at, 0
}

// mappable returns what d maps.
func mappable(d *Description) (Mappable, bool) {
	f, ok := d.File.(*regularFile)
	if !ok {
		return nil, false
	}
	m, ok := f.content.(Mappable)
	return m, ok
}

// mapLength rounds a length up to pages.
func mapLength(n uintptr) (uintptr, Errno) {
	up := (n + pages.Size - 1) &^ (pages.Size - 1)
	if n == 0 {
		return 0, syscall.EINVAL
	}
	if up < n || int64(up) < 0 {
		return 0, syscall.ENOMEM
	}
	return up, 0
}

// Munmap is munmap(2) of a range that may hold mappings of files.
func (k *Kernel) Munmap(addr, n uintptr) Errno {
	n, err := mapLength(n)
	if err != 0 || addr%pages.Size != 0 || addr+n < addr {
		return syscall.EINVAL
	}
	s := &k.space
	s.mu.Lock()
	gone := s.cut(addr, addr+n)
	err = rt.Unmap(addr, n)
	s.mu.Unlock()
	release(gone)
	return err
}

// MmapAnonymous is mmap(2) of anonymous memory at an address, where files may be mapped.
func (k *Kernel) MmapAnonymous(addr, n uintptr, prot, flags int) (uintptr, Errno) {
	size, err := mapLength(n)
	if err != 0 || addr+size < addr {
		return 0, syscall.EINVAL
	}
	const fixed, fixedNoReplace = 0x10, 0x100000
	s := &k.space
	s.mu.Lock()
	at, err := rt.Mmap(addr, n, prot, flags)
	var gone []*Mapping
	if err == 0 && flags&fixed != 0 && flags&fixedNoReplace == 0 {
		gone = s.cut(addr, addr+size)
	}
	s.mu.Unlock()
	release(gone)
	return at, err
}

// Mprotect is mprotect(2) of a range that may hold mappings of files.
func (k *Kernel) Mprotect(addr, n uintptr, prot int) Errno {
	if n == 0 {
		return 0
	}
	n, err := mapLength(n)
	if err != 0 || addr%pages.Size != 0 || addr+n < addr {
		return syscall.EINVAL
	}
	end := addr + n
	if prot&syscall.PROT_WRITE != 0 {
		prot |= syscall.PROT_READ
	}
	s := &k.space
	s.mu.Lock()
	var changed []area
	for i := s.find(addr); i < len(s.areas) && s.areas[i].start < end; i++ {
		a := s.areas[i]
		if prot&^a.of.maxProt != 0 {
			s.mu.Unlock()
			return syscall.EACCES
		}
		changed = append(changed, area{max(a.start, addr), min(a.end, end), prot, a.of})
	}
	at := addr // what lies between the areas is anonymous
	for _, a := range append(changed, area{start: end}) {
		if at < a.start {
			if err := rt.Mprotect(at, a.start-at, prot); err != 0 {
				s.mu.Unlock()
				return err
			}
		}
		at = a.end
	}
	for _, a := range changed {
		s.cut(a.start, a.end)
		s.insert(a)
		if prot == 0 {
			rt.Alias(a.start, make([]uintptr, (a.end-a.start)/pages.Size), 0)
		}
	}
	s.mu.Unlock()
	for i, a := range changed {
		if prot == 0 || i > 0 && changed[i-1].of == a.of {
			continue
		}
		if err := a.of.file.Remap(a.of); err != 0 {
			return err
		}
	}
	return 0
}

// Madvise is madvise(2) of a range that may hold mappings of files. To those no
// advice matters: their pages are the file's.
func (k *Kernel) Madvise(addr, n uintptr, advice int) Errno {
	n, err := mapLength(n)
	if err != 0 || addr%pages.Size != 0 || addr+n < addr {
		return syscall.EINVAL
	}
	s := &k.space
	s.mu.Lock()
	defer s.mu.Unlock()
	end := addr + n
	for i := s.find(addr); addr < end; i++ {
		a := area{start: end, end: end}
		if i < len(s.areas) && s.areas[i].start < end {
			a = s.areas[i]
		}
		if addr < a.start {
			if err := rt.Madvise(addr, a.start-addr, advice); err != 0 {
				return err
			}
		}
		addr = a.end
	}
	return 0
}

// Msync is msync(2): what was written through mappings becomes durable.
func (k *Kernel) Msync(addr, n uintptr, flags int) Errno {
	const async, invalidate, synchronous = 1, 2, 4
	if n == 0 {
		return 0
	}
	n, err := mapLength(n)
	if err != 0 || addr%pages.Size != 0 || flags&^(async|invalidate|synchronous) != 0 ||
		flags&(async|synchronous) == async|synchronous {
		return syscall.EINVAL
	}
	if !rt.Mapped(addr, n, false) {
		return syscall.ENOMEM
	}
	if flags&synchronous == 0 {
		return 0
	}
	s := &k.space
	s.mu.Lock()
	var files []Mappable
	for i := s.find(addr); i < len(s.areas) && s.areas[i].start < addr+n; i++ {
		if f := s.areas[i].of.file; !slices.Contains(files, f) {
			files = append(files, f)
		}
	}
	s.mu.Unlock()
	for _, f := range files {
		if e := f.Sync(); e != 0 {
			err = e
		}
	}
	return err
}
