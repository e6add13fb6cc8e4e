package gateway

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/netip"
	"sync"
	"sync/atomic"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
	"gvisor.dev/gvisor/pkg/waiter"
)

// guestConn is a connection with the guest: a TCP or connected UDP endpoint of
// the stack. One goroutine reads and one writes. It exists because reading and
// writing gonet's connections allocates whenever they wait.
type guestConn struct {
	ep       tcpip.Endpoint
	queue    *waiter.Queue
	in, out  waiter.Entry
	readable chan struct{}
	writable chan struct{}
	payload  bytes.Reader // of write
}

const (
	readEvents  = waiter.ReadableEvents | waiter.EventHUp | waiter.EventErr
	writeEvents = waiter.WritableEvents | waiter.EventHUp | waiter.EventErr
)

// newGuestConn takes over endpoint ep, whose events are in q.
func newGuestConn(ep tcpip.Endpoint, q *waiter.Queue) *guestConn {
	c := &guestConn{ep: ep, queue: q}
	c.in, c.readable = waiter.NewChannelEntry(readEvents)
	c.out, c.writable = waiter.NewChannelEntry(writeEvents)
	q.EventRegister(&c.in)
	q.EventRegister(&c.out)
	return c
}

// read reads into p, waiting for data. At the end of the data it returns io.EOF.
func (c *guestConn) read(p []byte) (int, error) {
	for {
		w := tcpip.SliceWriter(p)
		r, err := c.ep.Read(&w, tcpip.ReadOptions{})
		switch err.(type) {
		case nil:
			return r.Count, nil
		case *tcpip.ErrWouldBlock:
			<-c.readable
		case *tcpip.ErrClosedForReceive:
			return 0, io.EOF
		case *tcpip.ErrConnectionRefused:
			return 0, errRefused
		default:
			return 0, stackError(err)
		}
	}
}

// awaitData waits until read has something to return, so that no memory is tied
// up meanwhile.
func (c *guestConn) awaitData() {
	for c.ep.Readiness(readEvents) == 0 {
		<-c.readable
	}
}

// write writes all of p (to a UDP endpoint: as one packet), waiting for room.
func (c *guestConn) write(p []byte) error {
	c.payload.Reset(p)
	for {
		_, err := c.ep.Write(&c.payload, tcpip.WriteOptions{})
		switch err.(type) {
		case nil:
			if c.payload.Len() == 0 {
				return nil
			}
		case *tcpip.ErrWouldBlock:
			<-c.writable
		default:
			return stackError(err)
		}
	}
}

// closeWrite tells the guest that no more data comes.
func (c *guestConn) closeWrite() { c.ep.Shutdown(tcpip.ShutdownWrite) }

// close ends the connection in order, abort with a reset. A goroutine that
// reads or writes returns. Only the first of them has an effect.
func (c *guestConn) close() { c.ep.Close() }
func (c *guestConn) abort() { c.ep.Abort() }

// portCursor hands out source ports for connections to the guest, one after
// the other: so the guest sees the same port again as late as possible, long
// after it has forgotten the last connection from it.
type portCursor struct{ next atomic.Uint32 }

const (
	firstPort = 1024
	numPorts  = 65536 - firstPort
)

func (p *portCursor) take() uint16 { return uint16(firstPort + p.next.Add(1)%numPorts) }

// errRefused says that the guest has no listener on the port.
var errRefused = errors.New("connection refused by the guest")

// dialTCP connects to the guest's port: over IPv4, or over IPv6 if nobody listens
// there.
func (g *Gateway) dialTCP(ctx context.Context, port uint16) (*guestConn, error) {
	c, err := g.dialIPv4(ctx, port)
	if err == errRefused {
		c, err = g.dialFrom(ctx, Router6, netip.AddrPortFrom(Guest6, port))
	}
	return c, err
}

// dialIPv4 connects to the guest's port over IPv4.
func (g *Gateway) dialIPv4(ctx context.Context, port uint16) (*guestConn, error) {
	return g.dialFrom(ctx, Router4, netip.AddrPortFrom(Guest4, port))
}

// dialFrom connects to the guest from one of the router's addresses.
func (g *Gateway) dialFrom(ctx context.Context, from netip.Addr, to netip.AddrPort) (*guestConn, error) {
	q := new(waiter.Queue)
	ep, terr := g.stack.NewEndpoint(tcp.ProtocolNumber, protocolOf(from), q)
	if terr != nil {
		return nil, stackError(terr)
	}
	if err := g.bind(ep, from); err != nil {
		ep.Close()
		return nil, err
	}
	c := newGuestConn(ep, q)
	terr = ep.Connect(fromAddrPort(to))
	if _, started := terr.(*tcpip.ErrConnectStarted); started {
		select {
		case <-c.writable:
			terr = ep.LastError()
		case <-ctx.Done():
			c.abort()
			return nil, ctx.Err()
		}
	}
	switch terr.(type) {
	case nil:
		return c, nil
	case *tcpip.ErrConnectionRefused:
		c.close()
		return nil, errRefused
	}
	c.close()
	return nil, stackError(terr)
}

// bind gives ep an address of the router, and the next free source port.
func (g *Gateway) bind(ep tcpip.Endpoint, router netip.Addr) error {
	for range numPorts {
		err := ep.Bind(fromAddrPort(netip.AddrPortFrom(router, g.ports.take())))
		if _, inUse := err.(*tcpip.ErrPortInUse); !inUse {
			return stackError(err)
		}
	}
	return errors.New("no free port towards the guest")
}

// buffers are for copying between connections.
var buffers = sync.Pool{New: func() any { return new([64 << 10]byte) }}
