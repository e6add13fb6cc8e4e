package pagecache

import (
	"hash/maphash"
	"syscall"
)

// writeError is the last error of writing dirty pages. Everybody who had the file
// open then is told of it once, by fsync; if nobody had, the next one is.
type writeError struct {
	err  Errno
	last int // counts the errors
	told int // the last one that somebody was told of
}

// Flush writes the pages that are dirty now. A page that cannot be written stays
// dirty, and is written again the next time. The data is durable only after the
// file system's Commit.
func (f *File) Flush() Errno {
	f.flushing.Lock()
	defer f.flushing.Unlock()
	err := f.collect()
	f.mu.RLock()
	todo := f.dirtyPages()
	f.mu.RUnlock()
	for len(todo) > 0 {
		n := 1
		for n < len(todo) && n < maxTransfer && todo[n] == todo[0]+int64(n) {
			n++
		}
		if e := f.writeBack(todo[0], n); e != 0 {
			err = e
		}
		todo = todo[n:]
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if err != 0 {
		f.failed.err = err
		f.failed.last++
	}
	if len(f.dirty) == 0 && !f.maps.Writable() {
		f.volume.clean(f)
	}
	return err
}

// writeBack writes n pages from first on, as far as they are dirty.
func (f *File) writeBack(first int64, n int) Errno {
	f.io.RLock()
	defer f.io.RUnlock()
	f.mu.Lock()
	var list []*page
	for i := first; i < first+int64(n); i++ {
		p := f.at(i) // not busy, if it is dirty: only fill and we make pages so, and fill none that are there
		if p == nil || !p.dirty() {
			if len(list) > 0 {
				break
			}
			continue
		}
		p.busy = true
		list = append(list, p)
	}
	if len(list) == 0 {
		f.mu.Unlock()
		return 0
	}
	data := pieces(list)
	if f.maps.Writable() {
		data = f.snapshot(list)
	}
	size := f.size
	f.mu.Unlock()
	err := f.backing.WritePages(list[0].index*PageSize, data, size)
	f.mu.Lock()
	for _, p := range list {
		p.busy = false
		if err == 0 {
			p.reserved = false
			f.setDirty(p, false)
		}
	}
	f.idle.Broadcast()
	f.mu.Unlock()
	if last := list[len(list)-1].index; err == 0 && last+1 < first+int64(n) {
		return f.writeBack(last+1, int(first+int64(n)-last-1))
	}
	return err
}

// Pages that the program can change through a mapping do so without our seeing it.
// What tells that it has is a checksum of what was last written.

// sum returns the checksum of a page.
func (c *Cache) sum(b []byte) uint64 { return maphash.Bytes(c.seed, b) }

// snapshot returns copies of pages, which do not change while they are written,
// and remembers their sums. f.mu is held.
func (f *File) snapshot(list []*page) [][]byte {
	copies := make([]byte, len(list)*PageSize)
	for i, p := range list {
		c := copies[i*PageSize:][:PageSize]
		copy(c, p.Data[:])
		p.sum = f.volume.cache.sum(c)
		clear(c[max(0, min(f.size-p.index*PageSize, PageSize)):])
	}
	return [][]byte{copies}
}

// collect marks the pages dirty that the program has changed through mappings.
func (f *File) collect() (err Errno) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.maps.Writable() {
		return 0
	}
	for k, l := range f.leaves {
		for j, p := range l.page {
			i := k*leafPages + int64(j)
			if p == nil || !p.watched || p.dirty() || p.busy || f.volume.cache.sum(p.Data[:]) == p.sum {
				continue
			}
			if e := f.reserve(i, i); e != 0 {
				err = e
				continue
			}
			f.setDirty(p, true)
			f.backing.Modified()
		}
	}
	return err
}

// Truncate sets the size.
func (f *File) Truncate(size int64) Errno {
	switch {
	case size < 0:
		return syscall.EINVAL
	case size > maxSize:
		return syscall.EFBIG
	}
	f.writing.Lock()
	defer f.writing.Unlock()
	return f.resize(size)
}

// resize is Truncate with f.writing held. The data before the new end is written first:
// else a commit, of another file perhaps, could make the size durable without it.
func (f *File) resize(size int64) Errno {
	if f.dirtyBefore(size) {
		if err := f.Flush(); err != 0 {
			return err
		}
	}
	f.io.Lock()
	if err := f.backing.SetSize(size); err != 0 {
		f.io.Unlock()
		return err
	}
	f.mu.Lock()
	old := f.size
	f.size = size
	if size < old {
		f.hide(pagesOf(size), pagesOf(old))
		f.dropFrom(pagesOf(size))
		if p := f.at(size / PageSize); p != nil {
			clear(p.Data[size%PageSize:])
		}
	}
	mapped := f.maps.Any()
	f.mu.Unlock()
	f.io.Unlock()
	f.backing.Modified()
	f.volume.Changed()
	if mapped && size > old {
		return f.show(old/PageSize, pagesOf(size))
	}
	return 0
}

// dropFrom drops all pages from an index on. No transfer is under way. f.mu is held.
func (f *File) dropFrom(index int64) {
	for k, l := range f.leaves {
		if (k+1)*leafPages <= index {
			continue
		}
		for _, p := range l.page {
			if p != nil && p.index >= index {
				f.drop(p)
			}
		}
	}
}

// Drop empties the cache of the file's pages, and forgets what was not written: the
// inode is gone, or nobody uses it any more.
func (f *File) Drop() {
	f.writing.Lock()
	defer f.writing.Unlock()
	f.flushing.Lock()
	defer f.flushing.Unlock()
	f.io.Lock()
	defer f.io.Unlock()
	f.mu.Lock()
	defer f.mu.Unlock()
	f.dropFrom(0)
	f.volume.clean(f)
}
