package netstack

import (
	"fmt"
	"io"
	"net/netip"
	"os"
	"syscall"
	"testing"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip/header"

	"ringo.dev/ringo/kernel"
)

func TestConnectErrors(t *testing.T) {
	a, b := newPair(t, true, faults{})
	t.Run("refused", func(t *testing.T) {
		c := open(t, a.Stack, syscall.AF_INET, syscall.SOCK_STREAM, 0)
		defer c.close()
		if err := c.connect(netip.AddrPortFrom(b.ip4, 9)); err != syscall.ECONNREFUSED {
			t.Errorf("got %v", err)
		}
	})
	t.Run("refused on loopback", func(t *testing.T) {
		c := open(t, a.Stack, syscall.AF_INET6, syscall.SOCK_STREAM, 0)
		defer c.close()
		if err := c.connect(netip.AddrPortFrom(netip.IPv6Loopback(), 9)); err != syscall.ECONNREFUSED {
			t.Errorf("got %v", err)
		}
	})
	t.Run("no route", func(t *testing.T) {
		c := open(t, a.Stack, syscall.AF_INET, syscall.SOCK_STREAM, 0)
		defer c.close()
		if err := c.connect(netip.MustParseAddrPort("192.0.2.1:80")); err != syscall.ENETUNREACH {
			t.Errorf("got %v", err)
		}
	})
	t.Run("nobody there", func(t *testing.T) {
		c := open(t, a.Stack, syscall.AF_INET, syscall.SOCK_STREAM, 0)
		defer c.close()
		if err := c.connect(netip.MustParseAddrPort("10.1.0.99:80")); err != syscall.EHOSTUNREACH {
			t.Errorf("got %v", err)
		}
	})
	t.Run("states", func(t *testing.T) {
		l := listen(t, b.Stack, netip.AddrPortFrom(b.ip4, 0))
		defer l.close()
		c := open(t, a.Stack, syscall.AF_INET, syscall.SOCK_STREAM, 0)
		defer c.close()
		if c.s.Ready()&kernel.EventHup == 0 {
			t.Error("a new socket does not report HUP")
		}
		if _, err := c.s.PeerAddr(); err != syscall.ENOTCONN {
			t.Errorf("getpeername: %v", err)
		}
		to := sockaddr(l.local())
		if err := c.s.Connect(to); err != syscall.EINPROGRESS {
			t.Fatalf("first connect: %v", err)
		}
		c.wait(kernel.EventOut)
		if err := c.s.Connect(to); err != 0 {
			t.Errorf("second connect: %v", err)
		}
		if err := c.s.Connect(to); err != syscall.EISCONN {
			t.Errorf("third connect: %v", err)
		}
	})
}

// TestPortExhaustion runs out of local ports.
func TestPortExhaustion(t *testing.T) {
	s := newLocal(t)
	if err := s.ip.SetPortRange(50000, 50003); err != nil {
		t.Fatal(err)
	}
	l := listen(t, s, netip.MustParseAddrPort("127.0.0.1:80"))
	defer l.close()
	for range 10 {
		c := open(t, s, syscall.AF_INET, syscall.SOCK_STREAM, 0)
		defer c.close()
		switch err := c.connect(l.local()); err {
		case 0:
		case syscall.EADDRNOTAVAIL:
			return
		default:
			t.Fatalf("connect: %v", err)
		}
	}
	t.Error("never ran out of ports")
}

func TestBindErrors(t *testing.T) {
	s := newLocal(t)
	l := listen(t, s, netip.MustParseAddrPort("127.0.0.1:0"))
	defer l.close()
	c := open(t, s, syscall.AF_INET, syscall.SOCK_STREAM, 0)
	defer c.close()
	if err := c.s.Bind(sockaddr(l.local())); err != syscall.EADDRINUSE {
		t.Errorf("port in use: %v", err)
	}
	if err := c.s.Bind(sockaddr(netip.MustParseAddrPort("192.0.2.1:80"))); err != syscall.EADDRNOTAVAIL {
		t.Errorf("foreign address: %v", err)
	}
	if err := c.s.Bind(sockaddr(netip.MustParseAddrPort("[::1]:80"))); err != syscall.EAFNOSUPPORT {
		t.Errorf("other family: %v", err)
	}
	if err := c.s.Bind([]byte{2}); err != syscall.EINVAL {
		t.Errorf("short address: %v", err)
	}
}

// TestManyConnections opens and closes connections at a server that closes
// first, as HTTP/1.0 servers do: none fails, and the closed ones are bounded.
func TestManyConnections(t *testing.T) {
	a, b := newPair(t, true, faults{})
	b.closed.soft, b.closed.hard = 50, 200
	n := 3000
	if testing.Short() || raceEnabled {
		n = 300
	}
	l := listen(t, b.Stack, netip.AddrPortFrom(b.ip4, 80))
	defer l.close()
	const clients = 20
	go func() {
		for range n / clients * clients {
			c := l.accept()
			go func() {
				defer c.close()
				b := make([]byte, 16)
				if m, err := c.Read(b); err == nil {
					c.Write(b[:m])
				}
			}()
		}
	}()
	done := make(chan error)
	for range clients {
		go func() {
			for range n / clients {
				c := dial(t, a.Stack, l.local())
				c.Write([]byte("hello"))
				got, err := io.ReadAll(c)
				c.close()
				if err != nil || string(got) != "hello" {
					done <- fmt.Errorf("got %q, %v", got, err)
					return
				}
			}
			done <- nil
		}()
	}
	for range clients {
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	}
	waitUntil(t, func() bool { return b.closed.count() <= b.closed.soft+clients })
	waitUntil(t, func() bool { return a.closed.count() <= a.closed.soft })
}

// TestOwnAddress connects to an address of the machine's own card.
func TestOwnAddress(t *testing.T) {
	a, _ := newPair(t, true, faults{})
	for _, ip := range []netip.Addr{a.ip4, a.ip6} {
		transfer(t, a.Stack, a.Stack, ip, 1<<20)
	}
	l := listen(t, a.Stack, netip.AddrPortFrom(netip.IPv4Unspecified(), 0))
	defer l.close()
	c := dial(t, a.Stack, l.local()) // 0.0.0.0 is the machine itself
	defer c.close()
	if got := c.remote().Addr(); got != netip.MustParseAddr("127.0.0.1") {
		t.Errorf("connected to %v", got)
	}
}

// TestBacklog connects to a listener that does not accept: what its backlog
// cannot hold waits, and gets through when it accepts. As with SYN cookies
// elsewhere, that takes a client that speaks first: only what it sends again
// shows the server that there is a connection.
func TestBacklog(t *testing.T) {
	a, b := newPair(t, true, faults{})
	l := open(t, b.Stack, syscall.AF_INET, syscall.SOCK_STREAM, 0)
	defer l.close()
	if err := l.s.Bind(sockaddr(netip.AddrPortFrom(b.ip4, 80))); err != 0 {
		t.Fatal(err)
	}
	if err := l.s.Listen(2); err != 0 {
		t.Fatal(err)
	}
	const n = 8
	var conns []*conn
	for range n {
		c := open(t, a.Stack, syscall.AF_INET, syscall.SOCK_STREAM, 0)
		defer c.close()
		if err := c.s.Connect(sockaddr(netip.AddrPortFrom(b.ip4, 80))); err != syscall.EINPROGRESS {
			t.Fatal(err)
		}
		conns = append(conns, c)
	}
	done := make(chan error)
	for _, c := range conns {
		go func() {
			c.wait(kernel.EventOut)
			c.Write([]byte("x"))
			_, err := io.ReadFull(c, make([]byte, 1))
			done <- err
		}()
	}
	for range n {
		c := l.accept()
		go io.Copy(c, c)
		defer c.close()
	}
	for range n {
		if err := <-done; err != nil {
			t.Errorf("a connection failed: %v", err)
		}
	}
}

// TestWaitsForConfiguration connects before there is an address.
func TestWaitsForConfiguration(t *testing.T) {
	guest, wire := newWire(true, faults{})
	srv := newDHCPServer(t, wire)
	srv.extra = usualOptions
	g := newDHCPGuest(t, guest)
	result := make(chan kernel.Errno)
	go func() {
		c := open(t, g.Stack, syscall.AF_INET, syscall.SOCK_DGRAM, 0)
		defer c.close()
		result <- c.s.Connect(sockaddr(netip.MustParseAddrPort("192.0.2.1:53")))
	}()
	// What stays on the machine does not wait.
	l := listen(t, g.Stack, netip.MustParseAddrPort("127.0.0.1:0"))
	defer l.close()
	dial(t, g.Stack, l.local()).close()
	select {
	case err := <-result:
		t.Fatalf("connected without an address: %v", err)
	default:
	}
	g.run(t)
	if err := <-result; err != 0 {
		t.Errorf("connect: %v", err)
	}
}

// TestSlowHandshake loses the first answer to a SYN, and the first data of the
// connection that comes of the second: the time that the handshake took must not
// count for a round trip.
func TestSlowHandshake(t *testing.T) {
	if os.Getenv(patchedEnv) == "" {
		t.Skip("for the stack that guests have, on which package rt/overlay runs it")
	}
	ca, cb := newWire(false, faults{})
	lostSYN, lostData := false, false
	cb.faults.lose = func(f *frame) bool {
		eth := header.Ethernet(f.data)
		if eth.Type() != header.IPv4ProtocolNumber {
			return false
		}
		ip := header.IPv4(f.data[header.EthernetMinimumSize:])
		segment := header.TCP(ip.Payload())
		switch {
		case segment.Flags().Contains(header.TCPFlagSyn) && !lostSYN:
			lostSYN = true
			return true
		case len(segment.Payload()) > 0 && !lostData:
			lostData = true
			return true
		}
		return false
	}
	a, b := newHost(t, ca, 1), newHost(t, cb, 2)
	l := listen(t, b.Stack, netip.AddrPortFrom(b.ip4, 0))
	go func() {
		c := l.accept()
		io.WriteString(c, "hello")
	}()
	c := dial(t, a.Stack, l.local())
	start := time.Now()
	if _, err := io.ReadFull(c, make([]byte, 5)); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(start); !lostSYN || !lostData || took > 1700*time.Millisecond { // a second, if nothing was measured (RFC 6298, 2.1)
		t.Errorf("repeating the first data took %v (lost: %v, %v)", took, lostSYN, lostData)
	}
}

// TestRepeatedSYN loses the first answer to a SYN. The SYN is then repeated, and
// that must be answered, at once and with its time stamp: by another answer to the
// first SYN the client would measure a round trip of a second.
func TestRepeatedSYN(t *testing.T) {
	if os.Getenv(patchedEnv) == "" {
		t.Skip("for the stack that guests have, on which package rt/overlay runs it")
	}
	ca, cb := newWire(false, faults{})
	type sent struct {
		flags     header.TCPFlags
		val, echo uint32
	}
	var client, server []sent // what was sent before the connection came about
	record := func(to *[]sent, f *frame) {
		if header.Ethernet(f.data).Type() == header.IPv4ProtocolNumber {
			segment := header.TCP(header.IPv4(f.data[header.EthernetMinimumSize:]).Payload())
			stamps := segment.ParsedOptions()
			*to = append(*to, sent{segment.Flags(), stamps.TSVal, stamps.TSEcr})
		}
	}
	ca.faults.lose = func(f *frame) bool { record(&client, f); return false }
	cb.faults.lose = func(f *frame) bool { record(&server, f); return len(server) == 1 }
	a, b := newHost(t, ca, 1), newHost(t, cb, 2)
	l := listen(t, b.Stack, netip.AddrPortFrom(b.ip4, 0))
	dial(t, a.Stack, l.local())
	l.accept()

	ca.Begin()
	cb.Begin()
	defer ca.End()
	defer cb.End()
	const synACK = header.TCPFlagSyn | header.TCPFlagAck
	if len(client) < 2 || len(server) != 2 || client[1].flags != header.TCPFlagSyn ||
		server[1].flags != synACK || server[1].echo != client[1].val {
		t.Errorf("the client sent %+v, the server %+v", client, server)
	}
}
