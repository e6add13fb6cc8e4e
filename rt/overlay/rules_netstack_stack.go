package overlay

// netstackStackRules are those for the stack between interfaces and endpoints: packets,
// routes, addresses of interfaces, and the way to a socket.
var netstackStackRules = []Rule{
	{
		File:    gvisor + "/tcpip/stack/packet_buffer.go",
		Match:   `(?m)^\tonRelease func\(\) .*$`,
		Replace: "$0\n\n\tunicast unicastLook",
		Count:   1,
		Why:     "ask once whether packets with the same addresses are for this machine",
	}, {
		File:    gvisor + "/tcpip/stack/nic.go",
		Match:   `(?s)\t"reflect"\n(.*?)\ttcpip\.InitStatCounters\(reflect\.ValueOf\(&stats\.local\)\.Elem\(\)\)`,
		Replace: "$1\tstats.local = stats.local.FillIn()",
		Count:   1,
		Why:     fillInWhy,
	}, {
		File:    gvisor + "/tcpip/stack/nic.go",
		Match:   `\blen\((\w+)\.(Link|Network|Transport)Header\(\)\.Slice\(\)\)`,
		Replace: "$1.${2}Header().Length()",
		Count:   3,
		Why:     headerLengthWhy,
	}, {
		File:    gvisor + "/tcpip/stack/transport_demuxer.go",
		Match:   `(?m)^(func \(d \*transportDemuxer\) deliverPacket\(.*\n\teps, ok := )d\.protocol\[protocolIDs\{pkt\.NetworkProtocolNumber, protocol\}\]$`,
		Replace: "${1}d.stack.packetEndpoints(pkt.NetworkProtocolNumber, protocol)",
		Count:   1,
		Why:     packetProtocolsWhy,
	}, {
		// Nearly all of it is never used.
		File:    gvisor + "/tcpip/stack/neighbor_cache.go",
		Match:   `make\(map\[tcpip\.Address\]\*neighborEntry, NeighborCacheSize\)`,
		Replace: "make(map[tcpip.Address]*neighborEntry)",
		Count:   1,
		Why:     "let the memory for an interface's neighbours grow with them",
	}, {
		File:    gvisor + "/tcpip/stack/packet_buffer.go",
		Match:   `(?m)^var pkPool = sync\.Pool\{\n\tNew: func\(\) any \{$`,
		Replace: "var pkPool = sync.Kept[PacketBuffer]{\n\tNew: func() *PacketBuffer {",
		Count:   1,
		Why:     keptWhy,
	}, {
		File:    gvisor + "/tcpip/stack/packet_buffer.go",
		Match:   `\bpkPool\.Get\(\)\.\(\*PacketBuffer\)`,
		Replace: "pkPool.Get()",
		Count:   3,
		Why:     keptWhy,
	}, {
		// It changes nothing of the route.
		File:    gvisor + "/tcpip/stack/route.go",
		Match:   `(?m)^(func \(r \*Route\) Release\(\) \{\n\tr\.mu\.)Lock(\(\)\n\tdefer r\.mu\.)Unlock\(\)$`,
		Replace: "${1}RLock${2}RUnlock()",
		Count:   1,
		Why:     "let many give a route back at once",
	}, {
		File:    gvisor + "/tcpip/stack/route.go",
		Match:   `\blocalAddressEndpoint\.AddressWithPrefix\(\)\.Subnet\(\)`,
		Replace: "localAddressEndpoint.Subnet()",
		Count:   1,
		Why:     "not compute an address's subnet for each route",
	}, {
		File:    gvisor + "/tcpip/stack/transport_demuxer.go",
		Match:   `(?m)^\tqueuedProtocols map\[protocolIDs\]queuedTransportProtocol$`,
		Replace: "$0\n\n\tmemory endpointMemory",
		Count:   1,
		Why:     memoryWhy,
	}, {
		File:    gvisor + "/tcpip/stack/packet_buffer.go",
		Match:   `(?m)^\tonRelease func\(\) .*$`,
		Replace: "$0\n\n\t// soughtIn is one more than the version of the endpoints in which this packet's one is\n\t// looked for.\n\tsoughtIn uint64",
		Count:   1,
		Why:     memoryWhy,
	}, {
		File:    gvisor + "/tcpip/stack/transport_demuxer.go",
		Match:   `(?m)^(\t\t\td\.unregisterEndpoint\(netProtos\[:i\], .*\n\t\t\treturn err\n\t\t\}\n\t\}\n)$`,
		Replace: "$1\n\td.memory.changed()",
		Count:   1,
		Why:     memoryWhy,
	}, {
		File:    gvisor + "/tcpip/stack/transport_demuxer.go",
		Match:   `(?m)^\t\t\teps\.unregisterEndpoint\(id, ep, flags, bindToDevice\)$`,
		Replace: "$0\n\t\t\td.memory.forget(&id)",
		Count:   1,
		Why:     memoryWhy,
	}, {
		File:    gvisor + "/tcpip/stack/transport_demuxer.go",
		Match:   `(?m)^(\t\treturn true\n\t\}\n\n)(\teps\.mu\.RLock\(\)\n\tep := eps\.findEndpointLocked\(id\))$`,
		Replace: "$1\tif d.memory.deliver(protocol, pkt, &id) {\n\t\treturn true\n\t}\n$2",
		Count:   1,
		Why:     memoryWhy,
	}, {
		File:    gvisor + "/tcpip/stack/transport_demuxer.go",
		Match:   `(?m)^(\tif )(queuedProtocol, mustQueue := mpep\.demux\.queuedProtocols\[protocolIDs\{mpep\.netProto, mpep\.transProto\}\]); mustQueue \{$`,
		Replace: "\t$2\n\tmpep.demux.memory.remember(mpep.netProto, mpep.transProto, pkt, &id, transEP, queuedProtocol)\n${1}mustQueue {",
		Count:   1,
		Why:     memoryWhy,
	}, {
		File:    gvisor + "/tcpip/stack/stack.go",
		Match:   `(?m)^\tnetworkProtocols   map\[.*$`,
		Replace: "$0\n\tpackets            packetProtocols",
		Count:   1,
		Why:     packetProtocolsWhy,
	}, {
		File:    gvisor + "/tcpip/stack/stack.go",
		Match:   `(?m)^\ts\.demux = newTransportDemuxer\(s\)$`,
		Replace: "$0\n\ts.packets.set(s)",
		Count:   1,
		Why:     packetProtocolsWhy,
	}, {
		File:    gvisor + "/tcpip/stack/stack.go",
		Match:   `(?m)^(\t// Parse the transport header if present\.\n\tstate, ok := )s\.transportProtocols\[protocol\]$`,
		Replace: "${1}s.packetTransport(protocol)",
		Count:   1,
		Why:     packetProtocolsWhy,
	}, {
		File:    gvisor + "/tcpip/stack/nic.go",
		Match:   `(?m)^\tstate, ok := n\.stack\.transportProtocols\[protocol\]$`,
		Replace: "\tstate, ok := n.stack.packetTransport(protocol)",
		Count:   1,
		Why:     packetProtocolsWhy,
	}, {
		File:    gvisor + "/tcpip/stack/nic.go",
		Match:   `(?m)^\tnetProto, ok := n\.stack\.networkProtocols\[pkt\.NetworkProtocolNumber\]$`,
		Replace: "\tnetProto, ok := n.stack.packetNetwork(pkt.NetworkProtocolNumber)",
		Count:   1,
		Why:     packetProtocolsWhy,
	}, {
		// A copy of the statistics is 1.3 KB on the stack of most functions of
		// the path of a packet, which makes goroutines' stacks grow to 16 KB.
		File:    gvisor + "/tcpip/stack/stack.go",
		Match:   `(?m)^func \(s \*Stack\) Stats\(\) tcpip\.Stats \{\n\treturn s\.stats$`,
		Replace: "func (s *Stack) Stats() *tcpip.Stats {\n\treturn &s.stats",
		Count:   1,
		Why:     "count packets without copying the counters",
	}, {
		File:    gvisor + "/tcpip/stack/route.go",
		Match:   `(?m)^func \(r \*Route\) Stats\(\) tcpip\.Stats \{$`,
		Replace: "func (r *Route) Stats() *tcpip.Stats {",
		Count:   1,
		Why:     "count packets without copying the counters",
	}, {
		File:    gvisor + "/tcpip/stack/packet_buffer.go",
		Match:   `(?m)^\tview := (h\.)?pk\.headerView\((h\.)?typ\)\n\treturn view\.AsSlice\(\)(, true)?$`,
		Replace: "\treturn ${1}pk.headerSlice(${2}typ)$3",
		Count:   3,
		Why:     "find a packet's header by few instructions",
	}, {
		File:    gvisor + "/tcpip/stack/iptables.go",
		Match:   `(?ms)^func \(it \*IPTables\) shouldSkipOrPopulateTables\(.*?^\}$`,
		Replace: "func (it *IPTables) shouldSkipOrPopulateTables([]checkTable, *PacketBuffer) bool { return true }",
		Count:   1,
		Why:     "leave out a firewall that nobody can configure",
	}, {
		File:    gvisor + "/tcpip/stack/addressable_endpoint_state.go",
		Match:   `(?m)^import \($`,
		Replace: "$0\n\t\"sync/atomic\"",
		Count:   1,
		Why:     rememberedWhy,
	}, {
		File:    gvisor + "/tcpip/stack/addressable_endpoint_state.go",
		Match:   `(?m)^\tprimary \[\]\*addressState .*$`,
		Replace: "$0\n\n\tmissed missedAddress\n\tfound  atomic.Pointer[addressState]",
		Count:   1,
		Why:     missedWhy,
	}, {
		File:    gvisor + "/tcpip/stack/addressable_endpoint_state.go",
		Match:   `(?m)^\t\ta\.endpoints\[addr\.Address\] = addrState$`,
		Replace: "$0\n\t\ta.missed.forget()",
		Count:   1,
		Why:     missedWhy,
	}, {
		File:  gvisor + "/tcpip/stack/addressable_endpoint_state.go",
		Match: `(?ms)^\t\tif f != nil (\{\n\t\t\t)(for _, addrState := range a\.endpoints \{\n)\t\t\t\tif addrState\.IsAssigned\(allowTemp\) && f\(addrState\) \{(.*?^\t\t\t\}\n)`,
		Replace: "\t\tif f != nil && !a.missed.is(localAddr) ${1}missed := true\n\t\t\t$2\t\t\t\tif !f(addrState) {\n\t\t\t\t\tcontinue\n\t\t\t\t}\n" +
			"\t\t\t\tmissed = false\n\t\t\t\tif addrState.IsAssigned(allowTemp) {$3\t\t\tif missed {\n\t\t\t\ta.missed.set(localAddr)\n\t\t\t}\n",
		Count: 1,
		Why:   missedWhy,
	}, {
		File:    gvisor + "/tcpip/stack/stack.go",
		Match:   `(?m)^func \(s \*Stack\) IsSubnetBroadcast\(.*\n`,
		Replace: "$0\tif addr.BitLen() == 0 {\n\t\treturn false\n\t}\n",
		Count:   1,
		Why:     "not look for an address that is none",
	}, {
		// The closure's variables are allocated.
		File:    gvisor + "/tcpip/stack/route.go",
		Match:   `(?m)^\tafterResolveFields := fields$`,
		Replace: withoutCallback + "$0",
		Count:   1,
		Why:     "send a packet without allocating what is not used",
	}, {
		File:    gvisor + "/tcpip/stack/packet_buffer.go",
		Match:   `(?m)^func \(d PacketData\) ReadTo\(.*\{$`,
		Replace: "$0\n\tif peek {\n\t\treturn d.copyTo(dst)\n\t}",
		Count:   1,
		Why:     "read a packet without making views of it",
	}, {
		File:    gvisor + "/tcpip/stack/packet_buffer.go",
		Match:   `(?m)^\tonRelease func\(\) .*$`,
		Replace: "$0\n\n\tcharge packetCharge",
		Count:   1,
		Why:     chargeWhy,
	}, {
		File:    gvisor + "/tcpip/stack/packet_buffer.go",
		Match:   `(?m)^\t\tpk\.buf\.Release\(\)$`,
		Replace: "\t\tpk.charge.release()\n$0",
		Count:   1,
		Why:     chargeWhy,
	}, {
		File:    gvisor + "/tcpip/stack/packet_buffer.go",
		Match:   `(?m)^\tif opts\.ReserveHeaderBytes != 0 \{$`,
		Replace: "\tif n := opts.ReserveHeaderBytes; n != 0 && opts.Payload.UseHeadroom(n) {\n\t\tpk.reserved = n\n\t} else if n != 0 {",
		Count:   1,
		Why:     headroomWhy,
	}, {
		File:    gvisor + "/tcpip/stack/transport_demuxer.go",
		Match:   `(?m)^\tendpoints map\[TransportEndpointID\]\*endpointsByNIC$`,
		Replace: "$0\n\tkinds     endpointKinds",
		Count:   1,
		Why:     kindsWhy,
	}, {
		File:    gvisor + "/tcpip/stack/transport_demuxer.go",
		Match:   `(?m)^\t\teps\.endpoints\[id\] = epsByNIC$`,
		Replace: "$0\n\t\teps.kinds[kindOf(&id)]++",
		Count:   1,
		Why:     kindsWhy,
	}, {
		File:    gvisor + "/tcpip/stack/transport_demuxer.go",
		Match:   `(?m)^\tdelete\(eps\.endpoints, id\)$`,
		Replace: "$0\n\teps.kinds[kindOf(&id)]--",
		Count:   1,
		Why:     kindsWhy,
	}, {
		File:    gvisor + "/tcpip/stack/transport_demuxer.go",
		Match:   `\bep, ok := eps\.endpoints\[(n?id)\]; ok`,
		Replace: "ep, ok := eps.find(&$1); ok",
		Count:   4,
		Why:     kindsWhy,
	}, {
		// The slice of an address would be allocated.
		File:    gvisor + "/tcpip/stack/stack.go",
		Match:   `\btcpip\.AddrFrom4Slice\((addr\.Addr\.AsSlice\(\)\[header\.IPv6AddressSize-header\.IPv4AddressSize:\])\)`,
		Replace: "tcpip.AddrFrom4([header.IPv4AddressSize]byte($1))",
		Count:   1,
		Why:     "send to an IPv4 address in IPv6 form without allocating it",
	}, {
		File:    gvisor + "/tcpip/stack/addressable_endpoint_state.go",
		Match:   `(?m)^\tlookup := func\(\) \*addressState \{$`,
		Replace: "\tif f != nil && !allowTemp && a.missed.is(localAddr) {\n\t\treturn nil\n\t}\n$0",
		Count:   1,
		Why:     missedWhy,
	}, {
		// Where it goes on, it asks the same of each interface for each interface.
		File:    gvisor + "/tcpip/stack/stack.go",
		Match:   `(?m)^(func \(s \*Stack\) findLocalRouteRLocked\(.*\n(?:.*\n)*?\tif localAddressNICID == 0 \{\n)`,
		Replace: "${1}\t\tif !s.hasAddressRLocked(netProto, remoteAddr) {\n\t\t\treturn nil\n\t\t}\n",
		Count:   1,
		Why:     "find out once that an address is not the machine's own",
	}, {
		File:    gvisor + "/tcpip/stack/stack.go",
		Match:   `\z`,
		Replace: hasAddress,
		Count:   1,
		Why:     "find out once that an address is not the machine's own",
	}, {
		File:    gvisor + "/tcpip/stack/nic.go",
		Match:   `(?m)^\tnetworkEndpoints +map\[.*$`,
		Replace: "$0\n\tip ipEndpoints",
		Count:   1,
		Why:     ipEndpointsWhy,
	}, {
		File:    gvisor + "/tcpip/stack/nic.go",
		Match:   `(?m)^\t\tnic\.networkEndpoints\[netNum\] = netEP$`,
		Replace: "$0\n\t\tnic.ip.set(netNum, netEP, nic.NetworkLinkEndpoint)",
		Count:   1,
		Why:     ipEndpointsWhy,
	}, {
		File:    gvisor + "/tcpip/stack/nic.go",
		Match:   `(?ms)^func \(n \*nic\) getNetworkEndpoint\(.*?^\}$`,
		Replace: "",
		Count:   1,
		Why:     ipEndpointsWhy,
	}, {
		File:    gvisor + "/tcpip/stack/route.go",
		Match:   `(?m)^\tlocalAddressNIC \*nic$`,
		Replace: "$0\n\n\tvalidity routeValidity",
		Count:   1,
		Why:     routeValidityWhy,
	}, {
		File:    gvisor + "/tcpip/stack/route.go",
		Match:   `(?m)^func \(r \*Route\) isValidForOutgoingRLocked\(\)`,
		Replace: "func (r *Route) isValidNowRLocked()",
		Count:   1,
		Why:     routeValidityWhy,
	}, {
		File:    gvisor + "/tcpip/stack/stack.go",
		Match:   `(?m)^\ts\.routeMu\.Lock\(\)$`,
		Replace: "$0\n\troutesChanged()",
		Count:   5,
		Why:     keptRouteWhy,
	}, {
		File:    gvisor + "/tcpip/stack/nic.go",
		Match:   `(?m)^\treturn n\.enabled\.Swap\(v\) != v$`,
		Replace: "\tdefer routesChanged()\n$0",
		Count:   1,
		Why:     keptRouteWhy,
	}, {
		File:    gvisor + "/tcpip/stack/nic.go",
		Match:   `(?m)^\tn\.spoofing\.Store\(enable\)$`,
		Replace: "$0\n\troutesChanged()",
		Count:   1,
		Why:     keptRouteWhy,
	}, {
		File:    gvisor + "/tcpip/stack/nic.go",
		Match:   `(?m)^\treturn forwardingEP\.SetForwarding\(enable\), nil$`,
		Replace: "\tdefer routesChanged()\n$0",
		Count:   1,
		Why:     keptRouteWhy,
	}, {
		// All that changes an interface's addresses, or one of them, comes by here.
		File:    gvisor + "/tcpip/stack/addressable_endpoint_state.go",
		Match:   `(?m)^func \(a \*AddressableEndpointState\) (addAndAcquireAddressLocked|releaseAddressStateLocked)\(.*\{$`,
		Replace: "$0\n\troutesChanged()",
		Count:   2,
		Why:     keptRouteWhy,
	}, {
		File:    gvisor + "/tcpip/stack/addressable_endpoint_state.go",
		Match:   `(?m)^func \(a \*addressState\) (SetKind|remove|SetDeprecated|SetLifetimes)\(.*\{\n\ta\.mu\.Lock\(\)$`,
		Replace: "$0\n\troutesChanged()",
		Count:   4,
		Why:     keptRouteWhy,
	}, {
		File:    gvisor + "/tcpip/stack/addressable_endpoint_state.go",
		Match:   `(?m)^(\t+)return nil\n\t+\}\n\n\t+if !readOnly && !addrState\.TryIncRef\(\) \{\n\t+panic`,
		Replace: "${1}return nil\n\t\t\t}\n\t\t\ta.found.Store(addrState)\n\n\t\t\tif !readOnly && !addrState.TryIncRef() {\n\t\t\t\tpanic",
		Count:   1,
		Why:     rememberedWhy,
	}, {
		File:    gvisor + "/tcpip/stack/addressable_endpoint_state.go",
		Match:   `(?m)^\tdelete\(a\.endpoints, addrState\.addr\.Address\)$`,
		Replace: "$0\n\ta.found.CompareAndSwap(addrState, nil)",
		Count:   1,
		Why:     rememberedWhy,
	}, {
		File:    gvisor + "/tcpip/stack/addressable_endpoint_state.go",
		Match:   `(?m)^func \(a \*AddressableEndpointState\) decAddressRef\(.*\{$`,
		Replace: "$0\n\tif addrState.refs.decUnlessLast() {\n\t\treturn\n\t}",
		Count:   1,
		Why:     "give an address back without a lock",
	}, {
		File:    gvisor + "/tcpip/stack/transport_demuxer.go",
		Match:   `(?m)^\tqueuedProtocols map\[protocolIDs\]queuedTransportProtocol$`,
		Replace: "$0\n\n\traws rawCount",
		Count:   1,
		Why:     rawWhy,
	}, {
		File:    gvisor + "/tcpip/stack/transport_demuxer.go",
		Match:   `(?m)^func \(d \*transportDemuxer\) deliverRawPacket\(.*\{$`,
		Replace: "$0\n\tif d.raws.Load() == 0 {\n\t\treturn false\n\t}",
		Count:   1,
		Why:     rawWhy,
	}, {
		File:    gvisor + "/tcpip/stack/transport_demuxer.go",
		Match:   `(?m)^\teps\.rawEndpoints = append\(eps\.rawEndpoints, ep\)$`,
		Replace: "$0\n\td.raws.Add(1)",
		Count:   1,
		Why:     rawWhy,
	}, {
		File:    gvisor + "/tcpip/stack/transport_demuxer.go",
		Match:   `(?m)^\t\t\teps\.rawEndpoints = eps\.rawEndpoints\[:lastIdx\]$`,
		Replace: "$0\n\t\t\td.raws.Add(-1)",
		Count:   1,
		Why:     rawWhy,
	},
}

const (
	keptWhy            = "take a packet from where they are kept without a call"
	memoryWhy          = "remember to which endpoints the packets of a flow go"
	packetProtocolsWhy = "find the protocols of packets without maps"
	missedWhy          = "look for a peer's address among an interface's once"
	ipEndpointsWhy     = "find an interface's IP endpoints without a map"
	routeValidityWhy   = "find out once whether a route is valid"
	rawWhy             = "not look for raw sockets where there are none"
	kindsWhy           = "look only for endpoints of kinds that there are"
)

// withoutCallback is a case of resolvedFields of its own.
const withoutCallback = `	if afterResolve == nil {
		entry, ch, err := r.linkRes.neigh.entry(r.nextHop(), linkAddressResolutionRequestLocalAddr, nil)
		if err == nil {
			fields.RemoteLinkAddress, _ = entry.getRemoteLinkAddress()
		}
		r.setCachedNeighborEntry(entry)
		return fields, ch, err
	}
`

// hasAddress is added to the stack.
const hasAddress = `
// hasAddressRLocked reports whether an interface has the address.
func (s *Stack) hasAddressRLocked(netProto tcpip.NetworkProtocolNumber, addr tcpip.Address) bool {
	for _, nic := range s.nics {
		if nic.hasAddress(netProto, addr) {
			return true
		}
	}
	return false
}
`
