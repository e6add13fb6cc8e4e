package pagecache

import (
	"syscall"

	"ringo.dev/ringo/kernel/pages"
)

// chunkPages is how many pages a write changes at a time. They must be in the cache
// together, so in a small one it is fewer.
func (c *Cache) chunkPages() int64 {
	_, limit := c.store.Usage()
	return min(maxTransfer, max(1, limit/PageSize/16))
}

// WriteAt writes at an offset. What there is no room for is not written; it
// answers ENOSPC only if that is everything.
func (f *File) WriteAt(b []byte, off int64) (int, Errno) {
	f.writing.Lock()
	defer f.writing.Unlock()
	return f.write(b, off)
}

// Append writes at the end.
func (f *File) Append(b []byte) (off int64, n int, err Errno) {
	f.writing.Lock()
	defer f.writing.Unlock()
	off = f.Size()
	n, err = f.write(b, off)
	return off, n, err
}

// write is WriteAt with f.writing held.
func (f *File) write(b []byte, off int64) (int, Errno) {
	if len(b) == 0 {
		return 0, 0
	}
	if off > maxSize-int64(len(b)) {
		return 0, syscall.EFBIG
	}
	if err := f.throttle(); err != 0 {
		return 0, err
	}
	n, most := 0, f.volume.cache.chunkPages()
	for n < len(b) {
		at := off + int64(n)
		end := at + min((most-1)*PageSize+PageSize-at%PageSize, int64(len(b)-n))
		err := f.writeChunk(b[n:end-off], at)
		if err == syscall.ENOSPC && most > 1 {
			most = 1 // perhaps there is room for some of it
			continue
		}
		if err != 0 {
			if n > 0 {
				err = 0 // what was written counts; the error comes with the next call
			}
			return n, err
		}
		n = int(end - off)
	}
	return n, 0
}

// throttle makes a writer wait for the disk while too much is dirty.
func (f *File) throttle() Errno {
	c := f.volume.cache
	if !c.crowded() {
		return 0
	}
	err := f.Flush()
	if c.crowded() {
		f.volume.writeAll()
	}
	if err != 0 && c.crowded() {
		return err // the disk takes nothing any more
	}
	return 0
}

// writeChunk writes b at off, all of it or nothing.
func (f *File) writeChunk(b []byte, off int64) Errno {
	end := off + int64(len(b))
	first, last := off/PageSize, (end-1)/PageSize
	added, err := f.prepare(off, end)
	if err != 0 {
		return err
	}
	// Now f.mu is held, and all pages are there.
	if err := f.reserve(first, last); err != 0 {
		for _, p := range added { // they do not have what the disk has
			f.drop(p)
		}
		f.mu.Unlock()
		return err
	}
	shown := true
	for n := 0; n < len(b); {
		p := f.at((off + int64(n)) / PageSize)
		n += copy(p.Data[(off+int64(n))%PageSize:], b[n:])
		p.leaf.use(p.index % leafPages)
		f.setDirty(p, true)
		shown = shown && p.shown
	}
	old := f.size
	f.size = max(f.size, end)
	mapped := f.maps.Any()
	f.mu.Unlock()
	f.backing.Modified()
	switch {
	case mapped && end > old:
		return f.show(min(first, old/PageSize), last+1)
	case mapped && !shown:
		return f.show(first, last+1)
	}
	return 0
}

// prepare makes sure that the pages of [off, end) are in the cache and not busy, with
// the contents that a write leaves as they are, and returns those that it
// added: they are zero. If it succeeds it returns with f.mu held.
func (f *File) prepare(off, end int64) (added []*page, err Errno) {
	c := f.volume.cache
	var spare []pages.Page
	defer func() {
		for _, m := range spare {
			c.store.Put(m)
		}
	}()
	for {
		f.mu.Lock()
		missing, read := f.missing(off, end)
		if read < 0 && len(missing) <= len(spare) {
			for _, i := range missing {
				added = append(added, f.put(spare[0], i, false))
				spare = spare[1:]
			}
			return added, 0
		}
		f.mu.Unlock()
		if read >= 0 {
			if err := f.fill(read, 1); err != 0 {
				return nil, err
			}
			continue
		}
		more, err := c.getAll(len(missing) - len(spare))
		if err != 0 {
			return nil, err
		}
		spare = append(spare, more...)
	}
}

// missing returns the pages of [off, end) that are not in the cache; and the first
// of them that has to be read from the disk, since not all of it will be
// written, or -1. It waits for those that are busy. f.mu is held.
func (f *File) missing(off, end int64) (list []int64, read int64) {
	for i := off / PageSize; i*PageSize < end; i++ {
		if p := f.at(i); p != nil {
			if p.busy {
				f.idle.Wait()
				i, list = off/PageSize-1, nil // much may have changed meanwhile
			}
			continue
		}
		list = append(list, i)
		whole := i*PageSize >= off && (i+1)*PageSize <= end
		if !whole && i*PageSize < f.size {
			return nil, i
		}
	}
	return list, -1
}

// reserve makes sure that the pages from first to last, which are there, can be
// written. f.mu is held.
func (f *File) reserve(first, last int64) Errno {
	for i := first; i <= last; {
		j := i
		for j <= last && !f.at(j).reserved {
			j++
		}
		if j > i {
			if err := f.backing.Reserve(i*PageSize, (j-i)*PageSize); err != 0 {
				return err
			}
		}
		for ; i < j; i++ {
			f.at(i).reserved = true
		}
		i++ // the page at j has its reservation
	}
	return 0
}
