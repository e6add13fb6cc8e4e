package netstack

import (
	"testing"

	"gvisor.dev/gvisor/pkg/buffer"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/checksum"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
)

// TestVerifyTCP gives verify segments with and without data, flags and mistakes.
func TestVerifyTCP(t *testing.T) {
	for _, c := range []struct {
		name    string
		flags   header.TCPFlags
		options int // bytes
		data    int // bytes
		change  int // if not 0, offset of a byte to be changed
		cut     int // bytes of the segment that are missing
		want    verdict
	}{
		{name: "data", flags: header.TCPFlagAck, data: 100, want: checksumGood},
		{name: "data and options", flags: header.TCPFlagAck, options: 12, data: 100, want: checksumGood},
		{name: "the last data", flags: header.TCPFlagAck | header.TCPFlagPsh, data: 100, want: checksumGoodLast},
		{name: "an acknowledgement", flags: header.TCPFlagAck, want: checksumGoodLast},
		{name: "an acknowledgement with options", flags: header.TCPFlagAck, options: 12, want: checksumGoodLast},
		{name: "a SYN", flags: header.TCPFlagSyn, want: checksumGoodLast},
		{name: "a FIN with data", flags: header.TCPFlagAck | header.TCPFlagFin, data: 1, want: checksumGoodLast},
		{name: "changed data", flags: header.TCPFlagAck, data: 100, change: 60, want: checksumBad},
		{name: "a changed IP header", flags: header.TCPFlagAck, change: 8, want: checksumBad},
		{name: "half a TCP header", flags: header.TCPFlagAck, cut: 10, want: checksumBad},
		{name: "half the data", flags: header.TCPFlagAck, data: 100, cut: 50, want: checksumBad},
	} {
		const minimum = header.IPv4MinimumSize + header.TCPMinimumSize
		src, dst := tcpip.AddrFrom4([4]byte{10, 0, 0, 1}), tcpip.AddrFrom4([4]byte{10, 0, 0, 2})
		b := make([]byte, minimum+c.options+c.data)
		ip := header.IPv4(b)
		ip.Encode(&header.IPv4Fields{TotalLength: uint16(len(b)), TTL: 64, Protocol: uint8(header.TCPProtocolNumber), SrcAddr: src, DstAddr: dst})
		ip.SetChecksum(^ip.CalculateChecksum())
		segment := header.TCP(b[header.IPv4MinimumSize:])
		segment.Encode(&header.TCPFields{SrcPort: 1, DstPort: 2, DataOffset: uint8(header.TCPMinimumSize + c.options), Flags: c.flags})
		sum := header.PseudoHeaderChecksum(header.TCPProtocolNumber, src, dst, uint16(len(segment)))
		segment.SetChecksum(^checksum.Checksum(segment, sum))
		if c.change != 0 {
			b[c.change] ^= 1
		}
		pkt := stack.NewPacketBuffer(stack.PacketBufferOptions{Payload: buffer.MakeWithData(b[:len(b)-c.cut])})
		pkt.NetworkProtocolNumber = header.IPv4ProtocolNumber
		if got := verify(pkt); got != c.want {
			t.Errorf("%s: %d, want %d", c.name, got, c.want)
		}
		pkt.DecRef()
	}
}
