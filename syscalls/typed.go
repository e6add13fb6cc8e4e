package syscalls

import (
	"strings"
	"syscall"
	"unsafe"

	"ringo.dev/ringo/kernel"
	"ringo.dev/ringo/rt"
)

// Typed holds the calls that package syscall makes directly, as plain Go calls,
// on the hot paths of os, net and internal/poll. Since slices and strings are
// the program's own, and garbage collected, there is nothing to copy; and nothing to
// check, unless a slice is a file's mapping. The signatures are those of package syscall's wrappers; a
// call may block its goroutine.
type Typed struct {
	Read        func(fd int, p []byte) (int, Errno)
	Write       func(fd int, p []byte) (int, Errno)
	Pread       func(fd int, p []byte, off int64) (int, Errno)
	Pwrite      func(fd int, p []byte, off int64) (int, Errno)
	Close       func(fd int) Errno
	Seek        func(fd int, off int64, whence int) (int64, Errno)
	Openat      func(dirfd int, path string, flags int, mode uint32) (int, Errno)
	Fstat       func(fd int, st *syscall.Stat_t) Errno
	Accept4     func(fd int, addr *syscall.RawSockaddrAny, n *uint32, flags int) (int, Errno)
	Getsockname func(fd int, addr *syscall.RawSockaddrAny, n *uint32) Errno
	Setsockopt  func(fd, level, name int, value unsafe.Pointer, n uintptr) Errno
	Recvfrom    func(fd int, p []byte, flags int, from *syscall.RawSockaddrAny, n *uint32) (int, Errno)
	// RecvfromInet is Recvfrom for sockets whose peers have Internet addresses: from
	// holds a RawSockaddrInet4 or a RawSockaddrInet6.
	RecvfromInet func(fd int, p []byte, flags int) (n int, from syscall.RawSockaddrInet6, err Errno)
	Sendto       func(fd int, p []byte, flags int, to unsafe.Pointer, n uint32) (int, Errno)
	Recvmsg      func(fd int, m *syscall.Msghdr, flags int) (int, Errno)
	Sendmsg      func(fd int, m *syscall.Msghdr, flags int) (int, Errno)
}

// mapped reports whether a slice may be used. One that lies in a file's mapping is not
// there where the file has ended.
func mapped(p []byte, write bool) bool {
	addr, n := uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p))
	return !rt.HasFiles(addr, n) || rt.Mapped(addr, n, write)
}

// NewTyped returns the typed calls of a kernel.
func NewTyped(k *kernel.Kernel) *Typed {
	return &Typed{
		Read: func(fd int, p []byte) (int, Errno) {
			if !mapped(p, true) {
				return -1, syscall.EFAULT
			}
			return k.Read(fd, p)
		},
		Write: func(fd int, p []byte) (int, Errno) {
			if !mapped(p, false) {
				return -1, syscall.EFAULT
			}
			return k.Write(fd, p)
		},
		Pread: func(fd int, p []byte, off int64) (int, Errno) {
			if !mapped(p, true) {
				return -1, syscall.EFAULT
			}
			return k.Pread(fd, p, off)
		},
		Pwrite: func(fd int, p []byte, off int64) (int, Errno) {
			if !mapped(p, false) {
				return -1, syscall.EFAULT
			}
			return k.Pwrite(fd, p, off)
		},
		Close: k.Close,
		Seek:  k.Seek,
		Openat: func(dirfd int, path string, flags int, mode uint32) (int, Errno) {
			if strings.IndexByte(path, 0) >= 0 {
				return -1, syscall.EINVAL // as syscall.BytePtrFromString says
			}
			return k.Open(dirfd, path, flags, mode)
		},
		Fstat: k.Fstat,
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
		Setsockopt: func(fd, level, name int, value unsafe.Pointer, n uintptr) Errno {
			return k.Setsockopt(fd, level, name, bytesAt(value, uint32(n)))
		},
		Recvfrom: func(fd int, p []byte, flags int, from *syscall.RawSockaddrAny, n *uint32) (int, Errno) {
			size, fromLen, err := k.Recvfrom(fd, p, flags, sockaddrBytes(from, n))
			setLength(n, fromLen, err)
			return size, err
		},
		RecvfromInet: func(fd int, p []byte, flags int) (int, syscall.RawSockaddrInet6, Errno) {
			n, from, err := k.RecvfromInet(fd, p, flags)
			return n, *(*syscall.RawSockaddrInet6)(unsafe.Pointer(&from)), err
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
