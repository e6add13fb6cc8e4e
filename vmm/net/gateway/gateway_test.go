package gateway

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"gvisor.dev/gvisor/pkg/buffer"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/adapters/gonet"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/link/channel"
	"gvisor.dev/gvisor/pkg/tcpip/link/ethernet"
	"gvisor.dev/gvisor/pkg/tcpip/network/arp"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv4"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv6"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
	"gvisor.dev/gvisor/pkg/tcpip/transport/icmp"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
	"gvisor.dev/gvisor/pkg/tcpip/transport/udp"
	"gvisor.dev/gvisor/pkg/waiter"

	"ringo.dev/ringo/drivers/virtio/spec"
	vmmnet "ringo.dev/ringo/vmm/net"
)

// guest is a network stack at the other end of a gateway's wire, in the place
// of a virtual machine. It implements net.Card.
type guest struct {
	*stack.Stack
	g    vmmnet.Backend
	ch   *channel.Endpoint
	buf  [2 * maxDatagram]byte
	in   chan *stack.PacketBuffer
	stop context.CancelFunc
	wg   sync.WaitGroup
}

// newGuest attaches a guest to g. offload says whether its card takes part in
// checksum and segmentation offload.
func newGuest(t testing.TB, g vmmnet.Backend, offload bool) *guest {
	t.Helper()
	const mac = tcpip.LinkAddress("\x02\x00\x00\x00\x00\x15")
	v := &guest{g: g, ch: channel.New(4096, mtu, mac), in: make(chan *stack.PacketBuffer, 1<<16)}
	features := uint64(0)
	if offload {
		features = g.Features()
		v.ch.SupportedGSOKind = stack.HostGSOSupported
		v.ch.LinkEPCapabilities = stack.CapabilityRXChecksumOffload
	}
	v.Stack = stack.New(stack.Options{
		NetworkProtocols: []stack.NetworkProtocolFactory{arp.NewProtocol, ipv4.NewProtocol, ipv6.NewProtocolWithOptions(ipv6.Options{
			NDPConfigs:                   ipv6.NDPConfigurations{HandleRAs: ipv6.HandlingRAsEnabledWhenForwardingDisabled, AutoGenGlobalAddresses: true, DiscoverDefaultRouters: true, MaxRtrSolicitations: 3, RtrSolicitationInterval: time.Second},
			AutoGenLinkLocal:             true,
			AllowExternalLoopbackTraffic: false,
		})},
		TransportProtocols: []stack.TransportProtocolFactory{tcp.NewProtocol, udp.NewProtocol, icmp.NewProtocol4, icmp.NewProtocol6},
	})
	recovery := tcpip.TCPRecovery(0)
	v.SetTransportProtocolOption(tcp.ProtocolNumber, &recovery)
	if err := g.Attach(v, features); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	v.stop = cancel
	v.wg.Go(func() { v.transmit(ctx) })
	v.wg.Go(func() { v.receive(ctx) })
	if err := v.CreateNIC(nicID, ethernet.New(v.ch)); err != nil {
		t.Fatal(err)
	}
	err := v.AddProtocolAddress(nicID, tcpip.ProtocolAddress{
		Protocol:          header.IPv4ProtocolNumber,
		AddressWithPrefix: tcpip.AddressWithPrefix{Address: fromAddr(Guest4), PrefixLen: 24},
	}, stack.AddressProperties{})
	if err != nil {
		t.Fatal(err)
	}
	v.SetRouteTable([]tcpip.Route{
		{Destination: header.IPv4EmptySubnet, Gateway: fromAddr(Router4), NIC: nicID},
		{Destination: header.IPv6EmptySubnet, Gateway: fromAddr(routerLL), NIC: nicID},
	})
	t.Cleanup(func() {
		g.Detach()
		v.stop()
		v.wg.Wait()
		v.Destroy()
	})
	return v
}

// transmit sends the guest's frames to the gateway.
func (v *guest) transmit(ctx context.Context) {
	for {
		pkt := v.ch.ReadContext(ctx)
		if pkt == nil {
			return
		}
		var head [spec.NetHeaderLen]byte
		h := netHeader(pkt)
		h.Encode(head[:])
		v.g.Send(append([][]byte{head[:]}, pkt.AsSlices()...))
		pkt.DecRef()
		v.g.Flush()
	}
}

func (v *guest) Reserve(n int) [][]byte { return [][]byte{v.buf[:1000], v.buf[1000:]} }
func (v *guest) Flush()                 {}
func (v *guest) Wait() bool             { return false }
func (v *guest) Commit(n int) {
	pkt := stack.NewPacketBuffer(stack.PacketBufferOptions{Payload: buffer.MakeWithData(v.buf[spec.NetHeaderLen:n])})
	v.in <- pkt // like a driver: not handled within the gateway's call
}

// receive gives the gateway's frames to the stack.
func (v *guest) receive(ctx context.Context) {
	for {
		select {
		case pkt := <-v.in:
			v.ch.InjectInbound(0, pkt)
			pkt.DecRef()
		case <-ctx.Done():
			return
		}
	}
}

// newGateway returns a gateway that is closed at the end of the test.
func newGateway(t testing.TB, forwards ...Forward) *Gateway {
	t.Helper()
	g, err := New(forwards)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { g.Close() })
	return g
}

// TestMain checks that no gateway leaves goroutines behind.
func TestMain(m *testing.M) {
	before := runtime.NumGoroutine()
	code := m.Run()
	for range 200 {
		if runtime.NumGoroutine() <= before || code != 0 {
			os.Exit(code)
		}
		time.Sleep(10 * time.Millisecond)
	}
	b := make([]byte, 1<<16)
	fmt.Printf("%d goroutines are left, of %d:\n%s", runtime.NumGoroutine(), before, b[:runtime.Stack(b, true)])
	os.Exit(1)
}

// serveEcho serves TCP connections in the guest: what comes is sent back, and
// the end of the data answered by the end of the data.
func (v *guest) serveEcho(t testing.TB, port uint16) {
	t.Helper()
	v.serveEchoOn(t, port, header.IPv4ProtocolNumber)
}

// serveEchoOn is serveEcho for a family of addresses.
func (v *guest) serveEchoOn(t testing.TB, port uint16, family tcpip.NetworkProtocolNumber) {
	t.Helper()
	l, err := gonet.ListenTCP(v.Stack, tcpip.FullAddress{NIC: nicID, Port: port}, family)
	if err != nil {
		t.Fatal(err)
	}
	v.wg.Go(func() {
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
	})
	t.Cleanup(func() { l.Close() })
}

// exchangeData sends n bytes over c, ends that direction, and checks that the
// same bytes come back, followed by the end of the data.
func exchangeData(c interface {
	io.ReadWriter
	CloseWrite() error
}, n int) error {
	data := make([]byte, n)
	r := rand.NewChaCha8([32]byte{byte(n)})
	r.Read(data)
	sent := make(chan error, 1)
	go func() {
		_, err := c.Write(data)
		sent <- errors.Join(err, c.CloseWrite())
	}()
	back, err := io.ReadAll(c)
	if err := errors.Join(err, <-sent); err != nil {
		return err
	}
	if sha256.Sum256(back) != sha256.Sum256(data) {
		return fmt.Errorf("%d bytes came back as other %d", n, len(back))
	}
	return nil
}

func local(t testing.TB, g *Gateway, i int) string {
	_, port, err := net.SplitHostPort(g.Addrs()[i].String())
	if err != nil {
		t.Fatal(err)
	}
	return "127.0.0.1:" + port
}

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
