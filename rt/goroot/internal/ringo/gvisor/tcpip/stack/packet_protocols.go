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

	// Endpoints of these protocols, by packetPlace.
	endpoints [4]*transportEndpoints
}

// packetPlace returns the place of two protocols in packetProtocols.endpoints, as set puts
// them there; false: they have none.
func packetPlace(network tcpip.NetworkProtocolNumber, transport tcpip.TransportProtocolNumber) (int, bool) {
	i := 0
	switch network {
	case header.IPv4ProtocolNumber:
	case header.IPv6ProtocolNumber:
		i = 2
	default:
		return 0, false
	}
	switch transport {
	case header.TCPProtocolNumber:
	case header.UDPProtocolNumber:
		i++
	default:
		return 0, false
	}
	return i, true
}

// set finds them among all protocols.
func (p *packetProtocols) set(s *Stack) {
	p.v4, p.v6 = s.networkProtocols[header.IPv4ProtocolNumber], s.networkProtocols[header.IPv6ProtocolNumber]
	p.tcp, p.udp = s.transportProtocols[header.TCPProtocolNumber], s.transportProtocols[header.UDPProtocolNumber]
	for i, network := range [...]tcpip.NetworkProtocolNumber{header.IPv4ProtocolNumber, header.IPv6ProtocolNumber} {
		for j, transport := range [...]tcpip.TransportProtocolNumber{header.TCPProtocolNumber, header.UDPProtocolNumber} {
			p.endpoints[2*i+j] = s.demux.protocol[protocolIDs{network, transport}]
		}
	}
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

// packetEndpoints returns the endpoints of two protocols.
func (s *Stack) packetEndpoints(network tcpip.NetworkProtocolNumber, transport tcpip.TransportProtocolNumber) (*transportEndpoints, bool) {
	if i, ok := packetPlace(network, transport); ok {
		return s.packets.endpoints[i], s.packets.endpoints[i] != nil
	}
	eps, ok := s.demux.protocol[protocolIDs{network, transport}]
	return eps, ok
}
