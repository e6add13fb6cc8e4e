package overlay

// netstackDatagramRules are those for UDP, and for what it has in common with the other
// sockets of datagrams.
var netstackDatagramRules = []Rule{
	{
		File:    gvisor + "/tcpip/transport/udp/endpoint.go",
		Match:   `\bpacket := &udpPacket\{`,
		Replace: "packet := udpPackets.Get()\n\t*packet = udpPacket{",
		Count:   1,
		Why:     queueEntryWhy,
	}, {
		File:    gvisor + "/tcpip/transport/udp/endpoint.go",
		Match:   `(?m)^\tn, err := p\.pkt\.Data\(\)\.ReadTo\(dst, .*\)$`,
		Replace: "$0\n\tp.pkt.DecRef()\n\tif !opts.Peek {\n\t\tforget(p)\n\t}",
		Count:   1,
		Why:     queueEntryWhy,
	}, {
		File:    gvisor + "/tcpip/transport/udp/endpoint.go",
		Match:   `(?m)^\tif (pktInfo\.RequiresTXTransportChecksum &&)$`,
		Replace: "\tif udpInfo.ctx.LeaveChecksum(pkt, &pktInfo) {\n\t\tudp.SetChecksum(header.PseudoHeaderChecksum(ProtocolNumber, pktInfo.LocalAddress, pktInfo.RemoteAddress, length))\n\t} else if $1",
		Count:   1,
		Why:     "leave checksums to cards that can make them",
	}, {
		File:    gvisor + "/tcpip/transport/internal/network/endpoint.go",
		Match:   `(?m)^\tsendBufferSizeInUseMu sync\.RWMutex `,
		Replace: "\tsendBufferSizeInUseMu momentMutex ",
		Count:   1,
		Why:     locksWhy,
	}, {
		File:    gvisor + "/tcpip/transport/internal/network/endpoint.go",
		Match:   `\b_, err := data\.WriteFromReader\(payloader, int64\(payloader\.Len\(\)\)\)`,
		Replace: "err := data.ReadAfter(reserveHdrBytes, payloader, payloader.Len())",
		Count:   1,
		Why:     headroomWhy,
	}, {
		File:    gvisor + "/tcpip/transport/udp/endpoint.go",
		Match:   `(?m)^\tdst, connected := e\.net\.GetRemoteAddress\(\)$`,
		Replace: "\tvar dst tcpip.FullAddress\n\tconnected := false\n\tif opts.To == nil {\n\t\tdst, connected = e.net.GetRemoteAddress()\n\t}",
		Count:   1,
		Why:     "not ask for a peer that does not matter",
	}, {
		File:    gvisor + "/tcpip/transport/udp/endpoint.go",
		Match:   `(?m)^\tdefer udpInfo\.ctx\.Release\(\)\n`,
		Replace: "",
		Count:   1,
		Why:     noDeferWhy,
	}, {
		File:    gvisor + "/tcpip/transport/udp/endpoint.go",
		Match:   `(?m)^(\tpkt, err := udpInfo\.ctx\.TryNewPacketBufferFromPayloader\(.*\n\tif err != nil \{\n)(\t\treturn 0, err\n\t\}\n)\tdefer pkt\.DecRef\(\)\n`,
		Replace: "${1}\t\tudpInfo.ctx.Release()\n$2",
		Count:   1,
		Why:     noDeferWhy,
	}, {
		File:    gvisor + "/tcpip/transport/udp/endpoint.go",
		Match:   `(?m)^\tif err := (udpInfo\.ctx\.WritePacket\(.*\)); err != nil \{$`,
		Replace: "\terr = $1\n\tpkt.DecRef()\n\tudpInfo.ctx.Release()\n\tif err != nil {",
		Count:   1,
		Why:     noDeferWhy,
	}, {
		File:    gvisor + "/tcpip/transport/udp/endpoint.go",
		Match:   `(?m)^\tdefer p\.pkt\.DecRef\(\)\n`,
		Replace: "",
		Count:   1,
		Why:     noDeferWhy,
	}, {
		File:    gvisor + "/tcpip/transport/udp/endpoint.go",
		Match:   `\bnetHdr := pkt\.Network\(\)`,
		Replace: "netHdr := networkHeaderOf(pkt)",
		Count:   1,
		Why:     networkHeaderWhy,
	}, {
		File:    gvisor + "/tcpip/transport/udp/endpoint.go",
		Match:   `\bnetHdr\.SourceAddress\(\)`,
		Replace: "netHdr.source",
		Count:   1,
		Why:     networkHeaderWhy,
	}, {
		File:    gvisor + "/tcpip/transport/udp/endpoint.go",
		Match:   `\b(?:netHdr|pkt\.Network\(\))\.DestinationAddress\(\)`,
		Replace: "netHdr.destination",
		Count:   2,
		Why:     networkHeaderWhy,
	}, {
		File:    gvisor + "/tcpip/transport/udp/endpoint.go",
		Match:   `\bpacket\.tosOrTClass, _ = pkt\.Network\(\)\.TOS\(\)`,
		Replace: "packet.tosOrTClass = netHdr.tos",
		Count:   1,
		Why:     networkHeaderWhy,
	}, {
		File:    gvisor + "/tcpip/transport/udp/endpoint.go",
		Match:   `\bheader\.IPv[46]\(pkt\.NetworkHeader\(\)\.Slice\(\)\)\.(?:TTL|HopLimit)\(\)`,
		Replace: "netHdr.ttl",
		Count:   2,
		Why:     networkHeaderWhy,
	}, {
		// Each endpoint is given a packet of its own, if there are several, and who
		// gave it does not use it any more.
		File:    gvisor + "/tcpip/transport/udp/endpoint.go",
		Match:   `\bpkt: pkt\.Clone\(\),`,
		Replace: "pkt: pkt.IncRef(),",
		Count:   1,
		Why:     ownPacketWhy,
	}, {
		File:    gvisor + "/tcpip/transport/udp/endpoint.go",
		Match:   `\bReadTo\(dst, opts\.Peek\)`,
		Replace: "ReadTo(dst, true)",
		Count:   1,
		Why:     ownPacketWhy,
	}, {
		File:    gvisor + "/tcpip/transport/internal/network/endpoint.go",
		Match:   `(?ms)^\treturn (stack\.NewPacketBuffer\(stack\.PacketBufferOptions\{\n.*?)^\t\tOnRelease: func\(\) \{\n(.*?)^\t\t\},\n\t\}\)\n\}$`,
		Replace: "\tpk := $1\t})\n\tpk.Charge(e, pktSize)\n\treturn pk\n}\n\n// PacketReleased is called when a packet was sent.\nfunc (e *Endpoint) PacketReleased(pktSize int64) {\n$2}",
		Count:   1,
		Why:     chargeWhy,
	}, {
		File:    gvisor + "/tcpip/transport/internal/network/endpoint.go",
		Match:   `\bif nic, err := c\.e\.stack\.GetNICByID\(`,
		Replace: "if c.e.ops.GetExperimentOptionValue() == 0 {\n\t\t// There is none.\n\t} else $0",
		Count:   2,
		Why:     "not look for an interface's settings that change nothing",
	}, {
		File:    gvisor + "/tcpip/transport/internal/network/endpoint.go",
		Match:   `(?m)^\tconnectedRoute \*stack\.Route .*$`,
		Replace: "$0\n\n\tkept stack.KeptRoute",
		Count:   1,
		Why:     keptRouteWhy,
	}, {
		File:    gvisor + "/tcpip/transport/internal/network/endpoint.go",
		Match:   `(?ms)^\t\tdst, netProto, err := e\.checkV4Mapped\(\*to, false /\* bind \*/\)\n.*?^\t\t\}\n.*?^\t\t\}\n`,
		Replace: keptRoute,
		Count:   1,
		Why:     keptRouteWhy,
	}, {
		File:    gvisor + "/tcpip/transport/internal/network/endpoint.go",
		Match:   `(?m)^func \(e \*Endpoint\) setInfo\(.*\{$`,
		Replace: "$0\n\te.kept.Release()",
		Count:   1,
		Why:     keptRouteWhy,
	}, {
		File:    gvisor + "/tcpip/transport/internal/network/endpoint.go",
		Match:   `(?m)^\te\.multicastMemberships = nil$`,
		Replace: "$0\n\te.kept.Release()",
		Count:   1,
		Why:     keptRouteWhy,
	}, {
		File:    gvisor + "/tcpip/transport/internal/network/endpoint.go",
		Match:   `(?m)^\t\t\troute\.Acquire\(\)\n\t\t\tbreak$`,
		Replace: "\t\t\tvar err tcpip.Error\n\t\t\tif route, err = e.acquireConnectedRLocked(&info); err != nil {\n\t\t\t\treturn WriteContext{}, err\n\t\t\t}\n\t\t\tbreak",
		Count:   1,
		Why:     "send to a group by the interface that was chosen last",
	}, {
		// A socket that was writable before has nothing to say.
		File:    gvisor + "/tcpip/transport/internal/network/endpoint.go",
		Match:   `(?m)^(\t+e\.sendBufferSizeInUse -= pktSize\n\t+signal := )(e\.hasSendSpaceRLocked\(\))$`,
		Replace: "full := !$2\n${1}full && $2",
		Count:   1,
		Why:     "tell of room to send only who had none",
	},
}

const (
	queueEntryWhy    = "put a datagram into a queue without allocating"
	networkHeaderWhy = "read a datagram's network header once, without allocating it"
	ownPacketWhy     = "put a datagram into a queue without copying what is known of it"
)

// keptRoute surrounds the search for a route. What else decides about a multicast's
// way is not asked, so theirs are not kept.
const keptRoute = `		question := stack.RouteQuestion{
			To: to.Addr, Local: localAddr, NIC: nicID, ToNIC: to.NIC,
			V6Only: e.ops.GetV6Only(), Loop: e.ops.GetMulticastLoop(),
		}
		var version uint32
		if route, version = e.kept.Find(&question); route == nil {
			dst, netProto, err := e.checkV4Mapped(*to, false /* bind */)
			if err != nil {
				return WriteContext{}, err
			}
			if route, _, err = e.connectRouteRLocked(nicID, localAddr, dst, netProto); err != nil {
				return WriteContext{}, err
			}
			if !header.IsV4MulticastAddress(dst.Addr) && !header.IsV6MulticastAddress(dst.Addr) {
				e.kept.Keep(&question, version, route)
			}
		}
`
