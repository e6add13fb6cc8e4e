package gateway

import (
	"context"
	"net"
	"net/netip"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
	"gvisor.dev/gvisor/pkg/tcpip/transport/udp"
	"gvisor.dev/gvisor/pkg/waiter"
)

const (
	// maxConnecting is the number of the guest's connections that may be in
	// the making at a time. Further attempts are not answered.
	maxConnecting = 1024
	// connectTime is how long the host is given to connect.
	connectTime = 2 * time.Minute
)

// serveOutbound serves the guest's connections to addresses that are not the
// gateway's own.
func (g *Gateway) serveOutbound() {
	t := tcp.NewForwarder(g.stack, 0, maxConnecting, g.outboundTCP)
	g.stack.SetTransportProtocolHandler(tcp.ProtocolNumber, t.HandlePacket)
	u := udp.NewForwarder(g.stack, g.outboundUDP)
	g.stack.SetTransportProtocolHandler(udp.ProtocolNumber, u.HandlePacket)
}

// outboundTCP makes the connection on the host that the guest asks for, and
// only then accepts the guest's: so the guest learns when it is refused.
func (g *Gateway) outboundTCP(r *tcp.ForwarderRequest) {
	id := r.ID()
	host, err := g.dialHost(onHost(netip.AddrPortFrom(toAddr(id.LocalAddress), id.LocalPort)))
	if err != nil {
		r.Complete(true)
		return
	}
	q := new(waiter.Queue)
	ep, terr := r.CreateEndpoint(q)
	if terr != nil {
		host.Close()
		r.Complete(true)
		return
	}
	r.Complete(false)
	relay(host, newGuestConn(ep, q))
}

// dialHost makes a TCP connection on the host. Close of the gateway ends the
// attempt.
func (g *Gateway) dialHost(to netip.AddrPort) (*net.TCPConn, error) {
	ctx, cancel := context.WithTimeout(context.Background(), connectTime)
	defer cancel()
	go func() {
		select {
		case <-g.done:
			cancel()
		case <-ctx.Done():
		}
	}()
	var d net.Dialer
	c, err := d.DialContext(ctx, "tcp", to.String())
	if err != nil {
		return nil, err
	}
	return c.(*net.TCPConn), nil
}

// outboundUDP makes a flow for a packet of the guest that belongs to none.
func (g *Gateway) outboundUDP(r *udp.ForwarderRequest) bool {
	id := r.ID()
	to := onHost(netip.AddrPortFrom(toAddr(id.LocalAddress), id.LocalPort))
	q := new(waiter.Queue)
	ep, terr := r.CreateEndpoint(q)
	if terr != nil {
		return true
	}
	guest := newGuestConn(ep, q)
	host, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(to))
	if err != nil {
		guest.close()
		return true
	}
	w := newUDPFlow(guest, func(b []byte) error { _, err := host.Write(b); return err })
	go func() {
		w.serve()
		host.Close()
	}()
	go func() {
		b := make([]byte, maxDatagram)
		for {
			n, err := host.Read(b)
			if err != nil {
				// Refused, or the flow has ended.
				w.end()
				return
			}
			w.toGuest(b[:n])
		}
	}()
	return true
}
