package fuse

import (
	"syscall"

	"ringo.dev/ringo/kernel"
	"ringo.dev/ringo/kernel/fuse/wire"
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
	var in wire.GetAttrIn
	var out wire.AttrOut
	if _, err := n.fs.call(wire.OpGetAttr, n.number, wire.BytesOf(&in), nil, wire.BytesOf(&out), nil); err != 0 {
		return err
	}
	return n.show(&out.Attr, st)
}

// show fills st, and checks that the object is still of its kind.
func (n *inode) show(a *wire.Attr, st *syscall.Stat_t) kernel.Errno {
	if a.Mode&syscall.S_IFMT != n.kind {
		return syscall.EIO
	}
	dev := st.Dev // the mount's
	*st = syscall.Stat_t{
		Dev: dev, Ino: a.Ino, Mode: a.Mode, Nlink: uint64(a.Nlink), Uid: a.UID, Gid: a.GID, Rdev: uint64(a.Rdev),
		Size: int64(a.Size), Blocks: int64(a.Blocks), Blksize: int64(a.Blksize),
		Atim: syscall.Timespec{Sec: int64(a.Atime), Nsec: int64(a.AtimeNsec)},
		Mtim: syscall.Timespec{Sec: int64(a.Mtime), Nsec: int64(a.MtimeNsec)},
		Ctim: syscall.Timespec{Sec: int64(a.Ctime), Nsec: int64(a.CtimeNsec)},
	}
	return 0
}

// SetAttr implements kernel.Inode.
func (n *inode) SetAttr(a *kernel.Attr) kernel.Errno { return n.setAttr(a, nil) }

// setAttr changes attributes, by way of an open file if file is not nil.
func (n *inode) setAttr(a *kernel.Attr, file *uint64) kernel.Errno {
	in := wire.SetAttrIn{
		Mode: a.Mode, UID: a.UID, GID: a.GID, Size: uint64(a.Size),
		Atime: uint64(a.Atime.Sec), AtimeNsec: uint32(a.Atime.Nsec),
		Mtime: uint64(a.Mtime.Sec), MtimeNsec: uint32(a.Mtime.Nsec),
	}
	for _, v := range []struct {
		set kernel.AttrMask
		bit uint32
	}{
		{kernel.SetMode, wire.ValidMode},
		{kernel.SetUID, wire.ValidUID},
		{kernel.SetGID, wire.ValidGID},
		{kernel.SetSize, wire.ValidSize},
		{kernel.SetAtime, wire.ValidAtime},
		{kernel.SetMtime, wire.ValidMtime},
	} {
		if a.Set&v.set != 0 {
			in.Valid |= v.bit
		}
	}
	if file != nil {
		in.File, in.Valid = *file, in.Valid|wire.ValidFile
	}
	var out wire.AttrOut
	_, err := n.fs.call(wire.OpSetAttr, n.number, wire.BytesOf(&in), nil, wire.BytesOf(&out), nil)
	return err
}

// release closes what was opened with flags. There is nobody to tell of an error.
func (n *inode) release(op wire.Opcode, file uint64, flags int) {
	in := wire.ReleaseIn{File: file, Flags: uint32(flags)}
	n.fs.call(op, n.number, wire.BytesOf(&in), nil, nil, nil)
}

// Readlink implements kernel.Symlink.
func (l *symlink) Readlink() (string, kernel.Errno) {
	const pathMax = 4096
	to := make([]byte, pathMax)
	n, err := l.fs.call(wire.OpReadlink, l.number, nil, nil, nil, to)
	return string(to[:n]), err
}
