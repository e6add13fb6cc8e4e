//go:build ringo

package stack

import (
	"sync/atomic"

	"gvisor.dev/gvisor/pkg/tcpip"
)

// endpointMemory remembers which endpoints the packets of some flows were given to last:
// a flow's next packet mostly goes the same way, and to look for an endpoint takes as
// long as all that the endpoint does with a datagram.
//
// A memory holds as long as no endpoint is registered or unregistered.
type endpointMemory struct {
	version atomic.Uint32 // counts registrations and their ends
	flows   [rememberedFlows]rememberedFlow
}

// rememberedFlows is a power of two: a flow's place is made of its ports.
const rememberedFlows = 32

type rememberedFlow struct {
	busy atomic.Uint32 // who cannot have it does without

	version   uint32
	network   tcpip.NetworkProtocolNumber
	transport tcpip.TransportProtocolNumber
	nic       tcpip.NICID
	id        TransportEndpointID
	to        TransportEndpoint       // nil: none
	queue     queuedTransportProtocol // nil: to takes packets itself
}

// is reports whether the flow has the ID. (Each for itself, fields are compared without a
// call.)
func (f *rememberedFlow) is(id *TransportEndpointID) bool {
	return f.id.RemotePort == id.RemotePort && f.id.RemoteAddress == id.RemoteAddress &&
		f.id.LocalPort == id.LocalPort && f.id.LocalAddress == id.LocalAddress
}

// place returns a flow's place.
func (m *endpointMemory) place(id *TransportEndpointID) *rememberedFlow {
	return &m.flows[(id.RemotePort^id.LocalPort)%rememberedFlows]
}

// changed makes everybody look for endpoints again. It is called after the change.
func (m *endpointMemory) changed() { m.version.Add(1) }

// forget is changed for an endpoint's end: what it was for need not stay in memory.
func (m *endpointMemory) forget(id *TransportEndpointID) {
	m.changed()
	if f := m.place(id); f.busy.CompareAndSwap(0, 1) {
		f.to, f.queue = nil, nil
		f.busy.Store(0)
	}
}

// deliver gives the packet to the endpoint that is known for its flow, if any. Else the
// endpoint that is found for it will be remembered.
func (m *endpointMemory) deliver(transport tcpip.TransportProtocolNumber, pkt *PacketBuffer, id *TransportEndpointID) bool {
	version := m.version.Load()
	f := m.place(id)
	if !f.busy.CompareAndSwap(0, 1) {
		return false
	}
	to, queue := f.to, f.queue
	known := to != nil && f.version == version && f.transport == transport && f.network == pkt.NetworkProtocolNumber && f.nic == pkt.NICID && f.is(id)
	f.busy.Store(0)
	if !known {
		pkt.soughtIn = uint64(version) + 1
		return false
	}
	if queue != nil {
		queue.QueuePacket(to, *id, pkt)
	} else {
		to.HandlePacket(*id, pkt)
	}
	return true
}

// remember is told which endpoint was found.
func (m *endpointMemory) remember(network tcpip.NetworkProtocolNumber, transport tcpip.TransportProtocolNumber, pkt *PacketBuffer, id *TransportEndpointID, to TransportEndpoint, queue queuedTransportProtocol) {
	if pkt.soughtIn == 0 {
		return // one of several endpoints
	}
	f := m.place(id)
	if !f.busy.CompareAndSwap(0, 1) {
		return
	}
	f.version, f.network, f.transport = uint32(pkt.soughtIn-1), network, transport
	f.nic, f.id, f.to, f.queue = pkt.NICID, *id, to, queue
	f.busy.Store(0)
}
