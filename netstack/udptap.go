package netstack

import (
	"gvisor.dev/gvisor/pkg/buffer"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/checksum"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
)

// udpTap takes IPv4 datagrams for a port out of what a card receives, for a
// protocol that is spoken before there is an address.
type udpTap struct {
	port uint16
	// receive runs on the card's goroutine; payload is valid during the call.
	receive func(from tcpip.LinkAddress, payload []byte)
}

// headersUDP are the bytes before a datagram's payload in a packet without IP
// options.
const headersUDP = header.IPv4MinimumSize + header.UDPMinimumSize

// take gives the packet to the tap if it is a datagram for it.
func (t *udpTap) take(from tcpip.LinkAddress, pkt *stack.PacketBuffer) bool {
	if pkt.NetworkProtocolNumber != header.IPv4ProtocolNumber {
		return false
	}
	b, ok := pkt.Data().PullUp(headersUDP)
	if !ok {
		return false
	}
	ip := header.IPv4(b)
	if ip.TransportProtocol() != header.UDPProtocolNumber || ip.HeaderLength() != header.IPv4MinimumSize ||
		ip.More() || ip.FragmentOffset() != 0 || header.UDP(b[header.IPv4MinimumSize:]).DestinationPort() != t.port {
		return false
	}
	total := int(ip.TotalLength())
	b, ok = pkt.Data().PullUp(total)
	if !ok || total < headersUDP || !ip.IsChecksumValid() {
		return true
	}
	ip, b = header.IPv4(b), b[header.IPv4MinimumSize:]
	udp := header.UDP(b)
	if int(udp.Length()) != len(b) {
		return true
	}
	if !pkt.RXChecksumValidated && udp.Checksum() != 0 {
		sum := header.PseudoHeaderChecksum(header.UDPProtocolNumber, ip.SourceAddress(), ip.DestinationAddress(), udp.Length())
		if checksum.Checksum(b, sum) != 0xffff {
			return true
		}
	}
	t.receive(from, udp.Payload())
	return true
}

// sendUDP sends an IPv4 datagram past the stack.
func (l *link) sendUDP(to tcpip.LinkAddress, src, dst tcpip.FullAddress, payload []byte) {
	pkt := stack.NewPacketBuffer(stack.PacketBufferOptions{
		ReserveHeaderBytes: header.EthernetMinimumSize + headersUDP,
		Payload:            buffer.MakeWithData(payload),
	})
	defer pkt.DecRef()
	udp := header.UDP(pkt.TransportHeader().Push(header.UDPMinimumSize))
	length := uint16(header.UDPMinimumSize + len(payload))
	udp.Encode(&header.UDPFields{SrcPort: src.Port, DstPort: dst.Port, Length: length})
	sum := header.PseudoHeaderChecksum(header.UDPProtocolNumber, src.Addr, dst.Addr, length)
	sum = checksum.Combine(udp.CalculateChecksum(sum), checksum.Checksum(payload, 0))
	if sum != 0xffff { // its complement, 0, would mean that there is none
		sum = ^sum
	}
	udp.SetChecksum(sum)
	ip := header.IPv4(pkt.NetworkHeader().Push(header.IPv4MinimumSize))
	ip.Encode(&header.IPv4Fields{
		TotalLength: uint16(header.IPv4MinimumSize) + length,
		TTL:         ttlUDPTap,
		Protocol:    uint8(header.UDPProtocolNumber),
		SrcAddr:     src.Addr,
		DstAddr:     dst.Addr,
	})
	ip.SetChecksum(^ip.CalculateChecksum())
	pkt.NetworkProtocolNumber = header.IPv4ProtocolNumber
	pkt.EgressRoute.LocalLinkAddress = l.mac
	pkt.EgressRoute.RemoteLinkAddress = to
	l.AddHeader(pkt)
	// A datagram that is lost is sent again by whoever wants an answer.
	_ = l.WritePacket(pkt)
}

// ttlUDPTap is the usual time to live.
const ttlUDPTap = 64
