//go:build ringo

package ipv4

import (
	"unsafe"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/network/internal/ip"
)

// sharedStats are the stack's statistics, in which all endpoints count. The structures of
// this package have the same counters as those of package tcpip, in the same order.
type sharedStats struct {
	ip   ip.MultiCounterIPStats
	icmp *multiCounterICMPv4Stats
	igmp *multiCounterIGMPStats
}

func (s *sharedStats) init(stack *tcpip.Stats) {
	s.ip = &stack.IP
	s.icmp = (*multiCounterICMPv4Stats)(unsafe.Pointer(&stack.ICMP.V4))
	s.igmp = (*multiCounterIGMPStats)(unsafe.Pointer(&stack.IGMP))
}

// of returns the statistics in which an endpoint counts.
func (*sharedStats) of(stack *tcpip.Stats) *Stats {
	return &Stats{IP: stack.IP, IGMP: stack.IGMP, ICMP: stack.ICMP.V4}
}
