//go:build ringo

package network

import (
	"gvisor.dev/gvisor/pkg/sync"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
)

// momentMutex stands for a RWMutex that is never held for longer than a sum takes: those
// who only read need not do so at the same time, and a Mutex takes fewer instructions.
type momentMutex struct{ sync.Mutex }

func (m *momentMutex) RLock()   { m.Lock() }
func (m *momentMutex) RUnlock() { m.Unlock() }

// udpChecksumOffset is where a UDP header has its checksum (RFC 768).
const udpChecksumOffset = 6

// LeaveChecksum reports whether the card is to make the checksum of a datagram, whose
// header and data are in pkt: then the header has the sum of the pseudo header there.
// Not so that of fragments, nor of what comes back by the loopback.
func (c *WriteContext) LeaveChecksum(pkt *stack.PacketBuffer, info *WritePacketInfo) bool {
	if !info.RequiresTXTransportChecksum || !c.route.CardSums() || pkt.Size() > int(c.route.MTU()) {
		return false
	}
	size := header.IPv4MinimumSize
	if info.NetProto == header.IPv6ProtocolNumber {
		size = header.IPv6MinimumSize
	}
	pkt.GSOOptions = stack.GSO{NeedsCsum: true, CsumOffset: udpChecksumOffset, L3HdrLen: uint16(size)}
	return true
}
