package netstack

import (
	"testing"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/link/loopback"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv4"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
)

// TestBroadcastOfLaterAddress looks for an address that becomes a subnet's
// broadcast address afterwards: that it was not there must not be remembered.
func TestBroadcastOfLaterAddress(t *testing.T) {
	const nic = 1
	s := stack.New(stack.Options{NetworkProtocols: []stack.NetworkProtocolFactory{ipv4.NewProtocol}})
	defer s.Destroy()
	if err := s.CreateNIC(nic, loopback.New()); err != nil {
		t.Fatal(err)
	}
	broadcast, other := tcpip.AddrFrom4([4]byte{10, 1, 2, 255}), tcpip.AddrFrom4([4]byte{10, 1, 3, 255})
	has := func(a tcpip.Address) bool { return s.CheckLocalAddress(0, ipv4.ProtocolNumber, a) != 0 }
	for range 2 {
		if has(broadcast) || has(other) || has(broadcast) {
			t.Fatal("an interface without addresses has one")
		}
	}
	add := func(a [4]byte) {
		t.Helper()
		addr := tcpip.ProtocolAddress{
			Protocol:          ipv4.ProtocolNumber,
			AddressWithPrefix: tcpip.AddressWithPrefix{Address: tcpip.AddrFrom4(a), PrefixLen: 24},
		}
		if err := s.AddProtocolAddress(nic, addr, stack.AddressProperties{}); err != nil {
			t.Fatal(err)
		}
	}
	add([4]byte{10, 1, 2, 1})
	if !has(broadcast) || has(other) || !has(broadcast) {
		t.Errorf("10.1.2.255 and 10.1.3.255 are addresses: %v, %v; want the first only", has(broadcast), has(other))
	}
	add([4]byte{10, 1, 3, 1})
	if !has(other) {
		t.Error("10.1.3.255 was not found after 10.1.3.1/24 was added")
	}
}
