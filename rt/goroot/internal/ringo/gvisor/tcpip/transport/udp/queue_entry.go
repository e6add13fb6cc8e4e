//go:build ringo

package udp

import "gvisor.dev/gvisor/pkg/sync"

// udpPackets are entries of sockets' queues that nobody uses.
var udpPackets = sync.Kept[udpPacket]{New: func() *udpPacket { return new(udpPacket) }}

// forget gives an entry back that was taken out of its queue and read. No other call
// looks at it: a socket has one reader at a time (netstack.inbound).
func forget(p *udpPacket) {
	*p = udpPacket{}
	udpPackets.Put(p)
}
