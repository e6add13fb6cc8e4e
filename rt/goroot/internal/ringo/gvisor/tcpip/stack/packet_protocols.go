//go:build ringo

package stack

import (
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"
)

// packetProtocols are those of a stack's protocols that packets ask for.
type packetProtocols struct {
	v4, v6   NetworkProtocol
	tcp, udp *transportProtocolState
}

// set finds them among all protocols.
func (p *packetProtocols) set(s *Stack) {
	p.v4, p.v6 = s.networkProtocols[header.IPv4ProtocolNumber], s.networkProtocols[header.IPv6ProtocolNumber]
	p.tcp, p.udp = s.transportProtocols[header.TCPProtocolNumber], s.transportProtocols[header.UDPProtocolNumber]
}

// packetTransport returns a transport protocol.
func (s *Stack) packetTransport(number tcpip.TransportProtocolNumber) (*transportProtocolState, bool) {
	state := s.packets.udp
	switch number {
	case header.UDPProtocolNumber:
	case header.TCPProtocolNumber:
		state = s.packets.tcp
	default:
		state = s.transportProtocols[number]
	}
	return state, state != nil
}

// packetNetwork returns a network protocol.
func (s *Stack) packetNetwork(number tcpip.NetworkProtocolNumber) (NetworkProtocol, bool) {
	proto := s.packets.v4
	switch number {
	case header.IPv4ProtocolNumber:
	case header.IPv6ProtocolNumber:
		proto = s.packets.v6
	default:
		proto = s.networkProtocols[number]
	}
	return proto, proto != nil
}
