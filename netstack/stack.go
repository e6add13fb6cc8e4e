package netstack

import (
	"fmt"
	"io"
	"math/rand/v2"
	"sync"

	"gvisor.dev/gvisor/pkg/buffer"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/link/loopback"
	"gvisor.dev/gvisor/pkg/tcpip/network/arp"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv4"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv6"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
	"gvisor.dev/gvisor/pkg/tcpip/transport/icmp"
	"gvisor.dev/gvisor/pkg/tcpip/transport/raw"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
	"gvisor.dev/gvisor/pkg/tcpip/transport/udp"

	"ringo.dev/ringo/rt"
)

// Stack is a TCP/IP stack with its interfaces. Interface 1 is the loopback.
type Stack struct {
	ip     *stack.Stack
	closed closedConns // connections that the program has closed
	gate   gate        // opens when the first card has an address
	ndp    ndpEvents
	names  names
	groups memberships
	ipv6   sync.Once // see useIPv6
	alone  string    // why nobody outside can reach the program; "" if they can, or shall not

	mu     sync.Mutex
	cards  []*link // of the interfaces from loopbackNIC+1 on
	routes []sourcedRoutes
}

// sourcedRoutes are the routes that a source is responsible for.
type sourcedRoutes struct {
	source routeSource
	routes []tcpip.Route
}

// routeSource is who is responsible for some routes: it replaces them as one.
type routeSource struct {
	nic  tcpip.NICID
	from string
}

// loopbackNIC is the loopback's interface index, as on Linux.
const loopbackNIC = 1

// Bounds of a socket's send and receive buffer: what a bulk transfer needs, as
// measured, but no more than this part of the memory for one socket.
const (
	defaultBuffer = 1 << 20
	maxBuffer     = 4 << 20
	memoryShare   = 64
)

// rngReader is rt's random generator.
type rngReader struct{}

func (rngReader) Read(p []byte) (int, error) {
	rt.Random(p)
	return len(p), nil
}

var _ io.Reader = rngReader{}

// randSource is the Go runtime's random generator, for what need not be secret. It
// needs no seed.
type randSource struct{}

func (randSource) Int63() int64   { return rand.Int64() }
func (randSource) Uint64() uint64 { return rand.Uint64() }
func (randSource) Seed(int64)     {}

// New returns a stack with a loopback interface.
func New() (*Stack, error) {
	n := new(Stack)
	n.gate.init()
	n.ndp.init(n.handleNDP)
	n.ip = stack.New(stack.Options{
		NetworkProtocols: []stack.NetworkProtocolFactory{
			ipv4.NewProtocol,
			ipv6.NewProtocolWithOptions(ipv6.Options{
				NDPConfigs:       ipv6.DefaultNDPConfigurations(),
				NDPDisp:          &n.ndp,
				AutoGenLinkLocal: true,
				DADConfigs:       stack.DADConfigurations{DupAddrDetectTransmits: dadProbes, RetransmitTimer: dadTimeout},
			}),
			arp.NewProtocol,
		},
		TransportProtocols: []stack.TransportProtocolFactory{
			tcp.NewProtocolCUBIC, udp.NewProtocol, icmp.NewProtocol4, icmp.NewProtocol6,
		},
		HandleLocal: true,
		RawFactory:  raw.EndpointFactory{},
		SecureRNG:   rngReader{},
		RandSource:  randSource{},
		IPTables:    &stack.IPTables{}, // nobody can fill them, and empty ones are never looked at
	})
	if err := n.tune(); err != nil {
		return nil, err
	}
	if err := n.addLoopback(); err != nil {
		return nil, fmt.Errorf("loopback interface: %w", err)
	}
	return n, nil
}

// tune sets what differs from the stack's defaults.
func (n *Stack) tune() error {
	total, _ := rt.Memory()
	size := min(defaultBuffer, max(int(total/memoryShare), 64<<10))
	most := size * (maxBuffer / defaultBuffer)
	sack := tcpip.TCPSACKEnabled(true)
	recovery := lossRecovery
	// With it, connections that carry much both ways stop now and then, for good.
	moderate := tcpip.TCPModerateReceiveBufferOption(false)
	send := tcpip.TCPSendBufferSizeRangeOption{Min: tcp.MinBufferSize, Default: size, Max: most}
	receive := tcpip.TCPReceiveBufferSizeRangeOption{Min: tcp.MinBufferSize, Default: size, Max: most}
	for _, o := range []tcpip.SettableTransportProtocolOption{&sack, &recovery, &moderate, &send, &receive} {
		if err := n.ip.SetTransportProtocolOption(tcp.ProtocolNumber, o); err != nil {
			return fmt.Errorf("TCP option %T: %w", o, tcpipError{err})
		}
	}
	// Datagram sockets: as Linux's net.core.rmem_default and rmem_max.
	for _, o := range []any{
		tcpip.SendBufferSizeOption{Min: stack.MinBufferSize, Default: 208 << 10, Max: most},
		tcpip.ReceiveBufferSizeOption{Min: stack.MinBufferSize, Default: 208 << 10, Max: most},
	} {
		if err := n.ip.SetOption(o); err != nil {
			return fmt.Errorf("stack option %T: %w", o, tcpipError{err})
		}
	}
	n.closed.init(n.ip, total)
	return nil
}

// addLoopback makes the interface lo, as yet without its IPv6 address (see useIPv6). Its
// subnet makes all of 127.0.0.0/8 ours.
func (n *Stack) addLoopback() error {
	if err := n.ip.CreateNICWithOptions(loopbackNIC, loopback.New(), stack.NICOptions{Name: "lo"}); err != nil {
		return tcpipError{err}
	}
	v4 := tcpip.AddressWithPrefix{Address: header.IPv4Loopback, PrefixLen: 8}
	v6 := tcpip.AddressWithPrefix{Address: header.IPv6Loopback, PrefixLen: 128}
	if err := n.addAddress(loopbackNIC, v4); err != nil {
		return err
	}
	n.setRoutes(routeSource{loopbackNIC, "static"}, []tcpip.Route{
		{Destination: v4.Subnet(), NIC: loopbackNIC},
		{Destination: v6.Subnet(), NIC: loopbackNIC},
	})
	return nil
}

// useIPv6 is called before the program has to do with an IPv6 address: with the first,
// IPv6 begins on the loopback. Nothing else leads there, and most programs, such as a
// server that listens everywhere, never come to it.
func (n *Stack) useIPv6() {
	n.ipv6.Do(func() {
		// It is new there, which is the only thing that could be wrong with it.
		_ = n.addAddress(loopbackNIC, tcpip.AddressWithPrefix{Address: header.IPv6Loopback, PrefixLen: 128})
	})
}

// addAddress gives the interface an address that is known to be its own: it is
// usable at once, without duplicate address detection.
func (n *Stack) addAddress(nic tcpip.NICID, a tcpip.AddressWithPrefix) error {
	if a.Address.Len() == header.IPv6AddressSize {
		n.enableIPv6(nic)
		n.setDAD(nic, 0)
	}
	pa := tcpip.ProtocolAddress{Protocol: netProtoOf(a.Address), AddressWithPrefix: a}
	err := n.ip.AddProtocolAddress(nic, pa, stack.AddressProperties{})
	if a.Address.Len() == header.IPv6AddressSize {
		n.setDAD(nic, dadProbes)
	}
	if err != nil {
		return fmt.Errorf("address %v: %w", a, tcpipError{err})
	}
	if nic != loopbackNIC && a.Address.Len() == header.IPv4AddressSize {
		n.announce(nic, a.Address)
	}
	return nil
}

// announce tells the neighbours whose an IPv4 address is now (RFC 5227, 2.3): they
// may remember the card of a machine that had it before.
func (n *Stack) announce(nic tcpip.NICID, a tcpip.Address) {
	packet := make(header.ARP, header.ARPSize)
	packet.SetIPv4OverEthernet()
	packet.SetOp(header.ARPRequest)
	n.mu.Lock()
	card := n.cards[nic-loopbackNIC-1]
	n.mu.Unlock()
	copy(packet.HardwareAddressSender(), card.LinkAddress())
	copy(packet.ProtocolAddressSender(), a.AsSlice())
	copy(packet.ProtocolAddressTarget(), a.AsSlice())
	// Who does not hear it finds out later.
	_ = n.ip.WritePacketToRemote(nic, header.EthernetBroadcastAddress, header.ARPProtocolNumber, buffer.MakeWithData(packet))
}

// tcpipError makes an error of the stack's one.
type tcpipError struct{ err tcpip.Error }

func (e tcpipError) Error() string { return e.err.String() }

// addCard makes the interface name of an Ethernet card, without an address
// other than IPv6's link-local one.
func (n *Stack) addCard(name string, l *link) (tcpip.NICID, error) {
	n.mu.Lock()
	n.cards = append(n.cards, l)
	nic := tcpip.NICID(loopbackNIC + len(n.cards))
	n.mu.Unlock()
	// The link is its own queueing discipline: it never drops and batches by
	// the device's means.
	if err := n.ip.CreateNICWithOptions(nic, l, stack.NICOptions{Name: name, QDisc: l}); err != nil {
		return 0, fmt.Errorf("interface %s: %w", name, tcpipError{err})
	}
	return nic, nil
}

// setRoutes replaces the routes that a source is responsible for. The most
// specific route to a destination counts.
func (n *Stack) setRoutes(source routeSource, routes []tcpip.Route) {
	n.mu.Lock()
	if known := n.sourceLocked(source); known != nil {
		known.routes = routes
	} else {
		n.routes = append(n.routes, sourcedRoutes{source, routes})
	}
	var table []tcpip.Route
	for i := range n.routes {
		table = append(table, n.routes[i].routes...)
	}
	n.ip.SetRouteTable(table)
	n.mu.Unlock()
}

// routesOf returns the routes that a source is responsible for.
func (n *Stack) routesOf(source routeSource) []tcpip.Route {
	n.mu.Lock()
	defer n.mu.Unlock()
	if known := n.sourceLocked(source); known != nil {
		return known.routes
	}
	return nil
}

// sourceLocked returns the entry of a source in n.routes, or nil if it has none yet.
func (n *Stack) sourceLocked(source routeSource) *sourcedRoutes {
	for i := range n.routes {
		if n.routes[i].source == source {
			return &n.routes[i]
		}
	}
	return nil
}

// interfaceByName returns the index of an interface.
func (n *Stack) interfaceByName(name string) (tcpip.NICID, bool) {
	for id, info := range n.ip.NICInfo() {
		if info.Name == name {
			return id, true
		}
	}
	return 0, false
}
