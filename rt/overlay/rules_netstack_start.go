package overlay

// netstackStartRules are those for what happens once, before the first packet.
var netstackStartRules = []Rule{
	mutexClassRule("/tcpip/stack"),
	mutexClassRule("/tcpip/transport/tcp"),
	mutexClassRule("/tcpip/transport/packet"),
	mutexClassRule("/tcpip/link/loopback"),
	{
		File:    gvisor + "/sync/locking/atomicptrmap_*_unsafe.go",
		Match:   wholeFile,
		Replace: "package locking\n",
		Count:   1,
		Why:     lockdepWhy,
	}, {
		File:    gvisor + "/tcpip/tcpip.go",
		Match:   `(?ms)^(func AddrFrom16\(addr \[16\]byte\) Address \{\n).*?^\}$`,
		Replace: "${1}\treturn Address{addr: addr, length: ipv6AddressSize}\n}",
		Count:   1,
		Why:     constantsWhy,
	}, {
		File:    gvisor + "/tcpip/header/ipv4.go",
		Match:   `(?m)^(\tIPv4\w+ = tcpip\.)AddrFrom4\(\[4\]byte\{(.*)\}\)$`,
		Replace: "${1}ConstantAddress4([16]byte{$2})",
		Count:   5,
		Why:     constantsWhy,
	}, {
		File:    gvisor + "/tcpip/header/ipv4.go",
		Match:   `(?m)\bfunc\(\) tcpip\.Subnet \{\n.*\((?:tcpip\.AddrFrom4\(\[4\]byte\{(.*)\}\)|IPv4Any), tcpip\.MaskFrom\("\\x(..)\\x(..)\\x(..)\\x(..)"\)\)\n(?:\t.*\n)+\}\(\)$`,
		Replace: "tcpip.ConstantSubnet4([16]byte{$1}, [16]byte{0x$2, 0x$3, 0x$4, 0x$5})",
		Count:   5,
		Why:     constantsWhy,
	}, {
		File:    gvisor + "/tcpip/header/igmpv3.go",
		Match:   `(?m)^(\tIGMPv3RoutersAddress = tcpip\.)AddrFrom4\(\[4\]byte\{(.*)\}\)$`,
		Replace: "${1}ConstantAddress4([16]byte{$2})",
		Count:   1,
		Why:     constantsWhy,
	}, {
		File:    gvisor + "/tcpip/header/ipv6.go",
		Match:   `(?ms)^(var IPv6EmptySubnet = tcpip\.)AddressWithPrefix\{.*?^\}\.Subnet\(\)$`,
		Replace: "${1}ConstantSubnet6([16]byte{}, [16]byte{})",
		Count:   1,
		Why:     constantsWhy,
	}, {
		File:    gvisor + "/tcpip/header/ipv6.go",
		Match:   `(?ms)^(var IPv4MappedIPv6Subnet = tcpip\.)AddressWithPrefix\{.*?^\}\.Subnet\(\)$`,
		Replace: "${1}ConstantSubnet6([16]byte{10: 255, 255}, [16]byte{255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255})",
		Count:   1,
		Why:     constantsWhy,
	}, {
		File:    gvisor + "/tcpip/network/ipv6/ipv6.go",
		Match:   `(?ms)^var policyTable = .*?^\}\{$.*?^\}\n`,
		Replace: "",
		Count:   1,
		Why:     constantsWhy,
	}, {
		// What counted twice, in the statistics of an interface and in the stack's, counts once.
		File:    gvisor + "/tcpip/tcpip.go",
		Match:   `(?ms)^type MultiCounterStat struct \{.*?^func \(m \*MultiCounterStat\) IncrementBy\(.*?^\}$`,
		Replace: "type MultiCounterStat = *StatCounter",
		Count:   1,
		Why:     countersWhy,
	}, {
		File:    gvisor + "/tcpip/tcpip.go",
		Match:   `(?ms)^type MultiIntegralStatCounterMap struct \{.*?^func \(m \*MultiIntegralStatCounterMap\) Increment\(.*?^\}$`,
		Replace: "type MultiIntegralStatCounterMap = *IntegralStatCounterMap",
		Count:   1,
		Why:     countersWhy,
	}, {
		File:    gvisor + "/tcpip/network/internal/ip/stats.go",
		Match:   wholeFile,
		Replace: "package ip\n",
		Count:   1,
		Why:     countersWhy,
	}, {
		File:    gvisor + "/tcpip/stack/nic_stats.go",
		Match:   `(?ms)^func \(m \*multiCounter\w+\) init\(.*?^\}\n`,
		Replace: "",
		Count:   3,
		Why:     countersWhy,
	},
	countersRule("ipv4", 10),
	endpointCountersRule("ipv4"),
	endpointStatsRule("ipv4"),
	countersRule("ipv6", 6),
	endpointCountersRule("ipv6"),
	endpointStatsRule("ipv6"),
	countersRule("arp", 2),
	endpointCountersRule("arp"),
	endpointStatsRule("arp"),
	multicastRoutesRule("ipv4"),
	multicastRoutesRule("ipv6"),
	{
		File:    gvisor + "/tcpip/stack/nftables_types.go",
		Match:   `(?m)^var AddressFamilyStrings = map\[AddressFamily\]string\{$`,
		Replace: "var AddressFamilyStrings = [NumAFs]string{",
		Count:   1,
		Why:     "name families by a constant table and not by a map that is filled at each start",
	}, {
		File:    gvisor + "/tcpip/stack/nftables_types.go",
		Match:   `(?m)^\tif af, ok := AddressFamilyStrings\[f\]; ok \{\n\t\treturn af$`,
		Replace: "\tif f >= 0 && f < NumAFs {\n\t\treturn AddressFamilyStrings[f]",
		Count:   1,
		Why:     "name families by a constant table and not by a map that is filled at each start",
	},
}

const (
	lockdepWhy   = "not make ready, at each start, a lock checker that is off"
	countersWhy  = "count a packet once, and not make pairs of counters at each start"
	constantsWhy = "have addresses and subnets of packages made by the compiler"
)

// mutexClassRule is for the locks of a package. Each has a file of its own, whose init
// function would name it to a lock checker, which is off.
func mutexClassRule(pkg string) Rule {
	return Rule{
		File:    gvisor + pkg + "/*_mutex.go",
		Match:   `(?s)\t"reflect"\n\n(.*)\nfunc init\(\) \{\n\t\w+initLockNames\(\)\n\t\w+ = locking\.NewMutexClass\(.*?\n\}\n`,
		Replace: "$1",
		Count:   1,
		Why:     lockdepWhy,
	}
}

// countersRule removes what makes pairs of counters from a network protocol's package, which
// has a sharedStats of its own in rt/goroot.
func countersRule(protocol string, count int) Rule {
	return Rule{
		File:    gvisor + "/tcpip/network/" + protocol + "/stats.go",
		Match:   `(?ms)^(?:func \(m \*multiCounter\w+\) init\(|type sharedStats struct \{).*?^\}\n|^\t"[\w./]+/internal/ip"\n`,
		Replace: "",
		Count:   count,
		Why:     countersWhy,
	}
}

// endpointCountersRule makes a network protocol's endpoints count in the stack's statistics.
func endpointCountersRule(protocol string) Rule {
	return Rule{
		File:    gvisor + "/tcpip/network/" + protocol + "/" + protocol + ".go",
		Match:   `(?s)\t"reflect"\n(.*?)\n(?:\tstackStats := [^\n]*\n)?\ttcpip\.InitStatCounters\(.*?\n\n(?:\tstackStats := .*?\n\n)?`,
		Replace: "$1\n\te.stats.init(p.stack.Stats())\n\n",
		Count:   1,
		Why:     countersWhy,
	}
}

// endpointStatsRule makes a network protocol's endpoints say in which statistics they count.
func endpointStatsRule(protocol string) Rule {
	return Rule{
		File:    gvisor + "/tcpip/network/" + protocol + "/" + protocol + ".go",
		Match:   `(?m)^\treturn &e\.stats\.localStats$`,
		Replace: "\treturn e.stats.of(e.protocol.stack.Stats())",
		Count:   1,
		Why:     countersWhy,
	}
}

// multicastRoutesRule is for the routes of packets to groups that are forwarded, which
// nobody can ask a network protocol for.
func multicastRoutesRule(protocol string) Rule {
	return Rule{
		File:    gvisor + "/tcpip/network/" + protocol + "/" + protocol + ".go",
		Match:   `(?ms)^\t\tif err := p\.multicastRouteTable\.Init\(.*?^\t\t\}\n`,
		Replace: "",
		Count:   1,
		Why:     "not make tables for forwarding to groups, which is always off",
	}
}
