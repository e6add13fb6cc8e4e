package syscalls

import (
	"syscall"
	"unsafe"

	"ringo.dev/ringo/kernel"
)

// Typed holds the calls that package syscall makes directly, as plain Go calls,
// on the hot paths of os, net and internal/poll. Since slices and strings are
// the program's own, and garbage collected, there is nothing to check and
// nothing to copy. The signatures are those of package syscall's wrappers; a
// call may block its goroutine.
type Typed struct {
	Read        func(fd int, p []byte) (int, Errno)
	Write       func(fd int, p []byte) (int, Errno)
	Pread       func(fd int, p []byte, off int64) (int, Errno)
	Pwrite      func(fd int, p []byte, off int64) (int, Errno)
	Readv       func(fd int, iov []syscall.Iovec) (int, Errno)
	Writev      func(fd int, iov []syscall.Iovec) (int, Errno)
	Close       func(fd int) Errno
	Seek        func(fd int, off int64, whence int) (int64, Errno)
	Fcntl       func(fd, cmd, arg int) (int, Errno) // not for record locks
	Fsync       func(fd int) Errno
	Ftruncate   func(fd int, size int64) Errno
	Sendfile    func(out, in int, off *int64, n int) (int, Errno)
	Pipe2       func(fds *[2]int32, flags int) Errno
	Openat      func(dirfd int, path string, flags int, mode uint32) (int, Errno)
	Fstat       func(fd int, st *syscall.Stat_t) Errno
	Fstatat     func(dirfd int, path string, st *syscall.Stat_t, flags int) Errno
	Getdents    func(fd int, buf []byte) (int, Errno)
	Mkdirat     func(dirfd int, path string, mode uint32) Errno
	Unlinkat    func(dirfd int, path string, flags int) Errno
	Renameat    func(oldfd int, oldpath string, newfd int, newpath string) Errno
	Readlinkat  func(dirfd int, path string, buf []byte) (int, Errno)
	Socket      func(domain, typ, protocol int) (int, Errno)
	Bind        func(fd int, addr unsafe.Pointer, n uint32) Errno
	Connect     func(fd int, addr unsafe.Pointer, n uint32) Errno
	Listen      func(fd, backlog int) Errno
	Accept4     func(fd int, addr *syscall.RawSockaddrAny, n *uint32, flags int) (int, Errno)
	Getsockname func(fd int, addr *syscall.RawSockaddrAny, n *uint32) Errno
	Getpeername func(fd int, addr *syscall.RawSockaddrAny, n *uint32) Errno
	Getsockopt  func(fd, level, name int, value unsafe.Pointer, n *uint32) Errno
	Setsockopt  func(fd, level, name int, value unsafe.Pointer, n uintptr) Errno
	Shutdown    func(fd, how int) Errno
	Recvfrom    func(fd int, p []byte, flags int, from *syscall.RawSockaddrAny, n *uint32) (int, Errno)
	Sendto      func(fd int, p []byte, flags int, to unsafe.Pointer, n uint32) (int, Errno)
	Recvmsg     func(fd int, m *syscall.Msghdr, flags int) (int, Errno)
	Sendmsg     func(fd int, m *syscall.Msghdr, flags int) (int, Errno)
	EpollCtl    func(epfd, op, fd int, ev *syscall.EpollEvent) Errno
	EpollWait   func(epfd int, events []syscall.EpollEvent, msec int) (int, Errno)
}

// NewTyped returns the typed calls of a kernel.
func NewTyped(k *kernel.Kernel) *Typed {
	return &Typed{
		Read:   k.Read,
		Write:  k.Write,
		Pread:  k.Pread,
		Pwrite: k.Pwrite,
		Readv: func(fd int, iov []syscall.Iovec) (int, Errno) {
			return k.Readv(fd, buffers(iov))
		},
		Writev: func(fd int, iov []syscall.Iovec) (int, Errno) {
			return k.Writev(fd, buffers(iov))
		},
		Close:     k.Close,
		Seek:      k.Seek,
		Fcntl:     k.Fcntl,
		Fsync:     k.Fsync,
		Ftruncate: k.Ftruncate,
		Sendfile: func(out, in int, off *int64, n int) (int, Errno) {
			done, err := k.Sendfile(out, in, off, int64(n))
			return int(done), err
		},
		Pipe2: func(fds *[2]int32, flags int) Errno {
			p, err := k.Pipe(flags)
			if err == 0 {
				*fds = [2]int32{int32(p[0]), int32(p[1])}
			}
			return err
		},
		Openat:   k.Open,
		Fstat:    k.Fstat,
		Fstatat:  k.Stat,
		Getdents: k.Getdents,
		Mkdirat:  k.Mkdir,
		Unlinkat: k.Unlink,
		Renameat: func(oldfd int, oldpath string, newfd int, newpath string) Errno {
			return k.Rename(oldfd, oldpath, newfd, newpath, 0)
		},
		Readlinkat: k.Readlink,
		Socket:     k.Socket,
		Bind: func(fd int, addr unsafe.Pointer, n uint32) Errno {
			return k.Bind(fd, bytesAt(addr, n))
		},
		Connect: func(fd int, addr unsafe.Pointer, n uint32) Errno {
			return k.Connect(fd, bytesAt(addr, n))
		},
		Listen: k.Listen,
		Accept4: func(fd int, addr *syscall.RawSockaddrAny, n *uint32, flags int) (int, Errno) {
			newfd, size, err := k.Accept(fd, sockaddrBytes(addr, n), flags)
			setLength(n, size, err)
			return newfd, err
		},
		Getsockname: func(fd int, addr *syscall.RawSockaddrAny, n *uint32) Errno {
			size, err := k.Getsockname(fd, sockaddrBytes(addr, n))
			setLength(n, size, err)
			return err
		},
		Getpeername: func(fd int, addr *syscall.RawSockaddrAny, n *uint32) Errno {
			size, err := k.Getpeername(fd, sockaddrBytes(addr, n))
			setLength(n, size, err)
			return err
		},
		Getsockopt: func(fd, level, name int, value unsafe.Pointer, n *uint32) Errno {
			size, err := k.Getsockopt(fd, level, name, bytesAt(value, *n))
			setLength(n, size, err)
			return err
		},
		Setsockopt: func(fd, level, name int, value unsafe.Pointer, n uintptr) Errno {
			return k.Setsockopt(fd, level, name, bytesAt(value, uint32(n)))
		},
		Shutdown: k.Shutdown,
		Recvfrom: func(fd int, p []byte, flags int, from *syscall.RawSockaddrAny, n *uint32) (int, Errno) {
			size, fromLen, err := k.Recvfrom(fd, p, flags, sockaddrBytes(from, n))
			setLength(n, fromLen, err)
			return size, err
		},
		Sendto: func(fd int, p []byte, flags int, to unsafe.Pointer, n uint32) (int, Errno) {
			return k.Sendto(fd, p, flags, bytesAt(to, n))
		},
		Recvmsg: func(fd int, h *syscall.Msghdr, flags int) (int, Errno) {
			m := message(h)
			n, err := k.Recvmsg(fd, &m, flags)
			if err == 0 {
				h.Namelen, h.Controllen, h.Flags = uint32(m.NameLen), uint64(m.ControlLen), int32(m.Flags)
			}
			return n, err
		},
		Sendmsg: func(fd int, h *syscall.Msghdr, flags int) (int, Errno) {
			m := message(h)
			return k.Sendmsg(fd, &m, flags)
		},
		EpollCtl: k.EpollCtl,
		EpollWait: func(epfd int, events []syscall.EpollEvent, msec int) (int, Errno) {
			return k.EpollWait(epfd, events, milliseconds(msec))
		},
	}
}

// bytesAt returns the n bytes at p.
func bytesAt(p unsafe.Pointer, n uint32) []byte {
	if p == nil {
		return nil
	}
	return unsafe.Slice((*byte)(p), n)
}

// sockaddrBytes returns where an address of at most *n bytes is to be stored.
func sockaddrBytes(addr *syscall.RawSockaddrAny, n *uint32) []byte {
	if addr == nil || n == nil {
		return nil
	}
	return bytesAt(unsafe.Pointer(addr), min(*n, syscall.SizeofSockaddrAny))
}

func setLength(n *uint32, size int, err Errno) {
	if n != nil && err == 0 {
		*n = uint32(size)
	}
}

// buffers returns the memory of a vector.
func buffers(iov []syscall.Iovec) [][]byte {
	bufs := make([][]byte, len(iov))
	for i, v := range iov {
		bufs[i] = unsafe.Slice(v.Base, v.Len)
	}
	return bufs
}

func message(h *syscall.Msghdr) kernel.Message {
	return kernel.Message{
		Data:    buffers(unsafe.Slice(h.Iov, h.Iovlen)),
		Name:    bytesAt(unsafe.Pointer(h.Name), h.Namelen),
		Control: unsafe.Slice(h.Control, h.Controllen),
	}
}
