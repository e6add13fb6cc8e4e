package volume

import (
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"ringo.dev/ringo/kernel"
	"ringo.dev/ringo/kernel/pagecache"
)

// file is a regular file in core: its data in the page cache, and the Backing of that.
type file struct {
	fs       *FS
	ino      uint64
	cached   *pagecache.File
	modified atomic.Int64 // when the program last changed the data, if the inode does not say so yet

	// Guarded by the table's lock.
	busy    bool   // open, mapped or about to be
	pending int    // calls of use that are under way
	uses    uint64 // calls of use that there were
	idle    bool   // is in inodeTable.idle
}

// inodeTable holds the files in core: those that are open, and some that were.
// Its lock may be taken while Volume.mu is held. While it is, no lock of a
// pagecache.File may be taken: holding that one, the page cache calls Reserve.
type inodeTable struct {
	mu    sync.Mutex
	files map[uint64]*file
	idle  []*file // not open when they were entered, the longest first
}

// idleFiles is the number of files whose data stays in the cache though they are not open.
const idleFiles = 1024

// has reports whether an inode is open or mapped.
func (t *inodeTable) has(ino uint64) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	f := t.files[ino]
	return f != nil && f.busy
}

// get returns a file in core, or nil.
func (t *inodeTable) get(ino uint64) *file {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.files[ino]
}

// forget takes a file out of core, unless it is in use. It may have dirty pages.
func (t *inodeTable) forget(f *file) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if f.busy || t.files[f.ino] != f {
		return false
	}
	delete(t.files, f.ino)
	return true
}

// use calls do with the file of an inode, which stays in core meanwhile, and as long as
// what do opened is open.
func (fs *FS) use(ino uint64, do func(*file) kernel.Errno) kernel.Errno {
	f, err := fs.core(ino)
	if err != nil {
		return errno(err)
	}
	e := do(f)
	t := fs.open
	t.mu.Lock()
	f.pending--
	t.mu.Unlock()
	f.unused()
	return e
}

// core brings the file of an inode into core, for use.
func (fs *FS) core(ino uint64) (*file, error) {
	fs.v.mu.RLock()
	defer fs.v.mu.RUnlock()
	in, err := fs.tree.inode(ino)
	if err != nil {
		return nil, err
	}
	t := fs.open
	t.mu.Lock()
	defer t.mu.Unlock()
	f := t.files[ino]
	if f == nil {
		f = &file{fs: fs, ino: ino}
		f.cached = fs.cache.NewFile(f, int64(in.size))
		if t.files == nil {
			t.files = map[uint64]*file{}
		}
		t.files[ino] = f
	}
	f.busy = true
	f.pending++
	f.uses++
	return f, nil
}

// unused is called when perhaps nobody uses the file any more.
func (f *file) unused() {
	if !f.rest() {
		return
	}
	v := f.fs.v
	v.mu.RLock()
	in, err := f.fs.tree.inode(f.ino)
	v.mu.RUnlock()
	if err == nil && in.nlink == 0 {
		if f.fs.open.forget(f) {
			f.cached.Drop()
			v.finish(f.ino) // an error has ended all changes; the next Open of the volume removes the inode
			f.fs.changed()
		}
		return
	}
	f.fs.keep(f)
}

// rest notes that the file is not in use, and reports whether that is so. If not, it
// will be called again.
func (f *file) rest() bool {
	t := f.fs.open
	t.mu.Lock()
	uses := f.uses
	t.mu.Unlock()
	if f.cached.InUse() {
		return false
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if f.pending > 0 || f.uses != uses {
		return false
	}
	f.busy = false
	return true
}

// keep enters a file that is not open, and drops the one that is longest in the
// list if there are too many.
func (fs *FS) keep(f *file) {
	t := fs.open
	t.mu.Lock()
	if !f.idle {
		f.idle = true
		t.idle = append(t.idle, f)
	}
	var old *file
	if len(t.idle) > idleFiles {
		old = t.idle[0]
		old.idle = false
		t.idle = append(t.idle[:0], t.idle[1:]...)
	}
	unused := old != nil && !old.busy
	t.mu.Unlock()
	// Nobody may read the inode from the disk before all is written. What is written
	// after this Flush was so by someone who opened the file, and it stays then.
	if unused && old.cached.Flush() == 0 && t.forget(old) {
		old.cached.Drop()
	}
}

// ReadPages fills p with pages from off on.
func (f *file) ReadPages(off int64, p [][]byte) syscall.Errno {
	return errno(f.fs.read(f.ino, uint64(off/BlockSize), p...))
}

// gather has buffers for pages that are to be written together.
var gather = sync.Pool{New: func() any { return new([]byte) }}

// WritePages stores pages for which there is a promise.
func (f *file) WritePages(off int64, p [][]byte, size int64) syscall.Errno {
	data := p[0]
	if len(p) > 1 {
		buf := gather.Get().(*[]byte)
		defer gather.Put(buf)
		*buf = (*buf)[:0]
		for _, piece := range p {
			*buf = append(*buf, piece...)
		}
		data = *buf
	}
	v := f.fs.v
	modified := f.modified.Load()
	err := v.storeAll(promisedData, f.ino, uint64(off/BlockSize), data, uint64(size), modified)
	switch err {
	case syscall.ENOENT: // removed meanwhile; Drop comes next
		return 0
	case nil:
		f.modified.CompareAndSwap(modified, 0)
		v.promised.Add(-int64(len(data) / BlockSize))
	}
	return errno(err)
}

// Reserve promises room for pages that will be written later.
func (f *file) Reserve(off, n int64) syscall.Errno {
	if off+n > maxFileBlocks*BlockSize-BlockSize {
		return syscall.EFBIG
	}
	return errno(f.fs.v.promise(f.ino, uint64(off/BlockSize), n/BlockSize))
}

// promise makes sure that n blocks of data can be written later, from a block of a
// file on. What replaces data may use the reserve: a commit gives that much back.
func (v *Volume) promise(ino, block uint64, n int64) error {
	if v.readOnly {
		return syscall.EROFS
	}
	const tries = 4 // others may take what a commit gave
	for i := 0; ; i++ {
		v.promised.Add(n)
		room := v.space.available() - v.owed()
		if room >= v.floor.Load() {
			return nil
		}
		if replaces, err := v.replaces(ino, block, uint64(n)); err == nil && replaces && room >= v.kept.Load() {
			return nil
		}
		v.promised.Add(-n)
		if i == tries || v.space.held.Load() == 0 {
			return syscall.ENOSPC
		}
		if err := v.Commit(); err != nil {
			return err
		}
	}
}

// replaces reports whether a file has data in all of n blocks that no snapshot has.
func (v *Volume) replaces(ino, block, n uint64) (bool, error) {
	v.mu.RLock()
	defer v.mu.RUnlock()
	for end := block + n; block < end; {
		e, ok, err := v.files.extentAt(ino, block)
		if err != nil || !ok || e.start > block || e.birth <= v.super.lastSnap {
			return false, err
		}
		block = e.end()
	}
	return true, nil
}

// Unreserve ends a promise that is not needed.
func (f *file) Unreserve(_, n int64) { f.fs.v.promised.Add(-n / BlockSize) }

// SetSize sets the size on the disk.
func (f *file) SetSize(size int64) syscall.Errno {
	if size > maxFileBlocks*BlockSize-BlockSize {
		return syscall.EFBIG
	}
	return errno(f.fs.v.setSize(f.ino, uint64(size)))
}

// Modified notes a change of the data.
func (f *file) Modified() { f.modified.Store(time.Now().UnixNano()) }

// Punch gives back the space of pages.
func (f *file) Punch(off, n int64) syscall.Errno {
	v := f.fs.v
	from, to := uint64(off/BlockSize), uint64((off+n)/BlockSize)
	for left := true; left; {
		err := v.change(shrink, 0, v.shrinkPlaces(), nil, func() error {
			in, err := v.files.inode(f.ino)
			if err != nil {
				return err
			}
			var freed uint64
			if freed, left, err = v.removeExtents(f.ino, from, to, v.shrinkStep()); err != nil {
				return err
			}
			in.blocks -= min(freed, in.blocks)
			return v.putInode(f.ino, &in)
		})
		if err != nil {
			return errno(err)
		}
	}
	return 0
}

// Preallocate gives space to pages that have none.
func (f *file) Preallocate(off, n int64) syscall.Errno {
	v := f.fs.v
	at, end := uint64(off/BlockSize), uint64((off+n)/BlockSize)
	if end > maxFileBlocks-1 {
		return syscall.EFBIG
	}
	for at < end {
		v.mu.RLock()
		e, ok, err := v.files.extentAt(f.ino, at)
		start, next := e.start, e.end()
		v.mu.RUnlock()
		if err != nil {
			return errno(err)
		}
		if ok && start <= at {
			at = next
			continue
		}
		gap := end
		if ok {
			gap = min(end, start)
		}
		n := min(gap-at, uint64(regionBlocks/2))
		if v.space.free.Load() < int64(gap-at) {
			return syscall.ENOSPC
		}
		taken, err := v.preallocate(f.ino, at, n)
		if err != nil {
			return errno(err)
		}
		at += taken
	}
	return 0
}

// preallocate gives space to the first of n blocks that have none.
func (v *Volume) preallocate(ino, at, n uint64) (taken uint64, err error) {
	err = v.change(grow, int64(n), 2, nil, func() error {
		in, err := v.files.inode(ino)
		if err != nil {
			return err
		}
		v.touched = true
		addr, got, err := v.space.takeRow(forData, 0, n)
		if err != nil {
			return err
		}
		taken = got
		v.log.row(addr, got, rowTaken, 0)
		e := extent{start: at, n: got, addr: addr, birth: v.generation(), unwritten: true}
		if err := v.putExtent(ino, &e); err != nil {
			return err
		}
		in.blocks += got
		return v.putInode(ino, &in)
	})
	return taken, err
}

// SeekData returns the first offset from off on with data, or with hole without.
func (f *file) SeekData(off int64, hole bool) (int64, syscall.Errno) {
	v := f.fs.v
	block := uint64(off / BlockSize)
	for {
		v.mu.RLock()
		e, ok, err := f.fs.tree.extentAt(f.ino, block)
		start, end, data := e.start, e.end(), ok && !e.unwritten
		v.mu.RUnlock()
		switch {
		case err != nil:
			return 0, errno(err)
		case !ok && !hole:
			return maxFileBlocks*BlockSize - BlockSize, 0
		case !ok, hole && (start > block || !data):
			return max(off, int64(block)*BlockSize), 0
		case !hole && data:
			return max(off, int64(max(start, block))*BlockSize), 0
		}
		block = end
	}
}
