package fuse

import (
	"math"
	"syscall"
	"unsafe"

	"ringo.dev/ringo/kernel"
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
	return d.entry(opLookup, name, nil, path(name))
}

// entry makes a request that looks a name up, or makes it.
func (d *dir) entry(op opcode, name string, arg, data []byte) (kernel.Inode, kernel.Errno) {
	var out entryOut
	if _, err := d.fs.call(op, d.number, arg, data, bytesOf(&out), nil); err != 0 {
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
		in := mknodIn{mode: mode, rdev: uint32(rdev)}
		return d.entry(opMknod, name, bytesOf(&in), path(name))
	}
	in := createIn{flags: syscall.O_RDWR, mode: mode}
	var out createOut
	if _, err := d.fs.call(opCreate, d.number, bytesOf(&in), path(name), bytesOf(&out), nil); err != 0 {
		return nil, err
	}
	n, err := d.fs.enter(&out.entry, d, name)
	if err != 0 {
		return nil, err
	}
	if f, ok := n.(*regular); ok {
		d.fs.keepFresh(f, out.open.file)
	}
	return n, 0
}

// Mkdir implements kernel.Directory.
func (d *dir) Mkdir(name string, mode uint32) (kernel.Inode, kernel.Errno) {
	in := mkdirIn{mode: mode}
	return d.entry(opMkdir, name, bytesOf(&in), path(name))
}

// Symlink implements kernel.Directory.
func (d *dir) Symlink(name, target string) (kernel.Inode, kernel.Errno) {
	return d.entry(opSymlink, name, nil, append(path(name), path(target)...))
}

// Link implements kernel.Directory.
func (d *dir) Link(name string, node kernel.Inode) kernel.Errno {
	n := inodeOf(node)
	if n == nil || n.fs != d.fs {
		return syscall.EXDEV
	}
	in := linkIn{n.number}
	_, err := d.entry(opLink, name, bytesOf(&in), path(name))
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
	_, err := d.fs.call(opUnlink, d.number, nil, path(name), nil, nil)
	return err
}

// Rmdir implements kernel.Directory.
func (d *dir) Rmdir(name string) kernel.Errno {
	_, err := d.fs.call(opRmdir, d.number, nil, path(name), nil, nil)
	return err
}

// Rename implements kernel.Directory.
func (d *dir) Rename(oldName string, to kernel.Directory, newName string, flags int) kernel.Errno {
	other, ok := to.(*dir)
	if !ok || other.fs != d.fs {
		return syscall.EXDEV
	}
	in := rename2In{dir: other.number, flags: uint32(flags)}
	_, err := d.fs.call(opRename2, d.number, bytesOf(&in), append(path(oldName), path(newName)...), nil, nil)
	return err
}

// open opens the directory for reading.
func (d *dir) open() (file uint64, err kernel.Errno) {
	in := openIn{flags: syscall.O_RDONLY | syscall.O_DIRECTORY}
	var out openOut
	_, err = d.fs.call(opOpenDir, d.number, bytesOf(&in), nil, bytesOf(&out), nil)
	return out.file, err
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
	defer d.release(opReleaseDir, file, 0)
	buf := make([]byte, 16<<10)
	for {
		in := transferIn{file: file, offset: uint64(cookie), size: uint32(len(buf))}
		if cookie == lastCookie {
			in.offset = math.MaxInt64
		}
		n, err := d.fs.call(opReadDir, d.number, bytesOf(&in), nil, nil, buf)
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
	if len(b) < direntSize {
		return e, 0, false
	}
	var d dirent
	copy(bytesOf(&d), b)
	const maxName = 255
	if d.nameLen == 0 || d.nameLen > maxName || direntSize+int(d.nameLen) > len(b) {
		return e, 0, false
	}
	e = kernel.DirEntry{
		Name:   string(b[direntSize:][:d.nameLen]),
		Ino:    d.ino,
		Type:   uint8(d.kind),
		Cookie: int64(min(d.offset, lastCookie)),
	}
	const align = unsafe.Sizeof(d.ino)
	size = min((direntSize+int(d.nameLen)+int(align)-1)&^(int(align)-1), len(b))
	return e, size, true
}
