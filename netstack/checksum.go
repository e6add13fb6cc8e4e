package netstack

import (
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/checksum"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
)

// verdict is what verify knows of a packet's checksums.
type verdict int

const (
	// checksumLater leaves the packet to the stack, which verifies it unless
	// the card has.
	checksumLater verdict = iota
	// checksumGood: all of the packet's checksums are right.
	checksumGood
	// checksumGoodLast is checksumGood for a segment that none is to be merged with
	// which comes after it.
	checksumGoodLast
	// checksumBad: the stack is to find that out, and count it.
	checksumBad
)

// verify checks the checksums of packets that receive offload may merge: once
// merged they cannot be checked. Those are TCP segments without IP options.
// Where the card has verified the segment (pkt.RXChecksumValidated), the IPv4
// header is left to check, which no card speaks for.
func verify(pkt *stack.PacketBuffer) verdict {
	switch pkt.NetworkProtocolNumber {
	case header.IPv4ProtocolNumber:
		b, ok := pkt.Data().PullUp(header.IPv4MinimumSize)
		if !ok {
			return checksumBad
		}
		ip := header.IPv4(b)
		if size := int(ip.HeaderLength()); size < header.IPv4MinimumSize {
			return checksumBad
		} else if size > header.IPv4MinimumSize {
			if b, ok = pkt.Data().PullUp(size); !ok {
				return checksumBad
			}
			ip = header.IPv4(b)
		}
		if !ip.IsChecksumValid() {
			return checksumBad
		}
		if ip.TransportProtocol() != header.TCPProtocolNumber || ip.More() || ip.FragmentOffset() != 0 {
			return checksumLater
		}
		return verifyTCP(pkt, ip.SourceAddress(), ip.DestinationAddress(), int(ip.HeaderLength()), int(ip.TotalLength()))
	case header.IPv6ProtocolNumber:
		b, ok := pkt.Data().PullUp(header.IPv6MinimumSize)
		if !ok {
			return checksumBad
		}
		ip := header.IPv6(b)
		if ip.NextHeader() != uint8(header.TCPProtocolNumber) {
			return checksumLater
		}
		return verifyTCP(pkt, ip.SourceAddress(), ip.DestinationAddress(), header.IPv6MinimumSize, header.IPv6MinimumSize+int(ip.PayloadLength()))
	}
	return checksumLater
}

// verifyTCP checks the segment from src to dst of a packet with a header of hdr
// bytes that says it is total bytes long. Ethernet pads short frames, so there may be more.
func verifyTCP(pkt *stack.PacketBuffer, src, dst tcpip.Address, hdr, total int) verdict {
	if total < hdr+header.TCPMinimumSize || total > pkt.Data().Size() {
		return checksumBad
	}
	b, ok := pkt.Data().PullUp(hdr + header.TCPMinimumSize)
	if !ok {
		return checksumBad
	}
	good := checksumGood
	if segment := header.TCP(b[hdr:]); segment.Flags()&^header.TCPFlagAck != 0 || total == hdr+int(segment.DataOffset()) {
		good = checksumGoodLast
	}
	if pkt.RXChecksumValidated {
		return good
	}
	pkt.Data().CapLength(total)
	sum := header.PseudoHeaderChecksum(header.TCPProtocolNumber, src, dst, uint16(total-hdr))
	segment := pkt.Data().ChecksumAtOffset(pkt.HeaderSize() + hdr) // the offset counts from the frame's start
	if checksum.Combine(sum, segment) != 0xffff {
		return checksumBad
	}
	return good
}
