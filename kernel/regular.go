package kernel

import (
	"sync"
	"sync/atomic"
	"syscall"
)

// Content is the data of a regular file, addressed by offset. NewRegularFile
// makes a File of it.
type Content interface {
	Inode
	ReaderAt
	WriterAt
	// Append writes p at the end, in one step, and returns where it went.
	Append(p []byte) (off int64, n int, err Errno)
	Sync() Errno
	// Release is called when the file made of the content is closed.
	Release()
}

// DataSeeker is Content that knows its holes (SEEK_DATA, SEEK_HOLE).
type DataSeeker interface {
	// SeekData returns the first offset from off on that holds data, or with
	// hole the first that does not. ENXIO if off is beyond the end.
	SeekData(off int64, hole bool) (int64, Errno)
}

// regularFile is an open regular file: Content and a position.
type regularFile struct {
	content Content
	append  atomic.Bool
	durable bool // every write is, when it returns (O_SYNC, O_DSYNC)

	mu  sync.Mutex // orders transfers at the position
	off int64
}

// NewRegularFile returns a File that reads and writes c.
func NewRegularFile(c Content, flags int) File {
	f := &regularFile{content: c, durable: flags&syscall.O_DSYNC != 0} // O_SYNC includes O_DSYNC
	f.SetFlags(flags)
	return f
}

func (f *regularFile) SetFlags(flags int) { f.append.Store(flags&syscall.O_APPEND != 0) }

func (f *regularFile) Read(p []byte) (int, Errno) {
	f.mu.Lock()
	defer f.mu.Unlock()
	n, err := f.content.ReadAt(p, f.off)
	f.off += int64(n)
	return n, err
}

func (f *regularFile) Write(p []byte) (int, Errno) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.append.Load() {
		off, n, err := f.content.Append(p)
		if err == 0 {
			f.off = off + int64(n)
		}
		return f.written(n, err)
	}
	n, err := f.content.WriteAt(p, f.off)
	f.off += int64(n)
	return f.written(n, err)
}

// written ends a write of n bytes.
func (f *regularFile) written(n int, err Errno) (int, Errno) {
	if err == 0 && n > 0 && f.durable {
		err = f.content.Sync()
	}
	return n, err
}

func (f *regularFile) ReadAt(p []byte, off int64) (int, Errno) { return f.content.ReadAt(p, off) }

// WriteAt appends if the file is open with O_APPEND, as Linux does (pwrite(2), BUGS).
func (f *regularFile) WriteAt(p []byte, off int64) (int, Errno) {
	if f.append.Load() {
		_, n, err := f.content.Append(p)
		return f.written(n, err)
	}
	return f.written(f.content.WriteAt(p, off))
}

func (f *regularFile) SeekTo(off int64, whence int) (int64, Errno) {
	f.mu.Lock()
	defer f.mu.Unlock()
	base := int64(0)
	switch whence {
	case 0:
	case 1:
		base = f.off
	case 2, seekData, seekHole:
		var st syscall.Stat_t
		if err := f.content.Stat(&st); err != 0 {
			return 0, err
		}
		if whence == 2 {
			base = st.Size
			break
		}
		if off < 0 || off >= st.Size {
			return 0, syscall.ENXIO
		}
		if ds, ok := f.content.(DataSeeker); ok {
			var err Errno
			if off, err = ds.SeekData(off, whence == seekHole); err != 0 {
				return 0, err
			}
		} else if whence == seekHole {
			off = st.Size
		}
	default:
		return 0, syscall.EINVAL
	}
	if off > 0 && base+off < base {
		return 0, syscall.EOVERFLOW
	}
	if base+off < 0 {
		return 0, syscall.EINVAL
	}
	f.off = base + off
	return f.off, 0
}

func (f *regularFile) Truncate(size int64) Errno {
	return f.content.SetAttr(&Attr{Set: SetSize, Size: size})
}

func (f *regularFile) Allocate(mode int, off, n int64) Errno {
	if a, ok := f.content.(Allocater); ok {
		return a.Allocate(mode, off, n)
	}
	return syscall.EOPNOTSUPP
}

func (f *regularFile) Ready() Events                 { return EventIn | EventOut }
func (f *regularFile) Queue() *Queue                 { return nil }
func (f *regularFile) Stat(st *syscall.Stat_t) Errno { return f.content.Stat(st) }
func (f *regularFile) Sync() Errno                   { return f.content.Sync() }

func (f *regularFile) Close() Errno {
	f.content.Release()
	return 0
}
