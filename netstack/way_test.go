package netstack

import (
	"encoding/binary"
	"net/netip"
	"os"
	"sync/atomic"
	"syscall"
	"testing"

	"gvisor.dev/gvisor/pkg/tcpip"

	"ringo.dev/ringo/kernel"
)

// TestWayOfDatagrams changes the machine's addresses, routes, interfaces and
// neighbours between datagrams of one socket, each of which has to go as the first
// datagram of a new socket would.
func TestWayOfDatagrams(t *testing.T) {
	var to atomic.Pointer[tcpip.LinkAddress] // of the frame that was sent last
	a, b := newPair(t, true, faults{lose: func(f *frame) bool {
		dst := tcpip.LinkAddress(f.data[:6])
		to.Store(&dst)
		return false
	}})
	server := bound(t, b.Stack, netip.AddrPortFrom(netip.IPv6Unspecified(), 53))
	defer server.close()
	client := open(t, a.Stack, syscall.AF_INET6, syscall.SOCK_DGRAM, 0)
	defer client.close()
	if err := client.s.Bind(sockaddr(netip.AddrPortFrom(netip.IPv6Unspecified(), 1000))); err != 0 {
		t.Fatal(err)
	}

	mapped := func(ip netip.Addr) netip.Addr { return netip.AddrFrom16(ip.As16()) }
	send := func(ip netip.Addr) kernel.Errno {
		return client.sendTo([]byte("x"), netip.AddrPortFrom(mapped(ip), 53))
	}
	// from sends a datagram, twice, and checks where the server sees it come from.
	from := func(what string, ip, want netip.Addr) {
		t.Helper()
		for range 2 {
			if err := send(ip); err != 0 {
				t.Fatalf("%s: %v", what, err)
			}
			if _, got, _ := server.receiveFrom(make([]byte, 10)); got.Addr() != mapped(want) {
				t.Errorf("%s: came from %v, want %v", what, got, want)
			}
		}
	}
	fails := func(what string, ip netip.Addr, want kernel.Errno) {
		t.Helper()
		for range 2 {
			if err := send(ip); err != want {
				t.Errorf("%s: %v, want %v", what, err, want)
			}
		}
	}
	must := func(err tcpip.Error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}

	for range 2 {
		from("IPv4", b.ip4, a.ip4)
		from("IPv6", b.ip6, a.ip6)
	}

	nearer := netip.MustParseAddr("10.1.0.3") // to 10.1.0.2 than 10.1.0.1 is
	if err := a.addAddress(a.nic, tcpip.AddressWithPrefix{Address: tcpip.AddrFrom4(nearer.As4()), PrefixLen: 24}); err != nil {
		t.Fatal(err)
	}
	from("a further address", b.ip4, nearer)
	must(a.ip.RemoveAddress(a.nic, tcpip.AddrFrom4(nearer.As4())))
	from("without it", b.ip4, a.ip4)

	routes := a.ip.GetRouteTable()
	a.ip.SetRouteTable(nil)
	fails("without routes", b.ip4, syscall.ENETUNREACH)
	a.ip.SetRouteTable(routes)
	from("with routes", b.ip4, a.ip4)

	must(a.ip.DisableNIC(a.nic))
	fails("without the interface", b.ip4, syscall.ENETUNREACH)
	must(a.ip.EnableNIC(a.nic))
	from("with the interface", b.ip4, a.ip4)

	device := func(name string) {
		t.Helper()
		if err := client.s.SetOption(syscall.SOL_SOCKET, syscall.SO_BINDTODEVICE, []byte(name+"\x00")); err != 0 {
			t.Fatal(err)
		}
	}
	device("lo")
	fails("by the loopback", b.ip4, syscall.ENETUNREACH)
	device("")
	from("by any interface", b.ip4, a.ip4)

	other := tcpip.LinkAddress("\x02\x00\x00\x00\x00\x09")
	must(a.ip.AddStaticNeighbor(a.nic, netProtoOf(tcpip.AddrFrom4(b.ip4.As4())), tcpip.AddrFrom4(b.ip4.As4()), other))
	if err := send(b.ip4); err != 0 {
		t.Fatal(err)
	}
	if got := *to.Load(); got != other {
		t.Errorf("to a neighbour with another card: sent to %v, want %v", got, other)
	}
	must(a.ip.RemoveNeighbor(a.nic, netProtoOf(tcpip.AddrFrom4(b.ip4.As4())), tcpip.AddrFrom4(b.ip4.As4())))
	from("to a neighbour that was forgotten", b.ip4, a.ip4)

	own := tcpip.AddrFrom4(a.ip4.As4())
	must(a.ip.RemoveAddress(a.nic, own))
	fails("without an IPv4 address", b.ip4, syscall.ENETUNREACH)
}

// TestWayOfConnected sends by a socket that is connected to somebody else, which gives it
// an address, and then by the same one disconnected: then another address is nearer.
func TestWayOfConnected(t *testing.T) {
	a, b := newPair(t, true, faults{})
	nearer := netip.MustParseAddr("10.1.0.3") // to 10.1.0.2 than 10.1.0.1 is
	if err := a.addAddress(a.nic, tcpip.AddressWithPrefix{Address: tcpip.AddrFrom4(nearer.As4()), PrefixLen: 24}); err != nil {
		t.Fatal(err)
	}
	server := bound(t, b.Stack, netip.AddrPortFrom(netip.IPv4Unspecified(), 53))
	defer server.close()
	client := open(t, a.Stack, syscall.AF_INET, syscall.SOCK_DGRAM, 0)
	defer client.close()
	to := netip.AddrPortFrom(b.ip4, 53)
	from := func(what string, want netip.Addr) {
		t.Helper()
		for range 2 {
			if err := client.sendTo([]byte("x"), to); err != 0 {
				t.Fatalf("%s: %v", what, err)
			}
			if _, got, _ := server.receiveFrom(make([]byte, 10)); got.Addr() != want {
				t.Errorf("%s: came from %v, want %v", what, got, want)
			}
		}
	}
	connect := func(to []byte) {
		t.Helper()
		if err := client.s.Connect(to); err != 0 {
			t.Fatal(err)
		}
	}
	disconnect := binary.NativeEndian.AppendUint16(nil, syscall.AF_UNSPEC)

	connect(sockaddr(netip.MustParseAddrPort("10.1.0.128:53")))
	from("connected to another", a.ip4)
	connect(disconnect)
	from("disconnected", nearer)
	connect(sockaddr(to))
	from("connected", nearer)
	connect(disconnect)
	from("disconnected again", nearer)
}

// TestWayToGroup sends to groups by the interface that was chosen last, also if the socket
// was connected to the group before.
func TestWayToGroup(t *testing.T) {
	if os.Getenv(patchedEnv) == "" {
		t.Skip("gVisor's original goes on by the interface that was chosen first")
	}
	a, b := newPair(t, true, faults{})
	for _, c := range []struct {
		name         string
		group        netip.Addr
		level, iface int
		join         int
		lo, eth      []byte // the interfaces, for the option
		from         netip.Addr
	}{
		{"IPv4", netip.MustParseAddr("224.0.0.251"), syscall.IPPROTO_IP, syscall.IP_MULTICAST_IF, syscall.IP_ADD_MEMBERSHIP,
			[]byte{127, 0, 0, 1}, a.ip4.AsSlice(), a.ip4},
		{"IPv6", netip.MustParseAddr("ff05::fb"), syscall.IPPROTO_IPV6, syscall.IPV6_MULTICAST_IF, syscall.IPV6_JOIN_GROUP,
			int32Bytes(loopbackNIC), int32Bytes(int32(a.nic)), a.ip6},
	} {
		t.Run(c.name, func(t *testing.T) {
			unspecified := netip.IPv4Unspecified()
			index := b.ip4.AsSlice()
			if c.group.Is6() {
				unspecified, index = netip.IPv6Unspecified(), int32Bytes(int32(b.nic))
			}
			server := bound(t, b.Stack, netip.AddrPortFrom(unspecified, 5353))
			defer server.close()
			if err := server.s.SetOption(c.level, c.join, append(c.group.AsSlice(), index...)); err != 0 {
				t.Fatal(err)
			}
			client := open(t, a.Stack, familyOf(c.group), syscall.SOCK_DGRAM, 0)
			defer client.close()
			send := func(text string, by []byte) {
				t.Helper()
				if err := client.s.SetOption(c.level, c.iface, by); err != 0 {
					t.Fatal(err)
				}
				if _, err := client.Write([]byte(text)); err != nil {
					t.Fatal(err)
				}
			}
			if err := client.s.SetOption(c.level, c.iface, c.lo); err != 0 {
				t.Fatal(err)
			}
			if err := client.connect(netip.AddrPortFrom(c.group, 5353)); err != 0 {
				t.Fatal(err)
			}
			for range 2 {
				send("to itself", c.lo)
				send("out", c.eth)
				buf := make([]byte, 10)
				if n, from, _ := server.receiveFrom(buf); string(buf[:n]) != "out" || from.Addr() != c.from {
					t.Errorf("got %q from %v", buf[:n], from)
				}
			}
		})
	}
}
