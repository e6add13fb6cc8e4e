//go:build ringo

package header

import (
	"encoding/binary"

	"gvisor.dev/gvisor/pkg/tcpip"
)

// minimumChecksum is CalculateChecksum of a header without options.
func (b IPv4) minimumChecksum() uint16 {
	_ = b[IPv4MinimumSize-1]
	sum := uint64(binary.BigEndian.Uint32(b)) + uint64(binary.BigEndian.Uint32(b[4:])) +
		uint64(binary.BigEndian.Uint32(b[8:])) + uint64(binary.BigEndian.Uint32(b[12:])) + uint64(binary.BigEndian.Uint32(b[16:]))
	sum = sum>>32 + sum&0xffffffff // at most 33 bits
	sum = sum>>16 + sum&0xffff     // at most 18 bits
	sum = sum>>16 + sum&0xffff     // at most 17 bits
	return uint16(sum>>16 + sum)
}

// putAddress4 writes an address to the beginning of b. The empty one changes nothing.
func putAddress4(b []byte, a tcpip.Address) {
	if a.Len() == IPv4AddressSize {
		*(*[IPv4AddressSize]byte)(b) = a.As4()
	}
}
