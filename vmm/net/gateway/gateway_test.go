package gateway

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"runtime"
	"sync"
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
