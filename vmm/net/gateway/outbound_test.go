package gateway

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"strings"
	"syscall"
	"testing"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/adapters/gonet"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/transport/icmp"
	"gvisor.dev/gvisor/pkg/waiter"
)

// dial connects from the guest.
func (v *guest) dial(to netip.AddrPort) (*gonet.TCPConn, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	return gonet.DialContextTCP(ctx, v.Stack, fromAddrPort(to), protocolOf(to.Addr()))
}

// serveHost serves echo on the host's loopback.
func serveHost(t testing.TB, addr string) uint16 {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		t.Skip(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				io.Copy(c, c)
				c.Close()
			}()
		}
	}()
	return l.Addr().(*net.TCPAddr).AddrPort().Port()
}

func TestOutboundTCP(t *testing.T) {
	port := serveHost(t, "127.0.0.1:0")
	g := newGateway(t)
	v := newGuest(t, g, true)
	c, err := v.dial(netip.AddrPortFrom(Router4, port))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := exchangeData(c, 3<<20); err != nil {
		t.Error(err)
	}
	if _, err := v.dial(netip.AddrPortFrom(Router4, 1)); err == nil || !strings.Contains(err.Error(), "refused") {
		t.Errorf("a port that nobody listens on: %v", err)
	}
}

// TestIPv6 takes an address from the router advertisement, and uses it.
func TestIPv6(t *testing.T) {
	port := serveHost(t, "[::1]:0")
	g := newGateway(t)
	v := newGuest(t, g, true)
	deadline := time.Now().Add(10 * time.Second)
	for {
		if a, err := v.GetMainNICAddress(nicID, header.IPv6ProtocolNumber); err == nil && Prefix6.Contains(toAddr(a.Address)) {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("no address with the prefix")
		}
		time.Sleep(10 * time.Millisecond)
	}
	c, err := v.dial(netip.AddrPortFrom(Router6, port))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := exchangeData(c, 1<<20); err != nil {
		t.Error(err)
	}
}

func TestOutboundUDP(t *testing.T) {
	s, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	go func() {
		b := make([]byte, maxDatagram)
		for {
			n, from, err := s.ReadFrom(b)
			if err != nil {
				return
			}
			s.WriteTo(b[:n], from)
		}
	}()
	g := newGateway(t)
	v := newGuest(t, g, true)
	to := fromAddrPort(netip.AddrPortFrom(Router4, s.LocalAddr().(*net.UDPAddr).AddrPort().Port()))
	c, err := gonet.DialUDP(v.Stack, nil, &to, header.IPv4ProtocolNumber)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for _, n := range []int{1, 1000, 9000} {
		data := bytes.Repeat([]byte{byte(n)}, n)
		c.SetDeadline(time.Now().Add(5 * time.Second))
		if _, err := c.Write(data); err != nil {
			t.Fatal(err)
		}
		b := make([]byte, maxDatagram)
		k, err := c.Read(b)
		if err != nil || !bytes.Equal(b[:k], data) {
			t.Fatalf("%d bytes came back as %d: %v", n, k, err)
		}
	}
}

// TestCloseOpen closes a gateway with connections of all kinds; TestMain finds
// what they leave behind.
func TestCloseOpen(t *testing.T) {
	port := serveHost(t, "127.0.0.1:0")
	g, err := New([]Forward{{Guest: 7}, {Guest: 9, UDP: true}})
	if err != nil {
		t.Fatal(err)
	}
	v := newGuest(t, g, true)
	v.serveEcho(t, 7)
	in, err := net.Dial("tcp", local(t, g, 0))
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	datagrams, err := net.Dial("udp", local(t, g, 1))
	if err != nil {
		t.Fatal(err)
	}
	defer datagrams.Close()
	out, err := v.dial(netip.AddrPortFrom(Router4, port))
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	b := make([]byte, 1)
	for _, c := range []net.Conn{in, out} {
		if _, err := c.Write(b); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Read(b); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := datagrams.Write(b); err != nil {
		t.Fatal(err)
	}
	g.Detach()
	g.Close()
	in.SetReadDeadline(time.Now().Add(5 * time.Second))
	if _, err := in.Read(b); !errors.Is(err, syscall.ECONNRESET) && err != io.EOF {
		t.Errorf("a connection through the closed gateway: %v", err)
	}
}

// ping sends an echo request from the guest and waits for the reply.
func (v *guest) ping(t *testing.T, to netip.Addr) error {
	t.Helper()
	var q waiter.Queue
	ep, err := v.NewEndpoint(icmp.ProtocolNumber4, header.IPv4ProtocolNumber, &q)
	if err != nil {
		t.Fatal(err)
	}
	defer ep.Close()
	if err := ep.Connect(fromAddrPort(netip.AddrPortFrom(to, 0))); err != nil {
		t.Fatal(err)
	}
	entry, in := waiter.NewChannelEntry(waiter.ReadableEvents)
	q.EventRegister(&entry)
	echo := make(header.ICMPv4, header.ICMPv4MinimumSize+10)
	echo.SetType(header.ICMPv4Echo)
	if _, err := ep.Write(bytes.NewReader(echo), tcpip.WriteOptions{}); err != nil {
		return stackError(err)
	}
	select {
	case <-in:
		return nil
	case <-time.After(300 * time.Millisecond):
		return errors.New("no answer")
	}
}

func TestPing(t *testing.T) {
	g := newGateway(t)
	v := newGuest(t, g, true)
	if err := v.ping(t, Router4); err != nil {
		t.Error(err)
	}
	if err := v.ping(t, netip.MustParseAddr("192.0.2.1")); err == nil {
		t.Error("the gateway answers for others")
	}
}
