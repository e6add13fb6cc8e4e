package netstack

import (
	"sync"
	"syscall"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv4"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv6"
	"gvisor.dev/gvisor/pkg/tcpip/transport/icmp"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
	"gvisor.dev/gvisor/pkg/tcpip/transport/udp"
	"gvisor.dev/gvisor/pkg/waiter"

	"ringo.dev/ringo/kernel"
	"ringo.dev/ringo/rt"
)

// MaxBacklog bounds a listener's backlog (listen(2), /proc/sys/net/core/somaxconn).
const MaxBacklog = 4096

// socket is an AF_INET or AF_INET6 socket of any type.
type socket struct {
	net      *Stack
	ep       tcpip.Endpoint
	quieter  quieter       // ep, or nil
	wq       *waiter.Queue // the endpoint's; it may outlive the socket
	queue    kernel.Queue
	entry    waiter.Entry // passes events from wq to queue
	family   int
	typ      int
	protocol int
	inode    uint64

	in  inbound
	out outbound

	opts localOptions

	groupsMu sync.Mutex
	groups   []membership // for /proc
}

var _ kernel.Socket = (*socket)(nil)

// watched is what the program may wait for, and connection progress.
const watched = waiter.EventIn | waiter.EventPri | waiter.EventOut | waiter.EventErr | waiter.EventHUp | waiter.EventRdHUp

// Inet returns the maker of sockets of the family, AF_INET or AF_INET6.
func (n *Stack) Inet(family int) kernel.SocketFamily {
	return func(typ, protocol int) (kernel.Socket, kernel.Errno) {
		return n.newSocket(family, typ, protocol)
	}
}

func (n *Stack) newSocket(family, typ, protocol int) (kernel.Socket, kernel.Errno) {
	netProto := ipv4.ProtocolNumber
	if family == syscall.AF_INET6 {
		netProto = ipv6.ProtocolNumber
	}
	wq := &waiter.Queue{}
	var ep tcpip.Endpoint
	var terr tcpip.Error
	if typ == syscall.SOCK_RAW {
		if protocol < 0 || protocol > 255 {
			return nil, syscall.EINVAL
		}
		if protocol == syscall.IPPROTO_IP {
			return nil, syscall.EPROTONOSUPPORT
		}
		// IPPROTO_RAW sends packets with their headers and receives none.
		associated := protocol != syscall.IPPROTO_RAW
		ep, terr = n.ip.NewRawEndpoint(tcpip.TransportProtocolNumber(protocol), netProto, wq, associated)
	} else {
		proto, err := protocolFor(family, typ, protocol)
		if err != 0 {
			return nil, err
		}
		protocol = int(proto)
		ep, terr = n.ip.NewEndpoint(proto, netProto, wq)
	}
	if terr != nil {
		return nil, errnoOf(terr)
	}
	return n.wrap(ep, wq, family, typ, protocol), 0
}

// protocolFor chooses the protocol of a socket that is not raw.
func protocolFor(family, typ, protocol int) (tcpip.TransportProtocolNumber, kernel.Errno) {
	switch typ {
	case syscall.SOCK_STREAM:
		if protocol == 0 || protocol == syscall.IPPROTO_TCP {
			return tcp.ProtocolNumber, 0
		}
	case syscall.SOCK_DGRAM:
		switch {
		case protocol == 0 || protocol == syscall.IPPROTO_UDP:
			return udp.ProtocolNumber, 0
		case protocol == syscall.IPPROTO_ICMP && family == syscall.AF_INET:
			return icmp.ProtocolNumber4, 0
		case protocol == syscall.IPPROTO_ICMPV6 && family == syscall.AF_INET6:
			return icmp.ProtocolNumber6, 0
		}
	default:
		return 0, syscall.ESOCKTNOSUPPORT
	}
	return 0, syscall.EPROTONOSUPPORT
}

// wrap makes the socket for an endpoint. (The profile would have a copy of it where
// connections are accepted.)
//
//go:noinline
func (n *Stack) wrap(ep tcpip.Endpoint, wq *waiter.Queue, family, typ, protocol int) *socket {
	s := &socket{net: n, ep: ep, wq: wq, family: family, typ: typ, protocol: protocol, inode: kernel.NextInode()}
	s.quieter, _ = ep.(quieter)
	s.entry.Init(s, watched)
	wq.EventRegister(&s.entry)
	return s
}

// NotifyEvent passes an event on. It runs with the stack's locks held.
func (s *socket) NotifyEvent(mask waiter.EventMask) { s.queue.Notify(kernel.Events(mask)) }

// isStream reports whether the socket is a TCP one.
func (s *socket) isStream() bool { return s.typ == syscall.SOCK_STREAM }

// Queue implements kernel.File.
func (s *socket) Queue() *kernel.Queue { return &s.queue }

// Ready implements kernel.File. The stack's event bits are poll's.
func (s *socket) Ready() kernel.Events {
	return kernel.Events(s.ep.Readiness(watched) & watched)
}

// Stat implements kernel.File.
func (s *socket) Stat(st *syscall.Stat_t) kernel.Errno {
	statSocket(st, s.inode)
	return 0
}

// statSocket fills st for a socket.
func statSocket(st *syscall.Stat_t, inode uint64) {
	*st = syscall.Stat_t{Mode: syscall.S_IFSOCK | 0o777, Ino: inode, Nlink: 1, Blksize: 4096}
}

// Close implements kernel.File. With SO_LINGER it waits for the connection's
// end, as close(2) does even on a non-blocking socket.
func (s *socket) Close() kernel.Errno {
	s.wq.EventUnregister(&s.entry)
	s.leaveAll()
	ep, ok := s.ep.(*tcp.Endpoint)
	if !ok {
		s.ep.Close()
		return 0
	}
	linger := ep.SocketOptions().GetLinger()
	if !linger.Enabled || linger.Timeout == 0 {
		s.net.closed.close(ep, s.wq)
		return 0
	}
	e, gone := waiter.NewChannelEntry(waiter.EventHUp | waiter.EventErr)
	s.wq.EventRegister(&e)
	defer s.wq.EventUnregister(&e)
	s.net.closed.close(ep, s.wq)
	t := time.NewTimer(linger.Timeout)
	defer t.Stop()
	select {
	case <-gone:
	case <-t.C:
	}
	return 0
}

// address reads a sockaddr that names a peer, or with exact set one of the
// socket's own. An IPv6 socket takes IPv4 addresses for peers unless V6ONLY is
// set; the stack knows them by their IPv6 form.
func (s *socket) address(b []byte, exact bool) (tcpip.FullAddress, kernel.Errno) {
	addr, family, err := parseSockaddr(b)
	switch {
	case err != 0:
		return addr, err
	case family == s.family:
		if addr.Addr.Len() == header.IPv6AddressSize && !header.IsV4MappedAddress(addr.Addr) {
			s.net.useIPv6()
		}
		return addr, 0
	case family == syscall.AF_INET && s.family == syscall.AF_INET6 && !exact && !s.ep.SocketOptions().GetV6Only():
		addr.Addr = mapTo16(addr.Addr)
		return addr, 0
	}
	return addr, syscall.EAFNOSUPPORT
}

// peer is address for a destination: the unspecified one is the machine itself.
func (s *socket) peer(b []byte) (tcpip.FullAddress, kernel.Errno) {
	addr, err := s.address(b, false)
	if err != 0 {
		return addr, err
	}
	switch {
	case addr.Addr == (tcpip.Address{}) && s.family == syscall.AF_INET:
		addr.Addr = tcpip.AddrFrom4([4]byte{127, 0, 0, 1})
	case addr.Addr == (tcpip.Address{}):
		addr.Addr = header.IPv6Loopback
		s.net.useIPv6()
	case addr.Addr == mapTo16(tcpip.Address{}):
		addr.Addr = mapTo16(tcpip.AddrFrom4([4]byte{127, 0, 0, 1}))
	}
	s.net.waitFor(addr.Addr)
	return addr, 0
}

// Bind implements kernel.Socket.
func (s *socket) Bind(b []byte) kernel.Errno {
	addr, err := s.address(b, true)
	if err != 0 {
		return err
	}
	s.net.waitFor(addr.Addr)
	terr := s.ep.Bind(addr)
	if _, ok := terr.(*tcpip.ErrNoPortAvailable); ok {
		return syscall.EADDRINUSE
	}
	if terr == nil && s.typ == syscall.SOCK_DGRAM && addr.Port != 0 {
		s.net.wantCard(addr)
	}
	return errnoOf(terr)
}

// Listen implements kernel.Socket. From now on somebody may come: so the neighbours are
// to hear at once where this address is, which may still wait in the card's queue.
func (s *socket) Listen(backlog int) kernel.Errno {
	if backlog < 0 || backlog > MaxBacklog {
		backlog = MaxBacklog
	}
	terr := s.ep.Listen(max(backlog, 1))
	if addr, err := s.ep.GetLocalAddress(); terr == nil && err == nil {
		s.net.wantCard(addr)
		rt.Ring()
	}
	return errnoOf(terr)
}

// Accept implements kernel.Socket.
func (s *socket) Accept() (kernel.Socket, []byte, kernel.Errno) {
	var peer tcpip.FullAddress
	ep, wq, terr := s.ep.Accept(&peer)
	if terr != nil {
		return nil, nil, errnoOf(terr)
	}
	conn := s.net.wrap(ep, wq, s.family, s.typ, s.protocol)
	return conn, sockaddrOf(s.family, peer), 0
}

// Connect implements kernel.Socket.
func (s *socket) Connect(b []byte) kernel.Errno {
	if len(b) >= 2 && isUnspec(b) {
		terr := s.ep.Disconnect()
		if _, ok := terr.(*tcpip.ErrNotSupported); ok {
			return syscall.EAFNOSUPPORT
		}
		return errnoOf(terr)
	}
	addr, err := s.peer(b)
	if err != 0 {
		return err
	}
	terr := s.ep.Connect(addr)
	if _, ok := terr.(*tcpip.ErrNoPortAvailable); ok && s.isStream() {
		return syscall.EADDRNOTAVAIL
	}
	return errnoOf(terr)
}

// Shutdown implements kernel.Socket.
func (s *socket) Shutdown(how int) kernel.Errno {
	switch how {
	case syscall.SHUT_RD:
		return errnoOf(s.ep.Shutdown(tcpip.ShutdownRead))
	case syscall.SHUT_WR:
		return errnoOf(s.ep.Shutdown(tcpip.ShutdownWrite))
	case syscall.SHUT_RDWR:
		return errnoOf(s.ep.Shutdown(tcpip.ShutdownRead | tcpip.ShutdownWrite))
	}
	return syscall.EINVAL
}

// LocalAddr implements kernel.Socket.
func (s *socket) LocalAddr() ([]byte, kernel.Errno) {
	addr, terr := s.ep.GetLocalAddress()
	if terr != nil {
		return nil, errnoOf(terr)
	}
	return sockaddrOf(s.family, addr), 0
}

// PeerAddr implements kernel.Socket.
func (s *socket) PeerAddr() ([]byte, kernel.Errno) {
	addr, terr := s.ep.GetRemoteAddress()
	if terr != nil {
		return nil, errnoOf(terr)
	}
	return sockaddrOf(s.family, addr), 0
}
