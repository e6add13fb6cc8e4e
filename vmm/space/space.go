// Package space is a guest's memory: the host mapping behind it, the page
// tables that the guest runs on but cannot see, and the one way by which
// anything in the VMM follows a guest address (Space.Slices).
//
// All guest-physical memory is one range of host addresses, the arena, in five parts:
//
//	control   pages that the VMM shares with the guest or with its own ring-0 stubs
//	tables    page tables, never mapped in the guest, never used for anything else
//	ram       frames given to the guest when it first touches a page
//	image     the ELF's segments, mapped privately from the file
//	shared    frames that may be mapped at several addresses (see Alias)
//
// KVM keeps tables of all memory that it is told of: so of the shared part it is told
// only when a guest uses that, which few do (Config.Share).
//
// The first translation of a page is what memory costs: a KVM without nested
// paging takes some microseconds for it. So whole 2 MiB of the image that are not
// written to are one large page; whether it is one for the host, too, depends on
// how the file lies in the host's page cache: MapFile does what it can for that.
//
// Nothing is resident before it is needed. What counts against the memory
// limit are frames, tables and the image.
//
// KVM keeps its own translation of the tables (shadow pages, or the TLB) and
// does not see the host write to them. Adding a permission is safe: the guest
// faults on the stale entry and KVM walks the tables anew. To take one away,
// the frame behind the page must leave: MADV_DONTNEED on it makes the host tell
// KVM to forget every translation to it. So a page that is unmapped gives up
// its frame, and one that loses a permission but keeps its contents moves to
// another frame. The frames of the shared part cannot move, as others use them too.
// That part is a file in memory: there MADV_DONTNEED takes the host's mapping away,
// and the contents stay.
package space

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"

	"ringo.dev/ringo/vmm/abi"
)

// Base is the guest-physical address of the arena. Below it no memory is.
const Base = 4 << 30

const (
	page       = abi.PageSize
	blockPages = 16 // the unit of demand paging
	blockSize  = blockPages * page
)

// LargePage is what one entry of a table's table can map. A large page of the guest's is
// aligned to that, in the file behind it as in the guest.
const LargePage = 2 << 20

// Supervisor marks a mapping that only ring 0 may use; it is added to the
// protection bits of package abi.
const Supervisor = 0x80

// Errors of memory accesses.
var (
	// ErrFault: the address is not mapped, or not for that kind of access.
	ErrFault = errors.New("bad guest address")
	// ErrNoMemory: the guest's memory limit is reached.
	ErrNoMemory = errors.New("guest memory exhausted")
)

// Config says how large the parts of the arena are, in bytes.
type Config struct {
	Memory    uint64 // what the guest may use in all
	Control   uint64
	Image     uint64 // what MapFile will map
	Files     uint64 // what MapFree will map
	Low, High uint64 // guest-virtual range within which the guest may map

	// Share gives the shared part to the guest, whose physical address is gpa. It is
	// called once, before the guest gets a first page of it; nil does nothing.
	Share func(gpa uint64, mem []byte) error
}

// Space is a guest's address space. Its methods may be called from any
// goroutine, except those that build it up, which come before the guest runs.
type Space struct {
	low, high  uint64
	mapping    []byte // the arena, and what aligning it left
	arena      []byte // begins at a multiple of LargePage, as in the guest
	ramStart   uint64 // offset of the ram part
	imageStart uint64 // offset of the image part
	shareStart uint64 // offset of the shared part
	control    span   // what is left of the control part
	tables     span   // what is left of the tables part
	image      span   // what is left of the image part
	mapped     uint64 // bytes that may still be mapped there

	mu      sync.Mutex
	root    *table
	whole   map[*uint64]uint64 // entries of large pages that can be split; see putLarge
	regions []region
	posted  *abi.Posted                        // see TakePosted
	tail    uint32                             // how much of it was taken; the one in it is only told to the guest
	frames  frames                             // of the ram part
	shared  frames                             // of the shared part
	share   func(gpa uint64, mem []byte) error // Config.Share, until it was called
	budget  uint64                             // pages still to be given
	total   uint64                             // pages, all in all
	used    *uint64                            // where the guest is told; see charge
	faults  uint64
	small   bool // the host has no large pages to give
}

// span is a range of offsets into the arena.
type span struct{ next, end uint64 }

func (s *span) take(n uint64) (off uint64, ok bool) {
	if n > s.end-s.next {
		return 0, false
	}
	off = s.next
	s.next += n
	return off, true
}

const (
	// maxMapped is how many calls of MapFile and MapFree find room to be aligned
	// as their file is.
	maxMapped = 8
	// controlFirst is what every guest needs of the control part.
	controlFirst = 8 * page
)

// hotEnd is how much of the end of the image's writable parts, and hotStart how much of
// the zeroes after them, comes with memory: a Go program has its variables with
// pointers around there and uses most of them when it starts, reading before it
// writes, which would fault twice.
const (
	hotEnd   = 128 << 10
	hotStart = 192 << 10
)

// populate touches memory of the host that is sure to be written soon: a page at a
// time costs several times as much.
func populate(host []byte) {
	unix.Madvise(host, unix.MADV_POPULATE_WRITE) // Linux before 5.14 cannot, and need not
}

// populateLarge has the host give one large page for the memory of a free one, and reports
// whether it did. If it did not, there is some memory all the same.
func populateLarge(host []byte) bool {
	if residentPages(host[LargePage-page:]) == 1 {
		return true // from PopulateAhead
	}
	if unix.Madvise(host, unix.MADV_HUGEPAGE) != nil {
		return false // there are none in this kernel
	}
	atomic.OrUint32((*uint32)(unsafe.Pointer(&host[0])), 0) // a write, but the guest may use it by now
	// Or else the host would in time make large pages of what the guest gives back of it.
	unix.Madvise(host, unix.MADV_NOHUGEPAGE)
	return residentPages(host[page:2*page]) == 1
}

// residentPages returns how many pages of a part of the arena are in the host's memory.
func residentPages(host []byte) (n uint64) {
	vec := make([]byte, len(host)/page)
	if _, _, e := unix.Syscall(unix.SYS_MINCORE, uintptr(unsafe.Pointer(&host[0])), uintptr(len(host)), uintptr(unsafe.Pointer(&vec[0]))); e != 0 {
		return 0
	}
	for _, v := range vec {
		n += uint64(v & 1)
	}
	return n
}

// New reserves the arena.
func New(c Config) (*Space, error) {
	memory, control, image, files := c.Memory&^(page-1), roundUp(c.Control), roundUp(c.Image), roundUp(c.Files)
	tables := roundUp((memory+files)/8) + 64*page
	if image/page+64 > memory/page {
		return nil, ErrNoMemory
	}
	ramStart := (control + tables + LargePage - 1) &^ (LargePage - 1)
	imageStart := ramStart + memory
	shareStart := imageStart + image + files + maxMapped*LargePage
	size := shareStart + memory
	mapping, err := unix.Mmap(-1, 0, int(size+LargePage), unix.PROT_READ|unix.PROT_WRITE,
		unix.MAP_PRIVATE|unix.MAP_ANONYMOUS|unix.MAP_NORESERVE)
	if err != nil {
		return nil, fmt.Errorf("reserving %d MiB of address space: %w", size>>20, err)
	}
	arena := mapping[-uintptr(unsafe.Pointer(&mapping[0]))%LargePage:][:size:size]
	if err := mapShared(arena[shareStart:]); err != nil {
		unix.Munmap(mapping)
		return nil, err
	}
	if err := unix.Madvise(arena, unix.MADV_NOHUGEPAGE); err != nil && err != unix.EINVAL {
		unix.Munmap(mapping)
		return nil, fmt.Errorf("MADV_NOHUGEPAGE: %w", err)
	}
	populate(arena[:min(control, controlFirst)])
	s := &Space{
		low: c.Low, high: c.High, mapping: mapping, arena: arena,
		control:    span{0, control},
		tables:     span{control, ramStart},
		image:      span{imageStart, shareStart},
		mapped:     image + files,
		ramStart:   ramStart,
		imageStart: imageStart,
		shareStart: shareStart,
		share:      c.Share,
		total:      memory / page,
		budget:     memory / page,
		used:       new(uint64),
		whole:      map[*uint64]uint64{},
	}
	s.frames = newFrames(ramStart, memory/page)
	s.shared = newFrames(shareStart, memory/page)
	root, err := s.newTable()
	if err != nil {
		unix.Munmap(mapping)
		return nil, err
	}
	s.root = s.tableAt(root)
	return s, nil
}

// mapShared puts a file in memory at host.
func mapShared(host []byte) error {
	fd, err := unix.MemfdCreate("ringo-shared", unix.MFD_CLOEXEC)
	if err != nil {
		return fmt.Errorf("memory to be shared: %w", err)
	}
	defer unix.Close(fd)
	if err := unix.Ftruncate(fd, int64(len(host))); err != nil {
		return fmt.Errorf("memory to be shared: %w", err)
	}
	if _, err := unix.MmapPtr(fd, 0, unsafe.Pointer(&host[0]), uintptr(len(host)),
		unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED|unix.MAP_FIXED|unix.MAP_NORESERVE); err != nil {
		return fmt.Errorf("memory to be shared: %w", err)
	}
	return nil
}

// Close unmaps the arena. Nothing may use it any more.
func (s *Space) Close() error { return unix.Munmap(s.mapping) }

// Arena is the host memory to be put at Base, all but the shared part. Its first table,
// for CR3, is at Root.
func (s *Space) Arena() []byte { return s.arena[:s.shareStart:s.shareStart] }

// Root is the guest-physical address of the top-level page table.
func (s *Space) Root() uint64 { return s.gpa(s.root) }

// MapControl maps n bytes of the control part at va and returns their host
// memory, which stays in place.
func (s *Space) MapControl(va, n uint64, prot int) ([]byte, error) {
	n = roundUp(n)
	off, ok := s.control.take(n)
	if !ok {
		return nil, ErrNoMemory
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.arena[off:][:n:n], s.mapRange(va, off, n, prot)
}

// MapDevice maps one page at va to a guest-physical address without memory, so
// that accesses to it leave the guest.
func (s *Space) MapDevice(va, gpa uint64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	e, err := s.makeLeaf(va)
	if err == nil {
		*e = gpa | entryFlags(abi.ProtRead|abi.ProtWrite)
	}
	return err
}

// MapFile maps n bytes of f from offset off at va, both page aligned, as a
// private copy: all of it counts as memory in use, but nothing is read before
// the guest needs it. In writable memory, bytes after n in the last page read
// as zero.
func (s *Space) MapFile(va uint64, f *os.File, off int64, n uint64, prot int) error {
	if roundUp(n)/page > s.budget {
		return ErrNoMemory
	}
	s.charge(int64(roundUp(n) / page))
	host, err := s.mapFile(va, f, off, n, prot)
	if err == nil && prot&abi.ProtWrite == 0 {
		// What the host has yet to read is to lie in large pages. There may be none.
		unix.Madvise(host, unix.MADV_HUGEPAGE)
	}
	return err
}

// MapFree is MapFile for what does not count as the guest's memory, since the host
// can take it back: it is not to be writable.
func (s *Space) MapFree(va uint64, f *os.File, off int64, n uint64, prot int) error {
	_, err := s.mapFile(va, f, off, n, prot)
	return err
}

// mapFile is both, and returns the host's mapping.
func (s *Space) mapFile(va uint64, f *os.File, off int64, n uint64, prot int) (host []byte, err error) {
	size := roundUp(n)
	if size > s.mapped {
		return nil, ErrNoMemory
	}
	s.mapped -= size
	if uint64(off)%LargePage == va%LargePage { // then let the host align it, too
		s.image.take((uint64(off) - s.image.next) % LargePage)
	}
	at, ok := s.image.take(size)
	if !ok {
		return nil, ErrNoMemory
	}
	// A mapping of its own, with its own protection: a page table of the host's
	// that also maps writable pages would lose its large pages with the first write.
	access := unix.PROT_READ
	if prot&abi.ProtWrite != 0 {
		access |= unix.PROT_WRITE
	}
	host = s.arena[at:][:size]
	if _, err := unix.MmapPtr(int(f.Fd()), off, unsafe.Pointer(&host[0]), uintptr(size),
		access, unix.MAP_PRIVATE|unix.MAP_FIXED); err != nil {
		return nil, fmt.Errorf("mapping %s: %w", f.Name(), err)
	}
	if prot&abi.ProtWrite != 0 {
		clear(host[n:])
		populate(host[size-min(size, hotEnd):])
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if prot&abi.ProtWrite != 0 {
		return host, s.mapRange(va, at, size, prot)
	}
	return host, s.mapLarge(va, at, size, prot)
}

// PublishUsage keeps *p at the number of bytes in use from now on.
func (s *Space) PublishUsage(p *uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.used = p
	s.charge(0)
}

// charge takes n pages from the budget, or gives -n back.
func (s *Space) charge(n int64) {
	s.budget -= uint64(n)
	atomic.StoreUint64(s.used, (s.total-s.budget)*page)
}

// Reserve adds a region that the guest itself cannot change: zero pages, given
// when first touched. Of its first bytes it is known that they will be: they
// cost no page fault, and the host's memory comes with hotStart of them.
func (s *Space) Reserve(va, n uint64, prot int, first uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.setRegion(va, va+n, prot)
	hot := min(n, first, hotStart)
	s.giveFirst(va, hot, prot, true)
	s.giveFirst(va+hot, min(n, first)-hot, prot, false)
}

// Slices implements device.Memory.
func (s *Space) Slices(dst [][]byte, addr, n uint64, write bool) ([][]byte, error) {
	need := abi.ProtRead
	if write {
		need |= abi.ProtWrite
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	base := len(dst)
	var start, end uint64 // arena offsets of the last piece
	for n > 0 {
		off, err := s.translate(addr, need)
		if err != nil {
			return dst[:base], err
		}
		if len(dst) == base || off != end {
			dst, start = append(dst, nil), off
		}
		k := min(n, page-addr%page)
		end = off + k
		dst[len(dst)-1] = s.arena[start:end:end]
		addr += k
		n -= k
	}
	return dst, nil
}

// Usage is how much memory a guest uses, in bytes.
type Usage struct {
	Limit    uint64 // what it may use
	Mapped   uint64 // what it has been given: frames, page tables, and all of the image
	Resident uint64 // what of it is in the host's memory, without the image
	Faults   uint64 // page faults that gave it a page
}

// Usage reports the present usage.
func (s *Space) Usage() Usage {
	s.mu.Lock()
	u := Usage{Limit: s.total * page, Mapped: (s.total - s.budget) * page, Faults: s.faults}
	s.mu.Unlock()
	u.Resident = (residentPages(s.arena[:s.imageStart]) + residentPages(s.arena[s.shareStart:])) * page
	return u
}

func roundUp(n uint64) uint64 { return (n + page - 1) &^ (page - 1) }
