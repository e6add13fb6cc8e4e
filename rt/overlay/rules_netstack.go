package overlay

// netstackRules make gVisor's network stack faster.
var netstackRules = []Rule{
	{
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
		File:    gvisor + "/tcpip/network/ipv4/ipv4.go",
		Match:   `(?m)^\tstats := (e\.stats(?:\.ip)?)$`,
		Replace: "\tstats := &$1",
		Count:   7,
		Why:     "count packets without copying the counters",
	}, {
		File:    gvisor + "/tcpip/network/ipv6/ipv6.go",
		Match:   `(?m)^\tstats := (e\.stats\.ip)$`,
		Replace: "\tstats := &$1",
		Count:   11,
		Why:     "count packets without copying the counters",
	}, {
		File:    gvisor + "/tcpip/network/ipv6/ipv6.go",
		Match:   `(?m)^(func checkV4Mapped\(.*stats) (ip\.MultiCounterIPStats)`,
		Replace: "$1 *$2",
		Count:   1,
		Why:     "count packets without copying the counters",
	}, {
		// A header is nearly always in the packet's first buffer, which
		// nobody else has. It is looked at dozens of times.
		File:  gvisor + "/buffer/buffer.go",
		Match: `(?m)^\ttgt := Range\{begin: offset, end: offset \+ length\}$`,
		Replace: "\tif v := b.data.Front(); v != nil && offset >= 0 && length > 0 && length <= v.Size()-offset && !v.sharesChunk() {\n" +
			"\t\treturn View{read: v.read + offset, write: v.read + offset + length, chunk: v.chunk}, true\n\t}\n$0",
		Count: 1,
		Why:   "find a packet's header by few instructions",
	}, {
		// At start these are 8 KiB, for the first identification of datagrams.
		File:    gvisor + "/tcpip/network/hash/hash.go",
		Match:   `(?ms)^import \(.*?^\)$`,
		Replace: "import (\n\t\"math/rand/v2\"\n\n\t\"gvisor.dev/gvisor/pkg/tcpip/header\"\n)",
		Count:   1,
		Why:     randomWhy,
	}, {
		File:    gvisor + "/tcpip/network/hash/hash.go",
		Match:   `(?ms)^(func RandN32\(n int\) \[\]uint32 \{\n).*?^\}$`,
		Replace: "${1}\tr := make([]uint32, n)\n\tfor i := range r {\n\t\tr[i] = rand.Uint32()\n\t}\n\treturn r\n}",
		Count:   1,
		Why:     randomWhy,
	}, {
		File:    gvisor + "/tcpip/stack/packet_buffer.go",
		Match:   `(?m)^\tview := (h\.)?pk\.headerView\((h\.)?typ\)\n\treturn view\.AsSlice\(\)(, true)?$`,
		Replace: "\treturn ${1}pk.headerSlice(${2}typ)$3",
		Count:   3,
		Why:     "find a packet's header by few instructions",
	}, {
		File:    gvisor + "/tcpip/tcpip.go",
		Match:   `(?ms)^(func InitStatCounters\(v reflect\.Value\) \{\n).*?^\}$`,
		Replace: "${1}\tinitStatCounters(v)\n}",
		Count:   1,
		Why:     "make all counters of a structure at once",
	}, {
		File:    gvisor + "/tcpip/network/ipv6/ipv6.go",
		Match:   `(?m)^\tenabled atomicbitops\.Uint32$`,
		Replace: "$0\n\n\tpostponed bool // guarded by mu",
		Count:   1,
		Why:     postponeWhy,
	}, {
		File:    gvisor + "/tcpip/network/ipv6/ipv6.go",
		Match:   `(?m)^\t// If the endpoint is already enabled, there is nothing for it to do\.\n\tif !e\.setEnabled\(true\)`,
		Replace: "\tif e.postpone() {\n\t\treturn nil\n\t}\n\n$0",
		Count:   1,
		Why:     postponeWhy,
	}, {
		File:    gvisor + "/tcpip/transport/tcp/connect.go",
		Match:   `(?m)^\t"crypto/sha256"$`,
		Replace: "\t\"" + module + "/netstack/siphash\"",
		Count:   1,
		Why:     siphashWhy,
	}, {
		File:    gvisor + "/tcpip/transport/tcp/connect.go",
		Match:   `(?ms)^\tisnHasher := sha256\.New\(\)$.*?(?:^\t// The time period here)`,
		Replace: secureISN,
		Count:   1,
		Why:     siphashWhy,
	}, {
		File:    gvisor + "/tcpip/transport/tcp/connect.go",
		Match:   `binary\.LittleEndian\.Uint32\(isnHasher\.Sum\(nil\)\[:4\]\)`,
		Replace: "uint32(siphash.Sum(&seed, b))",
		Count:   1,
		Why:     siphashWhy,
	}, {
		File:    gvisor + "/tcpip/transport/tcp/protocol.go",
		Match:   `(?m)^\t"crypto/sha256"\n\t"encoding/binary"$`,
		Replace: "\t\"" + module + "/netstack/siphash\"",
		Count:   1,
		Why:     siphashWhy,
	}, {
		File:    gvisor + "/tcpip/transport/tcp/protocol.go",
		Match:   `(?ms)^\th := sha256\.New\(\)$.*?^\}$`,
		Replace: "\tb := append(make([]byte, 0, 2*16), src.AsSlice()...)\n\tb = append(b, dst.AsSlice()...)\n\treturn tcp.NewTSOffset(uint32(siphash.Sum(&p.tsOffsetSecret, b)))\n}",
		Count:   1,
		Why:     siphashWhy,
	}, {
		File:    gvisor + "/tcpip/network/ipv6/ndp.go",
		Match:   `(?m)^\theader\.InitialTempIID\(.*\)\n`,
		Replace: "",
		Count:   1,
		Why:     temporaryWhy,
	}, {
		// RFC 4941, 3.2.1, wants a random number. Without a seed, which is none of
		// the stack's options, it would be one that everybody can compute.
		File:  gvisor + "/tcpip/network/ipv6/ndp.go",
		Match: `(?m)^\t\tgeneratedAddr = header\.GenerateTempIPv6SLAACAddr\(`,
		Replace: "\t\tif ndp.temporaryIIDHistory == [header.IIDSize]byte{} {\n" +
			"\t\t\trng := ndp.ep.protocol.stack.SecureRNG()\n\t\t\tif _, err := rng.Reader.Read(ndp.temporaryIIDHistory[:]); err != nil {\n\t\t\t\tpanic(err)\n\t\t\t}\n\t\t}\n$0",
		Count: 1,
		Why:   temporaryWhy,
	}, {
		File:    gvisor + "/tcpip/stack/iptables.go",
		Match:   `(?ms)^func \(it \*IPTables\) shouldSkipOrPopulateTables\(.*?^\}$`,
		Replace: "func (it *IPTables) shouldSkipOrPopulateTables([]checkTable, *PacketBuffer) bool { return true }",
		Count:   1,
		Why:     "leave out a firewall that nobody can configure",
	}, {
		File:    gvisor + "/tcpip/network/ipv4/ipv4.go",
		Match:   `\bstk\.FindNICNameFromID\((e\.nic\.ID\(\)|nicID)\)`,
		Replace: "e.nic.Name()",
		Count:   5,
		Why:     "not look up the name of an interface that is at hand",
	}, {
		File:    gvisor + "/tcpip/network/ipv6/ipv6.go",
		Match:   `\bstk\.FindNICNameFromID\((e\.nic\.ID\(\)|nicID)\)`,
		Replace: "e.nic.Name()",
		Count:   5,
		Why:     "not look up the name of an interface that is at hand",
	}, {
		File:    gvisor + "/refs/refs_map.go",
		Match:   `(?ms)^func (Register|Unregister)\(obj CheckedObject\) \{\n.*?^\}$`,
		Replace: "func $1(CheckedObject) {}",
		Count:   2,
		Why:     "leave out the search for leaks of buffers, which is off",
	}, {
		File:    gvisor + "/sync/rwmutex_unsafe.go",
		Match:   `(?ms)^(func \(rw \*CrossGoroutineRWMutex\) RUnlock\(\) \{\n).*?^\}$`,
		Replace: rUnlock,
		Count:   1,
		Why:     "give read locks back without a call",
	}, {
		// These calls of a lock checker, which is off, make locks just too long for
		// the compiler to put where they are called.
		File:    gvisor + "/sync/rwmutex_unsafe.go",
		Match:   noteLock,
		Replace: "",
		Count:   8,
		Why:     locksWhy,
	}, {
		File:    gvisor + "/sync/mutex_unsafe.go",
		Match:   noteLock,
		Replace: "",
		Count:   4,
		Why:     locksWhy,
	}, {
		File:    gvisor + "/sync/mutex_unsafe.go",
		Match:   `(?m)^\t"unsafe"$`,
		Replace: "\t_ \"unsafe\"",
		Count:   1,
		Why:     locksWhy,
	}, {
		// All addresses of an interface are asked for each packet.
		File:    gvisor + "/tcpip/tcpip.go",
		Match:   `(?m)^\treturn s\.Prefix\(\) <= 30 && s\.Broadcast\(\) == address$`,
		Replace: "\tfor i := range ipv4AddressSize {\n\t\tif address.addr[i] != s.address.addr[i]|^s.mask.mask[i] {\n\t\t\treturn false\n\t\t}\n\t}\n$0",
		Count:   1,
		Why:     "see by few instructions that an address is no broadcast",
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
		File:    gvisor + "/tcpip/transport/internal/network/endpoint.go",
		Match:   `(?ms)^\treturn (stack\.NewPacketBuffer\(stack\.PacketBufferOptions\{\n.*?)^\t\tOnRelease: func\(\) \{\n(.*?)^\t\t\},\n\t\}\)\n\}$`,
		Replace: "\tpk := $1\t})\n\tpk.Charge(e, pktSize)\n\treturn pk\n}\n\n// PacketReleased is called when a packet was sent.\nfunc (e *Endpoint) PacketReleased(pktSize int64) {\n$2}",
		Count:   1,
		Why:     chargeWhy,
	}, {
		File:    gvisor + "/tcpip/transport/internal/network/endpoint.go",
		Match:   `\b_, err := data\.WriteFromReader\(payloader, int64\(payloader\.Len\(\)\)\)`,
		Replace: "err := data.ReadAfter(reserveHdrBytes, payloader, payloader.Len())",
		Count:   1,
		Why:     headroomWhy,
	}, {
		File:    gvisor + "/tcpip/stack/packet_buffer.go",
		Match:   `(?m)^\tif opts\.ReserveHeaderBytes != 0 \{$`,
		Replace: "\tif n := opts.ReserveHeaderBytes; n != 0 && opts.Payload.UseHeadroom(n) {\n\t\tpk.reserved = n\n\t} else if n != 0 {",
		Count:   1,
		Why:     headroomWhy,
	}, {
		File:    gvisor + "/tcpip/transport/internal/network/endpoint.go",
		Match:   `\bif nic, err := c\.e\.stack\.GetNICByID\(`,
		Replace: "if c.e.ops.GetExperimentOptionValue() == 0 {\n\t\t// There is none.\n\t} else $0",
		Count:   2,
		Why:     "not look for an interface's settings that change nothing",
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
		File:    gvisor + "/tcpip/network/ipv4/ipv4.go",
		Match:   `\baddressEndpoint\.AddressWithPrefix\(\)\.Subnet\(\)`,
		Replace: "addressEndpoint.Subnet()",
		Count:   1,
		Why:     "not compute an address's subnet for each packet",
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
		Replace: "$0\n\t\tnic.ip.set(netNum, netEP)",
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
		File:    gvisor + "/tcpip/transport/udp/endpoint.go",
		Match:   `(?m)^\tdefer e\.lastErrorMu\.Unlock\(\)\n\n(\terr := e\.lastError\n\te\.lastError = nil\n)`,
		Replace: "$1\te.lastErrorMu.Unlock()\n",
		Count:   1,
		Why:     locksWhy,
	}, {
		File:    gvisor + "/tcpip/header/ipv4.go",
		Match:   `(?ms)^(func IsV4MulticastAddress\(addr tcpip\.Address\) bool \{\n).*?^\}$`,
		Replace: "${1}\treturn addr.V4Multicast()\n}",
		Count:   1,
		Why:     multicastWhy,
	}, {
		File:    gvisor + "/tcpip/header/ipv6.go",
		Match:   `(?ms)^(func IsV6MulticastAddress\(addr tcpip\.Address\) bool \{\n).*?^\}$`,
		Replace: "${1}\treturn addr.V6Multicast()\n}",
		Count:   1,
		Why:     multicastWhy,
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
		File:    gvisor + "/tcpip/network/ipv4/ipv4.go",
		Match:   `(?m)^\t"gvisor\.dev/gvisor/pkg/buffer"\n`,
		Replace: "",
		Count:   1,
		Why:     ownHeaderWhy,
	}, {
		File:    gvisor + "/tcpip/network/ipv4/ipv4.go",
		Match:   `(?m)^(func \(p \*protocol\) parseAndValidate\(pkt \*stack\.PacketBuffer\) \()\*buffer\.View, bool\)`,
		Replace: "${1}header.IPv4, bool)",
		Count:   1,
		Why:     ownHeaderWhy,
	}, {
		File:    gvisor + "/tcpip/network/ipv4/ipv4.go",
		Match:   `(?m)^\treturn pkt\.NetworkHeader\(\)\.View\(\), true$`,
		Replace: "\treturn pkt.NetworkHeader().Slice(), true",
		Count:   1,
		Why:     ownHeaderWhy,
	}, {
		File:    gvisor + "/tcpip/network/ipv4/ipv4.go",
		Match:   `(?m)^\thView, (ok := e\.protocol\.parseAndValidate\(pkt\)\n(?:.*\n){4})(?:\th := header\.IPv4\(hView\.AsSlice\(\)\)\n|\tdefer hView\.Release\(\)\n){2}`,
		Replace: "\th, $1",
		Count:   2,
		Why:     ownHeaderWhy,
	}, {
		File:    gvisor + "/tcpip/network/ipv6/ipv6.go",
		Match:   `(?m)^(func \(p \*protocol\) parseAndValidate\(pkt \*stack\.PacketBuffer\) \()\*buffer\.View, bool\)`,
		Replace: "${1}header.IPv6, bool)",
		Count:   1,
		Why:     ownHeaderWhy,
	}, {
		File:    gvisor + "/tcpip/network/ipv6/ipv6.go",
		Match:   `(?m)^\treturn pkt\.NetworkHeader\(\)\.View\(\), true$`,
		Replace: "\treturn pkt.NetworkHeader().Slice(), true",
		Count:   1,
		Why:     ownHeaderWhy,
	}, {
		File:    gvisor + "/tcpip/network/ipv6/ipv6.go",
		Match:   `(?m)^\thView, (ok := e\.protocol\.parseAndValidate\(pkt\)\n(?:.*\n){4})(?:\th := header\.IPv6\(hView\.AsSlice\(\)\)\n|\tdefer hView\.Release\(\)\n){2}`,
		Replace: "\th, $1",
		Count:   2,
		Why:     ownHeaderWhy,
	}, {
		File:    gvisor + "/tcpip/header/checksum.go",
		Match:   `(?m)^func PseudoHeaderChecksum\(.*\{$`,
		Replace: "$0\n\tif srcAddr.Len() == IPv4AddressSize && dstAddr.Len() == IPv4AddressSize {\n\t\treturn pseudoHeaderChecksum4(protocol, srcAddr, dstAddr, totalLen)\n\t}",
		Count:   1,
		Why:     "sum up a pseudo header by few instructions",
	}, {
		File:    gvisor + "/tcpip/header/ipv6.go",
		Match:   `(?m)^\treturn IPv4MappedIPv6Subnet\.Contains\(addr\)$`,
		Replace: "\tb := addr.As16()\n\treturn [12]byte(b[:12]) == [12]byte{10: 0xff, 11: 0xff}",
		Count:   1,
		Why:     "see by few instructions whether an address is an IPv4 one",
	}, {
		// A socket that was writable before has nothing to say.
		File:    gvisor + "/tcpip/transport/internal/network/endpoint.go",
		Match:   `(?m)^(\t+e\.sendBufferSizeInUse -= pktSize\n\t+signal := )(e\.hasSendSpaceRLocked\(\))$`,
		Replace: "full := !$2\n${1}full && $2",
		Count:   1,
		Why:     "tell of room to send only who had none",
	}, {
		File:    gvisor + "/tcpip/network/ipv4/ipv4.go",
		Match:   `(?m)^func \(e \*endpoint\) AcquireAssignedAddress\(.*\{$`,
		Replace: "$0\n\tif ep, ok := e.addressableEndpointState.Remembered(localAddr, allowTemp, readOnly); ok {\n\t\treturn ep\n\t}",
		Count:   1,
		Why:     rememberedWhy,
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
	}, {
		File:    gvisor + "/tcpip/stdclock.go",
		Match:   `(?ms)^\tsinceBase := time\.Since\(s\.baseTime\)\n.*?^\treturn s\.monotonicOffset\.Add\(sinceBase\)$`,
		Replace: "\treturn MonotonicTime{nanoseconds: nanotime()}",
		Count:   1,
		Why:     clockWhy,
	}, {
		File:    gvisor + "/tcpip/stdclock.go",
		Match:   `(?m)^\t"fmt"\n`,
		Replace: "",
		Count:   1,
		Why:     clockWhy,
	}, {
		File:    gvisor + "/tcpip/tcpip.go",
		Match:   `(?ms)^func \(mt MonotonicTime\) Add\(.*?^\}$`,
		Replace: monotonicAdd,
		Count:   1,
		Why:     "add times without calendars",
	}, {
		File:    gvisor + "/tcpip/tcpip.go",
		Match:   `(?ms)^func \(mt MonotonicTime\) Sub\(.*?^\}$`,
		Replace: monotonicSub,
		Count:   1,
		Why:     "subtract times without calendars",
	}, {
		File:    gvisor + "/tcpip/transport/tcp/endpoint.go",
		Match:   `(?m)^\tkeepalive keepalive$`,
		Replace: "$0\n\n\tdelayed delayedACK",
		Count:   1,
		Why:     delayedACKWhy,
	}, {
		File:    gvisor + "/tcpip/transport/tcp/endpoint.go",
		Match:   `(?m)^\te\.keepalive\.timer\.cleanup\(\)$`,
		Replace: "$0\n\te.delayed.timer.cleanup()",
		Count:   1,
		Why:     delayedACKWhy,
	}, {
		File:    gvisor + "/tcpip/transport/tcp/connect.go",
		Match:   `(?m)^(\tif e\.rcv\.RcvNxt != e\.snd\.MaxSentAck) \{$`,
		Replace: "$1 && !e.delayACK() {",
		Count:   1,
		Why:     delayedACKWhy,
	}, {
		// Where acknowledgements are sent, and where data is.
		File:    gvisor + "/tcpip/transport/tcp/snd.go",
		Match:   `(?m)^\ts\.MaxSentAck = rcvNxt$`,
		Replace: "$0\n\ts.ep.delayed.acknowledged()",
		Count:   2,
		Why:     delayedACKWhy,
	}, {
		File:    gvisor + "/tcpip/transport/tcp/snd.go",
		Match:   `(?m)^\tpkt = pkt\.Clone\(\)$`,
		Replace: "\ts.ep.delayed.answered(s.LastSendTime)\n$0",
		Count:   1,
		Why:     delayedACKWhy,
	}, {
		// What is in flight, by RFC 8985: all that is neither received nor
		// lost, as RACK sees it. The rule of RFC 6675, which it replaces, never
		// counts enough as lost after a timeout, so that nothing is repeated
		// but by another timeout.
		File:    gvisor + "/tcpip/transport/tcp/snd.go",
		Match:   `(?m)^\t\t\tif s\.ep\.scoreboard\.IsSACKED\(sb\) \{\n\t\t\t\tcontinue\n\t\t\t\}$`,
		Replace: "$0\n\t\t\tif s.ep.tcpRecovery&tcpip.TCPRACKLossDetection != 0 {\n\t\t\t\tif !s1.lost {\n\t\t\t\t\tpipe++\n\t\t\t\t}\n\t\t\t\tcontinue\n\t\t\t}",
		Count:   1,
		Why:     rackWhy,
	}, {
		// And that holds in every state. What is received out of order is
		// otherwise in flight for as long as no loss is known, and even when it
		// has been acknowledged; so nothing new is sent by which RACK would see
		// a loss.
		File:    gvisor + "/tcpip/transport/tcp/snd.go",
		Match:   `(?m)^\tif !s\.ep\.SACKPermitted \|\| !s\.FastRecovery\.Active \{$`,
		Replace: "\tif !s.ep.SACKPermitted || !s.FastRecovery.Active && !s.countsFlight() {",
		Count:   1,
		Why:     rackWhy,
	}, {
		// After a timeout all is lost that was in flight.
		File:    gvisor + "/tcpip/transport/tcp/snd.go",
		Match:   `(?m)^\ts\.ep\.scoreboard\.Reset\(\)$`,
		Replace: "$0\n\ts.loseFlight()",
		Count:   1,
		Why:     rackWhy,
	}, {
		// What RACK finds lost then is repeated, but is no reason to make the
		// congestion window smaller again.
		File:    gvisor + "/tcpip/transport/tcp/snd.go",
		Match:   `(?m)(numLost > 0 && !s\.FastRecovery\.Active) \{$`,
		Replace: "$1 && s.state != tcpip.RTORecovery {",
		Count:   1,
		Why:     rackWhy,
	}, {
		File:    gvisor + "/tcpip/transport/tcp/snd.go",
		Match:   `(?m)^(\t\tif s\.FastRecovery\.Active) (\{\n\t\t\ts\.rc\.DoRecovery)`,
		Replace: "$1 || s.state == tcpip.RTORecovery $2",
		Count:   1,
		Why:     rackWhy,
	}, {
		File:    gvisor + "/tcpip/transport/tcp/rack.go",
		Match:   `(?m)^(\tif !rc\.snd\.FastRecovery\.Active) \{$`,
		Replace: "$1 && rc.snd.state != tcpip.RTORecovery {",
		Count:   1,
		Why:     rackWhy,
	}, {
		// Also when it is a timer that finds the loss there may be room for
		// new data.
		File:    gvisor + "/tcpip/transport/tcp/rack.go",
		Match:   `(?m)^\trc\.DoRecovery\(nil, fastRetransmit\)$`,
		Replace: "$0\n\trc.snd.sendData()",
		Count:   1,
		Why:     rackWhy,
	}, {
		// The loop that follows goes upwards.
		File:    gvisor + "/tcpip/transport/tcp/snd.go",
		Match:   `sackBlocks\[j\]\.Start\.LessThan\(sackBlocks\[i\]\.Start\)`,
		Replace: "sackBlocks[i].Start.LessThan(sackBlocks[j].Start)",
		Count:   1,
		Why:     "see all that was received out of order",
	}, {
		File:    gvisor + "/tcpip/transport/tcp/snd.go",
		Match:   `(?m)^\tnSeg := seg\.clone\(\)$`,
		Replace: "$0\n\tnSeg.lost = seg.lost",
		Count:   1,
		Why:     rackWhy,
	}, {
		File:    gvisor + "/tcpip/transport/tcp/rack.go",
		Match:   `(?m)^\tvar dataSent bool\n\t// Iterate the writeList`,
		Replace: "\tsnd.SetPipe()\n$0",
		Count:   1,
		Why:     rackWhy,
	}, {
		// On a fast link both timers would be shorter than the time for which
		// a busy machine leaves an acknowledgement lying. Linux adds two ticks.
		File:    gvisor + "/tcpip/transport/tcp/rack.go",
		Match:   `(?m)^\t\tpto = s\.rtt\.TCPRTTState\.SRTT \* 2$`,
		Replace: "\t\tpto = s.rtt.TCPRTTState.SRTT*2 + 4*time.Millisecond",
		Count:   1,
		Why:     rackWhy,
	}, {
		File:    gvisor + "/tcpip/transport/tcp/rack.go",
		Match:   `(?m)^\t\trc\.snd\.reorderTimer\.enable\(timeout\)$`,
		Replace: "\t\trc.snd.reorderTimer.enable(timeout + 4*time.Millisecond)",
		Count:   1,
		Why:     rackWhy,
	}, {
		// What arrives out of order is acknowledged with the time stamp of what
		// came before the gap (RFC 7323, 4.3). That says nothing.
		File:    gvisor + "/tcpip/transport/tcp/rack.go",
		Match:   `(?m)^\t\t\tif (ackSeg\.parsedOptions\.TSEcr < rc\.snd\.ep\.tsVal\(seg\.xmitTime\)) \{$`,
		Replace: "\t\t\tif seg.sequenceNumber.LessThan(ackSeg.ackNumber) && $1 {",
		Count:   1,
		Why:     rackWhy,
	}, {
		File:    gvisor + "/tcpip/transport/tcp/cubic.go",
		Match:   `(?m)^\tnumCongestionEvents int$`,
		Replace: "$0\n\n\tgrowth cubicGrowth",
		Count:   1,
		Why:     cubicWhy,
	}, {
		File:    gvisor + "/tcpip/transport/tcp/cubic.go",
		Match:   `\bc\.getCwnd\(packetsAcked, c\.s\.SndCwnd, srtt\)`,
		Replace: "c.grow(packetsAcked, c.s.SndCwnd, srtt)",
		Count:   1,
		Why:     cubicWhy,
	}, {
		// The time without progress, not since the sender was last idle.
		File:    gvisor + "/tcpip/transport/tcp/snd.go",
		Match:   `(?m)^\t\ts\.SndUna = ack$`,
		Replace: "$0\n\t\ts.firstRetransmittedSegXmitTime = tcpip.MonotonicTime{}",
		Count:   1,
		Why:     patienceWhy,
	}, {
		File:    gvisor + "/tcpip/transport/tcp/snd.go",
		Match:   `(?m)^(\tif seg != nil && seg\.xmitCount > s\.maxRetries) \{$`,
		Replace: "$1 && elapsed >= time.Minute {",
		Count:   1,
		Why:     patienceWhy,
	}, {
		// The other side echoes the time stamp of what it has received. With
		// that of the first attempt, a handshake of seconds counts as one round
		// trip of so long, and the first loss afterwards as many.
		File:    gvisor + "/tcpip/transport/tcp/connect.go",
		Match:   `(?m)^\t\te\.sendSynTCP\(e\.route, tcpFields\{$`,
		Replace: "\t\th.sendSYNOpts.TSVal, h.sendSYNOpts.TSEcr = e.tsValNow(), e.recentTimestamp()\n$0",
		Count:   1,
		Why:     synTimeWhy,
	}, {
		// And it wants an answer to the SYN that it sent last.
		File:    gvisor + "/tcpip/transport/tcp/connect.go",
		Match:   `(?m)^\tif !s\.sequenceNumber\.InWindow\(h\.ackNum, h\.rcvWnd\) \{$`,
		Replace: "\tif h.repeatedSYN(s) {\n\t\treturn h.answerAgain(s)\n\t}\n$0",
		Count:   1,
		Why:     synTimeWhy,
	}, {
		File:    gvisor + "/tcpip/transport/tcp/connect.go",
		Match:   `(?m)^\th\.resetToSynRcvd\(isn, irs, opts, deferAccept\)$`,
		Replace: "$0\n\th.retransmitTimer.reinit(synACKTimeout)",
		Count:   1,
		Why:     synTimeWhy,
	}, {
		File:    gvisor + "/tcpip/transport/tcp/connect.go",
		Match:   `(?m)^\tif e\.route == nil (\{\n\t\treturn nil\n\t\}\n\te\.keepalive\.Lock\(\))$`,
		Replace: "\tif e.route == nil || e.EndpointState() == StateTimeWait $1",
		Count:   1,
		Why:     "not ask whether a peer is alive that has closed the connection",
	}, {
		// Once the program has closed a connection, data is a reason for a reset,
		// and an acknowledgement from beyond a lost FIN is not.
		File:    gvisor + "/tcpip/transport/tcp/rcv.go",
		Match:   `\brcvClosed && (r\.RcvNxt\.LessThan\(endDataSeq\)|!segEnd\.LessThanEq\(r\.RcvNxt\)) \{`,
		Replace: "rcvClosed && s.payloadSize() > 0 && $1 {",
		Count:   2,
		Why:     "close connections in order where a FIN is lost",
	},
}

const (
	randomWhy        = "take random numbers from the Go runtime, whose generator is as good and faster"
	postponeWhy      = "let the program start before IPv6 does"
	siphashWhy       = "make what no attacker may guess of a connection by a short function, as Linux does"
	temporaryWhy     = "make temporary addresses ready when the first one is made"
	delayedACKWhy    = "acknowledge data together with the answer to it"
	rackWhy          = "repeat at once what RACK knows to be lost"
	missedWhy        = "look for a peer's address among an interface's once"
	locksWhy         = "lock without a call"
	ipEndpointsWhy   = "find an interface's IP endpoints without a map"
	routeValidityWhy = "find out once whether a route is valid"
	multicastWhy     = "see without a call that an address is no multicast one"
	keptRouteWhy     = "find the way to a peer once for many datagrams"
	networkHeaderWhy = "read a datagram's network header once, without allocating it"
	ownPacketWhy     = "put a datagram into a queue without copying what is known of it"
	ownHeaderWhy     = "not share a packet's header with oneself, and then copy it"
	chargeWhy        = "charge a packet's memory to its sender without allocating"
	headroomWhy      = "put a datagram's data behind room for its headers"
	rememberedWhy    = "find the addresses that each packet asks for without locks"
	clockWhy         = "read the monotonic clock, as every segment does many times, by one call"
	rawWhy           = "not look for raw sockets where there are none"
	kindsWhy         = "look only for endpoints of kinds that there are"
	synTimeWhy       = "measure round trips by the SYN that was answered"
	cubicWhy         = "let a small congestion window grow"
	patienceWhy      = "not give a connection up that is making progress"
)

// monotonicAdd and monotonicSub replace what goes by way of time.Time. As there, what
// does not fit is the largest or the smallest number.
const (
	monotonicAdd = `func (mt MonotonicTime) Add(d time.Duration) MonotonicTime {
	sum := mt.nanoseconds + int64(d)
	switch {
	case d > 0 && sum < mt.nanoseconds:
		sum = math.MaxInt64
	case d < 0 && sum > mt.nanoseconds:
		sum = math.MinInt64
	}
	return MonotonicTime{nanoseconds: sum}
}`
	monotonicSub = `func (mt MonotonicTime) Sub(u MonotonicTime) time.Duration {
	difference := mt.nanoseconds - u.nanoseconds
	switch {
	case u.nanoseconds < 0 && difference < mt.nanoseconds:
		difference = math.MaxInt64
	case u.nanoseconds > 0 && difference > mt.nanoseconds:
		difference = math.MinInt64
	}
	return time.Duration(difference)
}`
)

// secureISN replaces SHA-256 over the same.
const secureISN = `	b := append(make([]byte, 0, 2*16+2*2), id.LocalAddress.AsSlice()...)
	b = append(b, id.RemoteAddress.AsSlice()...)
	b = binary.LittleEndian.AppendUint16(b, id.LocalPort)
	b = binary.LittleEndian.AppendUint16(b, id.RemotePort)
	// The time period here`

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

// noteLock matches a call.
const noteLock = `(?m)^\t+note(?:Lock|Unlock)\(unsafe\.Pointer\(r?[mw]\)\)\n`

// rUnlock replaces a function that is too long for the compiler to put where it is
// called. There is no race detector.
const rUnlock = `${1}	if r := atomic.AddInt32(&rw.readerCount, -1); r < 0 {
		rw.rUnlockSlow(r)
	}
}

func (rw *CrossGoroutineRWMutex) rUnlockSlow(r int32) {
	if r+1 == 0 || r+1 == -rwmutexMaxReaders {
		panic("RUnlock of unlocked RWMutex")
	}
	// A writer is pending.
	if atomic.AddInt32(&rw.readerWait, -1) == 0 {
		// The last reader unblocks the writer.
		semrelease(&rw.writerSem, false, 0)
	}
}`

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
