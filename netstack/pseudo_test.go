package netstack

import (
	"math/rand/v2"
	"testing"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"
)

// TestPseudoHeaderChecksum compares sums with those of the bytes of RFC 768.
func TestPseudoHeaderChecksum(t *testing.T) {
	for i := range 10_000 {
		var src, dst [4]byte
		length, protocol := uint16(rand.Uint32()), uint8(rand.Uint32())
		for j := range 4 {
			src[j], dst[j] = uint8(rand.Uint32()), uint8(rand.Uint32())
		}
		switch i {
		case 0:
			src, dst, length, protocol = [4]byte{}, [4]byte{}, 0, 0
		case 1:
			src, dst, length, protocol = [4]byte{255, 255, 255, 255}, [4]byte{255, 255, 255, 255}, 0xffff, 255
		}
		b := append(append(src[:], dst[:]...), 0, protocol, byte(length>>8), byte(length))
		sum := 0
		for j := 0; j < len(b); j += 2 {
			sum += int(b[j])<<8 | int(b[j+1])
		}
		for sum > 0xffff {
			sum = sum>>16 + sum&0xffff
		}
		got := header.PseudoHeaderChecksum(tcpip.TransportProtocolNumber(protocol), tcpip.AddrFrom4(src), tcpip.AddrFrom4(dst), length)
		if int(got) != sum {
			t.Fatalf("%v to %v, protocol %d, %d bytes: %#x, want %#x", src, dst, protocol, length, got, sum)
		}
	}
}
