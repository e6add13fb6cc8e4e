//go:build ringo

package syscall

import "unsafe"

// The calls that matter for speed do not go through raw system calls on a
// machine of its own: the kernel's functions are set here when it starts, and
// the wrappers in zsyscall_linux_amd64.go call them, with arguments that still
// have their types (rules in rt/overlay). Nothing is parked or copied.
//
//go:linkname ringoRead
//go:linkname ringoWrite
//go:linkname ringoPread
//go:linkname ringoPwrite
//go:linkname ringoSeek
//go:linkname ringoClose
//go:linkname ringoOpenat
//go:linkname ringoFstat
//go:linkname ringoAccept4
//go:linkname ringoRecvfrom
//go:linkname ringoRecvfromInet
//go:linkname ringoSendto
//go:linkname ringoRecvmsg
//go:linkname ringoSendmsg
//go:linkname ringoGetsockname
//go:linkname ringoSetsockopt
var (
	ringoRead         func(fd int, p []byte) (int, Errno)
	ringoWrite        func(fd int, p []byte) (int, Errno)
	ringoPread        func(fd int, p []byte, off int64) (int, Errno)
	ringoPwrite       func(fd int, p []byte, off int64) (int, Errno)
	ringoSeek         func(fd int, off int64, whence int) (int64, Errno)
	ringoClose        func(fd int) Errno
	ringoOpenat       func(dirfd int, path string, flags int, mode uint32) (int, Errno)
	ringoFstat        func(fd int, st *Stat_t) Errno
	ringoAccept4      func(fd int, addr *RawSockaddrAny, n *uint32, flags int) (int, Errno)
	ringoRecvfrom     func(fd int, p []byte, flags int, from *RawSockaddrAny, n *uint32) (int, Errno)
	ringoRecvfromInet func(fd int, p []byte, flags int) (int, RawSockaddrInet6, Errno)
	ringoSendto       func(fd int, p []byte, flags int, to unsafe.Pointer, n uint32) (int, Errno)
	ringoRecvmsg      func(fd int, m *Msghdr, flags int) (int, Errno)
	ringoSendmsg      func(fd int, m *Msghdr, flags int) (int, Errno)
	ringoGetsockname  func(fd int, addr *RawSockaddrAny, n *uint32) Errno
	ringoSetsockopt   func(fd, level, name int, value unsafe.Pointer, n uintptr) Errno
)

// ringoReceiveInet4 and ringoReceiveInet6 are recvfromInet4 and recvfromInet6, whose
// room for the sender's address is allocated.
func ringoReceiveInet4(fd int, p []byte, flags int, from *SockaddrInet4) (int, error) {
	n, raw, e := ringoRecvfromInet(fd, p, flags)
	if e == 0 {
		pp := (*RawSockaddrInet4)(unsafe.Pointer(&raw))
		from.Port, from.Addr = int(pp.Port<<8|pp.Port>>8), pp.Addr
	}
	return ringoResult(n, e)
}

func ringoReceiveInet6(fd int, p []byte, flags int, from *SockaddrInet6) (int, error) {
	n, pp, e := ringoRecvfromInet(fd, p, flags)
	if e == 0 {
		from.Port, from.ZoneId, from.Addr = int(pp.Port<<8|pp.Port>>8), pp.Scope_id, pp.Addr
	}
	return ringoResult(n, e)
}

// ringoResult converts a typed call's result to a wrapper's.
func ringoResult(n int, e Errno) (int, error) {
	if e != 0 {
		return -1, errnoErr(e)
	}
	return n, nil
}

// ringoError is ringoResult for calls that return no number.
func ringoError(e Errno) error {
	if e != 0 {
		return errnoErr(e)
	}
	return nil
}
