package gateway

import (
	"net/netip"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"
)

// verdict says what to do with a packet of the guest.
type verdict int

const (
	pass   verdict = iota // to the stack
	drop                  // it is for nobody
	answer                // it is answered by hand
)

// inspect judges a packet before the stack sees it. The stack takes every
// address for its own, so that connections to all of them can be served; but
// it must not defend the guest's own address against the guest, nor answer
// pings for the whole Internet, nor connect to multicast groups. reply is an
// IPv6 packet.
func inspect(proto tcpip.NetworkProtocolNumber, b []byte) (v verdict, reply []byte) {
	switch proto {
	case header.ARPProtocolNumber:
		if h := header.ARP(b); !h.IsValid() || !ours(netip.AddrFrom4([4]byte(h.ProtocolAddressTarget()))) {
			return drop, nil
		}
		return pass, nil
	case header.IPv4ProtocolNumber:
		return inspect4(b), nil
	case header.IPv6ProtocolNumber:
		return inspect6(b)
	}
	return drop, nil
}

func inspect4(b []byte) verdict {
	h := header.IPv4(b)
	if !h.IsValid(len(b)) {
		return drop
	}
	dst := toAddr(h.DestinationAddress())
	switch {
	case ours(dst):
		return pass
	case h.TransportProtocol() == header.ICMPv4ProtocolNumber:
		return drop
	case dst == broadcast4: // DHCP
		return pass
	case dst.IsMulticast(), Prefix4.Contains(dst):
		return drop
	}
	return pass
}

var broadcast4 = netip.AddrFrom4([4]byte{255, 255, 255, 255})

func inspect6(b []byte) (verdict, []byte) {
	h := header.IPv6(b)
	if !h.IsValid(len(b)) {
		return drop, nil
	}
	dst := toAddr(h.DestinationAddress())
	if h.NextHeader() == uint8(header.ICMPv6ProtocolNumber) {
		return inspectICMPv6(dst, header.ICMPv6(h.Payload()), h.SourceAddress())
	}
	switch {
	case ours(dst):
		return pass, nil
	case dst.IsMulticast(), dst.IsLinkLocalUnicast(), Prefix6.Contains(dst):
		return drop, nil
	}
	return pass, nil
}

func inspectICMPv6(dst netip.Addr, h header.ICMPv6, src tcpip.Address) (verdict, []byte) {
	if len(h) < header.ICMPv6MinimumSize {
		return drop, nil
	}
	switch h.Type() {
	case header.ICMPv6RouterSolicit:
		return answer, routerAdvert(src)
	case header.ICMPv6NeighborSolicit:
		if len(h) >= header.ICMPv6NeighborSolicitMinimumSize &&
			ours(toAddr(header.NDPNeighborSolicit(h.MessageBody()).TargetAddress())) {
			return pass, nil
		}
		return drop, nil
	}
	if ours(dst) {
		return pass, nil
	}
	return drop, nil
}

// routerAdvert returns the IPv6 packet that tells a host, which asked from
// address to, its prefix, router and DNS server (RFC 4861 section 4.2, RFC 8106
// section 5.1).
func routerAdvert(to tcpip.Address) []byte {
	if to.Unspecified() {
		to = header.IPv6AllNodesMulticastAddress
	}
	const (
		hopLimit    = 64
		lifetime    = 9000 // seconds: the longest a router may be trusted
		forever     = 0xff // of each byte of a lifetime
		onLink      = 0x80
		autonomous  = 0x40
		optLinkAddr = 1
		optPrefix   = 3
		optMTU      = 5
		optDNS      = 25
	)
	be16 := func(v int) []byte { return []byte{byte(v >> 8), byte(v)} }
	var body []byte
	add := func(parts ...[]byte) {
		for _, p := range parts {
			body = append(body, p...)
		}
	}
	// Cur Hop Limit, flags, lifetime; reachable and retransmit times unspecified.
	add([]byte{hopLimit, 0}, be16(lifetime), make([]byte, 8))
	// Options: type, length in units of 8 bytes.
	add([]byte{optLinkAddr, 1}, []byte(gatewayMAC))
	add([]byte{optMTU, 1, 0, 0, 0, 0}, be16(mtu))
	add([]byte{optPrefix, 4, byte(Prefix6.Bits()), onLink | autonomous},
		[]byte{forever, forever, forever, forever, forever, forever, forever, forever, 0, 0, 0, 0},
		Prefix6.Addr().AsSlice())
	add([]byte{optDNS, 3, 0, 0, forever, forever, forever, forever}, DNS6.AsSlice())

	size := header.ICMPv6HeaderSize + len(body)
	packet := make([]byte, header.IPv6MinimumSize+size)
	src := fromAddr(routerLL)
	header.IPv6(packet).Encode(&header.IPv6Fields{
		PayloadLength:     uint16(size),
		TransportProtocol: header.ICMPv6ProtocolNumber,
		HopLimit:          header.NDPHopLimit,
		SrcAddr:           src,
		DstAddr:           to,
	})
	icmp := header.ICMPv6(packet[header.IPv6MinimumSize:])
	icmp.SetType(header.ICMPv6RouterAdvert)
	copy(icmp.MessageBody(), body)
	icmp.SetChecksum(header.ICMPv6Checksum(header.ICMPv6ChecksumParams{Header: icmp, Src: src, Dst: to}))
	return packet
}
