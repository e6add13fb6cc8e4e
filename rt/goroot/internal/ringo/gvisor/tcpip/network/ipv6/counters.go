//go:build ringo

package ipv6

import (
	"unsafe"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/network/internal/ip"
)

// sharedStats are the stack's statistics, in which all endpoints count. The structures of
// this package have the same counters as those of package tcpip, in the same order.
type sharedStats struct {
	ip   ip.MultiCounterIPStats
	icmp *multiCounterICMPv6Stats

	// localStats is what the stack has no counter for.
	localStats struct {
		UnhandledRouterAdvertisements tcpip.StatCounter
	}
}

func (s *sharedStats) init(stack *tcpip.Stats) {
	s.ip = &stack.IP
	s.icmp = (*multiCounterICMPv6Stats)(unsafe.Pointer(&stack.ICMP.V6))
}

// of returns the statistics in which an endpoint counts.
func (s *sharedStats) of(stack *tcpip.Stats) *Stats {
	return &Stats{IP: stack.IP, ICMP: stack.ICMP.V6, UnhandledRouterAdvertisements: &s.localStats.UnhandledRouterAdvertisements}
}
