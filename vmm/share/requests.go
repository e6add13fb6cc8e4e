package share

import (
	"bytes"
	"encoding/binary"
	"syscall"

	"golang.org/x/sys/unix"
	"ringo.dev/ringo/kernel/fuse/wire"
)

// These methods answer requests, one each.

// lookup answers what a name is.
func (t *tree) lookup(r *request, _ *none, out *wire.EntryOut) error {
	return t.directory(r.node, r.names[0], func(dir *node) error { return t.look(dir, r.names[0], out) })
}

// forgetNode takes lookups of a node back.
func (t *tree) forgetNode(r *request, in *wire.ForgetIn, _ *none) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if n := t.nodes[r.node]; n != nil {
		t.forget(n, in.Lookups)
	}
	return nil
}

// getAttr describes a node.
func (t *tree) getAttr(r *request, _ *wire.GetAttrIn, out *wire.AttrOut) error {
	return t.node(r.node, func(n *node) error { return n.describe(out) })
}

func (n *node) describe(out *wire.AttrOut) error {
	st, err := n.stat()
	if err == nil {
		out.Attr = attributes(&st)
	}
	return err
}

// attributes are those of an object of the host.
func attributes(st *unix.Stat_t) wire.Attr {
	return wire.Attr{
		Ino: st.Ino, Size: uint64(st.Size), Blocks: uint64(st.Blocks), Blksize: uint32(st.Blksize),
		Mode: st.Mode, Nlink: uint32(st.Nlink), UID: st.Uid, GID: st.Gid, Rdev: uint32(st.Rdev),
		Atime: uint64(st.Atim.Sec), AtimeNsec: uint32(st.Atim.Nsec),
		Mtime: uint64(st.Mtim.Sec), MtimeNsec: uint32(st.Mtim.Nsec),
		Ctime: uint64(st.Ctim.Sec), CtimeNsec: uint32(st.Ctim.Nsec),
	}
}

// passedModes are the permission bits that go to the host.
const passedModes = 0o1777

// setAttr changes attributes, those that are given.
func (t *tree) setAttr(r *request, in *wire.SetAttrIn, out *wire.AttrOut) error {
	if t.readOnly {
		return syscall.EROFS
	}
	return t.node(r.node, func(n *node) error {
		if in.Valid&wire.ValidMode != 0 {
			if n.kind == unix.S_IFLNK {
				return syscall.EOPNOTSUPP
			}
			if err := unix.Fchmodat(t.self, n.name(), in.Mode&passedModes, 0); err != nil {
				return err
			}
		}
		if err := chown(n, in); err != nil {
			return err
		}
		if in.Valid&wire.ValidSize != 0 { // before the times, which it would change
			if err := t.truncate(n, in); err != nil {
				return err
			}
		}
		if err := t.setTimes(n, in); err != nil {
			return err
		}
		return n.describe(out)
	})
}

func chown(n *node, in *wire.SetAttrIn) error {
	uid, gid := -1, -1
	if in.Valid&wire.ValidUID != 0 {
		uid = int(in.UID)
	}
	if in.Valid&wire.ValidGID != 0 {
		gid = int(in.GID)
	}
	if uid < 0 && gid < 0 {
		return nil
	}
	return unix.Fchownat(n.fd, "", uid, gid, unix.AT_EMPTY_PATH)
}

// truncate sets the size by the open file that the request names, or another.
func (t *tree) truncate(n *node, in *wire.SetAttrIn) error {
	size := int64(in.Size)
	if in.Valid&wire.ValidFile != 0 {
		return t.file(in.File, func(f *file) error { return unix.Ftruncate(f.fd, size) })
	}
	fd, err := t.open(n, unix.O_WRONLY)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return unix.Ftruncate(fd, size)
}

func (t *tree) setTimes(n *node, in *wire.SetAttrIn) error {
	times := []unix.Timespec{{Nsec: unix.UTIME_OMIT}, {Nsec: unix.UTIME_OMIT}}
	if in.Valid&(wire.ValidAtime|wire.ValidMtime) == 0 {
		return nil
	}
	if in.Valid&wire.ValidAtime != 0 {
		times[0] = unix.Timespec{Sec: int64(in.Atime), Nsec: int64(in.AtimeNsec)}
	}
	if in.Valid&wire.ValidMtime != 0 {
		times[1] = unix.Timespec{Sec: int64(in.Mtime), Nsec: int64(in.MtimeNsec)}
	}
	return unix.UtimesNanoAt(t.self, n.name(), times, 0)
}

// mknod makes a file, FIFO or socket. Devices would be the host's.
func (t *tree) mknod(r *request, in *wire.MknodIn, out *wire.EntryOut) error {
	name := r.names[0]
	return t.change(r.node, name, func(dir *node) error {
		switch kind := in.Mode & unix.S_IFMT; kind {
		case unix.S_IFREG, unix.S_IFIFO, unix.S_IFSOCK:
			if err := unix.Mknodat(dir.fd, name, kind|in.Mode&passedModes, 0); err != nil {
				return err
			}
			return t.look(dir, name, out)
		}
		return syscall.EPERM
	})
}

// mkdir makes a directory.
func (t *tree) mkdir(r *request, in *wire.MkdirIn, out *wire.EntryOut) error {
	name := r.names[0]
	return t.change(r.node, name, func(dir *node) error {
		if err := unix.Mkdirat(dir.fd, name, in.Mode&passedModes); err != nil {
			return err
		}
		return t.look(dir, name, out)
	})
}

// symlink makes a symbolic link.
func (t *tree) symlink(r *request, _ *none, out *wire.EntryOut) error {
	name, target := r.names[0], r.names[1]
	return t.change(r.node, name, func(dir *node) error {
		if err := unix.Symlinkat(target, dir.fd, name); err != nil {
			return err
		}
		return t.look(dir, name, out)
	})
}

// readlink reads one.
func (t *tree) readlink(r *request, _, _ *none) error {
	return t.node(r.node, func(n *node) error {
		b := make([]byte, unix.PathMax)
		k, err := unix.Readlinkat(n.fd, "", b)
		if err == nil {
			r.put(b[:k])
		}
		return err
	})
}

// link gives a node another name.
func (t *tree) link(r *request, in *wire.LinkIn, out *wire.EntryOut) error {
	name := r.names[0]
	return t.change(r.node, name, func(dir *node) error {
		return t.node(in.Node, func(n *node) error {
			if err := unix.Linkat(t.self, n.name(), dir.fd, name, unix.AT_SYMLINK_FOLLOW); err != nil {
				return err
			}
			return t.look(dir, name, out)
		})
	})
}

// unlink removes a name of anything but a directory.
func (t *tree) unlink(r *request, _, _ *none) error {
	return t.change(r.node, r.names[0], func(dir *node) error { return unix.Unlinkat(dir.fd, r.names[0], 0) })
}

// rmdir removes a directory.
func (t *tree) rmdir(r *request, _, _ *none) error {
	return t.change(r.node, r.names[0], func(dir *node) error {
		return unix.Unlinkat(dir.fd, r.names[0], unix.AT_REMOVEDIR)
	})
}

// rename moves a name, to another directory perhaps.
func (t *tree) rename(r *request, in *wire.Rename2In, _ *none) error {
	const known = unix.RENAME_NOREPLACE | unix.RENAME_EXCHANGE
	if in.Flags&^known != 0 {
		return syscall.EINVAL
	}
	from, to := r.names[0], r.names[1]
	return t.change(r.node, from, func(dir *node) error {
		return t.change(in.Dir, to, func(other *node) error {
			return unix.Renameat2(dir.fd, from, other.fd, to, uint(in.Flags))
		})
	})
}

// openFlags are those of open(2) that matter beyond the guest's kernel.
const openFlags = unix.O_ACCMODE | unix.O_APPEND | unix.O_SYNC | unix.O_DSYNC

// create makes a regular file, which must not be there, and opens it.
func (t *tree) create(r *request, in *wire.CreateIn, out *wire.CreateOut) error {
	name := r.names[0]
	return t.change(r.node, name, func(dir *node) error {
		flags := int(in.Flags)&openFlags | unix.O_CREAT | unix.O_EXCL | unix.O_NOFOLLOW | unix.O_CLOEXEC
		fd, err := unix.Openat(dir.fd, name, flags, in.Mode&passedModes)
		if err != nil {
			return err
		}
		path, err := unix.Openat(t.self, (&node{fd: fd}).name(), unix.O_PATH|unix.O_CLOEXEC, 0)
		if err != nil {
			unix.Close(fd)
			return err
		}
		if err := t.adopt(path, &out.Entry); err != nil {
			unix.Close(fd)
			return err
		}
		out.Open.File, err = t.hold(fd)
		return err
	})
}

// openFile opens a regular file.
func (t *tree) openFile(r *request, in *wire.OpenIn, out *wire.OpenOut) error {
	flags := int(in.Flags) & openFlags
	if t.readOnly && flags&unix.O_ACCMODE != unix.O_RDONLY {
		return syscall.EROFS
	}
	return t.node(r.node, func(n *node) (err error) {
		if n.kind == unix.S_IFDIR {
			return syscall.EISDIR
		}
		out.File, err = t.openHeld(n, flags)
		return err
	})
}

// openDir opens a directory.
func (t *tree) openDir(r *request, _ *wire.OpenIn, out *wire.OpenOut) error {
	return t.node(r.node, func(n *node) (err error) {
		out.File, err = t.openHeld(n, unix.O_RDONLY|unix.O_DIRECTORY)
		return err
	})
}

func (t *tree) openHeld(n *node, flags int) (number uint64, err error) {
	fd, err := t.open(n, flags)
	if err != nil {
		return 0, err
	}
	return t.hold(fd)
}

// releaseFile closes a file or directory.
func (t *tree) releaseFile(_ *request, in *wire.ReleaseIn, _ *none) error {
	t.release(in.File)
	return nil
}

// read reads from an open file, right into the guest's memory.
func (t *tree) read(r *request, in *wire.TransferIn, _ *none) error {
	return t.file(in.File, func(f *file) error {
		n, err := unix.Preadv(f.fd, r.answer.first(int(in.Size)), int64(in.Offset))
		r.used = max(n, 0)
		return err
	})
}

// write writes to an open file, right from the guest's memory. One that was opened
// with O_APPEND grows.
func (t *tree) write(r *request, in *wire.TransferIn, out *wire.WriteOut) error {
	data := r.body.first(int(in.Size))
	if data.size() < int(in.Size) {
		return syscall.EINVAL
	}
	return t.file(in.File, func(f *file) error {
		n, err := unix.Pwritev(f.fd, data, int64(in.Offset))
		out.Size = uint32(max(n, 0))
		return err
	})
}

// lseek finds data and holes.
func (t *tree) lseek(r *request, in *wire.LseekIn, out *wire.LseekOut) error {
	if in.Whence != unix.SEEK_DATA && in.Whence != unix.SEEK_HOLE {
		return syscall.EINVAL
	}
	return t.file(in.File, func(f *file) error {
		off, err := unix.Seek(f.fd, int64(in.Offset), int(in.Whence))
		out.Offset = uint64(max(off, 0))
		return err
	})
}

// fsync makes what was written to a file durable.
func (t *tree) fsync(r *request, in *wire.FsyncIn, _ *none) error {
	return t.file(in.File, func(f *file) error {
		if in.Flags&wire.FsyncData != 0 {
			return unix.Fdatasync(f.fd)
		}
		return unix.Fsync(f.fd)
	})
}

// fsyncDir makes everything durable that was written to the directory's file
// system: the guest asks for that by way of its root.
func (t *tree) fsyncDir(r *request, in *wire.FsyncIn, _ *none) error {
	return t.file(in.File, func(f *file) error { return unix.Syncfs(f.fd) })
}

// fallocate reserves or frees space of an open file.
func (t *tree) fallocate(r *request, in *wire.FallocateIn, _ *none) error {
	return t.file(in.File, func(f *file) error {
		return unix.Fallocate(f.fd, in.Mode, int64(in.Offset), int64(in.Length))
	})
}

// readDir lists an open directory from an offset on, which is 0 or one that the
// host gave for an entry. The entries "." and ".." are the guest's own matter.
func (t *tree) readDir(r *request, in *wire.TransferIn, _ *none) error {
	return t.file(in.File, func(f *file) error {
		f.mu.Lock()
		defer f.mu.Unlock()
		if _, err := unix.Seek(f.fd, int64(in.Offset), unix.SEEK_SET); err != nil {
			return err
		}
		b, list := make([]byte, 32<<10), make([]byte, 0, r.answer.first(int(in.Size)).size())
		defer func() { r.put(list) }()
		for {
			n, err := unix.Getdents(f.fd, b)
			if n <= 0 || err != nil {
				return err
			}
			for rest := b[:n]; len(rest) > 0; {
				e, name, size := parseDirent(rest)
				rest = rest[size:]
				if name == "." || name == ".." {
					continue
				}
				end := len(list) + direntSize(name)
				if end > cap(list) {
					return nil
				}
				list = append(append(list, wire.BytesOf(&e)...), name...)
				clear(list[len(list):end])
				list = list[:end]
			}
		}
	})
}

// direntSize is what an entry of a directory takes, with its name, which is padded.
func direntSize(name string) int { return (wire.DirentSize + len(name) + 7) &^ 7 }

// parseDirent returns the entry (struct linux_dirent64) with which b begins, its name
// and its size. It is the kernel's, and not to be doubted.
func parseDirent(b []byte) (e wire.Dirent, name string, size int) {
	const typeAt, nameAt = 18, 19
	e.Ino, e.Offset = binary.NativeEndian.Uint64(b), binary.NativeEndian.Uint64(b[8:])
	e.Kind = uint32(b[typeAt])
	size = int(binary.NativeEndian.Uint16(b[16:]))
	text, _, _ := bytes.Cut(b[nameAt:size], []byte{0})
	e.NameLen = uint32(len(text))
	return e, string(text), size
}

// statfs describes the file system.
func (t *tree) statfs(r *request, _ *none, out *wire.StatfsOut) error {
	return t.node(r.node, func(n *node) error {
		var st unix.Statfs_t
		if err := unix.Fstatfs(n.fd, &st); err != nil {
			return err
		}
		*out = wire.StatfsOut{
			Blocks: st.Blocks, Free: st.Bfree, Available: st.Bavail, Files: st.Files, FreeFiles: st.Ffree,
			BlockSize: uint32(st.Bsize), NameLen: uint32(st.Namelen), FragmentSize: uint32(st.Frsize),
		}
		return nil
	})
}
