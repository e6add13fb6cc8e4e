package tmpfs

import (
	"syscall"

	"ringo.dev/ringo/kernel"
)

// Map implements kernel.Mappable.
func (f *file) Map(m *kernel.Mapping) kernel.Errno {
	f.mu.Lock()
	f.opens++
	err := f.page0()
	if err == 0 {
		f.maps.Add(m)
		err = f.showPages(m.First, m.First+m.N)
	}
	f.mu.Unlock()
	if err != 0 {
		f.Unmap(m)
	}
	return err
}

// Remap implements kernel.Mappable.
func (f *file) Remap(m *kernel.Mapping) kernel.Errno {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.showPages(m.First, m.First+m.N)
}

// Unmap implements kernel.Mappable.
func (f *file) Unmap(m *kernel.Mapping) {
	f.mu.Lock()
	f.maps.Remove(m)
	f.mu.Unlock()
	f.Release()
}

// page0 moves the head to a page. f.mu is held.
func (f *file) page0() kernel.Errno {
	if f.paged {
		return 0
	}
	f.paged = true
	if len(f.head) == 0 {
		return 0
	}
	p, ok := f.page(0, 0)
	if !ok {
		f.paged = false
		return syscall.ENOMEM
	}
	copy(p[:], f.head)
	f.fs.store.Charge(-int64(len(f.head)))
	f.head = nil
	return 0
}

// show makes mappings show the pages of [from, to), bytes that have pages now or lie
// within the size now. f.mu is held.
func (f *file) show(from, to int64) kernel.Errno {
	if !f.maps.Any() {
		return 0
	}
	return f.showPages(from/pageSize, (to+pageSize-1)/pageSize)
}

// showPages is show for pages from first to before end. Where the program may write,
// holes get pages: a write to a mapping cannot fail. f.mu is held.
func (f *file) showPages(first, end int64) kernel.Errno {
	if f.maps.Writable() {
		for i := first; i < end && i*pageSize < f.size; i++ {
			if !f.maps.Cover(i) {
				continue
			}
			if _, ok := f.page(i/leafPages, int(i%leafPages)); !ok {
				return syscall.ENOSPC
			}
		}
	}
	return f.maps.Show(first, end, f.addr)
}

// hide makes mappings show nothing of the pages that lie in [from, to) as a whole;
// to is the old size. f.mu is held.
func (f *file) hide(from, to int64) {
	// To take pages away needs no memory, so there is no error.
	f.maps.Show((from+pageSize-1)/pageSize, (to+pageSize-1)/pageSize, f.addr)
}

// addr returns the address of page i for the mappings. f.mu is held.
func (f *file) addr(i int64) uintptr {
	if i*pageSize >= f.size {
		return kernel.NoPage
	}
	if l := f.leaves[i/leafPages]; l != nil && l[i%leafPages].Data != nil {
		return l[i%leafPages].Addr()
	}
	return kernel.Hole
}
