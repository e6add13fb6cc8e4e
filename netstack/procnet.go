package netstack

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
	"gvisor.dev/gvisor/pkg/tcpip/transport/udp"

	"ringo.dev/ringo/kernel"
)

// procFiles are the files of /proc/net (proc_pid_net(5)).
var procFiles = [...]struct {
	name     string // below /proc
	generate func(*Stack) []byte
}{
	{"net/dev", (*Stack).procDev},
	{"net/igmp", (*Stack).procIGMP},
	{"net/igmp6", (*Stack).procIGMP6},
	{"net/if_inet6", (*Stack).procIfInet6},
	{"net/route", (*Stack).procRoute},
	{"net/pnp", (*Stack).procPnp},
	{"net/snmp", (*Stack).procSNMP},
	{"net/netstat", (*Stack).procNetstat},
	{"net/sockstat", (*Stack).procSockstat},
	{"net/sockstat6", (*Stack).procSockstat6},
	{"net/tcp", func(n *Stack) []byte { return n.procSockets(tcp.ProtocolNumber, header.IPv4ProtocolNumber) }},
	{"net/tcp6", func(n *Stack) []byte { return n.procSockets(tcp.ProtocolNumber, header.IPv6ProtocolNumber) }},
	{"net/udp", func(n *Stack) []byte { return n.procSockets(udp.ProtocolNumber, header.IPv4ProtocolNumber) }},
	{"net/udp6", func(n *Stack) []byte { return n.procSockets(udp.ProtocolNumber, header.IPv6ProtocolNumber) }},
}

// procPnp is what Linux offers as /etc/resolv.conf when the kernel itself has
// configured the network. It waits for that: a program may resolve a name in
// its first millisecond, and then keeps what it has read.
func (n *Stack) procPnp() []byte {
	n.gate.wait()
	return n.names.resolvConf()
}

func (n *Stack) procDev() []byte {
	b := []byte("Inter-|   Receive                                                |  Transmit\n" +
		" face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed\n")
	for _, i := range n.interfaces() {
		rx, tx := &i.stats.Rx, &i.stats.Tx
		b = fmt.Appendf(b, "%6s: %7d %7d    0    0    0     0          0         0 %8d %7d    0    0    0     0       0          0\n",
			i.name, rx.Bytes.Value(), rx.Packets.Value(), tx.Bytes.Value(), tx.Packets.Value())
	}
	return b
}

func (n *Stack) procIGMP() []byte {
	b := []byte("Idx\tDevice    : Count Querier\tGroup    Users Timer\tReporter\n")
	for _, i := range n.interfaces() {
		groups := n.groups.of(tcpip.NICID(i.index), false)
		b = fmt.Appendf(b, "%d\t%-10s: %5d      V3\n", i.index, i.name, len(groups))
		for _, g := range groups {
			b = fmt.Appendf(b, "\t\t\t\t%08X     1 0:00000000\t\t0\n", word4(g))
		}
	}
	return b
}

func (n *Stack) procIGMP6() []byte {
	var b []byte
	for _, i := range n.interfaces() {
		for _, g := range n.groups.of(tcpip.NICID(i.index), true) {
			b = fmt.Appendf(b, "%-4d %-15s %s     1 0000000C 0\n", i.index, i.name, hex.EncodeToString(g.AsSlice()))
		}
	}
	return b
}

func (n *Stack) procIfInet6() []byte {
	var b []byte
	for _, i := range n.interfaces() {
		for _, a := range i.addrs {
			if a.Address.Len() == 16 {
				b = fmt.Appendf(b, "%s %02x %02x %02x %02x %8s\n", hex.EncodeToString(a.Address.AsSlice()),
					i.index, a.PrefixLen, procScope(a.Address), ifaPermanent, i.name)
			}
		}
	}
	return b
}

// procScope is IPv6's own notion of an address's scope (net/ipv6.h).
func procScope(a tcpip.Address) int {
	switch {
	case isLoopback(a):
		return 0x10
	case isLinkLocal(a):
		return 0x20
	}
	return 0
}

// Flags of a route (linux/route.h).
const (
	rtfUp      = 1
	rtfGateway = 2
)

func (n *Stack) procRoute() []byte {
	b := []byte("Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n")
	for _, r := range n.ip.GetRouteTable() {
		dst, mask := r.Destination.ID(), r.Destination.Mask()
		if dst.Len() != 4 || r.NIC == loopbackNIC {
			continue
		}
		flags, gateway := rtfUp, uint32(0)
		if r.Gateway.Len() == 4 {
			flags, gateway = rtfUp|rtfGateway, word4(r.Gateway)
		}
		b = fmt.Appendf(b, "%s\t%08X\t%08X\t%04X\t0\t0\t0\t%08X\t0\t0\t0\n", n.ip.FindNICNameFromID(r.NIC),
			word4(dst), gateway, flags, binary.NativeEndian.Uint32(mask.AsSlice()))
	}
	return b
}

// word4 is an IPv4 address as /proc prints it: the word in memory.
func word4(a tcpip.Address) uint32 { return binary.NativeEndian.Uint32(a.AsSlice()) }

// procSockets lists the sockets of a protocol and of an address family.
func (n *Stack) procSockets(proto tcpip.TransportProtocolNumber, family tcpip.NetworkProtocolNumber) []byte {
	b := []byte("  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n")
	inodes := map[tcpip.Endpoint]uint64{} // of those that the program has descriptors of
	kernel.EachSocket(func(s kernel.Socket) {
		if s, ok := s.(*socket); ok {
			inodes[s.ep] = s.inode
		}
	})
	sl := 0
	n.eachEndpoint(family, func(ep tcpip.Endpoint, info *stack.TransportEndpointInfo) {
		if info.TransProto != proto {
			return
		}
		b = fmt.Appendf(b, "%4d: %s %s %02X %08X:%08X 00:00000000 00000000     0        0 %d\n", sl,
			procAddr(info.ID.LocalAddress, info.ID.LocalPort, family),
			procAddr(info.ID.RemoteAddress, info.ID.RemotePort, family),
			procState(proto, ep), queueSize(ep, tcpip.SendQueueSizeOption), queueSize(ep, tcpip.ReceiveQueueSizeOption), inodes[ep])
		sl++
	})
	return b
}

// eachEndpoint calls f for every endpoint of an address family, once: those of
// IPv6 that take IPv4, too, are registered with both.
func (n *Stack) eachEndpoint(family tcpip.NetworkProtocolNumber, f func(tcpip.Endpoint, *stack.TransportEndpointInfo)) {
	seen := map[tcpip.Endpoint]bool{}
	for _, te := range n.ip.RegisteredEndpoints() {
		ep, ok := te.(tcpip.Endpoint)
		if !ok || seen[ep] {
			continue
		}
		seen[ep] = true
		if info, ok := ep.Info().(*stack.TransportEndpointInfo); ok && info.NetProto == family {
			f(ep, info)
		}
	}
}

// procAddr prints an address and port: its words in memory, in hexadecimal.
func procAddr(a tcpip.Address, port uint16, family tcpip.NetworkProtocolNumber) string {
	ip := make([]byte, 4)
	if family == header.IPv6ProtocolNumber {
		ip = make([]byte, 16)
		if a.Len() == 4 {
			a = mapTo16(a)
		}
	}
	copy(ip, a.AsSlice())
	var s []byte
	for ; len(ip) > 0; ip = ip[4:] {
		s = fmt.Appendf(s, "%08X", binary.NativeEndian.Uint32(ip))
	}
	return fmt.Sprintf("%s:%04X", s, port)
}

// procState is a socket's state; those of UDP are TCP's "established", if it is
// connected, and "closed".
func procState(proto tcpip.TransportProtocolNumber, ep tcpip.Endpoint) int {
	if proto == tcp.ProtocolNumber {
		return int(min(tcp.EndpointState(ep.State()), tcp.StateClosing))
	}
	if _, err := ep.GetRemoteAddress(); err == nil {
		return int(tcp.StateEstablished)
	}
	return int(tcp.StateClose)
}

func queueSize(ep tcpip.Endpoint, o tcpip.SockOptInt) int {
	v, err := ep.GetSockOptInt(o)
	if err != nil {
		return 0
	}
	return v
}
