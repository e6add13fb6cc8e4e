package syscalls

import (
	"syscall"

	"ringo.dev/ringo/kernel"
)

func sysOpen(t *task) (uintptr, Errno) { return t.open(kernel.FDCWD, 0, t.int(1), t.uint32(2)) }

func sysOpenat(t *task) (uintptr, Errno) { return t.open(t.int(0), 1, t.int(2), t.uint32(3)) }

func sysCreat(t *task) (uintptr, Errno) {
	return t.open(kernel.FDCWD, 0, syscall.O_CREAT|syscall.O_WRONLY|syscall.O_TRUNC, t.uint32(1))
}

func (t *task) open(dirfd, i, flags int, mode uint32) (uintptr, Errno) {
	path, err := t.path(i)
	if err != 0 {
		return 0, err
	}
	return result(t.k.Open(dirfd, path, flags, mode))
}

func sysMemfdCreate(t *task) (uintptr, Errno) {
	const longest = 250
	name, err := kernel.UserString(t.a[0], longest)
	if err == syscall.ENAMETOOLONG {
		err = syscall.EINVAL
	}
	if err != 0 {
		return 0, err
	}
	return result(t.k.MemfdCreate(name, t.int(1)))
}

func sysFstat(t *task) (uintptr, Errno) {
	st, err := need[syscall.Stat_t](t, 1, true)
	if err != 0 {
		return 0, err
	}
	return done(t.k.Fstat(t.int(0), st))
}

func sysStat(t *task) (uintptr, Errno)       { return t.stat(kernel.FDCWD, 0, 1, 0) }
func sysLstat(t *task) (uintptr, Errno)      { return t.stat(kernel.FDCWD, 0, 1, atSymlinkNofollow) }
func sysNewfstatat(t *task) (uintptr, Errno) { return t.stat(t.int(0), 1, 2, t.int(3)) }

func (t *task) stat(dirfd, path, out, flags int) (uintptr, Errno) {
	name, err := t.path(path)
	if err != 0 {
		return 0, err
	}
	st, err := need[syscall.Stat_t](t, out, true)
	if err != 0 {
		return 0, err
	}
	return done(t.k.Stat(dirfd, name, st, flags))
}

const atSymlinkNofollow = 0x100

// statx is struct statx.
type statx struct {
	mask, blksize        uint32
	_                    uint64 // attributes
	nlink, uid, gid      uint32
	mode                 uint16
	_                    uint16
	ino, size, blocks    uint64
	_                    uint64 // mask of attributes
	atime, _             statxTime
	ctime, mtime         statxTime
	rdevMajor, rdevMinor uint32
	devMajor, devMinor   uint32
	_                    [14]uint64
}

type statxTime struct {
	sec  int64
	nsec uint32
	_    int32
}

func sysStatx(t *task) (uintptr, Errno) {
	const basicStats, syncType = 0x7ff, 0x6000
	path, err := t.path(1)
	if err != 0 {
		return 0, err
	}
	out, err := need[statx](t, 4, true)
	if err != 0 {
		return 0, err
	}
	var st syscall.Stat_t
	if err := t.k.Stat(t.int(0), path, &st, t.int(2)&^syncType); err != 0 {
		return 0, err
	}
	major := func(dev uint64) uint32 { return uint32(dev>>8&0xfff | dev>>32&^0xfff) }
	minor := func(dev uint64) uint32 { return uint32(dev&0xff | dev>>12&^0xff) }
	stamp := func(ts syscall.Timespec) statxTime { return statxTime{sec: ts.Sec, nsec: uint32(ts.Nsec)} }
	*out = statx{
		mask: basicStats, blksize: uint32(st.Blksize),
		nlink: uint32(st.Nlink), uid: st.Uid, gid: st.Gid, mode: uint16(st.Mode),
		ino: st.Ino, size: uint64(st.Size), blocks: uint64(st.Blocks),
		atime: stamp(st.Atim), ctime: stamp(st.Ctim), mtime: stamp(st.Mtim),
		rdevMajor: major(st.Rdev), rdevMinor: minor(st.Rdev),
		devMajor: major(st.Dev), devMinor: minor(st.Dev),
	}
	return 0, 0
}

func sysStatfs(t *task) (uintptr, Errno) {
	path, err := t.path(0)
	if err != 0 {
		return 0, err
	}
	st, err := need[syscall.Statfs_t](t, 1, true)
	if err != 0 {
		return 0, err
	}
	return done(t.k.Statfs(path, st))
}

func sysFstatfs(t *task) (uintptr, Errno) {
	st, err := need[syscall.Statfs_t](t, 1, true)
	if err != 0 {
		return 0, err
	}
	return done(t.k.Fstatfs(t.int(0), st))
}

func sysGetdents64(t *task) (uintptr, Errno) {
	buf, err := t.buf(1, 2, true)
	if err != 0 {
		return 0, err
	}
	return result(t.k.Getdents(t.int(0), buf))
}

// onPath runs f with the path in argument i.
func (t *task) onPath(i int, f func(path string) Errno) (uintptr, Errno) {
	path, err := t.path(i)
	if err != 0 {
		return 0, err
	}
	return 0, f(path)
}

// onPaths runs f with the paths in arguments i and j.
func (t *task) onPaths(i, j int, f func(a, b string) Errno) (uintptr, Errno) {
	a, err := t.path(i)
	if err != 0 {
		return 0, err
	}
	b, err := t.path(j)
	if err != 0 {
		return 0, err
	}
	return 0, f(a, b)
}

func sysMkdir(t *task) (uintptr, Errno) {
	return t.onPath(0, func(p string) Errno { return t.k.Mkdir(kernel.FDCWD, p, t.uint32(1)) })
}

func sysMkdirat(t *task) (uintptr, Errno) {
	return t.onPath(1, func(p string) Errno { return t.k.Mkdir(t.int(0), p, t.uint32(2)) })
}

func sysMknod(t *task) (uintptr, Errno) {
	return t.onPath(0, func(p string) Errno {
		return t.k.Mknod(kernel.FDCWD, p, t.uint32(1), uint64(t.uint32(2)))
	})
}

func sysMknodat(t *task) (uintptr, Errno) {
	return t.onPath(1, func(p string) Errno {
		return t.k.Mknod(t.int(0), p, t.uint32(2), uint64(t.uint32(3)))
	})
}

const atRemoveDir = 0x200

func sysRmdir(t *task) (uintptr, Errno) {
	return t.onPath(0, func(p string) Errno { return t.k.Unlink(kernel.FDCWD, p, atRemoveDir) })
}

func sysUnlink(t *task) (uintptr, Errno) {
	return t.onPath(0, func(p string) Errno { return t.k.Unlink(kernel.FDCWD, p, 0) })
}

func sysUnlinkat(t *task) (uintptr, Errno) {
	return t.onPath(1, func(p string) Errno { return t.k.Unlink(t.int(0), p, t.int(2)) })
}

func sysRename(t *task) (uintptr, Errno) {
	return t.onPaths(0, 1, func(a, b string) Errno {
		return t.k.Rename(kernel.FDCWD, a, kernel.FDCWD, b, 0)
	})
}

func sysRenameat(t *task) (uintptr, Errno) {
	return t.onPaths(1, 3, func(a, b string) Errno { return t.k.Rename(t.int(0), a, t.int(2), b, 0) })
}

func sysRenameat2(t *task) (uintptr, Errno) {
	return t.onPaths(1, 3, func(a, b string) Errno { return t.k.Rename(t.int(0), a, t.int(2), b, t.int(4)) })
}

func sysLink(t *task) (uintptr, Errno) {
	return t.onPaths(0, 1, func(a, b string) Errno {
		return t.k.Link(kernel.FDCWD, a, kernel.FDCWD, b, 0)
	})
}

func sysLinkat(t *task) (uintptr, Errno) {
	return t.onPaths(1, 3, func(a, b string) Errno { return t.k.Link(t.int(0), a, t.int(2), b, t.int(4)) })
}

func sysSymlink(t *task) (uintptr, Errno) {
	return t.onPaths(0, 1, func(a, b string) Errno { return t.k.Symlink(a, kernel.FDCWD, b) })
}

func sysSymlinkat(t *task) (uintptr, Errno) {
	return t.onPaths(0, 2, func(a, b string) Errno { return t.k.Symlink(a, t.int(1), b) })
}

func sysReadlink(t *task) (uintptr, Errno)   { return t.readlink(kernel.FDCWD, 0, 1, 2) }
func sysReadlinkat(t *task) (uintptr, Errno) { return t.readlink(t.int(0), 1, 2, 3) }

func (t *task) readlink(dirfd, path, buf, size int) (uintptr, Errno) {
	name, err := t.path(path)
	if err != 0 {
		return 0, err
	}
	b, err := t.buf(buf, size, true)
	if err != 0 {
		return 0, err
	}
	return result(t.k.Readlink(dirfd, name, b))
}

func sysChmod(t *task) (uintptr, Errno) {
	return t.onPath(0, func(p string) Errno { return t.k.Chmod(kernel.FDCWD, p, t.uint32(1), 0) })
}

func sysFchmodat(t *task) (uintptr, Errno) {
	return t.onPath(1, func(p string) Errno { return t.k.Chmod(t.int(0), p, t.uint32(2), 0) })
}

func sysFchmodat2(t *task) (uintptr, Errno) {
	return t.onPath(1, func(p string) Errno { return t.k.Chmod(t.int(0), p, t.uint32(2), t.int(3)) })
}

const atEmptyPath = 0x1000

func sysFchmod(t *task) (uintptr, Errno) {
	return done(t.k.Chmod(t.int(0), "", t.uint32(1), atEmptyPath))
}

func sysChown(t *task) (uintptr, Errno) {
	return t.onPath(0, func(p string) Errno {
		return t.k.Chown(kernel.FDCWD, p, t.uint32(1), t.uint32(2), 0)
	})
}

func sysLchown(t *task) (uintptr, Errno) {
	return t.onPath(0, func(p string) Errno {
		return t.k.Chown(kernel.FDCWD, p, t.uint32(1), t.uint32(2), atSymlinkNofollow)
	})
}

func sysFchownat(t *task) (uintptr, Errno) {
	return t.onPath(1, func(p string) Errno {
		return t.k.Chown(t.int(0), p, t.uint32(2), t.uint32(3), t.int(4))
	})
}

func sysFchown(t *task) (uintptr, Errno) {
	return done(t.k.Chown(t.int(0), "", t.uint32(1), t.uint32(2), atEmptyPath))
}

func sysUtimensat(t *task) (uintptr, Errno) {
	times, err := value[[2]syscall.Timespec](t, 2, false)
	if err != 0 {
		return 0, err
	}
	if t.isNil(1) { // futimens(3)
		return done(t.k.SetTimes(t.int(0), "", times, atEmptyPath))
	}
	return t.onPath(1, func(p string) Errno { return t.k.SetTimes(t.int(0), p, times, t.int(3)) })
}

func sysUtimes(t *task) (uintptr, Errno)    { return t.utimes(kernel.FDCWD, 0, 1) }
func sysFutimesat(t *task) (uintptr, Errno) { return t.utimes(t.int(0), 1, 2) }

func (t *task) utimes(dirfd, path, times int) (uintptr, Errno) {
	tv, err := value[[2]syscall.Timeval](t, times, false)
	if err != 0 {
		return 0, err
	}
	var ts *[2]syscall.Timespec
	if tv != nil {
		ts = &[2]syscall.Timespec{}
		for i, v := range tv {
			if v.Usec < 0 || v.Usec >= 1e6 {
				return 0, syscall.EINVAL
			}
			ts[i] = syscall.Timespec{Sec: v.Sec, Nsec: v.Usec * 1000}
		}
	}
	return t.onPath(path, func(p string) Errno { return t.k.SetTimes(dirfd, p, ts, 0) })
}

func sysUtime(t *task) (uintptr, Errno) {
	buf, err := value[syscall.Utimbuf](t, 1, false)
	if err != 0 {
		return 0, err
	}
	var ts *[2]syscall.Timespec
	if buf != nil {
		ts = &[2]syscall.Timespec{{Sec: buf.Actime}, {Sec: buf.Modtime}}
	}
	return t.onPath(0, func(p string) Errno { return t.k.SetTimes(kernel.FDCWD, p, ts, 0) })
}

func sysTruncate(t *task) (uintptr, Errno) {
	return t.onPath(0, func(p string) Errno { return t.k.Truncate(p, t.int64(1)) })
}

func sysAccess(t *task) (uintptr, Errno) {
	return t.onPath(0, func(p string) Errno { return t.k.Access(kernel.FDCWD, p, t.uint32(1), 0) })
}

func sysFaccessat(t *task) (uintptr, Errno) {
	return t.onPath(1, func(p string) Errno { return t.k.Access(t.int(0), p, t.uint32(2), 0) })
}

func sysFaccessat2(t *task) (uintptr, Errno) {
	return t.onPath(1, func(p string) Errno { return t.k.Access(t.int(0), p, t.uint32(2), t.int(3)) })
}

func sysGetcwd(t *task) (uintptr, Errno) {
	buf, err := t.buf(0, 1, true)
	if err != 0 {
		return 0, err
	}
	path, err := t.k.Getcwd()
	if err != 0 {
		return 0, err
	}
	if len(path)+1 > len(buf) {
		return 0, syscall.ERANGE
	}
	n := copy(buf, path)
	buf[n] = 0
	return uintptr(n + 1), 0
}

func sysChdir(t *task) (uintptr, Errno)  { return t.onPath(0, t.k.Chdir) }
func sysChroot(t *task) (uintptr, Errno) { return t.onPath(0, t.k.Chroot) }
func sysFchdir(t *task) (uintptr, Errno) { return done(t.k.Fchdir(t.int(0))) }
func sysUmask(t *task) (uintptr, Errno)  { return uintptr(t.k.Umask(t.uint32(0))), 0 }

func sysMount(t *task) (uintptr, Errno) {
	const readOnly, remount = 1, 32
	typ := ""
	if !t.isNil(2) {
		var err Errno
		if typ, err = t.path(2); err != 0 {
			return 0, err
		}
	}
	flags := t.a[3]
	return t.onPaths(0, 1, func(source, target string) Errno {
		switch {
		case flags&^(readOnly|remount|mountIgnored) != 0:
			return syscall.EINVAL
		case flags&remount != 0:
			return t.k.Remount(target, flags&readOnly != 0)
		}
		fs, err := t.k.MakeFileSystem(typ, source)
		if err != 0 {
			return err
		}
		return t.k.Mount(fs, target, source, flags&readOnly != 0)
	})
}

// mountIgnored are flags of mount(2) that make no difference here: MS_NOSUID,
// MS_NODEV, MS_NOEXEC, MS_SYNCHRONOUS, MS_NOATIME, MS_NODIRATIME, MS_SILENT,
// MS_RELATIME, MS_STRICTATIME.
const mountIgnored = 2 | 4 | 8 | 16 | 1<<10 | 1<<11 | 1<<15 | 1<<21 | 1<<24

func sysUmount2(t *task) (uintptr, Errno) { return t.onPath(0, t.k.Unmount) }
