package tmpfs

import (
	"slices"
	"syscall"
	"time"

	"ringo.dev/ringo/kernel"
	"ringo.dev/ringo/kernel/pages"
)

const pageSize = pages.Size

// maxSize is the largest size of a file: that of Linux's tmpfs.
const maxSize = 1<<63 - 1

// leafPages is the number of pages that one entry of file.leaves covers.
const leafPages = 64

// leaf holds consecutive pages of a file; those not set are holes.
type leaf [leafPages]pages.Page

// file is a regular file. The first page of its data is head, which is only as
// long as it needs to be, since most files are small; the rest is in leaves. Once
// a file was mapped, everything is in leaves. Bytes beyond size are zero wherever
// there is memory for them.
type file struct {
	inode  // its mu guards the following too
	size   int64
	head   []byte
	paged  bool            // there is no head
	leaves map[int64]*leaf // by offset / (leafPages * pageSize)
	pages  int64           // in leaves
	maps   kernel.Mappings
	opens  int  // open files and mappings
	freed  bool // has given everything back
}

func (fs *FS) newFile(mode, nlink uint32) *file {
	f := &file{}
	f.init(fs, syscall.S_IFREG|mode, nlink)
	return f
}

// Open returns a new open file.
func (f *file) Open(flags int) (kernel.File, kernel.Errno) {
	f.mu.Lock()
	f.opens++
	f.mu.Unlock()
	return kernel.NewRegularFile(f, flags), 0
}

// Release is called when an open file is closed.
func (f *file) Release() {
	f.mu.Lock()
	f.opens--
	f.mu.Unlock()
	f.freeIfUnused()
}

// freeIfUnused gives the data back if the file has neither a name nor an opener.
func (f *file) freeIfUnused() {
	f.mu.Lock()
	unused := f.nlink == 0 && f.opens == 0 && !f.freed
	if unused {
		f.resize(0)
		f.freed = true
	}
	f.mu.Unlock()
	if unused {
		f.free()
	}
}

// Stat fills st.
func (f *file) Stat(st *syscall.Stat_t) kernel.Errno {
	f.mu.RLock()
	defer f.mu.RUnlock()
	f.stat(st)
	st.Size = f.size
	st.Blocks = f.pages * (pageSize / 512)
	if len(f.head) > 0 {
		st.Blocks += pageSize / 512
	}
	return 0
}

// SetAttr changes attributes, among them the size.
func (f *file) SetAttr(a *kernel.Attr) kernel.Errno {
	f.mu.Lock()
	defer f.mu.Unlock()
	if a.Set&kernel.SetSize != 0 {
		if a.Size < 0 {
			return syscall.EINVAL
		}
		if err := f.resize(a.Size); err != 0 {
			return err
		}
		f.mtime = time.Now().UnixNano()
	}
	f.setAttr(a)
	return 0
}

// Sync has nothing to do.
func (f *file) Sync() kernel.Errno { return 0 }

// headEnd is where the leaves begin.
func (f *file) headEnd() int64 {
	if f.paged {
		return 0
	}
	return pageSize
}

// split returns the place of an offset beyond head.
func split(off int64) (leafIndex int64, pageIndex, inPage int) {
	n := off / pageSize
	return n / leafPages, int(n % leafPages), int(off % pageSize)
}

// resize sets the size and gives back what lies beyond. f.mu is held.
func (f *file) resize(size int64) kernel.Errno {
	old := f.size
	f.size = size
	if size < old {
		f.hide(size, old)
	}
	f.punch(size, maxSize) // there may be pages beyond the old size too (Allocate)
	if old := int64(len(f.head)); size < old {
		f.fs.store.Charge(size - old)
		f.head = append([]byte(nil), f.head[:size]...)
	}
	if size > old {
		return f.show(old, size)
	}
	return 0
}

// punch makes [from, to) read as zeroes and gives whole pages back, unless they may
// be mapped. f.mu is held.
func (f *file) punch(from, to int64) {
	if from >= to {
		return
	}
	if from < int64(len(f.head)) {
		clear(f.head[from:min(to, int64(len(f.head)))])
	}
	from = max(from, f.headEnd())
	const leafSize = leafPages * pageSize
	if (to-from)/leafSize > int64(len(f.leaves)) {
		for i := range f.leaves { // fewer than the range has: go through what there is
			f.punchLeaf(i, from, to)
		}
		return
	}
	for off := from; off < to; off = (off/leafSize + 1) * leafSize {
		f.punchLeaf(off/leafSize, from, to)
		if off > maxSize-leafSize {
			break
		}
	}
}

// punchLeaf is punch for what one leaf holds of the range.
func (f *file) punchLeaf(i, from, to int64) {
	l := f.leaves[i]
	if l == nil {
		return
	}
	empty := true
	for j := range l {
		start := (i*leafPages + int64(j)) * pageSize
		p := &l[j]
		if p.Data == nil {
			continue
		}
		lo, hi := max(from-start, 0), min(to-start, pageSize)
		mapped := start < f.size && f.maps.Any()
		if !mapped && lo == 0 && (hi == pageSize || hi > 0 && start+hi >= f.size) {
			f.fs.store.Put(*p)
			f.pages--
			*p = pages.Page{}
			continue
		}
		if lo < hi {
			clear(p.Data[lo:hi])
		}
		empty = false
	}
	if empty {
		delete(f.leaves, i)
	}
}

// ReadAt reads at an offset; at the end it answers 0.
func (f *file) ReadAt(p []byte, off int64) (int, kernel.Errno) {
	f.mu.RLock()
	defer f.mu.RUnlock()
	if off >= f.size {
		return 0, 0
	}
	if rest := f.size - off; int64(len(p)) > rest {
		p = p[:rest]
	}
	n := 0
	if off < f.headEnd() {
		n = min(len(p), int(pageSize-off))
		k := 0
		if off < int64(len(f.head)) {
			k = copy(p[:n], f.head[off:])
		}
		clear(p[k:n])
	}
	for n < len(p) {
		li, pi, in := split(off + int64(n))
		want := min(len(p)-n, pageSize-in)
		if l := f.leaves[li]; l != nil && l[pi].Data != nil {
			copy(p[n:n+want], l[pi].Data[in:])
		} else {
			clear(p[n : n+want])
		}
		n += want
	}
	return n, 0
}

// WriteAt writes at an offset. Without room for everything it writes what it
// can, and answers ENOSPC only if that is nothing.
func (f *file) WriteAt(p []byte, off int64) (int, kernel.Errno) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.write(p, off)
}

// Append writes at the end.
func (f *file) Append(p []byte) (int64, int, kernel.Errno) {
	f.mu.Lock()
	defer f.mu.Unlock()
	off := f.size
	n, err := f.write(p, off)
	return off, n, err
}

func (f *file) write(p []byte, off int64) (int, kernel.Errno) {
	if len(p) == 0 {
		return 0, 0
	}
	if off > maxSize-int64(len(p)) {
		return 0, syscall.EFBIG
	}
	n, old, pages := 0, f.size, f.pages
	if off < f.headEnd() {
		n = min(len(p), int(pageSize-off))
		if !f.growHead(int(off) + n) {
			return 0, syscall.ENOSPC
		}
		copy(f.head[off:], p[:n])
	}
	for n < len(p) {
		li, pi, in := split(off + int64(n))
		pg, ok := f.page(li, pi)
		if !ok {
			break
		}
		n += copy(pg[in:], p[n:])
	}
	if n == 0 {
		return 0, syscall.ENOSPC
	}
	f.size = max(f.size, off+int64(n))
	f.mtime = time.Now().UnixNano()
	f.ctime = f.mtime
	if f.pages != pages || f.size != old {
		return n, f.show(min(off, old), off+int64(n))
	}
	return n, 0
}

// growHead makes head at least size long.
func (f *file) growHead(size int) bool {
	more := size - len(f.head)
	if more <= 0 {
		return true
	}
	if !f.fs.store.Reserve(int64(more)) {
		return false
	}
	old := len(f.head)
	f.head = slices.Grow(f.head, more)[:size]
	clear(f.head[old:])
	return true
}

// page returns the page at a place of leaves, which it makes if need be.
func (f *file) page(li int64, pi int) (*[pageSize]byte, bool) {
	l := f.leaves[li]
	if l == nil {
		if f.leaves == nil {
			f.leaves = map[int64]*leaf{}
		}
		l = &leaf{}
		f.leaves[li] = l
	}
	if l[pi].Data == nil {
		ref, ok := f.fs.store.Get()
		if !ok {
			return nil, false
		}
		l[pi] = ref
		f.pages++
	}
	return l[pi].Data, true
}

// Allocate is fallocate(2).
func (f *file) Allocate(mode int, off, n int64) kernel.Errno {
	const keepSize, punchHole, zeroRange = 1, 2, 16
	f.mu.Lock()
	defer f.mu.Unlock()
	end := off + n
	switch mode {
	case punchHole | keepSize:
		f.punch(off, min(end, f.size))
		f.mtime = time.Now().UnixNano()
		f.ctime = f.mtime
		return 0
	case zeroRange, zeroRange | keepSize:
		f.punch(off, min(end, f.size))
	case 0, keepSize:
	default:
		return syscall.EOPNOTSUPP
	}
	if _, limit := f.fs.store.Usage(); n > limit {
		return syscall.ENOSPC
	}
	if off < f.headEnd() && !f.growHead(int(min(end, pageSize))) {
		return syscall.ENOSPC
	}
	for at := max(off, f.headEnd()); at < end; at = (at/pageSize + 1) * pageSize {
		li, pi, _ := split(at)
		if _, ok := f.page(li, pi); !ok {
			return syscall.ENOSPC
		}
	}
	old := f.size
	if mode&keepSize == 0 {
		f.size = max(f.size, end)
	}
	f.mtime = time.Now().UnixNano()
	f.ctime = f.mtime
	return f.show(min(off, old), end)
}

// SeekData finds data or a hole.
func (f *file) SeekData(off int64, hole bool) (int64, kernel.Errno) {
	f.mu.RLock()
	defer f.mu.RUnlock()
	for off < f.size {
		var data bool
		next := (off/pageSize + 1) * pageSize
		if off < f.headEnd() {
			data = len(f.head) > 0
		} else {
			li, pi, _ := split(off)
			if l := f.leaves[li]; l != nil {
				data = l[pi].Data != nil
			} else {
				next = f.nextLeaf(li)
			}
		}
		if data != hole {
			return off, 0
		}
		off = next
	}
	if hole {
		return f.size, 0
	}
	return 0, syscall.ENXIO
}

// nextLeaf returns the offset of the first leaf after number i, or the size.
func (f *file) nextLeaf(i int64) int64 {
	next := f.size
	for j := range f.leaves {
		if start := j * leafPages * pageSize; j > i && start < next {
			next = start
		}
	}
	return next
}
