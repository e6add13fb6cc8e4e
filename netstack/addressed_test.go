package netstack

import (
	"net/netip"
	"testing"

	"gvisor.dev/gvisor/pkg/tcpip"

	"ringo.dev/ringo/kernel"
)

// TestAddressedToUs changes a machine's addresses between packets from one peer: each has
// to be taken or left as the addresses are then.
func TestAddressedToUs(t *testing.T) {
	a, b := newPair(t, true, faults{})
	client := bound(t, a.Stack, netip.AddrPortFrom(a.ip4, 1000))
	defer client.close()
	server := bound(t, b.Stack, netip.AddrPortFrom(netip.IPv4Unspecified(), 53))
	defer server.close()
	send := func(what string) {
		t.Helper()
		if err := client.sendTo([]byte(what), netip.AddrPortFrom(b.ip4, 53)); err != 0 {
			t.Fatalf("%s: %v", what, err)
		}
	}
	taken := func(what string) {
		t.Helper()
		for range 3 {
			send(what)
			buf := make([]byte, 100)
			if n, from, _ := server.receiveFrom(buf); string(buf[:n]) != what || from.Addr() != a.ip4 {
				t.Fatalf("%s: got %q from %v", what, buf[:n], from)
			}
		}
	}
	left := func(what string, counter func() uint64) {
		t.Helper()
		for range 3 {
			before := counter()
			send(what)
			waitUntil(t, func() bool { return counter() > before })
		}
		if server.s.Ready()&kernel.EventIn != 0 {
			t.Errorf("%s: a datagram was taken", what)
		}
	}
	own, peer := tcpip.AddrFrom4(b.ip4.As4()), tcpip.AddrFrom4(a.ip4.As4())
	add := func(addr tcpip.Address) {
		t.Helper()
		if err := b.addAddress(b.nic, tcpip.AddressWithPrefix{Address: addr, PrefixLen: 8}); err != nil {
			t.Fatal(err)
		}
	}
	remove := func(addr tcpip.Address) {
		t.Helper()
		if err := b.ip.RemoveAddress(b.nic, addr); err != nil {
			t.Fatal(err)
		}
	}

	taken("to the machine's address")
	remove(own)
	left("without the address", func() uint64 { return b.ip.Stats().IP.InvalidDestinationAddressesReceived.Value() })
	add(own)
	taken("with the address")
	add(peer)
	left("from an address of its own", func() uint64 { return b.ip.Stats().IP.InvalidSourceAddressesReceived.Value() })
	remove(peer)
	taken("from another's address")
}
