package gateway

import (
	"net/netip"
	"sync"
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
	writing sync.Mutex // held by who writes to guest
	guest   atomic.Pointer[guestConn]
	reply   func(b []byte) error // sends a packet to the host's side
	last    atomic.Int64         // time of the last packet, Unix seconds
}

// newUDPFlow returns a flow between guest, which it owns, and the host's side.
func newUDPFlow(guest *guestConn, reply func(b []byte) error) *udpFlow {
	f := &udpFlow{reply: reply}
	f.guest.Store(guest)
	return f
}

// dialUDP returns a socket at one of the router's addresses that is connected to
// the guest.
func (g *Gateway) dialUDP(from netip.Addr, to netip.AddrPort) (*guestConn, error) {
	q := new(waiter.Queue)
	ep, err := g.stack.NewEndpoint(udp.ProtocolNumber, protocolOf(from), q)
	if err != nil {
		return nil, stackError(err)
	}
	if err := g.bind(ep, from); err != nil {
		ep.Close()
		return nil, err
	}
	if err := ep.Connect(fromAddrPort(to)); err != nil {
		ep.Close()
		return nil, stackError(err)
	}
	return newGuestConn(ep, q), nil
}

// toGuest sends a packet to the guest. Errors are like losses.
func (f *udpFlow) toGuest(b []byte) {
	f.touch()
	f.writing.Lock()
	defer f.writing.Unlock()
	f.guest.Load().write(b)
}

func (f *udpFlow) touch() { f.last.Store(time.Now().Unix()) }

// end ends the flow.
func (f *udpFlow) end() { f.guest.Load().close() }

// serve sends the guest's packets to the host's side until the flow is idle, or
// was ended. It returns errRefused if the guest has no use for packets and never
// sent one.
func (f *udpFlow) serve() error {
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
	guest := f.guest.Load()
	for answered := false; ; answered = true {
		guest.awaitData()
		b := buffers.Get().(*[64 << 10]byte)
		n, err := guest.read(b[:])
		if err == nil {
			f.touch()
			f.reply(b[:n]) // errors are like losses
		}
		buffers.Put(b)
		switch {
		case err == errRefused && !answered:
			return err
		case err != nil:
			return nil
		}
	}
}
