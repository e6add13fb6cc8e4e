package gateway

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/adapters/gonet"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/stack"

	vmmnet "ringo.dev/ringo/vmm/net"
)

func TestForwardTCP(t *testing.T) {
	for _, offload := range []bool{false, true} {
		t.Run(fmt.Sprintf("offload=%v", offload), func(t *testing.T) {
			g := newGateway(t, Forward{Guest: 7})
			v := newGuest(t, g, offload)
			v.serveEcho(t, 7)
			for _, n := range []int{0, 1, 1000, 5 << 20} {
				c, err := net.Dial("tcp", local(t, g, 0))
				if err != nil {
					t.Fatal(err)
				}
				if err := exchangeData(c.(*net.TCPConn), n); err != nil {
					t.Errorf("%d bytes: %v", n, err)
				}
				c.Close()
			}
		})
	}
}

// TestFaults sends data both ways over a bad link.
func TestFaults(t *testing.T) {
	for name, f := range map[string]vmmnet.Faults{
		"loss and reordering": {Drop: 0.05, Reorder: 0.05, ReorderBy: 2 * time.Millisecond, Seed: 1},
		"corruption":          {Corrupt: 0.02, Duplicate: 0.05, Seed: 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel() // they mostly wait
			g := newGateway(t, Forward{Guest: 7})
			v := newGuest(t, vmmnet.WithFaults(g, f), false)
			v.serveEcho(t, 7)
			c, err := net.Dial("tcp", local(t, g, 0))
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			start := time.Now()
			if err := exchangeData(c.(*net.TCPConn), 300<<10); err != nil {
				t.Error(err)
			}
			t.Log(time.Since(start))
		})
	}
}

// TestForwardEarly connects before there is a guest, and before it listens.
func TestForwardEarly(t *testing.T) {
	g := newGateway(t, Forward{Guest: 7})
	done := make(chan error)
	go func() {
		c, err := net.Dial("tcp", local(t, g, 0))
		if err == nil {
			err = exchangeData(c.(*net.TCPConn), 100)
			c.Close()
		}
		done <- err
	}()
	time.Sleep(50 * time.Millisecond)
	v := newGuest(t, g, true)
	time.Sleep(50 * time.Millisecond)
	v.serveEcho(t, 7)
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// takeIPv6 gives the guest its address without waiting for a router's advertisement.
func (v *guest) takeIPv6(t *testing.T) {
	t.Helper()
	err := v.AddProtocolAddress(nicID, tcpip.ProtocolAddress{
		Protocol:          header.IPv6ProtocolNumber,
		AddressWithPrefix: tcpip.AddressWithPrefix{Address: fromAddr(Guest6), PrefixLen: 64},
	}, stack.AddressProperties{})
	if err != nil {
		t.Fatal(err)
	}
}

// TestForwardIPv6 connects to a guest that listens for IPv6 only.
func TestForwardIPv6(t *testing.T) {
	g := newGateway(t, Forward{Guest: 7})
	v := newGuest(t, g, true)
	v.takeIPv6(t)
	v.serveEchoOn(t, 7, header.IPv6ProtocolNumber)
	for range 2 { // the second time it is known to be up
		c, err := net.Dial("tcp", local(t, g, 0))
		if err != nil {
			t.Fatal(err)
		}
		if err := exchangeData(c.(*net.TCPConn), 1000); err != nil {
			t.Error(err)
		}
		c.Close()
	}
}

// TestForwardRefused connects to a port on which the guest has stopped to
// listen.
func TestForwardRefused(t *testing.T) {
	g := newGateway(t, Forward{Guest: 7})
	newGuest(t, g, true)
	g.forwards[0].(*tcpForward).up.Store(true)
	c, err := net.Dial("tcp", local(t, g, 0))
	if err == nil {
		defer c.Close()
		_, err = c.Read(make([]byte, 1))
	}
	if !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("got %v, want a reset", err)
	}
}

func TestForwardMany(t *testing.T) {
	g := newGateway(t, Forward{Guest: 7})
	v := newGuest(t, g, true)
	v.serveEcho(t, 7)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 250 {
				c, err := net.Dial("tcp", local(t, g, 0))
				if err != nil {
					t.Error(err)
					return
				}
				if err := exchangeData(c.(*net.TCPConn), 300); err != nil {
					t.Error(err)
				}
				c.Close()
			}
		})
	}
	wg.Wait()
}

func TestForwardUDP(t *testing.T) {
	g := newGateway(t, Forward{Guest: 9, UDP: true})
	v := newGuest(t, g, true)
	checkForwardUDP(t, g, v, header.IPv4ProtocolNumber)
}

// TestForwardUDPIPv6 sends to a guest that receives over IPv6 only.
func TestForwardUDPIPv6(t *testing.T) {
	g := newGateway(t, Forward{Guest: 9, UDP: true})
	v := newGuest(t, g, true)
	v.takeIPv6(t)
	checkForwardUDP(t, g, v, header.IPv6ProtocolNumber)
}

// checkForwardUDP echoes datagrams in the guest, and wants those that clients send
// to the forwarded port back.
func checkForwardUDP(t *testing.T, g *Gateway, v *guest, family tcpip.NetworkProtocolNumber) {
	t.Helper()
	s, err := gonet.DialUDP(v.Stack, &tcpip.FullAddress{NIC: nicID, Port: 9}, nil, family)
	if err != nil {
		t.Fatal(err)
	}
	v.wg.Go(func() {
		b := make([]byte, maxDatagram)
		for {
			n, from, err := s.ReadFrom(b)
			if err != nil {
				return
			}
			s.WriteTo(b[:n], from)
		}
	})
	t.Cleanup(func() { s.Close() })
	for range 3 { // clients, each with its own flow
		c, err := net.Dial("udp", local(t, g, 0))
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		for _, n := range []int{1, 1000, 9000} {
			data := bytes.Repeat([]byte{byte(n)}, n)
			c.SetDeadline(time.Now().Add(5 * time.Second))
			b := make([]byte, maxDatagram)
			if _, err := c.Write(data); err != nil {
				t.Fatal(err)
			}
			k, err := c.Read(b)
			if err != nil || !bytes.Equal(b[:k], data) {
				t.Fatalf("%d bytes came back as %d: %v", n, k, err)
			}
		}
	}
}

func TestForwardInUse(t *testing.T) {
	l, err := net.Listen("tcp", ":0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	host := netip.AddrPortFrom(netip.Addr{}, l.Addr().(*net.TCPAddr).AddrPort().Port())
	g, err := New([]Forward{{Host: host, Guest: 80}})
	if err == nil {
		g.Close()
	}
	if err == nil || !strings.Contains(err.Error(), fmt.Sprintf("port %d of the host is in use", host.Port())) {
		t.Errorf("got %v", err)
	}
}

func TestForwardTwice(t *testing.T) {
	l, err := net.Listen("tcp", ":0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	host := netip.AddrPortFrom(netip.Addr{}, l.Addr().(*net.TCPAddr).AddrPort().Port())
	g, err := New([]Forward{{Host: host, Guest: 80}, {Host: host, Guest: 80, UDP: true}, {Host: host, Guest: 81}})
	if err == nil {
		g.Close()
	}
	if err == nil || !strings.Contains(err.Error(), ":81: that port of the host is forwarded already") {
		t.Errorf("got %v", err)
	}
}

func TestParseForward(t *testing.T) {
	for in, want := range map[string]string{
		"8080:80":           "8080:80",
		"9000:9000/udp":     "9000:9000/udp",
		"127.0.0.1:8080:80": "127.0.0.1:8080:80",
		"[::1]:53:5353/udp": "[::1]:53:5353/udp",
		"0:80/tcp":          "0:80",
		"":                  "",
		"80":                "",
		"80:":               "",
		"80:0":              "",
		"80:70000":          "",
		"-1:80":             "",
		"localhost:8080:80": "",
		"8080:80/sctp":      "",
		"1.2.3:8080:80":     "",
		"1.2.3.4:5:8080:80": "",
	} {
		f, err := ParseForward(in)
		switch {
		case err == nil && f.String() != want:
			t.Errorf("%q: got %q, want %q", in, f, want)
		case err != nil && want != "":
			t.Errorf("%q: %v", in, err)
		}
	}
}

func BenchmarkForwardConnect(b *testing.B) {
	g := newGateway(b, Forward{Guest: 7})
	v := newGuest(b, g, true)
	v.serveEcho(b, 7)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			c, err := net.Dial("tcp", local(b, g, 0))
			if err != nil {
				b.Error(err)
				return
			}
			if err := exchangeData(c.(*net.TCPConn), 300); err != nil {
				b.Error(err)
			}
			c.Close()
		}
	})
}

func BenchmarkForwardStream(b *testing.B) {
	g := newGateway(b, Forward{Guest: 7})
	v := newGuest(b, g, true)
	v.serveEcho(b, 7)
	c, err := net.Dial("tcp", local(b, g, 0))
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	const chunk = 1 << 20
	b.SetBytes(2 * chunk)
	go func() {
		data := make([]byte, chunk)
		for range b.N {
			c.Write(data)
		}
		c.(*net.TCPConn).CloseWrite()
	}()
	if n, err := io.Copy(io.Discard, c); err != nil || n != int64(b.N)*chunk {
		b.Errorf("%d bytes came back: %v", n, err)
	}
}
