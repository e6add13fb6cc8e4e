// Package pages gives the memory in which the data of files lies: that of tmpfs
// and of the page cache. It is outside the Go heap, so that files neither make
// the collector work nor count when it sizes the heap; and it can be mapped a
// second time, at an address of the program (rt.Alias).
package pages

import (
	"math/bits"
	"sync"
	"sync/atomic"
	"syscall"
	"unsafe"

	"ringo.dev/ringo/rt"
)

// Size is the size of a page in bytes.
const Size = 4096

// Block is the number of pages that are given back at a time: the unit of the VMM's
// paging. It is also the most that GetRun gives.
const Block = 16

const blockSize = Block * Size

// extent is how many bytes of addresses are taken at a time, for blocks in ascending order.
// So a file that was written or read in order lies in memory in that order, for the most
// part: processors that fetch ahead, across pages too, then read it up to 1.5 times as fast
// as from blocks that each lie below the one before, where mmap puts them.
const extent = 16 * blockSize

// maxSpare is how many blocks are kept though all of their pages are free: a cache that
// takes pages from one file for another would else wait for the host's memory each time.
const maxSpare = 16

// Page is one page. The zero Page is none.
type Page struct {
	Data  *[Size]byte
	block *block
}

// Addr returns the page's address.
func (p Page) Addr() uintptr { return uintptr(unsafe.Pointer(p.Data)) }

// Follows reports whether p lies n pages behind q, so that Bytes of q reaches it.
func (p Page) Follows(q Page, n int) bool { return p.Addr() == q.Addr()+uintptr(n)*Size }

// Bytes returns the memory of n pages that lie next to each other, of which p is
// the first.
func (p Page) Bytes(n int) []byte { return unsafe.Slice(&p.Data[0], n*Size) }

// Store gives pages, up to a limit that its users share. Pages come in
// blocks; a block whose pages are all free is unmapped, which gives its memory
// back to the host, unless it is one of the few that are kept. The garbage collector is told of the blocks, since what files
// take is not there for the heap to grow.
type Store struct {
	limit int64        // bytes
	used  atomic.Int64 // bytes

	mu    sync.Mutex
	open  map[*block]struct{} // the blocks that have free pages, and others
	spare []*block            // some whose pages are all free, the longest first
	fresh []byte              // what is left of the last extent, for new blocks
}

// block is a mapped range of pages. Those that are free are zero.
type block struct {
	mem  []byte
	free uint16 // bitmap of the free pages
}

const allFree = 1<<Block - 1

// NewStore returns a Store that gives at most limit bytes.
func NewStore(limit int64) *Store {
	return &Store{limit: limit, open: map[*block]struct{}{}}
}

// Usage returns the bytes in use and the limit.
func (s *Store) Usage() (used, limit int64) { return s.used.Load(), s.limit }

// Charge counts n bytes as used that lie elsewhere, or gives -n bytes back.
func (s *Store) Charge(n int64) { s.used.Add(n) }

// Reserve is Charge if there are n bytes left.
func (s *Store) Reserve(n int64) bool {
	if s.used.Add(n) > s.limit {
		s.used.Add(-n)
		return false
	}
	return true
}

// Get returns a page of zeroes, or false if there is no room.
func (s *Store) Get() (Page, bool) {
	var p [1]Page
	n := s.GetRun(p[:])
	return p[0], n == 1
}

// GetRun fills list with pages of zeroes that lie next to each other, as many as
// there are, up to Block, and returns their number. 0 means that there is no room.
func (s *Store) GetRun(list []Page) int {
	list = list[:min(len(list), Block)]
	for len(list) > 0 && !s.Reserve(int64(len(list))*Size) {
		list = list[:len(list)/2]
	}
	if len(list) == 0 {
		return 0
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	b, first := s.find(len(list))
	if b == nil {
		s.Charge(-int64(len(list)) * Size)
		return 0
	}
	n := 0
	for ; n < len(list) && b.free>>(first+n)&1 != 0; n++ {
		b.free &^= 1 << (first + n)
		list[n] = Page{(*[Size]byte)(b.mem[(first+n)*Size:]), b}
	}
	s.Charge(int64(n-len(list)) * Size)
	if b.free == 0 {
		delete(s.open, b)
	}
	return n
}

// find returns a block and the first of n pages in it that are free. It looks at
// a few blocks before it maps a new one; if that fails the run is shorter. s.mu
// is held.
func (s *Store) find(n int) (*block, int) {
	var some *block
	few := 4
	for b := range s.open {
		some = b
		if runs := runsOf(b.free, n); runs != 0 {
			return b, bits.TrailingZeros16(runs)
		}
		if few--; few == 0 {
			break
		}
	}
	if b := s.whole(); b != nil {
		s.open[b] = struct{}{}
		return b, 0
	}
	if some == nil {
		return nil, 0
	}
	return some, bits.TrailingZeros16(some.free)
}

// whole returns a block whose pages are all free, or nil. s.mu is held.
func (s *Store) whole() *block {
	if len(s.spare) > 0 {
		b := s.spare[0]
		s.spare = append(s.spare[:0], s.spare[1:]...)
		return b
	}
	if len(s.fresh) < blockSize && !s.extend(extent) && !s.extend(blockSize) {
		return nil
	}
	b := &block{mem: s.fresh[:blockSize:blockSize], free: allFree}
	s.fresh = s.fresh[blockSize:]
	reserve(blockSize)
	return b
}

// extend maps n bytes for new blocks, and reports whether it could. The blocks are aligned
// if possible, as the VMM's are. What is left over before and behind them is never touched,
// and so takes no memory. s.mu is held.
func (s *Store) extend(n uintptr) bool {
	addr, err := rt.Mmap(0, n, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_SHARED)
	if err != 0 {
		return false
	}
	s.fresh = unsafe.Slice((*byte)(rt.Pointer(addr)), n)
	if n > blockSize {
		s.fresh = s.fresh[-addr%blockSize:]
	}
	return true
}

// runsOf returns the bits of free at which n set bits begin.
func runsOf(free uint16, n int) uint16 {
	for i := 1; i < n && free != 0; i++ {
		free &= free >> 1
	}
	return free
}

// Put takes a page back. It must not be used any more, nor be mapped elsewhere.
func (s *Store) Put(p Page) {
	clear(p.Data[:])
	s.Charge(-Size)
	s.mu.Lock()
	defer s.mu.Unlock()
	b := p.block
	b.free |= 1 << ((p.Addr() - uintptr(unsafe.Pointer(&b.mem[0]))) / Size)
	if b.free != allFree {
		s.open[b] = struct{}{}
		return
	}
	delete(s.open, b)
	if len(s.spare) < maxSpare {
		s.spare = append(s.spare, b)
		return
	}
	rt.Unmap(uintptr(unsafe.Pointer(&b.mem[0])), blockSize) // cannot fail for what Mmap gave
	reserve(-blockSize)
}

// reserving orders the calls of rt.Reserve, which may not overlap.
var reserving sync.Mutex

func reserve(n int64) {
	reserving.Lock()
	rt.Reserve(n)
	reserving.Unlock()
}
