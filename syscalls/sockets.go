package syscalls

import (
	"syscall"

	"ringo.dev/ringo/kernel"
)

// maxSockaddr is the most that a socket address takes
// (sizeof(struct sockaddr_storage)).
const maxSockaddr = 128

func sysSocket(t *task) (uintptr, Errno) {
	return result(t.k.Socket(t.int(0), t.int(1), t.int(2)))
}

func sysSocketpair(t *task) (uintptr, Errno) {
	out, err := need[[2]int32](t, 3, true)
	if err != 0 {
		return 0, err
	}
	fds, err := t.k.Socketpair(t.int(0), t.int(1), t.int(2))
	if err == 0 {
		*out = [2]int32{int32(fds[0]), int32(fds[1])}
	}
	return 0, err
}

// sockaddr returns the address at argument i whose length is argument n.
func (t *task) sockaddr(i, n int) ([]byte, Errno) {
	if t.isNil(i) {
		return nil, 0
	}
	if t.uint32(n) > maxSockaddr {
		return nil, syscall.EINVAL
	}
	return kernel.User(t.a[i], uintptr(t.uint32(n)), false)
}

// sockaddrOut returns where an address is to be stored: a buffer at argument i
// with its length, which the result replaces, at argument n.
func (t *task) sockaddrOut(i, n int) (buf []byte, length *uint32, err Errno) {
	if t.isNil(i) {
		return nil, nil, 0
	}
	if length, err = need[uint32](t, n, true); err != 0 {
		return nil, nil, err
	}
	if int32(*length) < 0 {
		return nil, nil, syscall.EINVAL
	}
	buf, err = kernel.User(t.a[i], uintptr(min(*length, maxSockaddr)), true)
	return buf, length, err
}

func sysBind(t *task) (uintptr, Errno) {
	addr, err := t.sockaddr(1, 2)
	if err != 0 {
		return 0, err
	}
	return done(t.k.Bind(t.int(0), addr))
}

func sysConnect(t *task) (uintptr, Errno) {
	addr, err := t.sockaddr(1, 2)
	if err != 0 {
		return 0, err
	}
	return done(t.k.Connect(t.int(0), addr))
}

func sysListen(t *task) (uintptr, Errno) { return done(t.k.Listen(t.int(0), t.int(1))) }

func sysAccept(t *task) (uintptr, Errno)  { return t.accept(0) }
func sysAccept4(t *task) (uintptr, Errno) { return t.accept(t.int(3)) }

func (t *task) accept(flags int) (uintptr, Errno) {
	buf, length, err := t.sockaddrOut(1, 2)
	if err != 0 {
		return 0, err
	}
	fd, n, err := t.k.Accept(t.int(0), buf, flags)
	if err == 0 && length != nil {
		*length = uint32(n)
	}
	return result(fd, err)
}

func sysGetsockname(t *task) (uintptr, Errno) { return t.name(t.k.Getsockname) }
func sysGetpeername(t *task) (uintptr, Errno) { return t.name(t.k.Getpeername) }

func (t *task) name(get func(fd int, addr []byte) (int, Errno)) (uintptr, Errno) {
	buf, length, err := t.sockaddrOut(1, 2)
	if err != 0 {
		return 0, err
	}
	if length == nil {
		return 0, syscall.EFAULT
	}
	n, err := get(t.int(0), buf)
	if err == 0 {
		*length = uint32(n)
	}
	return 0, err
}

func sysShutdown(t *task) (uintptr, Errno) { return done(t.k.Shutdown(t.int(0), t.int(1))) }

func sysSendto(t *task) (uintptr, Errno) {
	p, err := t.buf(1, 2, false)
	if err != 0 {
		return 0, err
	}
	addr, err := t.sockaddr(4, 5)
	if err != 0 {
		return 0, err
	}
	return result(t.k.Sendto(t.int(0), p, t.int(3), addr))
}

func sysRecvfrom(t *task) (uintptr, Errno) {
	p, err := t.buf(1, 2, true)
	if err != 0 {
		return 0, err
	}
	buf, length, err := t.sockaddrOut(4, 5)
	if err != 0 {
		return 0, err
	}
	n, fromLen, err := t.k.Recvfrom(t.int(0), p, t.int(3), buf)
	if err == 0 && length != nil {
		*length = uint32(fromLen)
	}
	return result(n, err)
}

// msghdr is struct msghdr with its addresses not yet checked.
type msghdr struct {
	name       uintptr
	nameLen    uint32
	_          uint32
	iov        uintptr
	iovLen     uintptr
	control    uintptr
	controlLen uintptr
	flags      int32
	_          int32
}

// mmsghdr is struct mmsghdr.
type mmsghdr struct {
	msghdr
	len uint32
	_   uint32
}

// maxControl is the most control data that a message takes; Linux's limit is
// net.core.optmem_max.
const maxControl = 128 << 10

// message makes a Message of h. Its buffers are written if receive is set.
func (h *msghdr) message(receive bool) (m kernel.Message, err Errno) {
	if h.name != 0 {
		if int32(h.nameLen) < 0 {
			return m, syscall.EINVAL
		}
		if m.Name, err = kernel.User(h.name, uintptr(min(h.nameLen, maxSockaddr)), receive); err != 0 {
			return m, err
		}
	}
	if h.iovLen > maxVector {
		return m, syscall.EMSGSIZE
	}
	if m.Data, err = vector(h.iov, h.iovLen, receive); err != 0 {
		return m, err
	}
	if h.controlLen > maxControl {
		if !receive {
			return m, syscall.ENOBUFS
		}
		h.controlLen = maxControl
	}
	if h.control != 0 {
		m.Control, err = kernel.User(h.control, h.controlLen, receive)
	}
	return m, err
}

func (t *task) sendmsg(h *msghdr, flags int) (int, Errno) {
	m, err := h.message(false)
	if err != 0 {
		return 0, err
	}
	return t.k.Sendmsg(t.int(0), &m, flags)
}

func (t *task) recvmsg(h *msghdr, flags int) (int, Errno) {
	m, err := h.message(true)
	if err != 0 {
		return 0, err
	}
	n, err := t.k.Recvmsg(t.int(0), &m, flags)
	if err == 0 {
		h.nameLen, h.controlLen, h.flags = uint32(m.NameLen), uintptr(m.ControlLen), int32(m.Flags)
	}
	return n, err
}

func sysSendmsg(t *task) (uintptr, Errno) {
	h, err := need[msghdr](t, 1, false)
	if err != 0 {
		return 0, err
	}
	return result(t.sendmsg(h, t.int(2)))
}

func sysRecvmsg(t *task) (uintptr, Errno) {
	h, err := need[msghdr](t, 1, true)
	if err != 0 {
		return 0, err
	}
	return result(t.recvmsg(h, t.int(2)))
}

// messages runs transfer for the struct mmsghdr at argument 1 until one fails,
// and returns how many did not. An error counts only if it is the first's.
func (t *task) messages(transfer func(i int, h *mmsghdr) (int, Errno)) (uintptr, Errno) {
	list, err := kernel.UserSlice[mmsghdr](t.a[1], uintptr(min(t.uint32(2), maxVector)), true)
	if err != 0 {
		return 0, err
	}
	for i := range list {
		n, err := transfer(i, &list[i])
		if err != 0 {
			if i == 0 {
				return 0, err
			}
			return uintptr(i), 0
		}
		list[i].len = uint32(n)
	}
	return uintptr(len(list)), 0
}

func sysSendmmsg(t *task) (uintptr, Errno) {
	return t.messages(func(i int, h *mmsghdr) (int, Errno) { return t.sendmsg(&h.msghdr, t.int(3)) })
}

// sysRecvmmsg waits for the first message only, or for all of them without
// MSG_WAITFORONE; its timeout is looked at between messages (recvmmsg(2), BUGS).
func sysRecvmmsg(t *task) (uintptr, Errno) {
	const waitForOne = 0x10000
	limit, err := value[syscall.Timespec](t, 4, false)
	if err != 0 {
		return 0, err
	}
	timeout, err := duration(limit)
	if err != 0 {
		return 0, err
	}
	deadline := deadlineAfter(timeout)
	flags := t.int(3)
	return t.messages(func(i int, h *mmsghdr) (int, Errno) {
		if i > 0 && flags&waitForOne != 0 {
			flags |= syscall.MSG_DONTWAIT
		}
		if i > 0 && deadline.passed() {
			return 0, syscall.EAGAIN
		}
		return t.recvmsg(&h.msghdr, flags&^waitForOne)
	})
}

// maxOption is the most that the value of a socket option takes.
const maxOption = 64 << 10

func sysSetsockopt(t *task) (uintptr, Errno) {
	if t.uint32(4) > maxOption {
		return 0, syscall.EINVAL
	}
	v, err := kernel.User(t.a[3], uintptr(t.uint32(4)), false)
	if err != 0 {
		return 0, err
	}
	return done(t.k.Setsockopt(t.int(0), t.int(1), t.int(2), v))
}

func sysGetsockopt(t *task) (uintptr, Errno) {
	length, err := need[uint32](t, 4, true)
	if err != 0 {
		return 0, err
	}
	if int32(*length) < 0 {
		return 0, syscall.EINVAL
	}
	v, err := kernel.User(t.a[3], uintptr(min(*length, maxOption)), true)
	if err != 0 {
		return 0, err
	}
	n, err := t.k.Getsockopt(t.int(0), t.int(1), t.int(2), v)
	if err == 0 {
		*length = uint32(n)
	}
	return 0, err
}
