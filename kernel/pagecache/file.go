package pagecache

import (
	"sync"
	"sync/atomic"

	"ringo.dev/ringo/kernel"
	"ringo.dev/ringo/kernel/pages"
)

// File is the data of one inode in the cache.
//
// Four locks order what happens to it; they are taken in this order:
//
//	writing   held by those who change the data or the size, one at a time
//	flushing  held by the one who writes dirty pages
//	io        shared during transfers of the Backing, exclusively to change the size
//	mu        guards the pages
//
// Transfers run without mu: their pages are busy until they have ended.
type File struct {
	volume  *Volume
	backing Backing

	writing  sync.Mutex
	flushing sync.Mutex
	io       sync.RWMutex

	mu     sync.RWMutex
	idle   sync.Cond // on mu: a page is not busy any more
	size   int64
	leaves map[int64]*leaf // by index / leafPages
	dirty  map[int64]*leaf // those of the leaves that have dirty pages
	maps   kernel.Mappings
	failed writeError // of writing dirty pages

	users    int    // open files and mappings
	idleFunc func() // called when there are none any more

	ahead readAhead
}

// readAhead recognises that a file is read in order.
type readAhead struct {
	next   int64 // the page after the last ones that were read
	length int64
}

// window returns how many pages to read, from index on, if want are asked for.
// The more were read in order, the more come with them.
func (r *readAhead) window(index, want int64) int64 {
	const first = 4
	if index != r.next {
		r.length = 0
	}
	n := min(max(want, r.length), maxTransfer)
	r.next = index + n
	r.length = max(n*2, first)
	return n
}

// maxTransfer is the most pages that one transfer has.
const maxTransfer = 128

// leafPages is the number of pages that one entry of File.leaves covers.
const leafPages = 64

// leaf holds consecutive pages of a File. What a read of cached pages needs to know is
// in the leaf itself: to look at each page would take longer, as long as it is not in the
// processor's cache, than to copy a good part of its data.
type leaf struct {
	data   [leafPages]*[PageSize]byte // nil: not cached, or not read yet
	used   atomic.Uint64              // bitmap of the pages that were used since the hand last came by
	page   [leafPages]*page           // nil: not cached
	dirty  uint64                     // bitmap of the pages that differ from the disk
	cached int                        // number of pages
}

// use notes that page i of the leaf, counted from its first, was used.
func (l *leaf) use(i int64) {
	if bit := uint64(1) << i; l.used.Load()&bit == 0 {
		l.used.Or(bit)
	}
}

// maxSize is the largest size that a file can have.
const maxSize = 1<<63 - PageSize

// NewFile returns the File of an inode whose size on the disk is size.
func (v *Volume) NewFile(b Backing, size int64) *File {
	f := &File{volume: v, backing: b, size: size, leaves: map[int64]*leaf{}, dirty: map[int64]*leaf{}}
	f.idle.L = &f.mu
	return f
}

// Size returns the file's size as the program sees it.
func (f *File) Size() int64 {
	f.mu.RLock()
	defer f.mu.RUnlock()
	return f.size
}

// at returns the cached page with an index, or nil. f.mu is held.
func (f *File) at(index int64) *page {
	if l := f.leaves[index/leafPages]; l != nil {
		return l.page[index%leafPages]
	}
	return nil
}

// put enters a page that is not there. It can be read at once, unless it is busy: then
// fill says when. f.mu is held.
func (f *File) put(mem pages.Page, index int64, busy bool) *page {
	l := f.leaves[index/leafPages]
	if l == nil {
		l = &leaf{}
		f.leaves[index/leafPages] = l
	}
	p := &page{Page: mem, file: f, leaf: l, index: index, busy: busy}
	l.page[index%leafPages] = p
	if !busy {
		l.data[index%leafPages] = mem.Data
	}
	l.cached++
	l.use(index % leafPages)
	f.volume.cache.insert(p)
	return p
}

// drop takes a page out of the cache. No mapping shows it. f.mu is held.
func (f *File) drop(p *page) {
	l := p.leaf
	l.page[p.index%leafPages], l.data[p.index%leafPages] = nil, nil
	if l.cached--; l.cached == 0 {
		delete(f.leaves, p.index/leafPages)
	}
	if p.dirty() {
		f.setDirty(p, false)
	}
	if p.reserved {
		f.backing.Unreserve(p.index*PageSize, PageSize)
	}
	f.volume.cache.remove(p)
}

// pagesOf returns how many pages n bytes take.
func pagesOf(n int64) int64 { return (n + PageSize - 1) / PageSize }

// ReadAt reads at an offset; at the end it answers 0.
func (f *File) ReadAt(b []byte, off int64) (int, Errno) {
	n := 0
	for {
		m, done := f.copyOut(b[n:], off+int64(n))
		n += m
		if done {
			return n, 0
		}
		index := (off + int64(n)) / PageSize
		if err := f.fill(index, pagesOf(off+int64(len(b)))-index); err != 0 {
			if n > 0 {
				err = 0 // what was read counts; the error comes with the next call
			}
			return n, err
		}
	}
}

// copyOut copies to b what is cached, up to the first page that is not. done says that
// b is full or the file at its end.
func (f *File) copyOut(b []byte, off int64) (n int, done bool) {
	f.mu.RLock()
	defer f.mu.RUnlock()
	if off >= f.size {
		return 0, true
	}
	b = b[:min(int64(len(b)), f.size-off)]
	for n < len(b) {
		l := f.leaves[(off+int64(n))/PageSize/leafPages]
		if l == nil {
			return n, false
		}
		for i := (off + int64(n)) / PageSize % leafPages; i < leafPages && n < len(b); i++ {
			data := l.data[i]
			if data == nil {
				return n, false
			}
			l.use(i)
			n += copy(b[n:], data[(off+int64(n))%PageSize:])
		}
	}
	return n, true
}

// fill reads pages into the cache: the one with an index, if it is not there and
// within the file, and some of those that follow, of which the caller wants
// want in all.
func (f *File) fill(index, want int64) Errno {
	c := f.volume.cache
	f.mu.Lock()
	for {
		p := f.at(index)
		if p != nil && !p.busy || index*PageSize >= f.size {
			f.mu.Unlock()
			return 0
		}
		if p == nil {
			break
		}
		f.idle.Wait()
	}
	want = f.ahead.window(index, want)
	n := int64(1)
	for n < min(want, maxTransfer, pagesOf(f.size)-index) && f.at(index+n) == nil {
		n++
	}
	f.mu.Unlock()

	mem, err := c.getAll(int(n))
	if err != 0 {
		return err
	}
	f.io.RLock()
	defer f.io.RUnlock()
	f.mu.Lock()
	var list []*page
	for _, m := range mem {
		i := index + int64(len(list))
		if f.at(i) != nil || i*PageSize >= f.size { // somebody was faster
			break
		}
		list = append(list, f.put(m, i, true))
	}
	f.mu.Unlock()
	for _, m := range mem[len(list):] {
		c.store.Put(m)
	}
	if len(list) == 0 {
		return 0
	}
	err = f.backing.ReadPages(index*PageSize, pieces(list))
	f.mu.Lock()
	for _, p := range list {
		p.busy = false
		if err != 0 {
			f.drop(p)
			continue
		}
		p.leaf.data[p.index%leafPages] = p.Data
	}
	f.idle.Broadcast()
	f.mu.Unlock()
	return err
}

// pieces returns the memory of pages in as few pieces as it has.
func pieces(list []*page) [][]byte {
	var out [][]byte
	for i := 0; i < len(list); {
		j := i + 1
		for j < len(list) && list[j].Follows(list[i].Page, j-i) {
			j++
		}
		out = append(out, list[i].Bytes(j-i))
		i = j
	}
	return out
}
