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
	}, {
		File:    gvisor + "/tcpip/transport/tcp/endpoint.go",
		Match:   regexp.MustCompile(`(?m)^\tkeepalive keepalive$`),
		Replace: "$0\n\n\tdelayed delayedACK",
		Count:   1,
		Why:     delayedACKWhy,
	}, {
		File:    gvisor + "/tcpip/transport/tcp/endpoint.go",
		Match:   regexp.MustCompile(`(?m)^\te\.keepalive\.timer\.cleanup\(\)$`),
		Replace: "$0\n\te.delayed.timer.cleanup()",
		Count:   1,
		Why:     delayedACKWhy,
	}, {
		File:    gvisor + "/tcpip/transport/tcp/connect.go",
		Match:   regexp.MustCompile(`(?m)^(\tif e\.rcv\.RcvNxt != e\.snd\.MaxSentAck) \{$`),
		Replace: "$1 && !e.delayACK() {",
		Count:   1,
		Why:     delayedACKWhy,
	}, {
		// Where acknowledgements are sent, and where data is.
		File:    gvisor + "/tcpip/transport/tcp/snd.go",
		Match:   regexp.MustCompile(`(?m)^\ts\.MaxSentAck = rcvNxt$`),
		Replace: "$0\n\ts.ep.delayed.acknowledged()",
		Count:   2,
		Why:     delayedACKWhy,
	}, {
		File:    gvisor + "/tcpip/transport/tcp/snd.go",
		Match:   regexp.MustCompile(`(?m)^\tpkt = pkt\.Clone\(\)$`),
		Replace: "\ts.ep.delayed.answered(s.LastSendTime)\n$0",
		Count:   1,
		Why:     delayedACKWhy,
	},
}

const delayedACKWhy = "acknowledge data together with the answer to it"
