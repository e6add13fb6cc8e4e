package syscalls

import (
	"strings"
	"syscall"
	"unsafe"

	"ringo.dev/ringo/kernel"
	"ringo.dev/ringo/rt"
)

// Typed answers the calls that package syscall makes directly, as plain Go calls,
// on the hot paths of os, net and internal/poll. Since slices and strings are
// the program's own, and garbage collected, there is nothing to copy; and nothing to
// check, unless a slice is a file's mapping. The methods are named after the calls, with the
// signatures of package syscall's wrappers; a call may block its goroutine.
type Typed struct{ k *kernel.Kernel }

// NewTyped returns the typed calls of a kernel.
func NewTyped(k *kernel.Kernel) *Typed { return &Typed{k} }

// mapped reports whether a slice may be used. One that lies in a file's mapping is not
// there where the file has ended.
func mapped(p []byte, write bool) bool {
	addr, n := uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p))
	return !rt.HasFiles(addr, n) || rt.Mapped(addr, n, write)
}

func (t *Typed) Read(fd int, p []byte) (int, Errno) {
	if !mapped(p, true) {
		return -1, syscall.EFAULT
	}
	return t.k.Read(fd, p)
}

func (t *Typed) Write(fd int, p []byte) (int, Errno) {
	if !mapped(p, false) {
		return -1, syscall.EFAULT
	}
	return t.k.Write(fd, p)
}

func (t *Typed) Pread(fd int, p []byte, off int64) (int, Errno) {
	if !mapped(p, true) {
		return -1, syscall.EFAULT
	}
	return t.k.Pread(fd, p, off)
}

func (t *Typed) Pwrite(fd int, p []byte, off int64) (int, Errno) {
	if !mapped(p, false) {
		return -1, syscall.EFAULT
	}
	return t.k.Pwrite(fd, p, off)
}

func (t *Typed) Close(fd int) Errno { return t.k.Close(fd) }

func (t *Typed) Seek(fd int, off int64, whence int) (int64, Errno) {
	return t.k.Seek(fd, off, whence)
}

func (t *Typed) Openat(dirfd int, path string, flags int, mode uint32) (int, Errno) {
	if strings.IndexByte(path, 0) >= 0 {
		return -1, syscall.EINVAL // as syscall.BytePtrFromString says
	}
	return t.k.Open(dirfd, path, flags, mode)
}

func (t *Typed) Fstat(fd int, st *syscall.Stat_t) Errno { return t.k.Fstat(fd, st) }

func (t *Typed) Socket(domain, typ, protocol int) (int, Errno) {
	return t.k.Socket(domain, typ, protocol)
}

func (t *Typed) Bind(fd int, addr unsafe.Pointer, n uint32) Errno {
	return t.k.Bind(fd, bytesAt(addr, n))
}

func (t *Typed) Listen(fd, backlog int) Errno { return t.k.Listen(fd, backlog) }

func (t *Typed) Accept4(fd int, addr *syscall.RawSockaddrAny, n *uint32, flags int) (int, Errno) {
	newfd, size, err := t.k.Accept(fd, sockaddrBytes(addr, n), flags)
	setLength(n, size, err)
	return newfd, err
}

func (t *Typed) Getsockname(fd int, addr *syscall.RawSockaddrAny, n *uint32) Errno {
	size, err := t.k.Getsockname(fd, sockaddrBytes(addr, n))
	setLength(n, size, err)
	return err
}

func (t *Typed) Setsockopt(fd, level, name int, value unsafe.Pointer, n uintptr) Errno {
	return t.k.Setsockopt(fd, level, name, bytesAt(value, uint32(n)))
}

func (t *Typed) Recvfrom(fd int, p []byte, flags int, from *syscall.RawSockaddrAny, n *uint32) (int, Errno) {
	size, fromLen, err := t.k.Recvfrom(fd, p, flags, sockaddrBytes(from, n))
	setLength(n, fromLen, err)
	return size, err
}

// RecvfromInet is Recvfrom for sockets whose peers have Internet addresses: from
// holds a RawSockaddrInet4 or a RawSockaddrInet6.
func (t *Typed) RecvfromInet(fd int, p []byte, flags int) (n int, from syscall.RawSockaddrInet6, err Errno) {
	n, name, err := t.k.RecvfromInet(fd, p, flags)
	return n, *(*syscall.RawSockaddrInet6)(unsafe.Pointer(&name)), err
}

func (t *Typed) Sendto(fd int, p []byte, flags int, to unsafe.Pointer, n uint32) (int, Errno) {
	return t.k.Sendto(fd, p, flags, bytesAt(to, n))
}

func (t *Typed) Recvmsg(fd int, h *syscall.Msghdr, flags int) (int, Errno) {
	m := message(h)
	n, err := t.k.Recvmsg(fd, &m, flags)
	if err == 0 {
		h.Namelen, h.Controllen, h.Flags = uint32(m.NameLen), uint64(m.ControlLen), int32(m.Flags)
	}
	return n, err
}

func (t *Typed) Sendmsg(fd int, h *syscall.Msghdr, flags int) (int, Errno) {
	m := message(h)
	return t.k.Sendmsg(fd, &m, flags)
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
