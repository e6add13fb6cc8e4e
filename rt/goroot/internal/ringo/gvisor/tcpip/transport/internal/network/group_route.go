//go:build ringo

package network

import (
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
)

// acquireConnectedRLocked returns the way to the endpoint's peer. To a group it is looked
// for again, as on Linux: the program may have chosen another interface for groups since it
// connected. Its address is not the endpoint's then.
func (e *Endpoint) acquireConnectedRLocked(info *stack.TransportEndpointInfo) (*stack.Route, tcpip.Error) {
	r := e.connectedRoute
	nic := tcpip.NICID(0)
	switch group := info.ID.RemoteAddress; {
	case header.IsV4MulticastAddress(group):
		nic = e.multicastNICID
	case header.IsV6MulticastAddress(group):
		nic = e.ipv6MulticastNICID
	}
	if nic == 0 || nic == info.RegisterNICID || info.BindNICID != 0 {
		r.Acquire()
		return r, nil
	}
	return e.stack.FindRoute(nic, tcpip.Address{}, info.ID.RemoteAddress, r.NetProto(), e.ops.GetMulticastLoop())
}
