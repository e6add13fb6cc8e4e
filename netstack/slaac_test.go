package netstack

import (
	"encoding/binary"
	"net/netip"
	"os"
	"strings"
	"testing"

	"gvisor.dev/gvisor/pkg/tcpip/header"

	"ringo.dev/ringo/drivers/virtio"
)

// advertisement is a router advertisement (RFC 4861, 4.2) as a frame: the
// router fe80::1 announces itself, the prefix 2001:db8::/64 and the name server
// 2001:db8::53.
func advertisement(lifetime uint16) frame {
	router, all := netip.MustParseAddr("fe80::1"), netip.MustParseAddr("ff02::1")
	icmp := []byte{134, 0, 0, 0, 64, 0}
	icmp = binary.BigEndian.AppendUint16(icmp, lifetime)
	icmp = append(icmp, make([]byte, 8)...)
	icmp = append(icmp, 3, 4, 64, 0xc0) // prefix information: on the link, autonomous
	icmp = binary.BigEndian.AppendUint32(icmp, 7200)
	icmp = binary.BigEndian.AppendUint32(icmp, 7200)
	icmp = append(icmp, 0, 0, 0, 0)
	icmp = append(icmp, netip.MustParseAddr("2001:db8::").AsSlice()...)
	icmp = append(icmp, 25, 3, 0, 0) // recursive DNS server
	icmp = binary.BigEndian.AppendUint32(icmp, 7200)
	icmp = append(icmp, netip.MustParseAddr("2001:db8::53").AsSlice()...)
	binary.BigEndian.PutUint16(icmp[2:], header.ICMPv6Checksum(header.ICMPv6ChecksumParams{
		Header: header.ICMPv6(icmp), Src: address(router), Dst: address(all),
	}))
	ip := make([]byte, header.IPv6MinimumSize)
	header.IPv6(ip).Encode(&header.IPv6Fields{
		PayloadLength: uint16(len(icmp)), TransportProtocol: header.ICMPv6ProtocolNumber, HopLimit: 255,
		SrcAddr: address(router), DstAddr: address(all),
	})
	eth := make([]byte, header.EthernetMinimumSize)
	header.Ethernet(eth).Encode(&header.EthernetFields{
		SrcAddr: "\x02\x00\x00\x00\x00\x02", DstAddr: "\x33\x33\x00\x00\x00\x01", Type: header.IPv6ProtocolNumber,
	})
	return frame{virtio.NetHeader{}, append(append(eth, ip...), icmp...)}
}

// TestSLAAC has no DHCP server, but a router.
func TestSLAAC(t *testing.T) {
	card, _ := newWire(true, faults{})
	g := newDHCPGuest(t, card)
	g.run(t)
	g.enableIPv6(g.nic) // or else the router comes too early for guests
	card.receive(advertisement(1800))
	g.gate.wait()
	if !g.has(netip.MustParseAddr("2001:db8::ff:fe00:1")) {
		t.Errorf("addresses: %v", g.ip.NICInfo()[g.nic].ProtocolAddresses)
	}
	if !g.hasRoute("::/0", "fe80::1") || !g.hasRoute("2001:db8::/64", "") {
		t.Errorf("routes: %v", g.ip.GetRouteTable())
	}
	if got := string(g.procPnp()); !strings.Contains(got, "nameserver 2001:db8::53\n") {
		t.Errorf("resolv.conf: %q", got)
	}
	card.receive(advertisement(0)) // no longer a default router
	waitUntil(t, func() bool { return !g.hasRoute("::/0", "fe80::1") })
}

// TestIPv6Begins wants a link-local address. In guests it comes after a while, since
// nobody asks for it.
func TestIPv6Begins(t *testing.T) {
	card, _ := newWire(true, faults{})
	g := newDHCPGuest(t, card)
	isThere := func() bool { return g.has(netip.MustParseAddr("fe80::ff:fe00:1")) }
	if os.Getenv(patchedEnv) != "" && isThere() {
		t.Error("IPv6 has begun at once")
	}
	waitUntil(t, isThere)
}
