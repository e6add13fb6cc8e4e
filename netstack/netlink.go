package netstack

import (
	"encoding/binary"
	"sync"
	"sync/atomic"
	"syscall"

	"ringo.dev/ringo/kernel"
)

// routeSocket is an AF_NETLINK socket of NETLINK_ROUTE (netlink(7),
// rtnetlink(7)): it answers queries about interfaces, addresses and routes.
// Nothing can be changed, and changes are not announced.
type routeSocket struct {
	net   *Stack
	typ   int
	queue kernel.Queue
	inode uint64

	mu      sync.Mutex
	port    uint32 // 0: not bound
	groups  uint32
	replies [][]byte // datagrams
}

var _ kernel.Socket = (*routeSocket)(nil)

const (
	// netlinkDatagram is the most that one datagram of a dump holds: programs
	// read into buffers of a page.
	netlinkDatagram = 4096
	// netlinkBacklog bounds the datagrams that wait for a program that only asks.
	netlinkBacklog = 256
)

// netlinkPorts numbers the sockets.
var netlinkPorts atomic.Uint32

// Netlink makes AF_NETLINK sockets.
func (n *Stack) Netlink(typ, protocol int) (kernel.Socket, kernel.Errno) {
	if typ != syscall.SOCK_RAW && typ != syscall.SOCK_DGRAM {
		return nil, syscall.ESOCKTNOSUPPORT
	}
	if protocol != syscall.NETLINK_ROUTE {
		return nil, syscall.EPROTONOSUPPORT
	}
	return &routeSocket{net: n, typ: typ, inode: kernel.NextInode()}, 0
}

// bindLocked gives the socket a port if it has none.
func (s *routeSocket) bindLocked() {
	if s.port == 0 {
		s.port = netlinkPorts.Add(1)
	}
}

// Bind implements kernel.Socket.
func (s *routeSocket) Bind(addr []byte) kernel.Errno {
	port, groups, err := parseSockaddrNL(addr)
	if err != 0 {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.port != 0 && port != 0 && port != s.port {
		return syscall.EINVAL
	}
	if port != 0 {
		s.port = port
	}
	s.bindLocked()
	s.groups = groups
	return 0
}

func parseSockaddrNL(b []byte) (port, groups uint32, err kernel.Errno) {
	if len(b) < sockaddrNLSize || binary.NativeEndian.Uint16(b) != syscall.AF_NETLINK {
		return 0, 0, syscall.EINVAL
	}
	return binary.NativeEndian.Uint32(b[4:]), binary.NativeEndian.Uint32(b[8:]), 0
}

func appendSockaddrNL(b []byte, port, groups uint32) []byte {
	b = binary.NativeEndian.AppendUint16(b, syscall.AF_NETLINK)
	b = append(b, 0, 0)
	b = binary.NativeEndian.AppendUint32(b, port)
	return binary.NativeEndian.AppendUint32(b, groups)
}

// Connect implements kernel.Socket: the only peer is the kernel, port 0.
func (s *routeSocket) Connect(addr []byte) kernel.Errno {
	port, _, err := parseSockaddrNL(addr)
	switch {
	case err != 0:
		return err
	case port != 0:
		return syscall.EPERM
	}
	return 0
}

// LocalAddr implements kernel.Socket.
func (s *routeSocket) LocalAddr() ([]byte, kernel.Errno) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return appendSockaddrNL(nil, s.port, s.groups), 0
}

// PeerAddr implements kernel.Socket.
func (s *routeSocket) PeerAddr() ([]byte, kernel.Errno) { return appendSockaddrNL(nil, 0, 0), 0 }

// Listen, Accept and Shutdown implement kernel.Socket: there are no connections.
func (s *routeSocket) Listen(int) kernel.Errno { return syscall.EOPNOTSUPP }

func (s *routeSocket) Accept() (kernel.Socket, []byte, kernel.Errno) {
	return nil, nil, syscall.EOPNOTSUPP
}

func (s *routeSocket) Shutdown(int) kernel.Errno { return syscall.EOPNOTSUPP }

// Queue implements kernel.File.
func (s *routeSocket) Queue() *kernel.Queue { return &s.queue }

// Ready implements kernel.File.
func (s *routeSocket) Ready() kernel.Events {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.replies) > 0 {
		return kernel.EventIn | kernel.EventOut
	}
	return kernel.EventOut
}

// Stat implements kernel.File.
func (s *routeSocket) Stat(st *syscall.Stat_t) kernel.Errno {
	statSocket(st, s.inode)
	return 0
}

// Close implements kernel.File.
func (s *routeSocket) Close() kernel.Errno { return 0 }

// Read implements kernel.File.
func (s *routeSocket) Read(p []byte) (int, kernel.Errno) {
	return s.Receive(&kernel.Message{Data: [][]byte{p}}, 0)
}

// Write implements kernel.File.
func (s *routeSocket) Write(p []byte) (int, kernel.Errno) {
	return s.Send(&kernel.Message{Data: [][]byte{p}}, 0)
}

// Send implements kernel.Socket: it answers the requests in m.
func (s *routeSocket) Send(m *kernel.Message, _ int) (int, kernel.Errno) {
	if len(m.Name) > 0 {
		port, _, err := parseSockaddrNL(m.Name)
		switch {
		case err != 0:
			return 0, err
		case port != 0:
			return 0, syscall.EPERM
		}
	}
	var v vector
	v.set(nil, m.Data)
	b := make([]byte, v.Len())
	v.Read(b)

	s.mu.Lock()
	s.bindLocked()
	for rest := b; len(rest) >= syscall.NLMSG_HDRLEN; {
		size := int(binary.NativeEndian.Uint32(rest))
		if size < syscall.NLMSG_HDRLEN || size > len(rest) {
			break
		}
		s.answer(rest[:size])
		rest = rest[min(nlAlign(size), len(rest)):]
	}
	ready := len(s.replies) > 0
	s.mu.Unlock()
	if ready {
		s.queue.Notify(kernel.EventIn)
	}
	return len(b), 0
}

// Quiet implements kernel.Socket.
func (s *routeSocket) Quiet() bool { return false }

// Receive implements kernel.Socket.
func (s *routeSocket) Receive(m *kernel.Message, flags int) (int, kernel.Errno) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.replies) == 0 {
		return 0, syscall.EAGAIN
	}
	d := s.replies[0]
	if flags&syscall.MSG_PEEK == 0 {
		s.replies = s.replies[1:]
	}
	var w vectorWriter
	w.set(nil, m.Data)
	n, short := w.Write(d)
	m.Flags, m.ControlLen = 0, 0
	if short != nil {
		m.Flags = syscall.MSG_TRUNC
	}
	if len(m.Name) > 0 {
		from := appendSockaddrNL(nil, 0, 0)
		m.NameLen = len(from)
		copy(m.Name, from)
	}
	if flags&syscall.MSG_TRUNC != 0 {
		n = len(d)
	}
	return n, 0
}

// SetOption implements kernel.Socket.
func (s *routeSocket) SetOption(int, int, []byte) kernel.Errno { return 0 }

// Option implements kernel.Socket.
func (s *routeSocket) Option(level, name int, b []byte) (int, kernel.Errno) {
	if level != syscall.SOL_SOCKET {
		return 0, syscall.ENOPROTOOPT
	}
	switch name {
	case syscall.SO_ERROR:
		return putInt(b, 0), 0
	case syscall.SO_TYPE:
		return putInt(b, s.typ), 0
	case soDomain:
		return putInt(b, syscall.AF_NETLINK), 0
	case soProtocol:
		return putInt(b, syscall.NETLINK_ROUTE), 0
	case syscall.SO_RCVBUF, syscall.SO_SNDBUF:
		return putInt(b, netlinkBacklog*netlinkDatagram), 0
	}
	return 0, syscall.ENOPROTOOPT
}

// Ioctl implements kernel.Socket.
func (s *routeSocket) Ioctl(request, arg uintptr) (uintptr, kernel.Errno) {
	return s.net.interfaceIoctl(request, arg)
}
