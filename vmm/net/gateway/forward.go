package gateway

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// Forward makes a port of the guest reachable on the host.
type Forward struct {
	Host  netip.AddrPort // where to listen; without address: on all; port 0: any
	Guest uint16         // port of the guest
	UDP   bool
}

// ParseForward parses [IP:]HOST:GUEST[/udp|/tcp]. An IPv6 address is put in
// brackets.
func ParseForward(s string) (Forward, error) {
	var f Forward
	rest, proto, _ := strings.Cut(s, "/")
	switch proto {
	case "", "tcp":
	case "udp":
		f.UDP = true
	default:
		return f, fmt.Errorf("forward %q: the protocol is tcp or udp", s)
	}
	wrong := fmt.Errorf("forward %q: want [IP:]HOST:GUEST[/udp], for example 8080:80", s)
	i := strings.LastIndexByte(rest, ':')
	if i < 0 {
		return f, wrong
	}
	guest, err := strconv.ParseUint(rest[i+1:], 10, 16)
	if err != nil || guest == 0 {
		return f, wrong
	}
	f.Guest = uint16(guest)
	addr, host := "", rest[:i]
	if j := strings.LastIndexByte(host, ':'); j >= 0 {
		addr, host = host[:j], host[j+1:]
	}
	port, err := strconv.ParseUint(host, 10, 16)
	if err != nil {
		return f, wrong
	}
	var ip netip.Addr
	if addr != "" {
		if ip, err = netip.ParseAddr(strings.TrimSuffix(strings.TrimPrefix(addr, "["), "]")); err != nil {
			return f, fmt.Errorf("forward %q: %q is no IP address", s, addr)
		}
	}
	f.Host = netip.AddrPortFrom(ip, uint16(port))
	return f, nil
}

// String returns what ParseForward parses.
func (f Forward) String() string {
	proto := ""
	if f.UDP {
		proto = "/udp"
	}
	return fmt.Sprintf("%s:%d%s", strings.TrimPrefix(f.listen(), ":"), f.Guest, proto)
}

// listen returns the address to listen on, as package net wants it.
func (f Forward) listen() string {
	if !f.Host.Addr().IsValid() {
		return ":" + strconv.Itoa(int(f.Host.Port()))
	}
	return f.Host.String()
}

// sameHost reports whether other takes the same port of the host as f.
func (f Forward) sameHost(other Forward) bool {
	return f.Host == other.Host && f.UDP == other.UDP && f.Host.Port() != 0
}

// forward is a Forward in service.
type forward interface {
	io.Closer
	Addr() net.Addr // of the host
}

// Addrs returns the host's addresses of the forwards, in their order.
func (g *Gateway) Addrs() []net.Addr {
	var a []net.Addr
	for _, f := range g.forwards {
		a = append(a, f.Addr())
	}
	return a
}

// forward begins to serve f.
func (g *Gateway) forward(f Forward) error {
	if f.UDP {
		c, err := net.ListenPacket("udp", f.listen())
		if err != nil {
			return f.explain(err)
		}
		u := &udpForward{conn: c.(*net.UDPConn), gateway: g, port: f.Guest, flows: make(map[netip.AddrPort]*udpFlow)}
		g.forwards = append(g.forwards, u)
		g.workers.Go(u.serve)
		return nil
	}
	l, err := net.Listen("tcp", f.listen())
	if err != nil {
		return f.explain(err)
	}
	t := &tcpForward{Listener: l, gateway: g, port: f.Guest}
	g.forwards = append(g.forwards, t)
	g.workers.Go(t.serve)
	return nil
}

// explain says why f cannot be served.
func (f Forward) explain(err error) error {
	switch {
	case errors.Is(err, unix.EADDRINUSE):
		return fmt.Errorf("port %d of the host is in use by another program: stop that, or forward another port", f.Host.Port())
	case errors.Is(err, unix.EACCES):
		return fmt.Errorf("port %d of the host is reserved: forward one from 1024 on", f.Host.Port())
	case errors.Is(err, unix.EADDRNOTAVAIL):
		return fmt.Errorf("forward %v: the host does not have the address %v", f, f.Host.Addr())
	}
	return fmt.Errorf("forward %v: %w", f, err)
}

const (
	// bootTime is how long a connection waits for the guest to listen.
	bootTime = 10 * time.Second
	// A guest that is not up yet swallows what is sent to it, or refuses.
	// Trying again is cheap, and the guest's first answer waits for it.
	firstRetry, lastRetry = time.Millisecond, 20 * time.Millisecond
	// unanswered is how long one attempt lasts while the guest is not known to
	// be up: the stack would repeat it after a second only.
	unanswered = 10 * time.Millisecond
)

// tcpForward is a TCP port of the host that leads to the guest.
type tcpForward struct {
	net.Listener
	gateway *Gateway
	port    uint16
	up      atomic.Bool // the guest has accepted a connection
}

// serve accepts connections until the listener is closed.
func (f *tcpForward) serve() {
	for {
		c, err := f.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			// Too many open files, and the like: it passes.
			time.Sleep(10 * time.Millisecond)
			continue
		}
		go f.handle(c.(*net.TCPConn))
	}
}

// handle connects c to the guest.
func (f *tcpForward) handle(c *net.TCPConn) {
	guest, err := f.dial()
	if err != nil {
		c.SetLinger(0) // a reset, as the guest would have answered
		c.Close()
		return
	}
	relay(c, guest)
}

// dial connects to the guest. Until it has accepted a first connection, this
// is tried for as long as it may take to boot.
func (f *tcpForward) dial() (*guestConn, error) {
	ctx, cancel := context.WithTimeout(context.Background(), bootTime)
	defer cancel()
	if f.up.Load() {
		return f.gateway.dialTCP(ctx, f.port)
	}
	select {
	case <-f.gateway.link.attached:
	case <-f.gateway.done:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	for pause := firstRetry; ; pause = min(2*pause, lastRetry) {
		// A program that listens for IPv6 only is rare: no time is lost for it
		// at first.
		dial := f.gateway.dialIPv4
		if pause == lastRetry {
			dial = f.gateway.dialTCP
		}
		attempt, cancel := context.WithTimeout(ctx, unanswered)
		c, err := dial(attempt, f.port)
		cancel()
		if err == nil {
			f.up.Store(true)
			return c, nil
		}
		select {
		case <-time.After(pause):
		case <-f.gateway.done:
			return nil, net.ErrClosed
		case <-ctx.Done():
			return nil, err
		}
	}
}

// udpForward is a UDP port of the host that leads to the guest.
type udpForward struct {
	conn    *net.UDPConn
	gateway *Gateway
	port    uint16

	mu    sync.Mutex
	flows map[netip.AddrPort]*udpFlow // by the client's address
}

// Addr implements forward.
func (f *udpForward) Addr() net.Addr { return f.conn.LocalAddr() }

// Close implements forward.
func (f *udpForward) Close() error { return f.conn.Close() }

// serve hands packets to the flows of their clients until the socket is closed.
func (f *udpForward) serve() {
	b := make([]byte, maxDatagram)
	for {
		n, client, err := f.conn.ReadFromUDPAddrPort(b)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			continue // an earlier packet was refused
		}
		if w, err := f.flow(client, b[:n]); err == nil {
			w.toGuest(b[:n])
		}
	}
}

// flow returns the flow of a client that has sent a packet. If there is none it
// makes one, over IPv4, or over IPv6 if nobody in the guest wants the packet there.
func (f *udpForward) flow(client netip.AddrPort, packet []byte) (*udpFlow, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if w := f.flows[client]; w != nil {
		return w, nil
	}
	guest, err := f.gateway.dialUDP(Router4, netip.AddrPortFrom(Guest4, f.port))
	if err != nil {
		return nil, err
	}
	w := newUDPFlow(guest, func(b []byte) error {
		_, err := f.conn.WriteToUDPAddrPort(b, client)
		return err
	})
	f.flows[client] = w
	first := bytes.Clone(packet)
	go func() {
		if w.serve() == errRefused {
			if guest, err := f.gateway.dialUDP(Router6, netip.AddrPortFrom(Guest6, f.port)); err == nil {
				w.guest.Store(guest)
				w.toGuest(first)
				w.serve() // nobody there either: the packet is lost
			}
		}
		f.mu.Lock()
		delete(f.flows, client)
		f.mu.Unlock()
	}()
	return w, nil
}
