package syscalls

import (
	"syscall"

	"ringo.dev/ringo/kernel"
)

// xattrTarget says how a call names the inode: by path, by path without
// following a link, or by descriptor.
type xattrTarget int

const (
	byPath xattrTarget = iota
	byLink
	byFD
)

// target returns the arguments by which package kernel finds argument 0.
func (t *task) target(how xattrTarget) (dirfd int, path string, flags int, err Errno) {
	if how == byFD {
		return t.int(0), "", atEmptyPath, 0
	}
	if how == byLink {
		flags = atSymlinkNofollow
	}
	path, err = t.path(0)
	return kernel.FDCWD, path, flags, err
}

// maxXattr is the most that a value or list takes (XATTR_SIZE_MAX).
const maxXattr = 64 << 10

// xattr is an attribute, by what package kernel finds its inode, and its name.
type xattr struct {
	dirfd int
	path  string
	flags int
	name  string
}

// xattr returns the attribute that arguments 0 and 1 name.
func (t *task) xattr(how xattrTarget) (x xattr, err Errno) {
	const longest = 256
	if x.dirfd, x.path, x.flags, err = t.target(how); err != 0 {
		return x, err
	}
	x.name, err = kernel.UserString(t.a[1], longest)
	if err == syscall.ENAMETOOLONG || err == 0 && x.name == "" {
		err = syscall.ERANGE
	}
	return x, err
}

func (t *task) setxattr(how xattrTarget) (uintptr, Errno) {
	x, err := t.xattr(how)
	if err != 0 {
		return 0, err
	}
	if t.a[3] > maxXattr {
		return 0, syscall.E2BIG
	}
	v, err := t.buf(2, 3, false)
	if err != 0 {
		return 0, err
	}
	if v == nil {
		v = []byte{}
	}
	return done(t.k.SetXattr(x.dirfd, x.path, x.name, v, t.int(4), x.flags))
}

func (t *task) getxattr(how xattrTarget) (uintptr, Errno) {
	x, err := t.xattr(how)
	if err != 0 {
		return 0, err
	}
	v, err := t.k.Xattr(x.dirfd, x.path, x.name, x.flags)
	if err != 0 {
		return 0, err
	}
	return t.copyOut(2, 3, v)
}

// copyOut stores v in the buffer at argument i of length argument n; a length
// of 0 only asks how long v is.
func (t *task) copyOut(i, n int, v []byte) (uintptr, Errno) {
	if t.a[n] != 0 {
		if t.a[n] < uintptr(len(v)) {
			return 0, syscall.ERANGE
		}
		buf, err := kernel.User(t.a[i], uintptr(len(v)), true)
		if err != 0 {
			return 0, err
		}
		copy(buf, v)
	}
	return uintptr(len(v)), 0
}

func (t *task) listxattr(how xattrTarget) (uintptr, Errno) {
	dirfd, path, flags, err := t.target(how)
	if err != 0 {
		return 0, err
	}
	names, err := t.k.ListXattr(dirfd, path, flags)
	if err != 0 {
		return 0, err
	}
	var list []byte
	for _, name := range names {
		list = append(append(list, name...), 0)
	}
	return t.copyOut(1, 2, list)
}

func (t *task) removexattr(how xattrTarget) (uintptr, Errno) {
	x, err := t.xattr(how)
	if err != 0 {
		return 0, err
	}
	return done(t.k.SetXattr(x.dirfd, x.path, x.name, nil, 0, x.flags))
}

func sysSetxattr(t *task) (uintptr, Errno)     { return t.setxattr(byPath) }
func sysLsetxattr(t *task) (uintptr, Errno)    { return t.setxattr(byLink) }
func sysFsetxattr(t *task) (uintptr, Errno)    { return t.setxattr(byFD) }
func sysGetxattr(t *task) (uintptr, Errno)     { return t.getxattr(byPath) }
func sysLgetxattr(t *task) (uintptr, Errno)    { return t.getxattr(byLink) }
func sysFgetxattr(t *task) (uintptr, Errno)    { return t.getxattr(byFD) }
func sysListxattr(t *task) (uintptr, Errno)    { return t.listxattr(byPath) }
func sysLlistxattr(t *task) (uintptr, Errno)   { return t.listxattr(byLink) }
func sysFlistxattr(t *task) (uintptr, Errno)   { return t.listxattr(byFD) }
func sysRemovexattr(t *task) (uintptr, Errno)  { return t.removexattr(byPath) }
func sysLremovexattr(t *task) (uintptr, Errno) { return t.removexattr(byLink) }
func sysFremovexattr(t *task) (uintptr, Errno) { return t.removexattr(byFD) }
