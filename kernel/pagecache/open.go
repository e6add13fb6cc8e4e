package pagecache

import (
	"syscall"

	"ringo.dev/ringo/kernel"
)

// content is an open File: kernel.Content with the attributes of its inode.
type content struct {
	kernel.Inode
	*File
	seen int // the last write error that the opener knows of
}

// Open returns an open file with the File's data and node's attributes; flags are
// those of open(2). idle is called whenever the last of what Open returned is
// closed and nothing of the File is mapped any more.
func (f *File) Open(node kernel.Inode, flags int, idle func()) kernel.File {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.users++
	f.idleFunc = idle
	return kernel.NewRegularFile(&content{node, f, f.failed.told}, flags)
}

// Release is called when the open file is closed.
func (c *content) Release() { c.leave() }

// leave is called by everyone who has used the File.
func (f *File) leave() {
	f.mu.Lock()
	f.users--
	idle := f.idleFunc
	if f.users > 0 {
		idle = nil
	}
	f.mu.Unlock()
	if idle != nil {
		idle()
	}
}

// InUse reports whether the File is open or mapped.
func (f *File) InUse() bool {
	f.mu.RLock()
	defer f.mu.RUnlock()
	return f.users > 0
}

// Sync is fsync(2): it writes what is dirty, lets the file system make it
// durable, and tells of every error of writing once.
func (c *content) Sync() Errno {
	err := c.Flush()
	if e := c.volume.fs.Commit(); e != 0 {
		err = e
	}
	f := c.File
	f.mu.Lock()
	defer f.mu.Unlock()
	if c.seen < f.failed.last {
		err = f.failed.err
		c.seen, f.failed.told = f.failed.last, f.failed.last
	}
	return err
}

// Modes of fallocate(2).
const (
	keepSize  = 1
	punchHole = 2
	zeroRange = 16
)

// Allocate is fallocate(2).
func (f *File) Allocate(mode int, off, n int64) Errno {
	end := off + n
	if end > maxSize {
		return syscall.EFBIG
	}
	f.writing.Lock()
	defer f.writing.Unlock()
	size := f.Size()
	switch mode {
	case punchHole | keepSize:
		return f.punch(off, min(end, size))
	case zeroRange, zeroRange | keepSize:
		if err := f.punch(off, min(end, size)); err != 0 {
			return err
		}
	case 0, keepSize:
	default:
		return syscall.EOPNOTSUPP
	}
	if err := f.preallocate(off, end, mode&keepSize != 0); err != 0 {
		return err
	}
	if mode&keepSize == 0 && end > size {
		return f.resize(end)
	}
	return 0
}

// preallocate makes sure that [off, end) has space. f.writing is held.
func (f *File) preallocate(off, end int64, keep bool) Errno {
	b, ok := f.backing.(Preallocater)
	if !ok {
		if keep {
			return syscall.EOPNOTSUPP // there is no space but that of pages within the file
		}
		return f.rewrite(off, end)
	}
	f.io.Lock()
	defer f.io.Unlock()
	first := off / PageSize * PageSize
	return b.Preallocate(first, pagesOf(end)*PageSize-first)
}

// rewrite makes the pages of [off, end) dirty as they are, so that they have space.
// f.writing is held.
func (f *File) rewrite(off, end int64) Errno {
	for off < end {
		i := off / PageSize
		next := min((i+1)*PageSize, end)
		var old [PageSize]byte
		if _, err := f.ReadAt(old[:next-off], off); err != 0 {
			return err
		}
		if err := f.writeChunk(old[:next-off], off); err != 0 {
			return err
		}
		off = next
	}
	return 0
}

// punch makes [off, end), within the file, read as zeroes. f.writing is held.
func (f *File) punch(off, end int64) Errno {
	if off >= end {
		return 0
	}
	first, last := pagesOf(off), end/PageSize // the whole pages
	if end == f.Size() {
		last = pagesOf(end)
	}
	b, ok := f.backing.(Puncher)
	if !ok || first >= last || f.mapped() {
		return f.zero(off, end)
	}
	if err := f.zero(off, min(first*PageSize, end)); err != 0 {
		return err
	}
	if err := f.zero(last*PageSize, end); err != 0 {
		return err
	}
	f.io.Lock()
	defer f.io.Unlock()
	f.mu.Lock()
	for i := first; i < last; i++ {
		if p := f.at(i); p != nil {
			f.drop(p)
		}
	}
	f.mu.Unlock()
	f.backing.Modified()
	f.volume.Changed()
	return b.Punch(first*PageSize, (last-first)*PageSize)
}

func (f *File) mapped() bool {
	f.mu.RLock()
	defer f.mu.RUnlock()
	return f.maps.Any()
}

// zero writes zeroes to [off, end). f.writing is held.
func (f *File) zero(off, end int64) Errno {
	var zeroes [16 * PageSize]byte
	for off < end {
		n := min(end-off, int64(len(zeroes)))
		if err := f.writeChunk(zeroes[:n], off); err != 0 {
			return err
		}
		off += n
	}
	return 0
}

// SeekData finds data or a hole (SEEK_DATA, SEEK_HOLE); off is within the file.
func (f *File) SeekData(off int64, hole bool) (int64, Errno) {
	size := f.Size()
	b, ok := f.backing.(HoleSeeker)
	if !ok {
		if hole {
			return size, 0
		}
		return off, 0
	}
	f.io.RLock()
	defer f.io.RUnlock()
	for off < size {
		dirty, until := f.dirtyFrom(off)
		if dirty {
			if !hole {
				return off, 0
			}
			off = until
			continue
		}
		at, err := b.SeekData(off, hole)
		if err != 0 {
			return 0, err
		}
		if at < min(until, size) {
			return at, 0
		}
		off = until
	}
	if hole {
		return size, 0
	}
	return 0, syscall.ENXIO
}
