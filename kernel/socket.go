package kernel

import (
	"sync"
	"syscall"
	"time"
)

// Socket is socket(2).
func (k *Kernel) Socket(domain, typ, protocol int) (int, Errno) {
	if typ&^(sockTypes|sockNonblk|sockCloexc) != 0 {
		return -1, syscall.EINVAL
	}
	f := k.family(domain)
	if f == nil {
		return -1, syscall.EAFNOSUPPORT
	}
	s, err := f(typ&sockTypes, protocol)
	if err != 0 {
		return -1, err
	}
	return k.openSocket(s, typ)
}

// openSocket gives a socket a descriptor; flags are SOCK_NONBLOCK and
// SOCK_CLOEXEC, whose values are those of O_NONBLOCK and O_CLOEXEC.
func (k *Kernel) openSocket(s Socket, flags int) (int, Errno) {
	return k.OpenFile(s, syscall.O_RDWR|flags&(sockNonblk|sockCloexc))
}

func (k *Kernel) socket(fd int) (*Description, Socket, Errno) {
	d, err := k.file(fd)
	if err != 0 {
		return nil, nil, err
	}
	s, ok := d.File.(Socket)
	if !ok {
		return nil, nil, syscall.ENOTSOCK
	}
	return d, s, 0
}

// Bind is bind(2).
func (k *Kernel) Bind(fd int, addr []byte) Errno {
	_, s, err := k.socket(fd)
	if err != 0 {
		return err
	}
	return s.Bind(addr)
}

// Listen is listen(2).
func (k *Kernel) Listen(fd, backlog int) Errno {
	_, s, err := k.socket(fd)
	if err != 0 {
		return err
	}
	return s.Listen(backlog)
}

// Accept is accept4(2). addr may be nil; the length of the peer's address is
// returned even if it did not fit.
func (k *Kernel) Accept(fd int, addr []byte, flags int) (newfd, n int, err Errno) {
	if flags&^(sockNonblk|sockCloexc) != 0 {
		return -1, 0, syscall.EINVAL
	}
	d, s, err := k.socket(fd)
	if err != 0 {
		return -1, 0, err
	}
	c, peer, err := s.Accept()
	if err == syscall.EAGAIN && d.blocking() {
		_, err = retry(s.Queue(), EventIn, time.Duration(d.readTimeout.Load()), func() (int, Errno) {
			var err Errno
			c, peer, err = s.Accept()
			return 0, err
		})
	}
	if err != 0 {
		return -1, 0, err
	}
	copy(addr, peer)
	newfd, err = k.openSocket(c, flags)
	return newfd, len(peer), err
}

// Connect is connect(2).
func (k *Kernel) Connect(fd int, addr []byte) Errno {
	d, s, err := k.socket(fd)
	if err != 0 {
		return err
	}
	err = s.Connect(addr)
	if err != syscall.EINPROGRESS && err != syscall.EAGAIN || !d.blocking() {
		return err
	}
	w := NewWait(time.Duration(d.writeTimeout.Load()))
	defer w.Done()
	w.Add(s.Queue(), EventOut)
	for {
		if err == syscall.EAGAIN { // a listener of AF_UNIX whose queue was full
			err = s.Connect(addr)
		} else if s.Ready()&(EventOut|EventErr|EventHup) != 0 {
			return socketError(s)
		}
		if err != syscall.EINPROGRESS && err != syscall.EAGAIN {
			return err
		}
		if !w.Block() {
			return err
		}
	}
}

// socketError returns and clears the socket's pending error.
func socketError(s Socket) Errno {
	var b [4]byte
	if _, err := s.Option(syscall.SOL_SOCKET, syscall.SO_ERROR, b[:]); err != 0 {
		return err
	}
	return Errno(get32(b[:]))
}

// Shutdown is shutdown(2).
func (k *Kernel) Shutdown(fd, how int) Errno {
	_, s, err := k.socket(fd)
	if err != 0 {
		return err
	}
	if how < syscall.SHUT_RD || how > syscall.SHUT_RDWR {
		return syscall.EINVAL
	}
	return s.Shutdown(how)
}

// Getsockname is getsockname(2); it returns the address's length even if it did
// not fit.
func (k *Kernel) Getsockname(fd int, addr []byte) (int, Errno) {
	_, s, err := k.socket(fd)
	if err != 0 {
		return 0, err
	}
	a, err := s.LocalAddr()
	copy(addr, a)
	return len(a), err
}

// Getpeername is getpeername(2).
func (k *Kernel) Getpeername(fd int, addr []byte) (int, Errno) {
	_, s, err := k.socket(fd)
	if err != 0 {
		return 0, err
	}
	a, err := s.PeerAddr()
	copy(addr, a)
	return len(a), err
}

// Recvmsg is recvmsg(2).
func (k *Kernel) Recvmsg(fd int, m *Message, flags int) (int, Errno) {
	d, s, err := k.socket(fd)
	if err != 0 {
		return -1, err
	}
	return receive(d, s, m, flags)
}

// receive receives a message.
func receive(d *Description, s Socket, m *Message, flags int) (int, Errno) {
	waits := d.blocking() && flags&syscall.MSG_DONTWAIT == 0
	n, err := s.Receive(m, flags)
	if err == syscall.EAGAIN && waits {
		n, err = awaitMessage(d, s, m, flags)
	}
	if flags&(syscall.MSG_WAITALL|syscall.MSG_PEEK) == syscall.MSG_WAITALL && waits && n > 0 && err == 0 && isStream(s) {
		n += receiveAll(d, s, skip(m.Data, n), flags)
	}
	m.Flags |= flags & msgCmsgCloexc // which Linux reports back
	return n, err
}

// awaitMessage receives a message when there is one.
func awaitMessage(d *Description, s Socket, m *Message, flags int) (int, Errno) {
	return retry(s.Queue(), EventIn|EventRdHup, time.Duration(d.readTimeout.Load()), func() (int, Errno) {
		return s.Receive(m, flags)
	})
}

// receiveAll fills the buffers, unless the data ends or an error comes first
// (MSG_WAITALL), and returns how much came. The next call finds the error again.
func receiveAll(d *Description, s Socket, bufs [][]byte, flags int) (total int) {
	for len(bufs) > 0 {
		n, err := awaitMessage(d, s, &Message{Data: bufs}, flags)
		if err != 0 || n <= 0 {
			break
		}
		total += n
		bufs = skip(bufs, n)
	}
	return total
}

// isStream reports whether the messages of a socket are but bytes.
func isStream(s Socket) bool {
	var kind [4]byte
	n, err := s.Option(syscall.SOL_SOCKET, syscall.SO_TYPE, kind[:])
	return err == 0 && n == len(kind) && kind[0] == syscall.SOCK_STREAM
}

// Sendmsg is sendmsg(2).
func (k *Kernel) Sendmsg(fd int, m *Message, flags int) (int, Errno) {
	d, s, err := k.socket(fd)
	if err != 0 {
		return -1, err
	}
	return k.send(d, s, m, flags)
}

// send sends a message; a blocking description takes all of a stream's data.
func (k *Kernel) send(d *Description, s Socket, m *Message, flags int) (int, Errno) {
	n, err := s.Send(m, flags)
	if !d.blocking() || flags&syscall.MSG_DONTWAIT != 0 || err != 0 && err != syscall.EAGAIN {
		return n, err
	}
	size := 0
	for _, b := range m.Data {
		size += len(b)
	}
	if err == 0 && n >= size {
		return n, 0
	}
	rest := *m
	total := max(n, 0)
	rest.Data = skip(m.Data, total)
	if total > 0 {
		rest.Control = nil
	}
	_, err = retry(s.Queue(), EventOut, time.Duration(d.writeTimeout.Load()), func() (int, Errno) {
		for {
			n, err := s.Send(&rest, flags)
			if err != 0 {
				return 0, err
			}
			total += n
			if total >= size {
				return 0, 0
			}
			rest.Data, rest.Control = skip(rest.Data, n), nil
		}
	})
	if total > 0 {
		err = 0
	}
	return total, err
}

// skip returns what is left of bufs after the first n bytes.
func skip(bufs [][]byte, n int) [][]byte {
	for i, b := range bufs {
		if n < len(b) {
			return append([][]byte{b[n:]}, bufs[i+1:]...)
		}
		n -= len(b)
	}
	return nil
}

// Recvfrom is recvfrom(2). from may be nil; the sender's address is put there
// and its length returned.
func (k *Kernel) Recvfrom(fd int, p []byte, flags int, from []byte) (n, fromLen int, err Errno) {
	m := newDatagram(p, from)
	n, err = k.Recvmsg(fd, &m.Message, flags)
	fromLen = m.NameLen
	m.free()
	return n, fromLen, err
}

// InetName is room for a struct sockaddr_in or sockaddr_in6.
type InetName [28]byte

// RecvfromInet is Recvfrom for sockets whose peers have Internet addresses, without
// memory of the caller's for the sender's: a pointer to that would have to be allocated.
func (k *Kernel) RecvfromInet(fd int, p []byte, flags int) (n int, from InetName, err Errno) {
	d, s, err := k.socket(fd)
	if err != 0 {
		return -1, from, err
	}
	if flags == 0 && !d.blocking() && s.Quiet() {
		return -1, from, syscall.EAGAIN
	}
	m := newDatagram(p, nil)
	m.Name = m.name[:]
	n, err = receive(d, s, &m.Message, flags)
	from = m.name
	m.free()
	return n, from, err
}

// Sendto is sendto(2); to is nil for a connected socket.
func (k *Kernel) Sendto(fd int, p []byte, flags int, to []byte) (int, Errno) {
	m := newDatagram(p, to)
	n, err := k.Sendmsg(fd, &m.Message, flags)
	m.free()
	return n, err
}

// datagram is a Message of one buffer.
type datagram struct {
	Message
	data [1][]byte
	name InetName
}

// datagrams are those not in use: each packet of many programs needs one.
var datagrams = sync.Pool{New: func() any { return new(datagram) }}

func newDatagram(p, name []byte) *datagram {
	m := datagrams.Get().(*datagram)
	m.data[0] = p
	m.Data, m.Name = m.data[:], name
	return m
}

// free forgets the buffers, which are the caller's.
func (m *datagram) free() {
	*m = datagram{}
	datagrams.Put(m)
}

// Setsockopt is setsockopt(2). The timeouts of blocking calls are the kernel's;
// everything else is the socket's.
func (k *Kernel) Setsockopt(fd, level, name int, value []byte) Errno {
	d, s, err := k.socket(fd)
	if err != 0 {
		return err
	}
	if level == syscall.SOL_SOCKET && (name == syscall.SO_RCVTIMEO || name == syscall.SO_SNDTIMEO) {
		if len(value) < 16 {
			return syscall.EINVAL
		}
		t, err := timeout(&syscall.Timeval{Sec: int64(get64(value)), Usec: int64(get64(value[8:]))})
		if err != 0 {
			return err
		}
		d.timeoutOf(name).Store(int64(t))
		return 0
	}
	return s.SetOption(level, name, value)
}

// Getsockopt is getsockopt(2); it returns the value's length.
func (k *Kernel) Getsockopt(fd, level, name int, buf []byte) (int, Errno) {
	d, s, err := k.socket(fd)
	if err != 0 {
		return 0, err
	}
	if level == syscall.SOL_SOCKET && (name == syscall.SO_RCVTIMEO || name == syscall.SO_SNDTIMEO) {
		var value [16]byte
		t := time.Duration(d.timeoutOf(name).Load())
		put64(value[:], uint64(t/time.Second))
		put64(value[8:], uint64(t%time.Second/time.Microsecond))
		return copy(buf, value[:]), 0
	}
	return s.Option(level, name, buf)
}
