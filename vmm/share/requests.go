package share

import (
	"syscall"

	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"
)

// These methods are tree's part of fuse.RawFileSystem: one for each request.

// Lookup answers what a name is.
func (t *tree) Lookup(_ <-chan struct{}, h *fuse.InHeader, name string, out *fuse.EntryOut) fuse.Status {
	return t.directory(h.NodeId, name, func(dir *node) error { return t.look(dir, name, out) })
}

// Forget takes lookups of a node back.
func (t *tree) Forget(number, lookups uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if n := t.nodes[number]; n != nil {
		t.forget(n, lookups)
	}
}

// GetAttr describes a node.
func (t *tree) GetAttr(_ <-chan struct{}, in *fuse.GetAttrIn, out *fuse.AttrOut) fuse.Status {
	return t.node(in.NodeId, func(n *node) error { return n.describe(out) })
}

func (n *node) describe(out *fuse.AttrOut) error {
	st, err := n.stat()
	if err == nil {
		out.FromStat(st)
	}
	return err
}

// passedModes are the permission bits that go to the host.
const passedModes = 0o1777

// SetAttr changes attributes, those that are given.
func (t *tree) SetAttr(_ <-chan struct{}, in *fuse.SetAttrIn, out *fuse.AttrOut) fuse.Status {
	if t.readOnly {
		return fuse.EROFS
	}
	return t.node(in.NodeId, func(n *node) error {
		if mode, ok := in.GetMode(); ok {
			if n.kind == unix.S_IFLNK {
				return syscall.EOPNOTSUPP
			}
			if err := unix.Fchmodat(t.self, n.name(), mode&passedModes, 0); err != nil {
				return err
			}
		}
		if err := chown(n, in); err != nil {
			return err
		}
		if size, ok := in.GetSize(); ok { // before the times, which it would change
			if err := t.truncate(n, in, int64(size)); err != nil {
				return err
			}
		}
		if err := t.setTimes(n, in); err != nil {
			return err
		}
		return n.describe(out)
	})
}

func chown(n *node, in *fuse.SetAttrIn) error {
	uid, gid := -1, -1
	if id, ok := in.GetUID(); ok {
		uid = int(id)
	}
	if id, ok := in.GetGID(); ok {
		gid = int(id)
	}
	if uid < 0 && gid < 0 {
		return nil
	}
	return unix.Fchownat(n.fd, "", uid, gid, unix.AT_EMPTY_PATH)
}

// truncate sets the size by the open file that the request names, or another.
func (t *tree) truncate(n *node, in *fuse.SetAttrIn, size int64) error {
	if number, ok := in.GetFh(); ok {
		f, err := t.take(number)
		if err != nil {
			return err
		}
		defer t.leave(f)
		return unix.Ftruncate(f.fd, size)
	}
	fd, err := t.open(n, unix.O_WRONLY)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return unix.Ftruncate(fd, size)
}

func (t *tree) setTimes(n *node, in *fuse.SetAttrIn) error {
	times := []unix.Timespec{{Nsec: unix.UTIME_OMIT}, {Nsec: unix.UTIME_OMIT}}
	if in.Valid&(fuse.FATTR_ATIME|fuse.FATTR_MTIME) == 0 {
		return nil
	}
	if in.Valid&fuse.FATTR_ATIME != 0 {
		times[0] = unix.Timespec{Sec: int64(in.Atime), Nsec: int64(in.Atimensec)}
	}
	if in.Valid&fuse.FATTR_MTIME != 0 {
		times[1] = unix.Timespec{Sec: int64(in.Mtime), Nsec: int64(in.Mtimensec)}
	}
	return unix.UtimesNanoAt(t.self, n.name(), times, 0)
}

// Mknod makes a file, FIFO or socket. Devices would be the host's.
func (t *tree) Mknod(_ <-chan struct{}, in *fuse.MknodIn, name string, out *fuse.EntryOut) fuse.Status {
	return t.change(in.NodeId, name, func(dir *node) error {
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

// Mkdir makes a directory.
func (t *tree) Mkdir(_ <-chan struct{}, in *fuse.MkdirIn, name string, out *fuse.EntryOut) fuse.Status {
	return t.change(in.NodeId, name, func(dir *node) error {
		if err := unix.Mkdirat(dir.fd, name, in.Mode&passedModes); err != nil {
			return err
		}
		return t.look(dir, name, out)
	})
}

// Symlink makes a symbolic link.
func (t *tree) Symlink(_ <-chan struct{}, h *fuse.InHeader, target, name string, out *fuse.EntryOut) fuse.Status {
	return t.change(h.NodeId, name, func(dir *node) error {
		if err := unix.Symlinkat(target, dir.fd, name); err != nil {
			return err
		}
		return t.look(dir, name, out)
	})
}

// Readlink reads one.
func (t *tree) Readlink(_ <-chan struct{}, h *fuse.InHeader) (target []byte, status fuse.Status) {
	status = t.node(h.NodeId, func(n *node) error {
		b := make([]byte, unix.PathMax)
		k, err := unix.Readlinkat(n.fd, "", b)
		target = b[:max(k, 0)]
		return err
	})
	return target, status
}

// Link gives a node another name.
func (t *tree) Link(_ <-chan struct{}, in *fuse.LinkIn, name string, out *fuse.EntryOut) fuse.Status {
	return t.change(in.NodeId, name, func(dir *node) error {
		return errno(t.node(in.Oldnodeid, func(n *node) error {
			if err := unix.Linkat(t.self, n.name(), dir.fd, name, unix.AT_SYMLINK_FOLLOW); err != nil {
				return err
			}
			return t.look(dir, name, out)
		}))
	})
}

// errno returns a status as an error.
func errno(s fuse.Status) error {
	if s == fuse.OK {
		return nil
	}
	return syscall.Errno(s)
}

// Unlink removes a name of anything but a directory, Rmdir a directory.
func (t *tree) Unlink(_ <-chan struct{}, h *fuse.InHeader, name string) fuse.Status {
	return t.change(h.NodeId, name, func(dir *node) error { return unix.Unlinkat(dir.fd, name, 0) })
}

// Rmdir is Unlink's counterpart.
func (t *tree) Rmdir(_ <-chan struct{}, h *fuse.InHeader, name string) fuse.Status {
	return t.change(h.NodeId, name, func(dir *node) error { return unix.Unlinkat(dir.fd, name, unix.AT_REMOVEDIR) })
}

// Rename moves a name, to another directory perhaps.
func (t *tree) Rename(_ <-chan struct{}, in *fuse.RenameIn, from, to string) fuse.Status {
	const known = unix.RENAME_NOREPLACE | unix.RENAME_EXCHANGE
	if in.Flags&^known != 0 {
		return fuse.EINVAL
	}
	return t.change(in.NodeId, from, func(dir *node) error {
		return errno(t.change(in.Newdir, to, func(other *node) error {
			return unix.Renameat2(dir.fd, from, other.fd, to, uint(in.Flags))
		}))
	})
}

// openFlags are those of open(2) that matter beyond the guest's kernel.
const openFlags = unix.O_ACCMODE | unix.O_APPEND | unix.O_SYNC | unix.O_DSYNC

// Create makes a regular file, which must not be there, and opens it.
func (t *tree) Create(_ <-chan struct{}, in *fuse.CreateIn, name string, out *fuse.CreateOut) fuse.Status {
	return t.change(in.NodeId, name, func(dir *node) error {
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
		if err := t.adopt(path, &out.EntryOut); err != nil {
			unix.Close(fd)
			return err
		}
		out.Fh, err = t.hold(fd)
		return err
	})
}

// Open opens a regular file.
func (t *tree) Open(_ <-chan struct{}, in *fuse.OpenIn, out *fuse.OpenOut) fuse.Status {
	flags := int(in.Flags) & openFlags
	if t.readOnly && flags&unix.O_ACCMODE != unix.O_RDONLY {
		return fuse.EROFS
	}
	return t.node(in.NodeId, func(n *node) (err error) {
		if n.kind == unix.S_IFDIR {
			return syscall.EISDIR
		}
		out.Fh, err = t.openHeld(n, flags)
		return err
	})
}

// OpenDir opens a directory.
func (t *tree) OpenDir(_ <-chan struct{}, in *fuse.OpenIn, out *fuse.OpenOut) fuse.Status {
	return t.node(in.NodeId, func(n *node) (err error) {
		out.Fh, err = t.openHeld(n, unix.O_RDONLY|unix.O_DIRECTORY)
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

// Release closes a file, ReleaseDir a directory.
func (t *tree) Release(_ <-chan struct{}, in *fuse.ReleaseIn) { t.release(in.Fh) }

// ReleaseDir is Release for directories.
func (t *tree) ReleaseDir(in *fuse.ReleaseIn) { t.release(in.Fh) }

// reading is a read to be done when the place for the data is known.
type reading struct {
	tree *tree
	file *file
	off  int64
	size int
}

// Read reads from an open file, right into the guest's memory.
func (t *tree) Read(_ <-chan struct{}, in *fuse.ReadIn, _ []byte) (fuse.ReadResult, fuse.Status) {
	f, err := t.take(in.Fh)
	if err != nil {
		return nil, fuse.ToStatus(err)
	}
	return &reading{t, f, int64(in.Offset), int(in.Size)}, fuse.OK
}

// Readv reads into pieces of memory.
func (r *reading) Readv(to [][]byte) (int, fuse.Status) {
	n, err := unix.Preadv(r.file.fd, to, r.off)
	return max(n, 0), fuse.ToStatus(err)
}

// Bytes reads into a buffer.
func (r *reading) Bytes(b []byte) ([]byte, fuse.Status) {
	n, status := r.Readv([][]byte{b[:min(len(b), r.size)]})
	return b[:n], status
}

// Size is the most that is read.
func (r *reading) Size() int { return r.size }

// Done ends the reading.
func (r *reading) Done() { r.tree.leave(r.file) }

// Write writes to an open file. One that was opened with O_APPEND grows.
func (t *tree) Write(cancel <-chan struct{}, in *fuse.WriteIn, data []byte) (uint32, fuse.Status) {
	return t.Writev(cancel, in, [][]byte{data})
}

// Writev writes pieces of memory, in order.
func (t *tree) Writev(_ <-chan struct{}, in *fuse.WriteIn, data [][]byte) (written uint32, status fuse.Status) {
	status = t.file(in.Fh, func(f *file) error {
		n, err := unix.Pwritev(f.fd, data, int64(in.Offset))
		written = uint32(max(n, 0))
		return err
	})
	return written, status
}

// Lseek finds data and holes.
func (t *tree) Lseek(_ <-chan struct{}, in *fuse.LseekIn, out *fuse.LseekOut) fuse.Status {
	if in.Whence != unix.SEEK_DATA && in.Whence != unix.SEEK_HOLE {
		return fuse.EINVAL
	}
	return t.file(in.Fh, func(f *file) error {
		off, err := unix.Seek(f.fd, int64(in.Offset), int(in.Whence))
		out.Offset = uint64(max(off, 0))
		return err
	})
}

// Fsync makes what was written to a file durable.
func (t *tree) Fsync(_ <-chan struct{}, in *fuse.FsyncIn) fuse.Status {
	return t.file(in.Fh, func(f *file) error {
		if in.FsyncFlags&1 != 0 { // FUSE_FSYNC_FDATASYNC
			return unix.Fdatasync(f.fd)
		}
		return unix.Fsync(f.fd)
	})
}

// FsyncDir makes everything durable that was written to the directory's file
// system: the guest asks for that by way of its root.
func (t *tree) FsyncDir(_ <-chan struct{}, in *fuse.FsyncIn) fuse.Status {
	return t.file(in.Fh, func(f *file) error { return unix.Syncfs(f.fd) })
}

// Fallocate reserves or frees space of an open file.
func (t *tree) Fallocate(_ <-chan struct{}, in *fuse.FallocateIn) fuse.Status {
	return t.file(in.Fh, func(f *file) error {
		return unix.Fallocate(f.fd, in.Mode, int64(in.Offset), int64(in.Length))
	})
}

// ReadDir lists an open directory from an offset on, which is 0 or one that the
// host gave for an entry. The entries "." and ".." are the guest's own matter.
func (t *tree) ReadDir(_ <-chan struct{}, in *fuse.ReadIn, out *fuse.DirEntryList) fuse.Status {
	return t.file(in.Fh, func(f *file) error {
		f.mu.Lock()
		defer f.mu.Unlock()
		if _, err := unix.Seek(f.fd, int64(in.Offset), unix.SEEK_SET); err != nil {
			return err
		}
		b := make([]byte, 32<<10)
		for {
			n, err := unix.Getdents(f.fd, b)
			if n <= 0 || err != nil {
				return err
			}
			for rest := b[:n]; len(rest) > 0; {
				var e fuse.DirEntry
				rest = rest[e.Parse(rest):]
				if e.Name != "." && e.Name != ".." && !out.AddDirEntry(e) {
					return nil
				}
			}
		}
	})
}

// StatFs describes the file system.
func (t *tree) StatFs(_ <-chan struct{}, h *fuse.InHeader, out *fuse.StatfsOut) fuse.Status {
	return t.node(h.NodeId, func(n *node) error {
		var st syscall.Statfs_t
		if err := syscall.Fstatfs(n.fd, &st); err != nil {
			return err
		}
		out.FromStatfsT(&st)
		return nil
	})
}
