//go:build ringo

package syscalls

import (
	"syscall"
	"unsafe"
)

// hook is what package syscall calls (rt/goroot/syscall/ringo_typed.go). Its type there
// is an interface of the same methods.
//
//go:linkname hook syscall.ringoTyped
var hook interface {
	Read(fd int, p []byte) (int, Errno)
	Write(fd int, p []byte) (int, Errno)
	Pread(fd int, p []byte, off int64) (int, Errno)
	Pwrite(fd int, p []byte, off int64) (int, Errno)
	Seek(fd int, off int64, whence int) (int64, Errno)
	Close(fd int) Errno
	Openat(dirfd int, path string, flags int, mode uint32) (int, Errno)
	Fstat(fd int, st *syscall.Stat_t) Errno
	Socket(domain, typ, protocol int) (int, Errno)
	Bind(fd int, addr unsafe.Pointer, n uint32) Errno
	Listen(fd, backlog int) Errno
	Accept4(fd int, addr *syscall.RawSockaddrAny, n *uint32, flags int) (int, Errno)
	Recvfrom(fd int, p []byte, flags int, from *syscall.RawSockaddrAny, n *uint32) (int, Errno)
	RecvfromInet(fd int, p []byte, flags int) (int, syscall.RawSockaddrInet6, Errno)
	Sendto(fd int, p []byte, flags int, to unsafe.Pointer, n uint32) (int, Errno)
	Recvmsg(fd int, m *syscall.Msghdr, flags int) (int, Errno)
	Sendmsg(fd int, m *syscall.Msghdr, flags int) (int, Errno)
	Getsockname(fd int, addr *syscall.RawSockaddrAny, n *uint32) Errno
	Setsockopt(fd, level, name int, value unsafe.Pointer, n uintptr) Errno
}

// install makes package syscall use t.
func (t *Typed) install() { hook = t }
