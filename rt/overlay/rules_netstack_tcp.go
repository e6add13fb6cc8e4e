package overlay

// netstackTCPRules are those for TCP.
var netstackTCPRules = []Rule{
	{
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
	}, {
		File:    gvisor + "/tcpip/transport/tcp/endpoint.go",
		Match:   `(?ms)^\tvar ss tcpip\.TCPSendBufferSizeRangeOption\n.*?^\t\te\.maxSynRetries = uint8\(synRetries\)\n\t\}$`,
		Replace: "\tprotocol.configure(e)",
		Count:   1,
		Why:     settingsWhy,
	}, {
		File:    gvisor + "/tcpip/transport/tcp/snd.go",
		Match:   `(?ms)^\tvar minRTO tcpip\.TCPMinRTOOption\n.*?^\tep\.snd\.maxRetries = uint32\(maxRetries\)$`,
		Replace: "\tep.protocol.configureSender(ep.snd)",
		Count:   1,
		Why:     settingsWhy,
	}, {
		File:    gvisor + "/tcpip/transport/tcp/connect.go",
		Match:   `(?ms)^\tvar sackEnabled tcpip\.TCPSACKEnabled\n.*?^\t\}$`,
		Replace: "\tsackEnabled, _ := h.ep.protocol.selectiveACK()",
		Count:   1,
		Why:     settingsWhy,
	}, {
		File:    gvisor + "/tcpip/transport/tcp/endpoint.go",
		Match:   `(?ms)^\tvar v tcpip\.TCPSACKEnabled\n.*?^\t\te\.stack\.TransportProtocolOption\(ProtocolNumber, &e\.tcpRecovery\)$`,
		Replace: "\tif enabled, recovery := e.protocol.selectiveACK(); enabled && synOpts.SACKPermitted {\n\t\te.SACKPermitted = true\n\t\te.tcpRecovery = recovery",
		Count:   1,
		Why:     settingsWhy,
	}, {
		File:    gvisor + "/tcpip/transport/tcp/endpoint.go",
		Match:   `(?ms)^(func \(e \*Endpoint\) maxReceiveBufferSize\(\) int \{\n).*?^\}$`,
		Replace: "${1}\treturn e.protocol.maxReceiveBuffer()\n}",
		Count:   1,
		Why:     settingsWhy,
	}, {
		File:    gvisor + "/tcpip/transport/tcp/accept.go",
		Match:   `(?ms)^\t\t\tvar alwaysUseSynCookies .*?^\t\t\tif alwaysUseSynCookies \{$`,
		Replace: "\t\t\tif e.protocol.synCookies() {",
		Count:   1,
		Why:     settingsWhy,
	}, {
		File:    gvisor + "/tcpip/transport/tcp/accept.go",
		Match:   `(?m)^\t"fmt"\n`,
		Replace: "",
		Count:   1,
		Why:     settingsWhy,
	}, {
		// They are called at two places each, and the profile has one of them.
		File:    gvisor + "/tcpip/transport/tcp/endpoint.go",
		Match:   `(?m)^func newEndpoint\(`,
		Replace: "//go:noinline\n$0",
		Count:   1,
		Why:     onceWhy,
	}, {
		File:    gvisor + "/tcpip/transport/tcp/segment.go",
		Match:   `(?m)^func newIncomingSegment\(`,
		Replace: "//go:noinline\n$0",
		Count:   1,
		Why:     onceWhy,
	},
}

const (
	siphashWhy    = "make what no attacker may guess of a connection by a short function, as Linux does"
	delayedACKWhy = "acknowledge data together with the answer to it"
	rackWhy       = "repeat at once what RACK knows to be lost"
	synTimeWhy    = "measure round trips by the SYN that was answered"
	cubicWhy      = "let a small congestion window grow"
	settingsWhy   = "configure a connection without a map, a lock and an allocation for each setting"
	onceWhy       = "have a long function in the image, and in the processor's cache, once"
	patienceWhy   = "not give a connection up that is making progress"
)

// secureISN replaces SHA-256 over the same.
const secureISN = `	b := append(make([]byte, 0, 2*16+2*2), id.LocalAddress.AsSlice()...)
	b = append(b, id.RemoteAddress.AsSlice()...)
	b = binary.LittleEndian.AppendUint16(b, id.LocalPort)
	b = binary.LittleEndian.AppendUint16(b, id.RemotePort)
	// The time period here`
