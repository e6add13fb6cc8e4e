//go:build ringo

package stack

import (
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"
)

// ipEndpoints are those of an interface's network endpoints that packets ask for.
type ipEndpoints struct {
	v4, v6 NetworkEndpoint

	sums bool // the card can make checksums
}

func (e *ipEndpoints) set(proto tcpip.NetworkProtocolNumber, ep NetworkEndpoint, card NetworkLinkEndpoint) {
	gso, ok := card.(GSOEndpoint)
	e.sums = ok && gso.SupportedGSO() == HostGSOSupported
	switch proto {
	case header.IPv4ProtocolNumber:
		e.v4 = ep
	case header.IPv6ProtocolNumber:
		e.v6 = ep
	}
}

// getNetworkEndpoint returns the interface's endpoint of a protocol, or nil.
func (n *nic) getNetworkEndpoint(proto tcpip.NetworkProtocolNumber) NetworkEndpoint {
	switch proto {
	case header.IPv4ProtocolNumber:
		return n.ip.v4
	case header.IPv6ProtocolNumber:
		return n.ip.v6
	}
	return n.networkEndpoints[proto]
}

// CardSums reports whether the card by which packets leave can make their checksums, and
// nobody else is to get them.
func (r *Route) CardSums() bool { return r.outgoingNIC.ip.sums && r.Loop() == PacketOut }
