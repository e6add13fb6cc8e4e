package gateway

import (
	"net/netip"
	"sync/atomic"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip/transport/udp"
	"gvisor.dev/gvisor/pkg/waiter"
)

const (
	maxDatagram = 65535
	// flowIdle is how long a flow lasts without packets: RFC 4787 wants two
	// minutes at least.
	flowIdle = 2 * time.Minute
)

// udpFlow carries the packets between one socket of the guest and one of the
// host, until there were none for flowIdle.
type udpFlow struct {
	guest *guestConn
	reply func(b []byte) error // sends a packet to the host's side
	last  atomic.Int64         // time of the last packet, Unix seconds
}

// dialUDP returns a socket of the router that is connected to the guest's port.
func (g *Gateway) dialUDP(port uint16) (*guestConn, error) {
	q := new(waiter.Queue)
	ep, err := g.stack.NewEndpoint(udp.ProtocolNumber, protocolOf(Guest4), q)
	if err != nil {
		return nil, stackError(err)
	}
	if err := g.bind(ep, Router4); err != nil {
		ep.Close()
		return nil, err
	}
	if err := ep.Connect(fromAddrPort(netip.AddrPortFrom(Guest4, port))); err != nil {
		ep.Close()
		return nil, stackError(err)
	}
	return newGuestConn(ep, q), nil
}

// toGuest sends a packet to the guest. Errors are like losses.
func (f *udpFlow) toGuest(b []byte) {
	f.touch()
	f.guest.write(b)
}

func (f *udpFlow) touch() { f.last.Store(time.Now().Unix()) }

// end ends the flow.
func (f *udpFlow) end() { f.guest.close() }

// serve sends the guest's packets to the host's side until the flow is idle, or
// was ended.
func (f *udpFlow) serve() {
	f.touch()
	var timer *time.Timer
	timer = time.AfterFunc(flowIdle, func() {
		if idle := time.Since(time.Unix(f.last.Load(), 0)); idle < flowIdle {
			timer.Reset(flowIdle - idle)
			return
		}
		f.end()
	})
	defer timer.Stop()
	defer f.end()
	for {
		f.guest.awaitData()
		b := buffers.Get().(*[64 << 10]byte)
		n, err := f.guest.read(b[:])
		if err == nil {
			f.touch()
			f.reply(b[:n]) // errors are like losses
		}
		buffers.Put(b)
		if err != nil {
			return
		}
	}
}
