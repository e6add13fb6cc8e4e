package netstack

import (
	"encoding/binary"
	"io"
	"net/netip"
	"syscall"
	"testing"
	"time"

	"ringo.dev/ringo/kernel"
)

// conn drives a socket the way package net does: without blocking calls,
// waiting through the queue after EAGAIN.
type conn struct {
	t testing.TB
	s kernel.Socket
}

// ioTimeout bounds every wait: a test that needs longer hangs.
const ioTimeout = 60 * time.Second

// open makes a socket that the test closes at its end.
func open(t testing.TB, n *Stack, family, typ, proto int) *conn {
	t.Helper()
	s, err := n.Inet(family)(typ, proto)
	if err != 0 {
		t.Fatalf("socket(%d, %d, %d): %v", family, typ, proto, err)
	}
	c := &conn{t, s}
	return c
}

// wait waits for events.
func (c *conn) wait(events kernel.Events) {
	c.t.Helper()
	if !c.waitFor(events, ioTimeout) {
		c.t.Fatalf("timeout waiting for events %#x; ready: %#x", events, c.s.Ready())
	}
}

func (c *conn) waitFor(events kernel.Events, timeout time.Duration) bool {
	woken := make(chan struct{}, 1)
	w := &kernel.Waiter{Mask: events, Notify: func(kernel.Events) {
		select {
		case woken <- struct{}{}:
		default:
		}
	}}
	c.s.Queue().Add(w)
	defer c.s.Queue().Remove(w)
	t := time.NewTimer(timeout)
	defer t.Stop()
	for {
		if c.s.Ready()&(events|kernel.EventErr|kernel.EventHup) != 0 {
			return true
		}
		select {
		case <-woken:
		case <-t.C:
			return false
		}
	}
}

// sockaddr returns a as a sockaddr of its own family.
func sockaddr(a netip.AddrPort) []byte {
	var b []byte
	if a.Addr().Is4() {
		b = binary.NativeEndian.AppendUint16(b, syscall.AF_INET)
		b = binary.BigEndian.AppendUint16(b, a.Port())
		b = append(b, a.Addr().AsSlice()...)
		return append(b, make([]byte, 8)...)
	}
	b = binary.NativeEndian.AppendUint16(b, syscall.AF_INET6)
	b = binary.BigEndian.AppendUint16(b, a.Port())
	b = append(b, 0, 0, 0, 0)
	b = append(b, a.Addr().AsSlice()...)
	return append(b, 0, 0, 0, 0)
}

// addrPort reads a sockaddr.
func addrPort(t testing.TB, b []byte) netip.AddrPort {
	t.Helper()
	if len(b) < 2 {
		t.Fatalf("sockaddr of %d bytes", len(b))
	}
	port := binary.BigEndian.Uint16(b[2:])
	switch family := binary.NativeEndian.Uint16(b); {
	case family == syscall.AF_INET && len(b) == sockaddrInSize:
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte(b[4:8])), port)
	case family == syscall.AF_INET6 && len(b) == sockaddrIn6Size:
		return netip.AddrPortFrom(netip.AddrFrom16([16]byte(b[8:24])), port)
	}
	t.Fatalf("bad sockaddr % x", b)
	return netip.AddrPort{}
}

func (c *conn) local() netip.AddrPort {
	c.t.Helper()
	b, err := c.s.LocalAddr()
	if err != 0 {
		c.t.Fatalf("getsockname: %v", err)
	}
	return addrPort(c.t, b)
}

func (c *conn) remote() netip.AddrPort {
	c.t.Helper()
	b, err := c.s.PeerAddr()
	if err != 0 {
		c.t.Fatalf("getpeername: %v", err)
	}
	return addrPort(c.t, b)
}

// listen makes a listener; port 0 lets the stack choose.
func listen(t testing.TB, n *Stack, a netip.AddrPort) *conn {
	t.Helper()
	c := open(t, n, familyOf(a.Addr()), syscall.SOCK_STREAM, 0)
	if err := c.s.SetOption(syscall.SOL_SOCKET, syscall.SO_REUSEADDR, int32Bytes(1)); err != 0 {
		t.Fatalf("SO_REUSEADDR: %v", err)
	}
	if err := c.s.Bind(sockaddr(a)); err != 0 {
		t.Fatalf("bind %v: %v", a, err)
	}
	if err := c.s.Listen(MaxBacklog); err != 0 {
		t.Fatalf("listen: %v", err)
	}
	return c
}

func familyOf(a netip.Addr) int {
	if a.Is4() {
		return syscall.AF_INET
	}
	return syscall.AF_INET6
}

func int32Bytes(v int32) []byte { return binary.NativeEndian.AppendUint32(nil, uint32(v)) }

func (c *conn) accept() *conn {
	c.t.Helper()
	for {
		s, peer, err := c.s.Accept()
		switch err {
		case 0:
			addrPort(c.t, peer)
			return &conn{c.t, s}
		case syscall.EAGAIN:
			c.wait(kernel.EventIn)
		default:
			c.t.Fatalf("accept: %v", err)
		}
	}
}

// connect connects as package net does; the error is SO_ERROR's.
func (c *conn) connect(a netip.AddrPort) kernel.Errno {
	c.t.Helper()
	err := c.s.Connect(sockaddr(a))
	if err != syscall.EINPROGRESS {
		return err
	}
	c.wait(kernel.EventOut)
	return c.socketError()
}

func (c *conn) socketError() kernel.Errno {
	c.t.Helper()
	return kernel.Errno(c.intOption(syscall.SOL_SOCKET, syscall.SO_ERROR))
}

func (c *conn) intOption(level, name int) int {
	c.t.Helper()
	var b [4]byte
	n, err := c.s.Option(level, name, b[:])
	if err != 0 || n != 4 {
		c.t.Fatalf("getsockopt(%d, %d): %d bytes, %v", level, name, n, err)
	}
	return int(int32(binary.NativeEndian.Uint32(b[:])))
}

// dial makes a connected TCP socket.
func dial(t testing.TB, n *Stack, a netip.AddrPort) *conn {
	t.Helper()
	c := open(t, n, familyOf(a.Addr()), syscall.SOCK_STREAM, 0)
	if err := c.connect(a); err != 0 {
		t.Fatalf("connect %v: %v", a, err)
	}
	return c
}

// Read implements io.Reader.
func (c *conn) Read(p []byte) (int, error) {
	for {
		n, err := c.s.Read(p)
		switch {
		case err == syscall.EAGAIN:
			c.wait(kernel.EventIn)
		case err != 0:
			return n, err
		case n == 0 && len(p) > 0:
			return 0, io.EOF
		default:
			return n, nil
		}
	}
}

// Write implements io.Writer.
func (c *conn) Write(p []byte) (int, error) {
	done := 0
	for done < len(p) {
		n, err := c.s.Write(p[done:])
		done += n
		switch err {
		case 0:
		case syscall.EAGAIN:
			c.wait(kernel.EventOut)
		default:
			return done, err
		}
	}
	return done, nil
}

func (c *conn) close() {
	c.t.Helper()
	if err := c.s.Close(); err != 0 {
		c.t.Fatalf("close: %v", err)
	}
}

// sendTo and receiveFrom transfer one datagram.
func (c *conn) sendTo(p []byte, to netip.AddrPort) kernel.Errno {
	m := kernel.Message{Data: [][]byte{p}}
	if to.IsValid() {
		m.Name = sockaddr(to)
	}
	n, err := c.s.Send(&m, 0)
	if err == 0 && n != len(p) {
		c.t.Fatalf("sent %d bytes of %d", n, len(p))
	}
	return err
}

func (c *conn) receiveFrom(p []byte) (int, netip.AddrPort, *kernel.Message) {
	c.t.Helper()
	m := kernel.Message{Data: [][]byte{p}, Name: make([]byte, 128), Control: make([]byte, 256)}
	for {
		n, err := c.s.Receive(&m, 0)
		switch err {
		case 0:
			return n, addrPort(c.t, m.Name[:m.NameLen]), &m
		case syscall.EAGAIN:
			c.wait(kernel.EventIn)
		default:
			c.t.Fatalf("receive: %v", err)
		}
	}
}
