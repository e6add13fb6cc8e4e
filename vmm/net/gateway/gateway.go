// Package gateway is a user-mode network for a guest: a router, a DHCP server
// and a DNS server on gVisor's network stack, in this process and without any
// privilege.
//
//	guest   10.0.2.15, fd52:696e:676f::15   by Settings, or: by DHCP; others by router advertisement
//	router  10.0.2.2,  fd52:696e:676f::2    also stands for the host's loopback
//	DNS     10.0.2.3,  fd52:696e:676f::3    the host's names and resolvers
//
// A TCP or UDP connection of the guest to any other address ends in the
// gateway, which makes the same connection on the host and copies between the
// two. A forward is the reverse: the gateway listens on the host, and makes a
// connection to the guest for each that it accepts.
//
// The guest and the stack are joined by link, which is a network interface to
// the stack and a net.Backend to the guest's card. Nothing on that wire needs
// to be small or summed up: TCP segments are up to 64 KiB and their checksums
// are left out, if the guest's driver agrees.
package gateway

import (
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/network/arp"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv4"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv6"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
	"gvisor.dev/gvisor/pkg/tcpip/transport/icmp"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
	"gvisor.dev/gvisor/pkg/tcpip/transport/udp"

	"ringo.dev/ringo/vmm/net"
)

// The addresses on the guest's network.
var (
	Prefix4  = netip.MustParsePrefix("10.0.2.0/24")
	Guest4   = netip.MustParseAddr("10.0.2.15")
	Router4  = netip.MustParseAddr("10.0.2.2")
	DNS4     = netip.MustParseAddr("10.0.2.3")
	Prefix6  = netip.MustParsePrefix("fd52:696e:676f::/64")
	Guest6   = netip.MustParseAddr("fd52:696e:676f::15")
	Router6  = netip.MustParseAddr("fd52:696e:676f::2")
	DNS6     = netip.MustParseAddr("fd52:696e:676f::3")
	routerLL = netip.MustParseAddr("fe80::2")
)

// Settings returns boot configuration (see package netstack) that gives a guest
// its addresses at once. Without it, the guest gets the IPv4 address by DHCP,
// and for IPv6 only others, by router advertisement, after it has made sure for
// a second that nobody else uses them.
func Settings() map[string]string {
	return map[string]string{
		"net.ip":      netip.PrefixFrom(Guest4, Prefix4.Bits()).String(),
		"net.ip6":     netip.PrefixFrom(Guest6, Prefix6.Bits()).String(),
		"net.gateway": Router4.String(),
		"net.dns":     DNS4.String() + "," + DNS6.String(),
	}
}

const (
	nicID = 1
	mtu   = 1500
)

// Gateway is a user-mode network with one guest. It implements net.Backend.
type Gateway struct {
	link     *link
	stack    *stack.Stack
	forwards []forward
	servers  []interface{ Close() error } // DHCP and DNS
	resolver resolver
	ports    portCursor
	done     chan struct{} // closed by Close
	workers  sync.WaitGroup
}

var _ net.Backend = (*Gateway)(nil)

// New starts a gateway whose forwards are already listening.
func New(forwards []Forward) (*Gateway, error) {
	g := &Gateway{link: newLink(), done: make(chan struct{})}
	if err := g.start(forwards); err != nil {
		g.Close()
		return nil, err
	}
	return g, nil
}

func (g *Gateway) start(forwards []Forward) error {
	if err := g.newStack(); err != nil {
		return fmt.Errorf("user-mode network: %w", err)
	}
	g.serveOutbound()
	if err := g.serveDHCP(); err != nil {
		return fmt.Errorf("user-mode network: DHCP: %w", err)
	}
	if err := g.serveDNS(); err != nil {
		return fmt.Errorf("user-mode network: DNS: %w", err)
	}
	for i, f := range forwards {
		if slices.ContainsFunc(forwards[:i], f.sameHost) {
			return fmt.Errorf("forward %v: that port of the host is forwarded already", f)
		}
		if err := g.forward(f); err != nil {
			return err
		}
	}
	return nil
}

// newStack makes the network stack and its one interface.
func (g *Gateway) newStack() error {
	s := stack.New(stack.Options{
		NetworkProtocols:   []stack.NetworkProtocolFactory{arp.NewProtocol, ipv4.NewProtocol, ipv6.NewProtocol},
		TransportProtocols: []stack.TransportProtocolFactory{tcp.NewProtocol, udp.NewProtocol, icmp.NewProtocol4, icmp.NewProtocol6},
	})
	g.stack = s
	if err := tuneTCP(s); err != nil {
		return err
	}
	if err := s.CreateNIC(nicID, g.link); err != nil {
		return stackError(err)
	}
	for _, a := range []netip.Addr{Router4, DNS4, Router6, DNS6, routerLL} {
		bits := Prefix4.Bits()
		if a.Is6() {
			bits = Prefix6.Bits()
		}
		err := s.AddProtocolAddress(nicID, tcpip.ProtocolAddress{
			Protocol:          protocolOf(a),
			AddressWithPrefix: tcpip.AddressWithPrefix{Address: fromAddr(a), PrefixLen: bits},
		}, stack.AddressProperties{})
		if err != nil {
			return stackError(err)
		}
	}
	// Whatever address the guest sends to is ours, and may be answered from.
	if err := s.SetPromiscuousMode(nicID, true); err != nil {
		return stackError(err)
	}
	if err := s.SetSpoofing(nicID, true); err != nil {
		return stackError(err)
	}
	s.SetRouteTable([]tcpip.Route{
		{Destination: header.IPv4EmptySubnet, NIC: nicID},
		{Destination: header.IPv6EmptySubnet, NIC: nicID},
	})
	return nil
}

// tuneTCP sets what the stack's defaults get wrong here.
func tuneTCP(s *stack.Stack) error {
	// RACK loss detection of this version stalls after a burst of losses.
	recovery := tcpip.TCPRecovery(0)
	sack := tcpip.TCPSACKEnabled(true)
	// Nothing is delayed on this wire, so a port need not rest for long.
	timeWait := tcpip.TCPTimeWaitTimeoutOption(100 * time.Millisecond)
	send := tcpip.TCPSendBufferSizeRangeOption{Min: 4 << 10, Default: 1 << 20, Max: 4 << 20}
	receive := tcpip.TCPReceiveBufferSizeRangeOption{Min: 4 << 10, Default: 1 << 20, Max: 4 << 20}
	for _, o := range []tcpip.SettableTransportProtocolOption{&recovery, &sack, &timeWait, &send, &receive} {
		if err := s.SetTransportProtocolOption(tcp.ProtocolNumber, o); err != nil {
			return fmt.Errorf("%T: %w", o, stackError(err))
		}
	}
	return nil
}

// Features implements net.Backend.
func (g *Gateway) Features() uint64 { return linkFeatures }

// MTU implements net.Backend.
func (g *Gateway) MTU() int { return mtu }

// Attach implements net.Backend.
func (g *Gateway) Attach(c net.Card, features uint64) error {
	g.link.connect(c, features)
	return nil
}

// Send implements net.Backend.
func (g *Gateway) Send(frame [][]byte) error {
	g.link.receive(frame)
	return nil
}

// Flush implements net.Backend.
func (g *Gateway) Flush() {}

// Detach implements net.Backend.
func (g *Gateway) Detach() { g.link.disconnect() }

// Close implements net.Backend. It ends all connections.
func (g *Gateway) Close() error {
	close(g.done)
	for _, f := range g.forwards {
		f.Close()
	}
	for _, s := range g.servers {
		s.Close()
	}
	if g.stack != nil {
		// Aborts all endpoints, which ends the goroutines that serve them.
		g.stack.Destroy()
	}
	g.workers.Wait()
	return nil
}
