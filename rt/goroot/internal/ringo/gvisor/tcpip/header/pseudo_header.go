//go:build ringo

package header

import (
	"encoding/binary"

	"gvisor.dev/gvisor/pkg/tcpip"
)

// pseudoHeaderChecksum4 is PseudoHeaderChecksum for IPv4 addresses.
func pseudoHeaderChecksum4(protocol tcpip.TransportProtocolNumber, src, dst tcpip.Address, length uint16) uint16 {
	s, d := src.As4(), dst.As4()
	sum := uint64(binary.BigEndian.Uint32(s[:])) + uint64(binary.BigEndian.Uint32(d[:])) + uint64(protocol&0xff) + uint64(length)
	sum = sum>>32 + sum&(1<<32-1)
	sum = sum>>16 + sum&(1<<16-1)
	sum = sum>>16 + sum&(1<<16-1)
	return uint16(sum>>16 + sum&(1<<16-1))
}
