//go:build ringo

package udp

import (
	"fmt"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
)

// networkHeader is what a datagram's receiver wants to know of its network header. A
// header.Network has to be allocated.
type networkHeader struct {
	source, destination tcpip.Address
	tos, ttl            uint8
}

func networkHeaderOf(pkt *stack.PacketBuffer) networkHeader {
	b := pkt.NetworkHeader().Slice()
	switch pkt.NetworkProtocolNumber {
	case header.IPv4ProtocolNumber:
		h := header.IPv4(b)
		tos, _ := h.TOS()
		return networkHeader{h.SourceAddress(), h.DestinationAddress(), tos, h.TTL()}
	case header.IPv6ProtocolNumber:
		h := header.IPv6(b)
		tos, _ := h.TOS()
		return networkHeader{h.SourceAddress(), h.DestinationAddress(), tos, h.HopLimit()}
	default:
		panic(fmt.Sprintf("unknown network protocol number %d", pkt.NetworkProtocolNumber))
	}
}
