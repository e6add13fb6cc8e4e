//go:build ringo

package arp

import (
	"unsafe"

	"gvisor.dev/gvisor/pkg/tcpip"
)

// sharedStats are the stack's statistics, in which all endpoints count. The structure of
// this package has the same counters as that of package tcpip, in the same order.
type sharedStats struct {
	arp *multiCounterARPStats
}

func (s *sharedStats) init(stack *tcpip.Stats) {
	s.arp = (*multiCounterARPStats)(unsafe.Pointer(&stack.ARP))
}

// of returns the statistics in which an endpoint counts.
func (*sharedStats) of(stack *tcpip.Stats) *Stats { return &Stats{ARP: stack.ARP} }
