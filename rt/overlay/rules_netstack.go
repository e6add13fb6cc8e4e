package overlay

import "regexp"

// netstackRules make gVisor's network stack faster.
var netstackRules = []Rule{
	{
		// A copy of the statistics is 1.3 KB on the stack of most functions of
		// the path of a packet, which makes goroutines' stacks grow to 16 KB.
		File:    gvisor + "/tcpip/stack/stack.go",
		Match:   regexp.MustCompile(`(?m)^func \(s \*Stack\) Stats\(\) tcpip\.Stats \{\n\treturn s\.stats$`),
		Replace: "func (s *Stack) Stats() *tcpip.Stats {\n\treturn &s.stats",
		Count:   1,
		Why:     "count packets without copying the counters",
	}, {
		File:    gvisor + "/tcpip/stack/route.go",
		Match:   regexp.MustCompile(`(?m)^func \(r \*Route\) Stats\(\) tcpip\.Stats \{$`),
		Replace: "func (r *Route) Stats() *tcpip.Stats {",
		Count:   1,
		Why:     "count packets without copying the counters",
	},
}
