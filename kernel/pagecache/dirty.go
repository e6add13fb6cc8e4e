package pagecache

import (
	"maps"
	"math/bits"
	"slices"
)

// dirty reports whether the page differs from the disk.
func (p *page) dirty() bool { return p.leaf.dirty>>(p.index%leafPages)&1 != 0 }

// setDirty notes whether a page is to be written. f.mu is held.
func (f *File) setDirty(p *page, dirty bool) {
	if p.dirty() == dirty {
		return
	}
	l, key := p.leaf, p.index/leafPages
	l.dirty ^= 1 << (p.index % leafPages)
	if dirty {
		f.volume.cache.dirty.Add(1)
		if f.dirty[key] == nil {
			f.dirty[key] = l
			f.volume.note(f)
		}
		return
	}
	f.volume.cache.dirty.Add(-1)
	if l.dirty == 0 {
		delete(f.dirty, key)
	}
}

// dirtyPages returns the indices of the dirty pages, in order. f.mu is held.
func (f *File) dirtyPages() (list []int64) {
	for _, key := range slices.Sorted(maps.Keys(f.dirty)) {
		for set := f.dirty[key].dirty; set != 0; set &= set - 1 {
			list = append(list, key*leafPages+int64(bits.TrailingZeros64(set)))
		}
	}
	return list
}

// dirtyBefore reports whether a page is dirty that begins before an offset.
func (f *File) dirtyBefore(off int64) bool {
	f.mu.RLock()
	defer f.mu.RUnlock()
	for key, l := range f.dirty {
		if (key*leafPages+int64(bits.TrailingZeros64(l.dirty)))*PageSize < off {
			return true
		}
	}
	return false
}

// dirtyFrom reports whether the page at off is dirty, and the offset of the first
// page behind that is otherwise.
func (f *File) dirtyFrom(off int64) (dirty bool, until int64) {
	f.mu.RLock()
	defer f.mu.RUnlock()
	i := off / PageSize
	list := f.dirtyPages()
	at, dirty := slices.BinarySearch(list, i)
	if dirty {
		for ; at < len(list) && list[at] == i; at++ {
			i++
		}
		return true, i * PageSize
	}
	until = f.size
	if at < len(list) {
		until = min(until, list[at]*PageSize)
	}
	return false, max(until, off+1)
}
