package kernel

import (
	"syscall"
	"time"
)

// This file holds the calls that take paths and change or describe what they
// lead to. dirfd is a descriptor of a directory, or AT_FDCWD.

// FDCWD stands for the working directory where a call takes a directory's
// descriptor (AT_FDCWD).
const FDCWD = atFDCWD

// missing resolves a path whose last component is to be made. Only a directory
// may be named with a slash at the end.
func (k *Kernel) missing(dirfd int, path string, directory bool) (place, Directory, Errno) {
	p, err := k.walk(dirfd, path, entry)
	if err != 0 {
		return p, nil, err
	}
	if p.at.Node != nil {
		return p, nil, syscall.EEXIST
	}
	if p.slash && !directory {
		return p, nil, syscall.ENOENT
	}
	return p, p.dir.Node.(Directory), p.dir.writable()
}

// made makes a new name, if err does not forbid it, and reports that.
func (k *Kernel) made(p place, err Errno, create func() (Inode, Errno)) Errno {
	if err != 0 {
		return err
	}
	node, err := create()
	if err == 0 {
		k.tell(p.dir, p.name, node, syscall.IN_CREATE, false)
	}
	return err
}

// Mkdir is mkdirat(2).
func (k *Kernel) Mkdir(dirfd int, path string, mode uint32) Errno {
	p, dir, err := k.missing(dirfd, path, true)
	return k.made(p, err, func() (Inode, Errno) { return dir.Mkdir(p.name, k.masked(mode)&0o1777) })
}

// Mknod is mknodat(2). It may make regular files, FIFOs, sockets and
// character devices.
func (k *Kernel) Mknod(dirfd int, path string, mode uint32, rdev uint64) Errno {
	kind := mode & syscall.S_IFMT
	switch kind {
	case 0:
		kind = syscall.S_IFREG
	case syscall.S_IFREG, syscall.S_IFIFO, syscall.S_IFSOCK, syscall.S_IFCHR, syscall.S_IFBLK:
	case syscall.S_IFDIR:
		return syscall.EPERM
	default:
		return syscall.EINVAL
	}
	p, dir, err := k.missing(dirfd, path, false)
	return k.made(p, err, func() (Inode, Errno) { return dir.Create(p.name, kind|k.masked(mode), rdev) })
}

// Symlink is symlinkat(2).
func (k *Kernel) Symlink(target string, dirfd int, path string) Errno {
	if target == "" {
		return syscall.ENOENT
	}
	p, dir, err := k.missing(dirfd, path, false)
	return k.made(p, err, func() (Inode, Errno) { return dir.Symlink(p.name, target) })
}

// Link is linkat(2).
func (k *Kernel) Link(oldfd int, oldpath string, newfd int, newpath string, flags int) Errno {
	if flags&^(atSymlinkFollow|atEmptyPath) != 0 {
		return syscall.EINVAL
	}
	lookup := flags & atEmptyPath
	if flags&atSymlinkFollow == 0 {
		lookup |= atSymlinkNofollow
	}
	old, _, err := k.lookupFlags(oldfd, oldpath, lookup)
	if err != 0 {
		return err
	}
	p, dir, err := k.missing(newfd, newpath, false)
	if err != 0 {
		return err
	}
	if _, ok := old.Node.(Directory); ok {
		return syscall.EPERM
	}
	if old.Mount == nil || old.Mount != p.dir.Mount {
		return syscall.EXDEV
	}
	return k.made(p, 0, func() (Inode, Errno) {
		err := dir.Link(p.name, old.Node)
		if err == 0 {
			k.tell(Location{}, "", old.Node, syscall.IN_ATTRIB, true) // one more link
		}
		return old.Node, err
	})
}

// Unlink is unlinkat(2).
func (k *Kernel) Unlink(dirfd int, path string, flags int) Errno {
	if flags&^atRemoveDir != 0 {
		return syscall.EINVAL
	}
	p, err := k.walk(dirfd, path, entry)
	if err != 0 {
		return err
	}
	if p.name == "" {
		// "/", "." and "..": errors of their own (unlink(2), rmdir(2)).
		switch {
		case flags&atRemoveDir == 0:
			return syscall.EISDIR
		case lastIsDot(path):
			return syscall.EINVAL
		case p.at.Mount != nil && p.at.Node == Inode(p.at.Mount.FS.Root()):
			return syscall.EBUSY
		}
		return syscall.ENOTEMPTY
	}
	if p.at.Node == nil {
		return syscall.ENOENT
	}
	if err := p.dir.writable(); err != 0 {
		return err
	}
	dir := p.dir.Node.(Directory)
	_, isDir := p.at.Node.(Directory)
	switch {
	case p.at.Mount != p.dir.Mount:
		return syscall.EBUSY // something is mounted on it
	case flags&atRemoveDir != 0 && !isDir:
		return syscall.ENOTDIR
	case flags&atRemoveDir != 0:
		err = dir.Rmdir(p.name)
	case isDir:
		return syscall.EISDIR
	case p.slash:
		return syscall.ENOTDIR
	default:
		err = dir.Unlink(p.name)
	}
	if err == 0 {
		k.tellRemoved(p)
	}
	return err
}

// lastIsDot reports whether the last component of path is ".".
func lastIsDot(path string) bool {
	for len(path) > 0 && path[len(path)-1] == '/' {
		path = path[:len(path)-1]
	}
	return path == "." || len(path) >= 2 && path[len(path)-2:] == "/."
}

// Rename is renameat2(2).
func (k *Kernel) Rename(oldfd int, oldpath string, newfd int, newpath string, flags int) Errno {
	if flags&^(renameNoReplace|renameExchange) != 0 || flags == renameNoReplace|renameExchange {
		return syscall.EINVAL
	}
	from, err := k.walk(oldfd, oldpath, entry)
	if err != 0 {
		return err
	}
	to, err := k.walk(newfd, newpath, entry)
	if err != 0 {
		return err
	}
	if from.dir.Mount != to.dir.Mount {
		return syscall.EXDEV
	}
	exchange := flags&renameExchange != 0
	switch {
	case from.name == "":
		return syscall.EBUSY
	case to.name == "" && flags&renameNoReplace != 0:
		return syscall.EEXIST
	case to.name == "":
		return syscall.EBUSY
	}
	if err := to.dir.writable(); err != 0 {
		return err
	}
	_, fromDir := from.at.Node.(Directory)
	_, toDir := to.at.Node.(Directory)
	switch {
	case from.at.Node == nil, exchange && to.at.Node == nil:
		return syscall.ENOENT
	case flags&renameNoReplace != 0 && to.at.Node != nil:
		return syscall.EEXIST
	case exchange && to.slash && !toDir,
		!fromDir && (from.slash || to.slash && !exchange):
		return syscall.ENOTDIR
	case from.at.Mount != from.dir.Mount, to.at.Node != nil && to.at.Mount != to.dir.Mount:
		return syscall.EBUSY // something is mounted there
	}
	err = from.dir.Node.(Directory).Rename(from.name, to.dir.Node.(Directory), to.name, flags)
	if err == 0 && from.at.Node != to.at.Node {
		k.tellRenamed(from, to)
	}
	return err
}

// Readlink is readlinkat(2).
func (k *Kernel) Readlink(dirfd int, path string, buf []byte) (int, Errno) {
	if len(buf) == 0 {
		return 0, syscall.EINVAL
	}
	l, _, err := k.lookupFlags(dirfd, path, atSymlinkNofollow|atEmptyPath)
	if err != 0 {
		return 0, err
	}
	link, ok := l.Node.(Symlink)
	switch {
	case !ok && path == "":
		return 0, syscall.ENOENT
	case !ok:
		return 0, syscall.EINVAL
	}
	target, err := link.Readlink()
	return copy(buf, target), err
}

// Stat is newfstatat(2).
func (k *Kernel) Stat(dirfd int, path string, st *syscall.Stat_t, flags int) Errno {
	l, d, err := k.lookupFlags(dirfd, path, flags)
	if err != 0 {
		return err
	}
	if d != nil {
		return d.stat(st)
	}
	*st = syscall.Stat_t{}
	err = l.Node.Stat(st)
	if l.Mount != nil {
		st.Dev = l.Mount.dev
	}
	return err
}

// Fstat is fstat(2).
func (k *Kernel) Fstat(fd int, st *syscall.Stat_t) Errno {
	d, err := k.file(fd)
	if err != 0 {
		return err
	}
	return d.stat(st)
}

// setAttr changes attributes of what a lookup found.
func (k *Kernel) setAttr(l origin, err Errno, a *Attr) Errno {
	if err != 0 {
		return err
	}
	if l.Node == nil {
		return syscall.EINVAL // a pipe, a socket
	}
	if err := l.writable(); err != 0 {
		return err
	}
	err = l.Node.SetAttr(a)
	if err == 0 {
		mask := uint32(syscall.IN_ATTRIB)
		if a.Set&SetSize != 0 {
			mask = syscall.IN_MODIFY
		}
		k.tell(l.dir, l.name, l.Node, mask, true)
	}
	return err
}

// Chmod is fchmodat2(2).
func (k *Kernel) Chmod(dirfd int, path string, mode uint32, flags int) Errno {
	l, _, err := k.lookupFlags(dirfd, path, flags)
	if err == 0 {
		if _, ok := l.Node.(Symlink); ok {
			return syscall.EOPNOTSUPP
		}
	}
	return k.setAttr(l, err, &Attr{Set: SetMode, Mode: mode & 0o7777})
}

// Chown is fchownat(2); an id of -1 stays.
func (k *Kernel) Chown(dirfd int, path string, uid, gid uint32, flags int) Errno {
	l, _, err := k.lookupFlags(dirfd, path, flags)
	a := &Attr{UID: uid, GID: gid}
	if uid != ^uint32(0) {
		a.Set |= SetUID
	}
	if gid != ^uint32(0) {
		a.Set |= SetGID
	}
	return k.setAttr(l, err, a)
}

// SetTimes is utimensat(2); times is nil for "now".
func (k *Kernel) SetTimes(dirfd int, path string, times *[2]syscall.Timespec, flags int) Errno {
	l, _, err := k.lookupFlags(dirfd, path, flags)
	if err != 0 {
		return err
	}
	now := syscall.NsecToTimespec(time.Now().UnixNano())
	a := &Attr{Set: SetAtime | SetMtime, Atime: now, Mtime: now}
	if times != nil {
		for i, field := range []struct {
			t   *syscall.Timespec
			bit AttrMask
		}{{&a.Atime, SetAtime}, {&a.Mtime, SetMtime}} {
			switch t := times[i]; {
			case t.Nsec == utimeNow:
			case t.Nsec == utimeOmit:
				a.Set &^= field.bit
			case t.Nsec < 0 || t.Nsec >= 1e9:
				return syscall.EINVAL
			default:
				*field.t = t
			}
		}
	}
	return k.setAttr(l, 0, a)
}

// Truncate is truncate(2).
func (k *Kernel) Truncate(path string, size int64) Errno {
	if size < 0 {
		return syscall.EINVAL
	}
	l, _, err := k.lookupFlags(atFDCWD, path, 0)
	if err == 0 {
		if _, ok := l.Node.(Directory); ok {
			return syscall.EISDIR
		}
		if _, ok := l.Node.(Regular); !ok {
			return syscall.EINVAL
		}
	}
	return k.setAttr(l, err, &Attr{Set: SetSize, Size: size})
}

// Access is faccessat2(2). The process is root: it may read and write
// everything, and execute what anybody may execute.
func (k *Kernel) Access(dirfd int, path string, mode uint32, flags int) Errno {
	const execute, write, read = 1, 2, 4
	if mode&^(read|write|execute) != 0 || flags&^(atEAccess|atSymlinkNofollow|atEmptyPath) != 0 {
		return syscall.EINVAL
	}
	l, d, err := k.lookupFlags(dirfd, path, flags&^atEAccess)
	if err != 0 {
		return err
	}
	var st syscall.Stat_t
	if d != nil {
		err = d.stat(&st)
	} else {
		err = l.Node.Stat(&st)
	}
	if err != 0 {
		return err
	}
	if mode&write != 0 && st.Mode&syscall.S_IFMT != syscall.S_IFCHR {
		if err := l.writable(); err != 0 {
			return err
		}
	}
	if mode&execute != 0 && st.Mode&syscall.S_IFMT == syscall.S_IFREG && st.Mode&0o111 == 0 {
		return syscall.EACCES
	}
	return 0
}

// Statfs is statfs(2).
func (k *Kernel) Statfs(path string, st *syscall.Statfs_t) Errno {
	l, err := k.lookup(atFDCWD, path, follow)
	if err != 0 {
		return err
	}
	return statfs(l, st)
}

// Fstatfs is fstatfs(2).
func (k *Kernel) Fstatfs(fd int, st *syscall.Statfs_t) Errno {
	d, err := k.file(fd)
	if err != 0 {
		return err
	}
	return statfs(d.origin.Location, st)
}

func statfs(l Location, st *syscall.Statfs_t) Errno {
	const nameMax, pipeFSMagic, stReadOnly = maxName, 0x50495045, 1
	*st = syscall.Statfs_t{Type: pipeFSMagic, Bsize: 4096, Frsize: 4096, Namelen: nameMax}
	if l.Mount == nil {
		return 0 // a pipe or socket
	}
	err := l.Mount.FS.Statfs(st)
	if l.Mount.ReadOnly() {
		st.Flags |= stReadOnly
	}
	return err
}

// Getcwd returns the path of the working directory, ENOENT if it was removed.
func (k *Kernel) Getcwd() (string, Errno) {
	_, cwd := k.vfs.places()
	path, ok := k.DirectoryPath(cwd)
	if !ok {
		return "", syscall.ENOENT
	}
	return path, 0
}

// Chdir is chdir(2).
func (k *Kernel) Chdir(path string) Errno {
	l, err := k.lookup(atFDCWD, path, follow)
	return k.setPlace(&k.vfs.cwd, l, err)
}

// Fchdir is fchdir(2).
func (k *Kernel) Fchdir(fd int) Errno {
	d, err := k.file(fd)
	if err != 0 {
		return err
	}
	return k.setPlace(&k.vfs.cwd, d.origin.Location, 0)
}

// Chroot is chroot(2).
func (k *Kernel) Chroot(path string) Errno {
	l, err := k.lookup(atFDCWD, path, follow)
	return k.setPlace(&k.vfs.root, l, err)
}

// setPlace sets the root or working directory to what a lookup found.
func (k *Kernel) setPlace(which *Location, l Location, err Errno) Errno {
	if err != 0 {
		return err
	}
	if _, ok := l.Node.(Directory); !ok {
		return syscall.ENOTDIR
	}
	k.vfs.mu.Lock()
	*which = l
	k.vfs.mu.Unlock()
	return 0
}

// Umask is umask(2).
func (k *Kernel) Umask(mask uint32) uint32 { return k.vfs.umask.Swap(mask & 0o777) }

// CurrentUmask returns what Umask set.
func (k *Kernel) CurrentUmask() uint32 { return k.vfs.umask.Load() }

// Place returns the process's root and working directory.
func (k *Kernel) Place() (root, cwd Location) { return k.vfs.places() }
