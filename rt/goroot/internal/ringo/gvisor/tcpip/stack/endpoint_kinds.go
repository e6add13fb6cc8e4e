//go:build ringo

package stack

import (
	"sync/atomic"

	"gvisor.dev/gvisor/pkg/tcpip"
)

// rawCount is the number of raw sockets: to find out for each packet that there are none
// takes as long as a look for a socket does.
type rawCount struct{ atomic.Int32 }

// endpointKinds counts a protocol's endpoints by what of their ID is set. A packet's is
// looked for in four ways, of which most lead nowhere on most machines.
type endpointKinds [4]int

func kindOf(id *TransportEndpointID) int {
	kind := 0
	if id.LocalAddress != (tcpip.Address{}) {
		kind = 1
	}
	if id.RemotePort != 0 || id.RemoteAddress != (tcpip.Address{}) {
		kind |= 2
	}
	return kind
}

// find returns the endpoints with the ID. eps.mu is held. It is called four times in a
// row, where no flow is remembered: not the place for four copies of it.
//
//go:noinline
func (eps *transportEndpoints) find(id *TransportEndpointID) (*endpointsByNIC, bool) {
	if eps.kinds[kindOf(id)] == 0 {
		return nil, false
	}
	ep, ok := eps.endpoints[*id]
	return ep, ok
}
