//go:build ringo

package syscall

import "unsafe"

// ringoCalls are the calls that matter for speed: they do not go through raw system
// calls on a machine of its own. The wrappers in zsyscall_linux_amd64.go call them, with
// arguments that still have their types (rules in rt/overlay). Nothing is parked or
// copied.
type ringoCalls interface {
	Read(fd int, p []byte) (int, Errno)
	Write(fd int, p []byte) (int, Errno)
	Pread(fd int, p []byte, off int64) (int, Errno)
	Pwrite(fd int, p []byte, off int64) (int, Errno)
	Seek(fd int, off int64, whence int) (int64, Errno)
	Close(fd int) Errno
	Openat(dirfd int, path string, flags int, mode uint32) (int, Errno)
	Fstat(fd int, st *Stat_t) Errno
	Socket(domain, typ, protocol int) (int, Errno)
	Bind(fd int, addr unsafe.Pointer, n uint32) Errno
	Listen(fd, backlog int) Errno
	Accept4(fd int, addr *RawSockaddrAny, n *uint32, flags int) (int, Errno)
	Recvfrom(fd int, p []byte, flags int, from *RawSockaddrAny, n *uint32) (int, Errno)
	RecvfromInet(fd int, p []byte, flags int) (int, RawSockaddrInet6, Errno)
	Sendto(fd int, p []byte, flags int, to unsafe.Pointer, n uint32) (int, Errno)
	Recvmsg(fd int, m *Msghdr, flags int) (int, Errno)
	Sendmsg(fd int, m *Msghdr, flags int) (int, Errno)
	Getsockname(fd int, addr *RawSockaddrAny, n *uint32) Errno
	Setsockopt(fd, level, name int, value unsafe.Pointer, n uintptr) Errno
}

// ringoTyped is the kernel, which sets it when it starts (syscalls.Typed).
//
//go:linkname ringoTyped
var ringoTyped ringoCalls

// ringoReceiveInet4 and ringoReceiveInet6 are recvfromInet4 and recvfromInet6, whose
// room for the sender's address is allocated.
func ringoReceiveInet4(fd int, p []byte, flags int, from *SockaddrInet4) (int, error) {
	n, raw, e := ringoTyped.RecvfromInet(fd, p, flags)
	if e == 0 {
		pp := (*RawSockaddrInet4)(unsafe.Pointer(&raw))
		from.Port, from.Addr = int(pp.Port<<8|pp.Port>>8), pp.Addr
	}
	return ringoResult(n, e)
}

func ringoReceiveInet6(fd int, p []byte, flags int, from *SockaddrInet6) (int, error) {
	n, pp, e := ringoTyped.RecvfromInet(fd, p, flags)
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
