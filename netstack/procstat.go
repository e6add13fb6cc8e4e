package netstack

import (
	"fmt"
	"strings"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
	"gvisor.dev/gvisor/pkg/tcpip/transport/udp"

	"ringo.dev/ringo/kernel"
)

// counter is a column of /proc/net/snmp or /proc/net/netstat.
type counter struct {
	name  string
	value int64
}

// appendCounters appends a protocol's two lines: the names and the values.
func appendCounters(b []byte, proto string, counters []counter) []byte {
	names := make([]string, len(counters))
	values := make([]string, len(counters))
	for i, c := range counters {
		names[i] = c.name
		values[i] = fmt.Sprint(c.value)
	}
	b = fmt.Appendf(b, "%s: %s\n", proto, strings.Join(names, " "))
	return fmt.Appendf(b, "%s: %s\n", proto, strings.Join(values, " "))
}

// procSNMP has those of the counters of RFC 1213 (MIB-II) that the stack keeps;
// readers go by their names. It does not count the families of addresses apart:
// those of IP are both's.
func (n *Stack) procSNMP() []byte {
	st := n.ip.Stats()
	ip, t, u := &st.IP, &st.TCP, &st.UDP
	const notForwarding, defaultTTL = 2, 64
	b := appendCounters(nil, "Ip", []counter{
		{"Forwarding", notForwarding},
		{"DefaultTTL", defaultTTL},
		{"InReceives", count(ip.PacketsReceived)},
		{"InHdrErrors", count(ip.MalformedPacketsReceived)},
		{"InAddrErrors", count(ip.InvalidDestinationAddressesReceived, ip.InvalidSourceAddressesReceived)},
		{"InDelivers", count(ip.PacketsDelivered)},
		{"OutRequests", count(ip.PacketsSent)},
		{"OutDiscards", count(ip.OutgoingPacketErrors)},
		{"ReasmFails", count(ip.MalformedFragmentsReceived)},
	})
	rx, tx := &st.ICMP.V4.PacketsReceived, &st.ICMP.V4.PacketsSent
	b = appendCounters(b, "Icmp", []counter{
		{"InMsgs", countICMP(&rx.ICMPv4PacketStats) + count(rx.Invalid)},
		{"InErrors", count(rx.Invalid)},
		{"InDestUnreachs", count(rx.DstUnreachable)},
		{"InTimeExcds", count(rx.TimeExceeded)},
		{"InEchos", count(rx.EchoRequest)},
		{"InEchoReps", count(rx.EchoReply)},
		{"OutMsgs", countICMP(&tx.ICMPv4PacketStats)},
		{"OutErrors", count(tx.Dropped)},
		{"OutDestUnreachs", count(tx.DstUnreachable)},
		{"OutTimeExcds", count(tx.TimeExceeded)},
		{"OutEchos", count(tx.EchoRequest)},
		{"OutEchoReps", count(tx.EchoReply)},
	})
	const vanJacobson, noLimit = 4, -1 // how RTO is found (RFC 4022); connections
	b = appendCounters(b, "Tcp", []counter{
		{"RtoAlgorithm", vanJacobson},
		{"RtoMin", tcp.MinRTO.Milliseconds()},
		{"RtoMax", tcp.MaxRTO.Milliseconds()},
		{"MaxConn", noLimit},
		{"ActiveOpens", count(t.ActiveConnectionOpenings)},
		{"PassiveOpens", count(t.PassiveConnectionOpenings)},
		{"AttemptFails", count(t.FailedConnectionAttempts)},
		{"EstabResets", count(t.EstablishedResets)},
		{"CurrEstab", count(t.CurrentEstablished)},
		{"InSegs", count(t.ValidSegmentsReceived, t.InvalidSegmentsReceived)},
		{"OutSegs", count(t.SegmentsSent)},
		{"RetransSegs", count(t.Retransmits)},
		{"InErrs", count(t.InvalidSegmentsReceived)},
		{"OutRsts", count(t.ResetsSent)},
		{"InCsumErrors", count(t.ChecksumErrors)},
	})
	return appendCounters(b, "Udp", []counter{
		{"InDatagrams", count(u.PacketsReceived)},
		{"NoPorts", count(u.UnknownPortErrors)},
		{"InErrors", count(u.MalformedPacketsReceived, u.ChecksumErrors, u.ReceiveBufferErrors)},
		{"OutDatagrams", count(u.PacketsSent)},
		{"RcvbufErrors", count(u.ReceiveBufferErrors)},
		{"SndbufErrors", count(u.PacketSendErrors)},
		{"InCsumErrors", count(u.ChecksumErrors)},
	})
}

func count(counters ...*tcpip.StatCounter) (sum int64) {
	for _, c := range counters {
		sum += int64(c.Value())
	}
	return sum
}

// countICMP counts the messages of all kinds.
func countICMP(s *tcpip.ICMPv4PacketStats) int64 {
	return count(s.EchoRequest, s.EchoReply, s.DstUnreachable, s.SrcQuench, s.Redirect, s.TimeExceeded,
		s.ParamProblem, s.Timestamp, s.TimestampReply, s.InfoRequest, s.InfoReply)
}

// procNetstat has those of Linux's further counters that the stack keeps.
func (n *Stack) procNetstat() []byte {
	st := n.ip.Stats()
	t := &st.TCP
	b := appendCounters(nil, "TcpExt", []counter{
		{"SyncookiesSent", count(t.ListenOverflowSynCookieSent)},
		{"SyncookiesRecv", count(t.ListenOverflowSynCookieRcvd)},
		{"SyncookiesFailed", count(t.ListenOverflowInvalidSynCookieRcvd)},
		{"ListenOverflows", count(t.ListenOverflowAckDrop)},
		{"ListenDrops", count(t.ListenOverflowSynDrop, t.ListenOverflowAckDrop)},
		{"TCPFastRetrans", count(t.FastRetransmit)},
		{"TCPSlowStartRetrans", count(t.SlowStartRetransmits)},
		{"TCPTimeouts", count(t.Timeouts)},
		{"TCPSackRecovery", count(t.SACKRecovery)},
		{"TCPRenoRecovery", count(t.FastRecovery)},
		{"TCPAbortOnTimeout", count(t.EstablishedTimedout)},
	})
	var in, out int64
	for _, i := range n.interfaces() {
		in += count(i.stats.Rx.Bytes)
		out += count(i.stats.Tx.Bytes)
	}
	return appendCounters(b, "IpExt", []counter{{"InOctets", in}, {"OutOctets", out}})
}

// procSockstat counts the sockets of the program, and those of IPv4.
func (n *Stack) procSockstat() []byte {
	all := 0
	kernel.EachSocket(func(kernel.Socket) { all++ })
	b := fmt.Appendf(nil, "sockets: used %d\n", all)
	return n.appendSockstat(b, "", header.IPv4ProtocolNumber)
}

func (n *Stack) procSockstat6() []byte { return n.appendSockstat(nil, "6", header.IPv6ProtocolNumber) }

// appendSockstat counts the sockets of an address family.
func (n *Stack) appendSockstat(b []byte, suffix string, family tcpip.NetworkProtocolNumber) []byte {
	inUse := map[tcpip.TransportProtocolNumber]int{}
	n.eachEndpoint(family, func(_ tcpip.Endpoint, info *stack.TransportEndpointInfo) { inUse[info.TransProto]++ })
	return fmt.Appendf(b, "TCP%s: inuse %d\nUDP%[1]s: inuse %[3]d\n", suffix, inUse[tcp.ProtocolNumber], inUse[udp.ProtocolNumber])
}
