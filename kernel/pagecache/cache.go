package pagecache

import (
	"hash/maphash"
	"sync"
	"sync/atomic"
	"syscall"

	"ringo.dev/ringo/kernel/pages"
	"ringo.dev/ringo/rt"
)

// Cache is the memory for the pages of all Volumes. Create it with New.
type Cache struct {
	store *pages.Store
	dirty atomic.Int64 // pages that are to be written
	seed  maphash.Seed // of the watched pages' checksums

	mu      sync.Mutex
	hand    *page // in the ring of all pages; nil while there are none
	count   int   // pages in the ring
	volumes map[*Volume]struct{}
}

// page is a page of a File in the cache. Its fields are guarded by the File's lock,
// unless something else is said.
type page struct {
	pages.Page
	file  *File
	leaf  *leaf // of file
	index int64 // offset / PageSize

	busy     bool   // being read or written: nobody else may touch its contents
	reserved bool   // Backing.Reserve was called for it
	shown    bool   // the file's mappings show it
	watched  bool   // the program may change it through a mapping
	sum      uint64 // of a watched page as it is on the disk

	next, prev *page // in the ring, guarded by Cache.mu
}

// New returns a Cache that uses at most limit bytes for pages, and less when the
// machine runs short of memory.
func New(limit int64) *Cache {
	return &Cache{store: pages.NewStore(limit), seed: maphash.MakeSeed(), volumes: map[*Volume]struct{}{}}
}

// Usage returns the bytes that are cached and the limit.
func (c *Cache) Usage() (used, limit int64) { return c.store.Usage() }

// lowMemory reports whether the machine has so little memory left that the cache should
// not grow.
func lowMemory() bool {
	const part = 16
	total, free := rt.Memory()
	return free < total/part
}

// getAll returns up to n pages, at least one. To find room it drops others and
// writes dirty ones. The caller holds no lock of a File, but perhaps writing.
func (c *Cache) getAll(n int) ([]pages.Page, Errno) {
	const attempts = 8
	list := make([]pages.Page, n)
	got := 0
	for try := 0; got < n && try < attempts; {
		grow := !lowMemory() || try == attempts-1
		if grow {
			if k := c.store.GetRun(list[got:]); k > 0 {
				got += k
				continue
			}
		}
		if got > 0 {
			break // what was asked for beyond that was a wish
		}
		try++
		if !c.reclaim(n) {
			c.writeSome()
		}
	}
	if got == 0 {
		return nil, syscall.ENOMEM
	}
	return list[:got], 0
}

// insert enters a page in the ring, where the hand comes by last.
func (c *Cache) insert(p *page) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.count++
	if c.hand == nil {
		p.next, p.prev = p, p
		c.hand = p
		return
	}
	p.next, p.prev = c.hand, c.hand.prev
	p.prev.next, p.next.prev = p, p
}

// remove takes a page out of the ring and gives its memory back. The lock of its
// File is held.
func (c *Cache) remove(p *page) {
	c.mu.Lock()
	c.count--
	if p.next == p {
		c.hand = nil
	} else {
		p.prev.next, p.next.prev = p.next, p.prev
		if c.hand == p {
			c.hand = p.next
		}
	}
	p.next, p.prev = nil, nil
	c.mu.Unlock()
	c.store.Put(p.Page)
}

// reclaim drops about n pages that are clean, mapped nowhere and were not used for
// the longest time (the hand of a clock: each gets a second chance). It
// reports whether there were any.
func (c *Cache) reclaim(n int) bool {
	dropped := 0
	for left := c.pages() * 2; left > 0 && dropped < n; left-- {
		p := c.advance()
		if p == nil {
			break
		}
		if bit := uint64(1) << (p.index % leafPages); p.leaf.used.And(^bit)&bit != 0 {
			continue
		}
		f := p.file
		if !f.mu.TryLock() {
			continue
		}
		if f.at(p.index) == p && !p.busy && !p.dirty() && !f.maps.Cover(p.index) {
			f.drop(p)
			dropped++
		}
		f.mu.Unlock()
	}
	return dropped > 0
}

func (c *Cache) pages() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.count
}

// advance moves the hand and returns the page where it was.
func (c *Cache) advance() *page {
	c.mu.Lock()
	defer c.mu.Unlock()
	p := c.hand
	if p != nil {
		c.hand = p.next
	}
	return p
}

// writeSome writes dirty pages, so that they can be dropped.
func (c *Cache) writeSome() {
	c.mu.Lock()
	volumes := make([]*Volume, 0, len(c.volumes))
	for v := range c.volumes {
		volumes = append(volumes, v)
	}
	c.mu.Unlock()
	for _, v := range volumes {
		v.writeAll() // errors are kept for those who wrote
	}
}

// crowded reports whether so many pages are dirty that writers have to wait for
// the disk.
func (c *Cache) crowded() bool {
	_, limit := c.store.Usage()
	return c.dirty.Load()*PageSize > limit/2
}
