package kernel

import (
	"sync"
	"syscall"
)

// directoryFile is an open directory.
type directoryFile struct {
	noTransfer
	kernel *Kernel
	at     Location
	dir    Directory

	mu     sync.Mutex
	cookie int64 // 0: at the start, 1: after ".", 2 and on: after "..", plus the file system's own
}

// noTransfer is the part of File that directories and the like share.
type noTransfer struct{}

func (noTransfer) Write(p []byte) (int, Errno) { return 0, syscall.EBADF }
func (noTransfer) Ready() Events               { return EventIn | EventOut }
func (noTransfer) Queue() *Queue               { return nil }
func (noTransfer) Close() Errno                { return 0 }

func (f *directoryFile) Read(p []byte) (int, Errno)    { return 0, syscall.EISDIR }
func (f *directoryFile) Stat(st *syscall.Stat_t) Errno { return f.dir.Stat(st) }
func (f *directoryFile) Sync() Errno                   { return f.at.Mount.FS.Sync() }

func (f *directoryFile) SeekTo(off int64, whence int) (int64, Errno) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if whence == 1 {
		off += f.cookie
	} else if whence != 0 {
		return 0, syscall.EINVAL
	}
	if off < 0 {
		return 0, syscall.EINVAL
	}
	f.cookie = off
	return off, 0
}

// direntName is the size of the fixed part of struct linux_dirent64
// (getdents(2)): inode number, cookie, length, type.
const direntName = 8 + 8 + 2 + 1

// putDirent appends a linux_dirent64 to buf[n:] and returns the new length, or
// false if there is no room.
func putDirent(buf []byte, n int, e DirEntry) (int, bool) {
	size := (direntName + len(e.Name) + 1 + 7) &^ 7
	if size > len(buf)-n {
		return n, false
	}
	b := buf[n : n+size]
	put64(b[0:], e.Ino)
	put64(b[8:], uint64(e.Cookie))
	b[16], b[17] = byte(size), byte(size>>8)
	b[18] = e.Type
	clear(b[direntName+copy(b[direntName:], e.Name):])
	return n + size, true
}

// readDir fills buf with directory entries.
func (f *directoryFile) readDir(buf []byte) (int, Errno) {
	f.mu.Lock()
	defer f.mu.Unlock()
	n, full := 0, false
	add := func(e DirEntry) bool {
		m, ok := putDirent(buf, n, e)
		if !ok {
			full = true
			return false
		}
		n, f.cookie = m, e.Cookie
		return true
	}
	for f.cookie < 2 && !full {
		e := DirEntry{Name: ".", Type: syscall.DT_DIR, Cookie: f.cookie + 1}
		at := f.at
		if f.cookie == 1 {
			e.Name = ".."
			at = f.kernel.parent(at)
		}
		var st syscall.Stat_t
		if err := at.Node.Stat(&st); err != 0 {
			return 0, err
		}
		e.Ino = st.Ino
		add(e)
	}
	if !full {
		err := f.dir.ReadDir(f.cookie-2, func(e DirEntry) bool {
			e.Cookie += 2
			return add(e)
		})
		if err != 0 && n == 0 {
			return 0, err
		}
	}
	if n == 0 && full {
		return 0, syscall.EINVAL
	}
	return n, 0
}

// Getdents is getdents64(2).
func (k *Kernel) Getdents(fd int, buf []byte) (int, Errno) {
	d, err := k.file(fd)
	if err != 0 {
		return 0, err
	}
	f, ok := d.File.(*directoryFile)
	if !ok {
		return 0, syscall.ENOTDIR
	}
	return f.readDir(buf)
}
