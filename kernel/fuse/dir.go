package fuse

import (
	"math"
	"syscall"
	"unsafe"

	"ringo.dev/ringo/kernel"
	"ringo.dev/ringo/kernel/fuse/wire"
)

// dir is a directory.
type dir struct {
	inode
	// Where it was last found; fs.mu guards that. The root has no parent.
	parent *dir
	name   string
}

// path is a name as a request has it.
func path(name string) []byte { return append([]byte(name), 0) }

// Lookup implements kernel.Directory.
func (d *dir) Lookup(name string) (kernel.Inode, kernel.Errno) {
	return d.entry(wire.OpLookup, name, nil, path(name))
}

// entry makes a request that looks a name up, or makes it.
func (d *dir) entry(op wire.Opcode, name string, arg, data []byte) (kernel.Inode, kernel.Errno) {
	var out wire.EntryOut
	if _, err := d.fs.call(op, d.number, arg, data, wire.BytesOf(&out), nil); err != 0 {
		return nil, err
	}
	return d.fs.enter(&out, d, name)
}

// Parent implements kernel.Directory. Where the directory is now, if another
// moved it, is not known.
func (d *dir) Parent() (kernel.Directory, string) {
	d.fs.mu.Lock()
	defer d.fs.mu.Unlock()
	if d.parent == nil {
		return nil, ""
	}
	return d.parent, d.name
}

// Create implements kernel.Directory. A regular file is opened at the same time:
// its mode need not allow that later.
func (d *dir) Create(name string, mode uint32, rdev uint64) (kernel.Inode, kernel.Errno) {
	if mode&syscall.S_IFMT != syscall.S_IFREG {
		in := wire.MknodIn{Mode: mode, Rdev: uint32(rdev)}
		return d.entry(wire.OpMknod, name, wire.BytesOf(&in), path(name))
	}
	in := wire.CreateIn{Flags: syscall.O_RDWR, Mode: mode}
	var out wire.CreateOut
	if _, err := d.fs.call(wire.OpCreate, d.number, wire.BytesOf(&in), path(name), wire.BytesOf(&out), nil); err != 0 {
		return nil, err
	}
	n, err := d.fs.enter(&out.Entry, d, name)
	if err != 0 {
		return nil, err
	}
	if f, ok := n.(*regular); ok {
		d.fs.keepFresh(f, out.Open.File)
	}
	return n, 0
}

// Mkdir implements kernel.Directory.
func (d *dir) Mkdir(name string, mode uint32) (kernel.Inode, kernel.Errno) {
	in := wire.MkdirIn{Mode: mode}
	return d.entry(wire.OpMkdir, name, wire.BytesOf(&in), path(name))
}

// Symlink implements kernel.Directory.
func (d *dir) Symlink(name, target string) (kernel.Inode, kernel.Errno) {
	return d.entry(wire.OpSymlink, name, nil, append(path(name), path(target)...))
}

// Link implements kernel.Directory.
func (d *dir) Link(name string, node kernel.Inode) kernel.Errno {
	n := inodeOf(node)
	if n == nil || n.fs != d.fs {
		return syscall.EXDEV
	}
	in := wire.LinkIn{Node: n.number}
	_, err := d.entry(wire.OpLink, name, wire.BytesOf(&in), path(name))
	return err
}

// inodeOf returns what is common of one of our inodes, nil for others.
func inodeOf(node kernel.Inode) *inode {
	switch n := node.(type) {
	case *regular:
		return &n.inode
	case *dir:
		return &n.inode
	case *symlink:
		return &n.inode
	case *special:
		return &n.inode
	}
	return nil
}

// Unlink implements kernel.Directory.
func (d *dir) Unlink(name string) kernel.Errno {
	_, err := d.fs.call(wire.OpUnlink, d.number, nil, path(name), nil, nil)
	return err
}

// Rmdir implements kernel.Directory.
func (d *dir) Rmdir(name string) kernel.Errno {
	_, err := d.fs.call(wire.OpRmdir, d.number, nil, path(name), nil, nil)
	return err
}

// Rename implements kernel.Directory.
func (d *dir) Rename(oldName string, to kernel.Directory, newName string, flags int) kernel.Errno {
	other, ok := to.(*dir)
	if !ok || other.fs != d.fs {
		return syscall.EXDEV
	}
	in := wire.Rename2In{Dir: other.number, Flags: uint32(flags)}
	_, err := d.fs.call(wire.OpRename2, d.number, wire.BytesOf(&in), append(path(oldName), path(newName)...), nil, nil)
	return err
}

// open opens the directory for reading.
func (d *dir) open() (file uint64, err kernel.Errno) {
	in := wire.OpenIn{Flags: syscall.O_RDONLY | syscall.O_DIRECTORY}
	var out wire.OpenOut
	_, err = d.fs.call(wire.OpOpenDir, d.number, wire.BytesOf(&in), nil, wire.BytesOf(&out), nil)
	return out.File, err
}

// lastCookie is the largest cookie that the kernel can take. There are file
// systems whose last entry has the largest number there is.
const lastCookie = math.MaxInt64 - 2

// ReadDir implements kernel.Directory. The cookies are the other side's.
func (d *dir) ReadDir(cookie int64, emit func(kernel.DirEntry) bool) kernel.Errno {
	file, err := d.open()
	if err != 0 {
		return err
	}
	defer d.release(wire.OpReleaseDir, file, 0)
	buf := make([]byte, 16<<10)
	for {
		in := wire.TransferIn{File: file, Offset: uint64(cookie), Size: uint32(len(buf))}
		if cookie == lastCookie {
			in.Offset = math.MaxInt64
		}
		n, err := d.fs.call(wire.OpReadDir, d.number, wire.BytesOf(&in), nil, nil, buf)
		if n == 0 || err != 0 {
			return err
		}
		for rest := buf[:n]; len(rest) > 0; {
			e, size, ok := parseDirent(rest)
			if !ok {
				return syscall.EIO
			}
			rest = rest[size:]
			if e.Cookie <= 0 || e.Cookie == cookie {
				return syscall.EIO // it would not end
			}
			cookie = e.Cookie
			if !emit(e) {
				return 0
			}
		}
	}
}

// parseDirent reads the entry that b begins with, and its size.
func parseDirent(b []byte) (e kernel.DirEntry, size int, ok bool) {
	if len(b) < wire.DirentSize {
		return e, 0, false
	}
	var d wire.Dirent
	copy(wire.BytesOf(&d), b)
	const maxName = 255
	if d.NameLen == 0 || d.NameLen > maxName || wire.DirentSize+int(d.NameLen) > len(b) {
		return e, 0, false
	}
	e = kernel.DirEntry{
		Name:   string(b[wire.DirentSize:][:d.NameLen]),
		Ino:    d.Ino,
		Type:   uint8(d.Kind),
		Cookie: int64(min(d.Offset, lastCookie)),
	}
	const align = unsafe.Sizeof(d.Ino)
	size = min((wire.DirentSize+int(d.NameLen)+int(align)-1)&^(int(align)-1), len(b))
	return e, size, true
}
