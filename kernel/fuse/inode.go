package fuse

import (
	"syscall"

	"ringo.dev/ringo/kernel"
)

// inode is what all kinds of objects have in common.
type inode struct {
	fs      *FS
	number  uint64
	kind    uint32 // S_IF*
	self    kernel.Inode
	lookups *lookups // nil for the root
}

// The kinds of objects.
type (
	symlink struct{ inode }
	special struct{ inode } // FIFO, socket or device
)

var (
	_ kernel.Regular   = (*regular)(nil)
	_ kernel.Directory = (*dir)(nil)
	_ kernel.Symlink   = (*symlink)(nil)
)

// Stat implements kernel.Inode.
func (n *inode) Stat(st *syscall.Stat_t) kernel.Errno {
	var in getAttrIn
	var out attrOut
	if _, err := n.fs.call(opGetAttr, n.number, bytesOf(&in), nil, bytesOf(&out), nil); err != 0 {
		return err
	}
	return n.show(&out.attr, st)
}

// show fills st, and checks that the object is still of its kind.
func (n *inode) show(a *attr, st *syscall.Stat_t) kernel.Errno {
	if a.mode&syscall.S_IFMT != n.kind {
		return syscall.EIO
	}
	dev := st.Dev // the mount's
	*st = syscall.Stat_t{
		Dev: dev, Ino: a.ino, Mode: a.mode, Nlink: uint64(a.nlink), Uid: a.uid, Gid: a.gid, Rdev: uint64(a.rdev),
		Size: int64(a.size), Blocks: int64(a.blocks), Blksize: int64(a.blksize),
		Atim: syscall.Timespec{Sec: int64(a.atime), Nsec: int64(a.atimeNsec)},
		Mtim: syscall.Timespec{Sec: int64(a.mtime), Nsec: int64(a.mtimeNsec)},
		Ctim: syscall.Timespec{Sec: int64(a.ctime), Nsec: int64(a.ctimeNsec)},
	}
	return 0
}

// SetAttr implements kernel.Inode.
func (n *inode) SetAttr(a *kernel.Attr) kernel.Errno { return n.setAttr(a, nil) }

// setAttr changes attributes, by way of an open file if file is not nil.
func (n *inode) setAttr(a *kernel.Attr, file *uint64) kernel.Errno {
	in := setAttrIn{
		mode: a.Mode, uid: a.UID, gid: a.GID, size: uint64(a.Size),
		atime: uint64(a.Atime.Sec), atimeNsec: uint32(a.Atime.Nsec),
		mtime: uint64(a.Mtime.Sec), mtimeNsec: uint32(a.Mtime.Nsec),
	}
	for _, v := range []struct {
		set   kernel.AttrMask
		valid uint32
	}{
		{kernel.SetMode, validMode},
		{kernel.SetUID, validUID},
		{kernel.SetGID, validGID},
		{kernel.SetSize, validSize},
		{kernel.SetAtime, validAtime},
		{kernel.SetMtime, validMtime},
	} {
		if a.Set&v.set != 0 {
			in.valid |= v.valid
		}
	}
	if file != nil {
		in.file, in.valid = *file, in.valid|validFile
	}
	var out attrOut
	_, err := n.fs.call(opSetAttr, n.number, bytesOf(&in), nil, bytesOf(&out), nil)
	return err
}

// release closes what was opened with flags. There is nobody to tell of an error.
func (n *inode) release(op opcode, file uint64, flags int) {
	in := releaseIn{file: file, flags: uint32(flags)}
	n.fs.call(op, n.number, bytesOf(&in), nil, nil, nil)
}

// Readlink implements kernel.Symlink.
func (l *symlink) Readlink() (string, kernel.Errno) {
	const pathMax = 4096
	to := make([]byte, pathMax)
	n, err := l.fs.call(opReadlink, l.number, nil, nil, nil, to)
	return string(to[:n]), err
}
