package overlay

// netstackIPRules are those for IPv4 and IPv6.
var netstackIPRules = []Rule{
	{
		// Nothing reads them: the stack's secure generator makes the identifications.
		File:    gvisor + "/tcpip/network/ipv4/ipv4.go",
		Match:   `(?ms)^\tids := make\(.*?^\thashIV := r\[buckets\]\n`,
		Replace: "",
		Count:   1,
		Why:     identificationsWhy,
	}, {
		File:    gvisor + "/tcpip/network/ipv4/ipv4.go",
		Match:   `(?m)^\t\t\t(ids|hashIV): +(ids|hashIV),\n`,
		Replace: "",
		Count:   2,
		Why:     identificationsWhy,
	}, {
		// The map held all errors but this one, and nothing changes it.
		File:    gvisor + "/tcpip/network/ipv6/ipv6.go",
		Match:   `(?ms)^\t\tdefaultIcmpTypes := make\(.*?^\t\tp\.mu\.icmpRateLimitedTypes = defaultIcmpTypes\n`,
		Replace: "",
		Count:   1,
		Why:     limitedTypesWhy,
	}, {
		File:    gvisor + "/tcpip/network/ipv6/ipv6.go",
		Match:   `if _, ok := p\.mu\.icmpRateLimitedTypes\[icmpType\]; ok \{`,
		Replace: "if icmpType < header.ICMPv6EchoRequest && icmpType != header.ICMPv6PacketTooBig {",
		Count:   1,
		Why:     limitedTypesWhy,
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
		File:    gvisor + "/tcpip/network/ipv4/ipv4.go",
		Match:   `\baddressEndpoint\.AddressWithPrefix\(\)\.Subnet\(\)`,
		Replace: "addressEndpoint.Subnet()",
		Count:   1,
		Why:     "not compute an address's subnet for each packet",
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
		Replace: "\treturn h, true",
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
		File:    gvisor + "/tcpip/network/ipv4/ipv4.go",
		Match:   `(?m)^func \(e \*endpoint\) AcquireAssignedAddress\(.*\{$`,
		Replace: "$0\n\tif ep, ok := e.addressableEndpointState.Remembered(localAddr, allowTemp, readOnly); ok {\n\t\treturn ep\n\t}",
		Count:   1,
		Why:     rememberedWhy,
	}, {
		File:    gvisor + "/tcpip/network/ipv4/ipv4.go",
		Match:   `\blen\((\w+)\.(Link|Network|Transport)Header\(\)\.Slice\(\)\)`,
		Replace: "$1.${2}Header().Length()",
		Count:   4,
		Why:     headerLengthWhy,
	}, {
		File:    gvisor + "/tcpip/network/ipv4/ipv4.go",
		Match:   `\bheader\.IPv4\(pkt\.NetworkHeader\(\)\.Slice\(\)\)\.SourceAddress\(\), e\.nic\.Promiscuous\(\)`,
		Replace: "h.SourceAddress(), e.nic.Promiscuous()",
		Count:   1,
		Why:     sameHeaderWhy,
	}, {
		// There is no firewall.
		File:    gvisor + "/tcpip/network/ipv4/ipv4.go",
		Match:   `(?m)^\t// CheckPrerouting can modify the backing storage of the packet, so refresh\n\t// the header\.\n\th = header\.IPv4\(pkt\.NetworkHeader\(\)\.Slice\(\)\)\n`,
		Replace: "",
		Count:   1,
		Why:     sameHeaderWhy,
	}, {
		File:    gvisor + "/tcpip/network/ipv4/ipv4.go",
		Match:   `(?m)^\tdispatcher stack\.TransportDispatcher\n\tprotocol   \*protocol$`,
		Replace: "$0\n\tunicasts   stack.KnownUnicasts",
		Count:   1,
		Why:     unicastsWhy,
	}, {
		File:    gvisor + "/tcpip/network/ipv4/ipv4.go",
		Match:   `(?m)^\tif !e\.nic\.IsLoopback\(\) \{\n\t\tif !e\.protocol\.options\.AllowExternalLoopbackTraffic \{$`,
		Replace: "\tif loopback := e.nic.IsLoopback(); !loopback && e.unicasts.Look(pkt, h) {\n\t\tpkt.InputNICID = e.nic.ID()\n\t} else if !loopback {\n\t\tif !e.protocol.options.AllowExternalLoopbackTraffic {",
		Count:   1,
		Why:     unicastsWhy,
	}, {
		File:    gvisor + "/tcpip/network/ipv4/ipv4.go",
		Match:   `(?m)^\tstats\.ip\.ValidPacketsReceived\.Increment\(\)\n\n\tsrcAddr := h\.SourceAddress\(\)$`,
		Replace: "\tstats.ip.ValidPacketsReceived.Increment()\n\tif pkt.IsKnownUnicast() {\n\t\te.deliverPacketLocally(h, pkt, inNICName)\n\t\treturn\n\t}\n\n\tsrcAddr := h.SourceAddress()",
		Count:   1,
		Why:     unicastsWhy,
	}, {
		File:    gvisor + "/tcpip/network/ipv4/ipv4.go",
		Match:   `(?m)^\t\te\.deliverPacketLocally\(h, pkt, inNICName\)\n\t\} else if e\.Forwarding\(\) \{$`,
		Replace: "\t\te.unicasts.Learn(pkt, h)\n$0",
		Count:   1,
		Why:     unicastsWhy,
	},
}

const (
	unicastsWhy        = "ask once whether packets with the same addresses are for this machine"
	sameHeaderWhy      = "look for the header of a packet that arrived once"
	identificationsWhy = "start without 2,048 random numbers that nothing reads"
	limitedTypesWhy    = "know by a comparison which ICMPv6 messages are limited, and make no map of them"
	postponeWhy        = "let the program start before IPv6 does"
	temporaryWhy       = "make temporary addresses ready when the first one is made"
	ownHeaderWhy       = "not share a packet's header with oneself, and then copy it"
)
