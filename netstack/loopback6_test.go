package netstack

import (
	"net/netip"
	"slices"
	"syscall"
	"testing"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"
)

// TestLoopback6 wants the loopback's IPv6 address to be there for whoever is the first to
// have to do with it: to bind to it, to send to it or to the unspecified address, or to
// look at the interfaces.
func TestLoopback6(t *testing.T) {
	loopback, unspecified := netip.MustParseAddrPort("[::1]:0"), netip.MustParseAddrPort("[::]:0")
	has := func(n *Stack) bool {
		return slices.ContainsFunc(n.ip.AllAddresses()[loopbackNIC], func(a tcpip.ProtocolAddress) bool {
			return a.AddressWithPrefix.Address == header.IPv6Loopback
		})
	}
	t.Run("bind", func(t *testing.T) {
		n := newLocal(t)
		if has(n) {
			t.Error("the address is there before anybody wants it")
		}
		bound(t, n, loopback).close()
	})
	for _, to := range []netip.Addr{loopback.Addr(), unspecified.Addr()} {
		t.Run("send "+to.String(), func(t *testing.T) {
			n := newLocal(t)
			server := bound(t, n, unspecified)
			defer server.close()
			client := open(t, n, familyOf(to), syscall.SOCK_DGRAM, 0)
			defer client.close()
			if err := client.sendTo([]byte("x"), netip.AddrPortFrom(to, server.local().Port())); err != 0 {
				t.Fatal(err)
			}
			if size, from, _ := server.receiveFrom(make([]byte, 8)); size != 1 || from.Addr() != loopback.Addr() {
				t.Errorf("%d bytes from %v", size, from)
			}
		})
	}
	t.Run("interfaces", func(t *testing.T) {
		n := newLocal(t)
		if addrs := n.interfaces()[0].addrs; len(addrs) != 2 || !has(n) {
			t.Errorf("addresses of the loopback: %v", addrs)
		}
	})
}
