package kernel

import (
	"sync"
	"syscall"
	"unsafe"
)

// unixSocket is a socket of AF_UNIX (unix(7)): stream, datagram or sequenced
// packets. What is sent goes straight to the receiver's inbox (unixbuf.go);
// names are in unixname.go.
type unixSocket struct {
	kernel *Kernel
	typ    int
	ino    uint64
	queue  Queue
	in     *inbox // what was sent to this socket

	mu       sync.Mutex
	name     string // as in a sockaddr: a path, or NUL and an abstract name
	node     Inode  // of a path
	bound    bool
	closed   bool
	passCred bool
	out      *inbox // the peer's; nil if not connected
	peerName string
	// shutWrite tells that nothing more may be sent.
	shutWrite bool

	// Of listening sockets.
	listening bool
	backlog   int
	pending   []*unixSocket
	waiting   map[*unixSocket]struct{} // connect found the backlog full
}

// maxBacklog is /proc/sys/net/core/somaxconn.
const maxBacklog = 4096

// newUnixSocket is the SocketFamily of AF_UNIX.
func (k *Kernel) newUnixSocket(typ, protocol int) (Socket, Errno) {
	switch {
	case protocol != 0 && protocol != syscall.AF_UNIX:
		return nil, syscall.EPROTONOSUPPORT
	case typ == syscall.SOCK_RAW: // an old name of datagrams (unix(7))
		typ = syscall.SOCK_DGRAM
	case typ != syscall.SOCK_STREAM && typ != syscall.SOCK_DGRAM && typ != syscall.SOCK_SEQPACKET:
		return nil, syscall.EPROTONOSUPPORT
	}
	return k.makeUnixSocket(typ), 0
}

func (k *Kernel) makeUnixSocket(typ int) *unixSocket {
	s := &unixSocket{kernel: k, typ: typ, ino: NextInode()}
	s.in = &inbox{stream: typ == syscall.SOCK_STREAM, limit: inboxLimit, owner: s}
	return s
}

// Socketpair is socketpair(2), which only AF_UNIX has.
func (k *Kernel) Socketpair(domain, typ, protocol int) (fds [2]int, err Errno) {
	flags := typ & (sockNonblk | sockCloexc)
	if typ&^(sockTypes|sockNonblk|sockCloexc) != 0 {
		return fds, syscall.EINVAL
	}
	if domain != syscall.AF_UNIX {
		return fds, syscall.EOPNOTSUPP
	}
	a, err := k.newUnixSocket(typ&sockTypes, protocol)
	if err != 0 {
		return fds, err
	}
	x, y := a.(*unixSocket), k.makeUnixSocket(typ&sockTypes)
	x.out, y.out = y.in, x.in
	return k.openPair(x, y, syscall.O_RDWR|flags, syscall.O_RDWR|flags)
}

func (s *unixSocket) Queue() *Queue { return &s.queue }

func (s *unixSocket) connectionless() bool { return s.typ == syscall.SOCK_DGRAM }

// peer returns the inbox of the peer, or nil.
func (s *unixSocket) peer() *inbox {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.out
}

func (s *unixSocket) Stat(st *syscall.Stat_t) Errno {
	st.Mode = syscall.S_IFSOCK | 0o777
	st.Ino = s.ino
	st.Nlink = 1
	st.Blksize = 4096
	return 0
}

func (s *unixSocket) Read(p []byte) (int, Errno) { return s.Receive(&Message{Data: [][]byte{p}}, 0) }
func (s *unixSocket) Write(p []byte) (int, Errno) {
	return s.Send(&Message{Data: [][]byte{p}}, 0)
}

func (s *unixSocket) Ready() (e Events) {
	s.mu.Lock()
	out, listening, pending, shutWrite := s.out, s.listening, len(s.pending), s.shutWrite
	s.mu.Unlock()
	switch {
	case listening && pending > 0:
		return EventIn
	case listening:
		return 0
	case out == nil && !s.connectionless():
		return EventOut | EventHup
	}
	e = s.in.readReady()
	if out == nil || out.writeReady() {
		e |= EventOut
	}
	if e&EventRdHup != 0 && shutWrite {
		e |= EventHup
	}
	return e
}

func (s *unixSocket) Close() Errno {
	s.mu.Lock()
	s.closed = true
	out, pending, waiting := s.out, s.pending, s.waiting
	s.out, s.pending, s.waiting = nil, nil, nil
	s.mu.Unlock()
	s.kernel.unix.forget(s)
	for _, c := range pending {
		c.Close()
	}
	wake(waiting, EventOut)
	unread := s.in.close(s.kernel)
	if out != nil && !s.connectionless() {
		out.finish(unread)
		out.owner.queue.Notify(EventIn | EventOut | EventRdHup | EventHup)
	}
	return 0
}

// wake tells sockets that what they waited for may have come.
func wake(sockets map[*unixSocket]struct{}, e Events) {
	for s := range sockets {
		s.queue.Notify(e)
	}
}

func (s *unixSocket) Listen(backlog int) Errno {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.connectionless():
		return syscall.EOPNOTSUPP
	case !s.bound || s.out != nil:
		return syscall.EINVAL
	}
	if backlog < 0 || backlog > maxBacklog {
		backlog = maxBacklog
	}
	s.listening, s.backlog = true, backlog
	return 0
}

func (s *unixSocket) Accept() (Socket, []byte, Errno) {
	s.mu.Lock()
	if s.connectionless() {
		s.mu.Unlock()
		return nil, nil, syscall.EOPNOTSUPP
	}
	if !s.listening || s.closed {
		s.mu.Unlock()
		return nil, nil, syscall.EINVAL
	}
	if len(s.pending) == 0 {
		s.mu.Unlock()
		return nil, nil, syscall.EAGAIN
	}
	c := s.pending[0]
	s.pending = s.pending[1:]
	waiting := s.waiting
	s.waiting = nil
	s.mu.Unlock()
	wake(waiting, EventOut)
	return c, unixAddr(c.peerName), 0
}

func (s *unixSocket) Connect(addr []byte) Errno {
	if len(addr) >= 2 && get16(addr) == syscall.AF_UNSPEC && s.connectionless() {
		s.mu.Lock()
		s.out, s.peerName = nil, ""
		s.mu.Unlock()
		return 0
	}
	to, name, err := s.kernel.findUnix(addr)
	if err != 0 {
		return err
	}
	if to.typ != s.typ {
		return syscall.EPROTOTYPE
	}
	if s.connectionless() {
		s.mu.Lock()
		s.out, s.peerName = to.in, name
		s.mu.Unlock()
		return 0
	}
	s.mu.Lock()
	connected, listening, own := s.out != nil, s.listening, s.name
	s.mu.Unlock()
	switch {
	case connected:
		return syscall.EISCONN
	case listening:
		return syscall.EINVAL
	}
	c := s.kernel.makeUnixSocket(s.typ) // the other end
	c.name, c.bound, c.peerName, c.out = name, true, own, s.in

	to.mu.Lock()
	if !to.listening || to.closed {
		to.mu.Unlock()
		return syscall.ECONNREFUSED
	}
	if len(to.pending) > to.backlog {
		if to.waiting == nil {
			to.waiting = map[*unixSocket]struct{}{}
		}
		to.waiting[s] = struct{}{}
		to.mu.Unlock()
		return syscall.EAGAIN
	}
	s.mu.Lock()
	if s.out != nil || s.closed { // another connect was faster
		s.mu.Unlock()
		to.mu.Unlock()
		return syscall.EISCONN
	}
	s.out, s.peerName = c.in, name
	s.mu.Unlock()
	to.pending = append(to.pending, c)
	to.mu.Unlock()
	to.queue.Notify(EventIn)
	s.queue.Notify(EventOut)
	return 0
}

func (s *unixSocket) Shutdown(how int) Errno {
	s.mu.Lock()
	out := s.out
	if out == nil && !s.connectionless() {
		s.mu.Unlock()
		return syscall.ENOTCONN
	}
	if how != syscall.SHUT_RD {
		s.shutWrite = true
	}
	s.mu.Unlock()
	if how != syscall.SHUT_WR {
		s.in.shutRead()
	}
	if out != nil && !s.connectionless() {
		if how != syscall.SHUT_RD {
			out.finish(false)
		}
		out.owner.queue.Notify(EventIn | EventOut | EventRdHup | EventHup)
	}
	s.queue.Notify(EventIn | EventOut | EventRdHup)
	return 0
}

func (s *unixSocket) LocalAddr() ([]byte, Errno) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return unixAddr(s.name), 0
}

func (s *unixSocket) PeerAddr() ([]byte, Errno) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.out == nil {
		return nil, syscall.ENOTCONN
	}
	return unixAddr(s.peerName), 0
}

func (s *unixSocket) Send(m *Message, flags int) (int, Errno) {
	if flags&syscall.MSG_OOB != 0 {
		return 0, syscall.EOPNOTSUPP
	}
	s.mu.Lock()
	out, own, shut := s.out, s.name, s.shutWrite
	s.mu.Unlock()
	if shut {
		return 0, syscall.EPIPE
	}
	if len(m.Name) > 0 {
		if !s.connectionless() {
			if out != nil {
				return 0, syscall.EISCONN
			}
			return 0, syscall.EOPNOTSUPP
		}
		to, _, err := s.kernel.findUnix(m.Name)
		if err != 0 {
			return 0, err
		}
		if to.typ != s.typ {
			return 0, syscall.EPROTOTYPE
		}
		out = to.in
	}
	if out == nil {
		return 0, syscall.ENOTCONN
	}
	rights, err := s.kernel.takeRights(m.Control)
	if err != 0 {
		return 0, err
	}
	n, err := out.put(s, m.Data, own, rights)
	if err != 0 {
		s.kernel.dropRights(rights)
		if err == syscall.EPIPE && s.connectionless() {
			err = syscall.ECONNREFUSED
		}
		return 0, err
	}
	out.owner.queue.Notify(EventIn)
	return n, 0
}

// Quiet implements Socket.
func (s *unixSocket) Quiet() bool { return false }

func (s *unixSocket) Receive(m *Message, flags int) (int, Errno) {
	if flags&syscall.MSG_OOB != 0 {
		return 0, syscall.EOPNOTSUPP
	}
	s.mu.Lock()
	connected, passCred := s.out != nil, s.passCred
	listening := s.listening
	s.mu.Unlock()
	if listening || !connected && s.typ == syscall.SOCK_SEQPACKET {
		return 0, syscall.ENOTCONN
	}
	if !connected && s.typ == syscall.SOCK_STREAM {
		return 0, syscall.EINVAL
	}
	got, err := s.in.get(m.Data, flags)
	if err != 0 {
		return 0, err
	}
	m.Flags = got.flags
	m.NameLen = 0
	if got.named {
		addr := unixAddr(got.from)
		copy(m.Name, addr)
		m.NameLen = len(addr)
	}
	s.kernel.putControl(m, got.rights, passCred, flags)
	if got.room {
		if s.connectionless() {
			wake(got.senders, EventOut)
		} else if out := s.peer(); out != nil {
			out.owner.queue.Notify(EventOut)
		}
	}
	return got.n, 0
}

// Options of SOL_SOCKET that package syscall does not have.
const (
	soPeerCred = 17
	soDomain   = 39
	soProtocol = 38
)

func (s *unixSocket) SetOption(level, name int, value []byte) Errno {
	if level != syscall.SOL_SOCKET {
		return syscall.ENOPROTOOPT
	}
	if len(value) < 4 {
		return syscall.EINVAL
	}
	v := int(int32(get32(value)))
	switch name {
	case syscall.SO_PASSCRED:
		s.mu.Lock()
		s.passCred = v != 0
		s.mu.Unlock()
	case syscall.SO_RCVBUF, syscall.SO_RCVBUFFORCE:
		s.in.setLimit(v)
	}
	return 0 // others are accepted: they make no difference in memory
}

func (s *unixSocket) Option(level, name int, buf []byte) (int, Errno) {
	if level != syscall.SOL_SOCKET {
		return 0, syscall.EOPNOTSUPP
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	v := 0
	switch name {
	case syscall.SO_TYPE:
		v = s.typ
	case soDomain:
		v = syscall.AF_UNIX
	case soProtocol, syscall.SO_ERROR, syscall.SO_REUSEADDR, syscall.SO_KEEPALIVE, syscall.SO_BROADCAST:
	case syscall.SO_ACCEPTCONN:
		if s.listening {
			v = 1
		}
	case syscall.SO_PASSCRED:
		if s.passCred {
			v = 1
		}
	case syscall.SO_RCVBUF, syscall.SO_SNDBUF:
		v = s.in.capacity()
	case soPeerCred:
		cred := s.kernel.credentials()
		return copy(buf, unsafe.Slice((*byte)(unsafe.Pointer(&cred)), unsafe.Sizeof(cred))), 0
	default:
		return 0, syscall.ENOPROTOOPT
	}
	var b [4]byte
	put32(b[:], uint32(v))
	return copy(buf, b[:]), 0
}

// Ioctl answers FIONREAD.
func (s *unixSocket) Ioctl(request, arg uintptr) (uintptr, Errno) {
	if request != fioNRead {
		return 0, syscall.ENOTTY
	}
	v, err := UserValue[int32](arg, true)
	if err == 0 {
		*v = int32(s.in.available())
	}
	return 0, err
}

// credentials are those of the only process.
func (k *Kernel) credentials() syscall.Ucred {
	ids := k.IDs()
	return syscall.Ucred{Pid: int32(syscall.Getpid()), Uid: ids.User.Effective, Gid: ids.Group.Effective}
}
