package erofs

import (
	"sync"
	"syscall"
	"unsafe"

	"ringo.dev/ringo/kernel"
	"ringo.dev/ringo/kernel/pages"
)

// file is a regular file: kernel.Content, and kernel.Mappable.
type file struct{ node }

// Open returns an open file. The kernel does not open files of a read-only mount for
// writing.
func (f file) Open(flags int) (kernel.File, kernel.Errno) { return kernel.NewRegularFile(f, flags), 0 }

// ReadAt reads at an offset; at the end it answers 0.
func (f file) ReadAt(p []byte, off int64) (int, kernel.Errno) {
	i, err := f.fs.inode(f.nid)
	if err != 0 {
		return 0, err
	}
	return f.fs.read(&i, p, off)
}

// The rest of kernel.Content.

func (file) WriteAt([]byte, int64) (int, kernel.Errno) { return 0, syscall.EROFS }
func (file) Append([]byte) (int64, int, kernel.Errno)  { return 0, 0, syscall.EROFS }
func (file) Sync() kernel.Errno                        { return 0 }
func (file) Release()                                  {}

// tails are the pages of mapped files that are no pages in the image, as they
// share theirs with something else or are not aligned. They stay: few files are
// mapped, and most of their pages can be shown where they are.
type tails struct {
	mu    sync.Mutex
	store *pages.Store
	pages map[tail]pages.Page
}

// tail names a page of a file.
type tail struct {
	nid   uint64
	index int64
}

// Map implements kernel.Mappable: the image's own pages are shown.
func (f file) Map(m *kernel.Mapping) kernel.Errno {
	i, err := f.fs.inode(f.nid)
	if err != 0 {
		return err
	}
	var all kernel.Mappings
	all.Add(m)
	var failed kernel.Errno
	err = all.Show(m.First, m.First+m.N, func(index int64) uintptr {
		addr, err := f.fs.page(f.nid, &i, index)
		if err != 0 {
			failed = err
		}
		return addr
	})
	if failed != 0 {
		return failed
	}
	return err
}

// Remap implements kernel.Mappable.
func (f file) Remap(m *kernel.Mapping) kernel.Errno { return f.Map(m) }

// Unmap implements kernel.Mappable.
func (f file) Unmap(*kernel.Mapping) {}

// page returns the address of a page of a file.
func (fs *FS) page(nid uint64, i *inode, index int64) (uintptr, kernel.Errno) {
	off := index * pages.Size
	if off >= i.size {
		return kernel.NoPage, 0
	}
	b, size, err := fs.extent(i, off)
	if err != 0 {
		return kernel.NoPage, err
	}
	if b == nil && size >= min(pages.Size, i.size-off) {
		return kernel.Hole, 0
	}
	if addr := uintptr(unsafe.Pointer(unsafe.SliceData(b))); size >= pages.Size && addr%pages.Size == 0 {
		return addr, 0
	}
	t := &fs.tails
	t.mu.Lock()
	defer t.mu.Unlock()
	p, ok := t.pages[tail{nid, index}]
	if !ok {
		if t.pages == nil {
			t.store = pages.NewStore(fs.size)
			t.pages = map[tail]pages.Page{}
		}
		if p, ok = t.store.Get(); !ok {
			return kernel.NoPage, syscall.ENOMEM
		}
		if _, err := fs.read(i, p.Data[:], off); err != 0 {
			t.store.Put(p)
			return kernel.NoPage, err
		}
		t.pages[tail{nid, index}] = p
	}
	return p.Addr(), 0
}
