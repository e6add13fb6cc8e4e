//go:build ringo

package syscalls

import (
	"syscall"
	"unsafe"
)

// The hooks of package syscall (rt/goroot/syscall/ringo_typed.go).
//
//go:linkname hookRead syscall.ringoRead
//go:linkname hookWrite syscall.ringoWrite
//go:linkname hookPread syscall.ringoPread
//go:linkname hookPwrite syscall.ringoPwrite
//go:linkname hookSeek syscall.ringoSeek
//go:linkname hookClose syscall.ringoClose
//go:linkname hookOpenat syscall.ringoOpenat
//go:linkname hookFstat syscall.ringoFstat
//go:linkname hookAccept4 syscall.ringoAccept4
//go:linkname hookRecvfrom syscall.ringoRecvfrom
//go:linkname hookRecvfromInet syscall.ringoRecvfromInet
//go:linkname hookSendto syscall.ringoSendto
//go:linkname hookRecvmsg syscall.ringoRecvmsg
//go:linkname hookSendmsg syscall.ringoSendmsg
//go:linkname hookGetsockname syscall.ringoGetsockname
//go:linkname hookSetsockopt syscall.ringoSetsockopt
var (
	hookRead         func(fd int, p []byte) (int, Errno)
	hookWrite        func(fd int, p []byte) (int, Errno)
	hookPread        func(fd int, p []byte, off int64) (int, Errno)
	hookPwrite       func(fd int, p []byte, off int64) (int, Errno)
	hookSeek         func(fd int, off int64, whence int) (int64, Errno)
	hookClose        func(fd int) Errno
	hookOpenat       func(dirfd int, path string, flags int, mode uint32) (int, Errno)
	hookFstat        func(fd int, st *syscall.Stat_t) Errno
	hookAccept4      func(fd int, addr *syscall.RawSockaddrAny, n *uint32, flags int) (int, Errno)
	hookRecvfrom     func(fd int, p []byte, flags int, from *syscall.RawSockaddrAny, n *uint32) (int, Errno)
	hookRecvfromInet func(fd int, p []byte, flags int) (int, syscall.RawSockaddrInet6, Errno)
	hookSendto       func(fd int, p []byte, flags int, to unsafe.Pointer, n uint32) (int, Errno)
	hookRecvmsg      func(fd int, m *syscall.Msghdr, flags int) (int, Errno)
	hookSendmsg      func(fd int, m *syscall.Msghdr, flags int) (int, Errno)
	hookGetsockname  func(fd int, addr *syscall.RawSockaddrAny, n *uint32) Errno
	hookSetsockopt   func(fd, level, name int, value unsafe.Pointer, n uintptr) Errno
)

// install makes package syscall use t.
func (t *Typed) install() {
	hookRead, hookWrite, hookPread, hookPwrite = t.Read, t.Write, t.Pread, t.Pwrite
	hookSeek, hookClose, hookOpenat, hookFstat = t.Seek, t.Close, t.Openat, t.Fstat
	hookAccept4, hookRecvfrom, hookRecvfromInet, hookSendto = t.Accept4, t.Recvfrom, t.RecvfromInet, t.Sendto
	hookRecvmsg, hookSendmsg = t.Recvmsg, t.Sendmsg
	hookGetsockname, hookSetsockopt = t.Getsockname, t.Setsockopt
}
