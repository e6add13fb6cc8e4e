package pagecache

import "ringo.dev/ringo/kernel"

// Map implements kernel.Mappable. All of the file that m covers is read at once:
// a program that touches a mapping cannot wait for the disk.
func (f *File) Map(m *kernel.Mapping) Errno {
	f.writing.Lock()
	f.mu.Lock()
	f.users++
	f.maps.Add(m)
	f.mu.Unlock()
	err := f.show(m.First, m.First+m.N)
	f.writing.Unlock()
	if err != 0 {
		f.Unmap(m)
	}
	return err
}

// Remap implements kernel.Mappable.
func (f *File) Remap(m *kernel.Mapping) Errno {
	f.writing.Lock()
	defer f.writing.Unlock()
	return f.show(m.First, m.First+m.N)
}

// Unmap implements kernel.Mappable.
func (f *File) Unmap(m *kernel.Mapping) {
	f.collect() // an error is that of the next Flush, which tries again
	f.mu.Lock()
	f.maps.Remove(m)
	if !f.maps.Writable() {
		for _, l := range f.leaves {
			for _, p := range l.page {
				if p != nil {
					p.watched = false
				}
			}
		}
	}
	f.mu.Unlock()
	f.leave()
}

// show makes the mappings show the pages from first to before end. The pages are
// read if need be, and stay in the cache for as long as they are mapped.
// f.writing is held.
func (f *File) show(first, end int64) Errno {
	for first < end {
		next := min(first+maxTransfer, end)
		if err := f.showSome(first, next); err != 0 {
			return err
		}
		first = next
	}
	return 0
}

// showSome is show for as many pages as one transfer has.
func (f *File) showSome(first, end int64) Errno {
	size := pagesOf(f.Size())
	for i := first; i < min(end, size); i++ {
		f.mu.RLock()
		p := f.at(i)
		skip := p != nil && !p.busy || !f.maps.Cover(i)
		f.mu.RUnlock()
		if skip {
			continue
		}
		if err := f.fill(i, end-i); err != 0 {
			return err
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	writable := f.maps.Writable()
	for i := first; i < min(end, size); i++ {
		p := f.at(i)
		switch {
		case p == nil || !f.maps.Cover(i):
		case writable && !p.watched:
			p.sum = f.volume.cache.sum(p.Data[:])
			p.watched = true
			f.volume.note(f)
		case !writable && !p.dirty() && !p.busy && !p.shown && *p.Data == [PageSize]byte{}:
			f.drop(p) // all holes share one page
		}
	}
	return f.maps.Show(first, end, f.addr)
}

// hide makes the mappings show no pages from first to before end. f.mu is held.
func (f *File) hide(first, end int64) {
	// To take pages away needs no memory, so there is no error.
	f.maps.Show(first, end, func(int64) uintptr { return kernel.NoPage })
}

// addr returns the address of page i for the mappings, to be called when it is
// shown. f.mu is held.
func (f *File) addr(i int64) uintptr {
	p := f.at(i)
	switch {
	case i*PageSize >= f.size:
		return kernel.NoPage
	case p == nil:
		return kernel.Hole
	}
	p.shown = true
	return p.Addr()
}
