package netstack

import (
	"testing"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"
)

// TestConstants reads the stack's well-known addresses and subnets, which package
// rt/overlay has made by the compiler.
func TestConstants(t *testing.T) {
	for want, got := range map[string]tcpip.Subnet{
		"0.0.0.0/0":     header.IPv4EmptySubnet,
		"0.0.0.0/8":     header.IPv4CurrentNetworkSubnet,
		"127.0.0.0/8":   header.IPv4LoopbackSubnet,
		"::/0":          header.IPv6EmptySubnet,
		"::ffff:0:0/96": header.IPv4MappedIPv6Subnet,
	} {
		prefix := tcpip.AddressWithPrefix{Address: got.ID(), PrefixLen: got.Prefix()}
		if got.String() != want || prefix.Subnet() != got {
			t.Errorf("%v, want %s", got, want)
		}
	}
	for want, got := range map[string]tcpip.Address{
		"224.0.0.1":       header.IPv4AllSystems,
		"255.255.255.255": header.IPv4Broadcast,
		"0.0.0.0":         header.IPv4Any,
		"224.0.0.2":       header.IPv4AllRoutersGroup,
		"127.0.0.1":       header.IPv4Loopback,
		"224.0.0.22":      header.IGMPv3RoutersAddress,
		"::1":             header.IPv6Loopback,
		"ff02::16":        header.MLDv2RoutersAddress,
	} {
		if got.String() != want {
			t.Errorf("%v, want %s", got, want)
		}
	}
	linkLocal, group := tcpip.AddrFrom4([4]byte{169, 254, 255, 1}), tcpip.AddrFrom4([4]byte{224, 0, 0, 251})
	if !header.IsV4LinkLocalUnicastAddress(linkLocal) || header.IsV4LinkLocalUnicastAddress(group) ||
		!header.IsV4LinkLocalMulticastAddress(group) || header.IsV4LinkLocalMulticastAddress(linkLocal) {
		t.Error("the link-local subnets are others")
	}
}
