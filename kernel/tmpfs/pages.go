package tmpfs

import (
	"math/bits"
	"sync"
	"sync/atomic"
	"syscall"
	"unsafe"

	"ringo.dev/ringo/rt"
)

const (
	pageSize  = 4096
	blockSize = 64 << 10 // what is mapped at a time: the unit of the VMM's paging
)

// page is one page of a file's data.
type page [pageSize]byte

// Store gives memory for the data of file systems, up to a limit that they
// share. Pages are mapped in blocks outside the Go heap; a block whose pages
// are all free is unmapped, which gives its memory back to the host. The
// garbage collector is told of the blocks, since what files take is not there
// for the heap to grow.
type Store struct {
	limit int64        // bytes
	used  atomic.Int64 // bytes

	mu   sync.Mutex
	open map[*block]struct{} // the blocks that have free pages
}

// block is a mapped range of pages.
type block struct {
	mem  []byte
	free uint16 // bitmap of the free pages
}

const allFree = 1<<(blockSize/pageSize) - 1

// pageRef is a page and where it comes from.
type pageRef struct {
	*page
	block *block
}

// NewStore returns a Store that gives at most limit bytes.
func NewStore(limit int64) *Store { return &Store{limit: limit} }

// Usage returns the bytes in use and the limit.
func (s *Store) Usage() (used, limit int64) { return s.used.Load(), s.limit }

// charge counts n bytes as used, or gives -n bytes back.
func (s *Store) charge(n int64) { s.used.Add(n) }

// reserve counts n bytes as used if they are to be had.
func (s *Store) reserve(n int64) bool {
	if s.used.Add(n) > s.limit {
		s.used.Add(-n)
		return false
	}
	return true
}

// room reports whether there is anything left for one more inode.
func (s *Store) room() bool { return s.used.Load()+inodeCost <= s.limit }

// get returns a page of zeroes, or false if there is no room.
func (s *Store) get() (pageRef, bool) {
	if !s.reserve(pageSize) {
		return pageRef{}, false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var b *block
	for b = range s.open {
		break
	}
	if b == nil {
		mem, err := syscall.Mmap(-1, 0, blockSize, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
		if err != nil {
			s.charge(-pageSize)
			return pageRef{}, false
		}
		rt.Reserve(blockSize)
		b = &block{mem: mem, free: allFree}
		if s.open == nil {
			s.open = map[*block]struct{}{}
		}
		s.open[b] = struct{}{}
	}
	i := bits.TrailingZeros16(b.free)
	b.free &^= 1 << i
	if b.free == 0 {
		delete(s.open, b)
	}
	return pageRef{(*page)(b.mem[i*pageSize:]), b}, true
}

// put takes a page back. It must not be used any more.
func (s *Store) put(p pageRef) {
	clear(p.page[:])
	s.charge(-pageSize)
	s.mu.Lock()
	defer s.mu.Unlock()
	b := p.block
	i := (uintptr(unsafe.Pointer(p.page)) - uintptr(unsafe.Pointer(&b.mem[0]))) / pageSize
	b.free |= 1 << i
	s.open[b] = struct{}{}
	if b.free == allFree && len(s.open) > 1 { // one block stays for the next file
		delete(s.open, b)
		syscall.Munmap(b.mem) // cannot fail for what Mmap gave
		rt.Reserve(-blockSize)
	}
}
