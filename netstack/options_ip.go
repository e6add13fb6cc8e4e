package netstack

import (
	"encoding/binary"
	"syscall"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/transport"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"

	"ringo.dev/ringo/kernel"
)

// Options of linux/in.h and linux/in6.h that package syscall lacks.
const (
	ipv6MTUDiscover   = 23
	ipv6MTU           = 24
	ipv6RecvPktInfo   = 49
	ipv6RecvHopLimit  = 51
	ipv6RecvTClass    = 66
	mcastJoinGroup    = 42
	mcastLeaveGroup   = 45
	mcastJoinSource   = 46
	mcastLeaveSource  = 47
	icmpv6Filter      = 1
	ipMTU             = 14
	pmtuDiscInterface = 4
	pmtuDiscOmit      = 5
	groupReqSize      = 8 + 128 // interface, padding, sockaddr_storage
	maxTTL            = 255
	defaultTTL        = 64
	defaultMulticast  = 1
)

// pmtuDiscovery maps IP_PMTUDISC_DONT, WANT, DO and PROBE to the stack's terms.
var pmtuDiscovery = [...]tcpip.PMTUDStrategy{
	tcpip.PMTUDiscoveryDont, tcpip.PMTUDiscoveryWant, tcpip.PMTUDiscoveryDo, tcpip.PMTUDiscoveryProbe,
}

func (s *socket) setIPOption(name int, value []byte) kernel.Errno {
	if s.family == syscall.AF_INET6 && s.typ == syscall.SOCK_RAW {
		return syscall.ENOPROTOOPT
	}
	switch name {
	case syscall.IP_ADD_MEMBERSHIP, syscall.IP_DROP_MEMBERSHIP:
		if len(value) < syscall.SizeofIPMreq {
			return syscall.EINVAL
		}
		return s.setMembership(name == syscall.IP_ADD_MEMBERSHIP, ipMreq(value))
	case syscall.IP_MULTICAST_IF:
		o, err := multicastInterface(value)
		if err != 0 {
			return err
		}
		return errnoOf(s.ep.SetSockOpt(&o))
	case mcastJoinGroup, mcastLeaveGroup:
		return s.setGroup(name, value)
	case mcastJoinSource, mcastLeaveSource, syscall.IP_ADD_SOURCE_MEMBERSHIP, syscall.IP_DROP_SOURCE_MEMBERSHIP,
		syscall.IP_BLOCK_SOURCE, syscall.IP_UNBLOCK_SOURCE:
		return syscall.EOPNOTSUPP // the stack has no source filters
	}
	v, err := byteOrInt(value)
	if err != 0 {
		return err
	}
	so := s.ep.SocketOptions()
	switch name {
	case syscall.IP_TTL:
		if v == -1 {
			v = tcpip.UseDefaultIPv4TTL
		} else if v < 1 || v > maxTTL {
			return syscall.EINVAL
		}
		return errnoOf(s.ep.SetSockOptInt(tcpip.IPv4TTLOption, v))
	case syscall.IP_TOS:
		return errnoOf(s.ep.SetSockOptInt(tcpip.IPv4TOSOption, v))
	case syscall.IP_MULTICAST_TTL:
		return s.setMulticastTTL(v)
	case syscall.IP_MTU_DISCOVER:
		return s.setMTUDiscovery(v)
	default:
		if f := ipFlags.find(name); f != nil {
			f.set(so, v != 0)
		}
	}
	return 0
}

func (s *socket) ipOption(name int, b []byte) (int, kernel.Errno) {
	so := s.ep.SocketOptions()
	switch name {
	case syscall.IP_TTL:
		v, terr := s.ep.GetSockOptInt(tcpip.IPv4TTLOption)
		if v == tcpip.UseDefaultIPv4TTL {
			v = defaultTTL
		}
		return putInt(b, v), errnoOf(terr)
	case syscall.IP_TOS:
		return s.intOption(tcpip.IPv4TOSOption, b)
	case syscall.IP_MULTICAST_TTL:
		return s.multicastTTL(b)
	case syscall.IP_MULTICAST_IF:
		var o tcpip.MulticastInterfaceOption
		if terr := s.ep.GetSockOpt(&o); terr != nil {
			return 0, errnoOf(terr)
		}
		var ip [4]byte
		copy(ip[:], o.InterfaceAddr.AsSlice())
		return copy(b, ip[:]), 0
	case syscall.IP_MTU_DISCOVER:
		return s.mtuDiscovery(b)
	case ipMTU:
		return s.pathMTU(b)
	}
	if f := ipFlags.find(name); f != nil {
		return putBool(b, f.get(so)), 0
	}
	return 0, syscall.ENOPROTOOPT
}

func (s *socket) setIPv6Option(name int, value []byte) kernel.Errno {
	if s.family != syscall.AF_INET6 {
		return syscall.ENOPROTOOPT
	}
	switch name {
	case syscall.IPV6_JOIN_GROUP, syscall.IPV6_LEAVE_GROUP:
		if len(value) < syscall.SizeofIPv6Mreq {
			return syscall.EINVAL
		}
		return s.setMembership(name == syscall.IPV6_JOIN_GROUP, tcpip.MembershipOption{
			NIC:           tcpip.NICID(binary.NativeEndian.Uint32(value[16:])),
			MulticastAddr: tcpip.AddrFrom16([16]byte(value[:16])),
		})
	case mcastJoinGroup, mcastLeaveGroup:
		return s.setGroup(name, value)
	case mcastJoinSource, mcastLeaveSource:
		return syscall.EOPNOTSUPP
	}
	v, err := byteOrInt(value)
	if err != 0 {
		return err
	}
	so := s.ep.SocketOptions()
	switch name {
	case syscall.IPV6_V6ONLY:
		if !s.isInitial() {
			return syscall.EINVAL
		}
		so.SetV6Only(v != 0)
	case syscall.IPV6_UNICAST_HOPS:
		if v < -1 || v > maxTTL {
			return syscall.EINVAL
		}
		return errnoOf(s.ep.SetSockOptInt(tcpip.IPv6HopLimitOption, v))
	case syscall.IPV6_TCLASS:
		if v < -1 || v > 255 {
			return syscall.EINVAL
		}
		return errnoOf(s.ep.SetSockOptInt(tcpip.IPv6TrafficClassOption, max(v, 0)))
	case syscall.IPV6_MULTICAST_IF:
		return errnoOf(s.ep.SetSockOptInt(tcpip.IPv6MulticastInterfaceOption, v))
	case syscall.IPV6_MULTICAST_HOPS:
		return s.setMulticastTTL(v)
	case syscall.IPV6_CHECKSUM:
		return errnoOf(s.ep.SetSockOptInt(tcpip.IPv6Checksum, v))
	case ipv6MTUDiscover:
		return s.setMTUDiscovery(v)
	default:
		if f := ipv6Flags.find(name); f != nil {
			f.set(so, v != 0)
		}
	}
	return 0
}

func (s *socket) ipv6Option(name int, b []byte) (int, kernel.Errno) {
	if s.family != syscall.AF_INET6 {
		return 0, syscall.ENOPROTOOPT
	}
	so := s.ep.SocketOptions()
	switch name {
	case syscall.IPV6_V6ONLY:
		return putBool(b, so.GetV6Only()), 0
	case syscall.IPV6_UNICAST_HOPS:
		v, terr := s.ep.GetSockOptInt(tcpip.IPv6HopLimitOption)
		if v == tcpip.UseDefaultIPv6HopLimit {
			v = defaultTTL
		}
		return putInt(b, v), errnoOf(terr)
	case syscall.IPV6_TCLASS:
		return s.intOption(tcpip.IPv6TrafficClassOption, b)
	case syscall.IPV6_MULTICAST_IF:
		return s.intOption(tcpip.IPv6MulticastInterfaceOption, b)
	case syscall.IPV6_MULTICAST_HOPS:
		return s.multicastTTL(b)
	case syscall.IPV6_CHECKSUM:
		return s.intOption(tcpip.IPv6Checksum, b)
	case ipv6MTUDiscover:
		return s.mtuDiscovery(b)
	case ipv6MTU:
		return s.pathMTU(b)
	}
	if f := ipv6Flags.find(name); f != nil {
		return putBool(b, f.get(so)), 0
	}
	return 0, syscall.ENOPROTOOPT
}

// isInitial reports whether the socket is neither bound nor connected.
func (s *socket) isInitial() bool {
	if s.isStream() {
		return tcp.EndpointState(s.ep.State()) == tcp.StateInitial
	}
	return transport.DatagramEndpointState(s.ep.State()) == transport.DatagramEndpointStateInitial
}

// ipMreq reads a struct ip_mreq or ip_mreqn of at least SizeofIPMreq bytes.
func ipMreq(b []byte) tcpip.MembershipOption {
	o := tcpip.MembershipOption{
		MulticastAddr: tcpip.AddrFrom4([4]byte(b)),
		InterfaceAddr: tcpip.AddrFrom4([4]byte(b[4:])),
	}
	if len(b) >= syscall.SizeofIPMreqn {
		o.NIC = tcpip.NICID(binary.NativeEndian.Uint32(b[8:]))
	}
	return o
}

// multicastInterface reads the value of IP_MULTICAST_IF: an in_addr, an
// ip_mreq or an ip_mreqn.
func multicastInterface(b []byte) (o tcpip.MulticastInterfaceOption, err kernel.Errno) {
	switch {
	case len(b) < 4:
		return o, syscall.EINVAL
	case len(b) < syscall.SizeofIPMreq:
		o.InterfaceAddr = addressFrom4(b)
	default:
		o.InterfaceAddr = addressFrom4(b[4:8])
		if len(b) >= syscall.SizeofIPMreqn {
			o.NIC = tcpip.NICID(binary.NativeEndian.Uint32(b[8:]))
		}
	}
	return o, 0
}

// setGroup answers MCAST_JOIN_GROUP and MCAST_LEAVE_GROUP (struct group_req).
func (s *socket) setGroup(name int, value []byte) kernel.Errno {
	if len(value) < groupReqSize {
		return syscall.EINVAL
	}
	addr, _, err := parseSockaddr(value[8:])
	if err != 0 {
		return err
	}
	return s.setMembership(name == mcastJoinGroup, tcpip.MembershipOption{
		NIC:           tcpip.NICID(binary.NativeEndian.Uint32(value)),
		MulticastAddr: addr.Addr,
	})
}

// setMembership joins or leaves a multicast group. Without an interface it is
// the one by which the group is reached, once there is a card.
func (s *socket) setMembership(join bool, o tcpip.MembershipOption) kernel.Errno {
	if o.NIC == 0 {
		s.net.gate.wait()
	}
	g := s.groupOf(o)
	var terr tcpip.Error
	if join {
		add := tcpip.AddMembershipOption(o)
		terr = s.ep.SetSockOpt(&add)
	} else {
		remove := tcpip.RemoveMembershipOption(o)
		terr = s.ep.SetSockOpt(&remove)
	}
	if terr == nil {
		s.joined(g, join)
	}
	return errnoOf(terr)
}

func (s *socket) setMulticastTTL(v int) kernel.Errno {
	if v == -1 {
		v = defaultMulticast
	}
	if v < 0 || v > maxTTL {
		return syscall.EINVAL
	}
	return errnoOf(s.ep.SetSockOptInt(tcpip.MulticastTTLOption, v))
}

func (s *socket) multicastTTL(b []byte) (int, kernel.Errno) {
	return s.intOption(tcpip.MulticastTTLOption, b)
}

func (s *socket) setMTUDiscovery(v int) kernel.Errno {
	switch {
	case v == pmtuDiscInterface || v == pmtuDiscOmit:
		return 0 // like "want", without a cache that could be poisoned
	case v < 0 || v >= len(pmtuDiscovery):
		return syscall.EINVAL
	}
	return errnoOf(s.ep.SetSockOptInt(tcpip.MTUDiscoverOption, int(pmtuDiscovery[v])))
}

func (s *socket) mtuDiscovery(b []byte) (int, kernel.Errno) {
	v, terr := s.ep.GetSockOptInt(tcpip.MTUDiscoverOption)
	if terr != nil {
		return 0, errnoOf(terr)
	}
	for i, strategy := range pmtuDiscovery {
		if strategy == tcpip.PMTUDStrategy(v) {
			return putInt(b, i), 0
		}
	}
	return 0, syscall.ENOPROTOOPT
}

// pathMTU answers IP_MTU: the largest packet to the peer. It needs one.
func (s *socket) pathMTU(b []byte) (int, kernel.Errno) {
	peer, terr := s.ep.GetRemoteAddress()
	if terr != nil {
		return 0, syscall.ENOTCONN
	}
	proto := netProtoOf(peer.Addr)
	route, terr := s.net.ip.FindRoute(peer.NIC, tcpip.Address{}, peer.Addr, proto, false)
	if terr != nil {
		return 0, errnoOf(terr)
	}
	defer route.Release()
	return putInt(b, int(route.MTU())), 0
}

func (s *socket) setICMPv6Option(name int, value []byte) kernel.Errno {
	if name != icmpv6Filter {
		return 0
	}
	var f tcpip.ICMPv6Filter
	if len(value) < 4*len(f.DenyType) {
		return syscall.EINVAL
	}
	for i := range f.DenyType {
		f.DenyType[i] = binary.NativeEndian.Uint32(value[4*i:])
	}
	return errnoOf(s.ep.SetSockOpt(&f))
}

func (s *socket) icmpv6Option(name int, b []byte) (int, kernel.Errno) {
	if name != icmpv6Filter {
		return 0, syscall.ENOPROTOOPT
	}
	var f tcpip.ICMPv6Filter
	if terr := s.ep.GetSockOpt(&f); terr != nil {
		return 0, errnoOf(terr)
	}
	var full [32]byte
	for i, v := range f.DenyType {
		binary.NativeEndian.PutUint32(full[4*i:], v)
	}
	return copy(b, full[:]), 0
}
