package netstack

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"strings"
	"syscall"
	"testing"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip/header"

	"ringo.dev/ringo/kernel"
)

// bound makes a bound datagram socket.
func bound(t testing.TB, n *Stack, a netip.AddrPort) *conn {
	t.Helper()
	c := open(t, n, familyOf(a.Addr()), syscall.SOCK_DGRAM, 0)
	if err := c.s.Bind(sockaddr(a)); err != 0 {
		t.Fatalf("bind %v: %v", a, err)
	}
	return c
}

func TestDatagrams(t *testing.T) {
	a, b := newPair(t, true, faults{})
	for _, ip := range []struct{ from, to netip.Addr }{{a.ip4, b.ip4}, {a.ip6, b.ip6}} {
		server := bound(t, b.Stack, netip.AddrPortFrom(ip.to, 53))
		client := bound(t, a.Stack, netip.AddrPortFrom(ip.from, 0))
		for _, size := range []int{0, 1, 100, 1400, 1472, 9000, 60000} { // the last ones in fragments
			msg := bytes.Repeat([]byte{byte(size)}, size)
			if err := client.sendTo(msg, server.local()); err != 0 {
				t.Fatalf("%d bytes: %v", size, err)
			}
			buf := make([]byte, 65536)
			n, from, m := server.receiveFrom(buf)
			if !bytes.Equal(buf[:n], msg) || from != client.local() || m.Flags != 0 {
				t.Errorf("%d bytes: got %d from %v, flags %#x", size, n, from, m.Flags)
			}
		}
		server.close()
		client.close()
	}
}

// TestDatagramFlags looks at one datagram in several ways.
func TestDatagramFlags(t *testing.T) {
	s := newLocal(t)
	server := bound(t, s, netip.MustParseAddrPort("127.0.0.1:0"))
	defer server.close()
	client := open(t, s, syscall.AF_INET, syscall.SOCK_DGRAM, 0)
	defer client.close()
	if err := client.sendTo([]byte("x"), netip.AddrPort{}); err != syscall.EDESTADDRREQ {
		t.Errorf("send without an address: %v", err)
	}
	if err := client.s.Connect(sockaddr(server.local())); err != 0 {
		t.Fatal(err)
	}
	if err := client.sendTo([]byte("0123456789"), netip.AddrPort{}); err != 0 {
		t.Fatal(err)
	}
	for _, c := range []struct {
		flags, size, want, wantFlags int
	}{
		{syscall.MSG_PEEK, 4, 4, syscall.MSG_TRUNC},
		{syscall.MSG_PEEK | syscall.MSG_TRUNC, 4, 10, syscall.MSG_TRUNC},
		{syscall.MSG_PEEK | syscall.MSG_TRUNC, 0, 10, syscall.MSG_TRUNC},
		{0, 20, 10, 0},
	} {
		m := kernel.Message{Data: [][]byte{make([]byte, c.size)}}
		n, err := server.s.Receive(&m, c.flags)
		if n != c.want || m.Flags != c.wantFlags || err != 0 {
			t.Errorf("flags %#x, %d bytes: got %d, flags %#x, %v", c.flags, c.size, n, m.Flags, err)
		}
	}
	if _, err := server.s.Read(make([]byte, 1)); err != syscall.EAGAIN {
		t.Errorf("empty socket: %v", err)
	}
	if err := client.sendTo(make([]byte, 70000), netip.AddrPort{}); err != syscall.EMSGSIZE {
		t.Errorf("oversized datagram: %v", err)
	}
	if err := client.s.Connect(binary.NativeEndian.AppendUint16(nil, syscall.AF_UNSPEC)); err != 0 {
		t.Errorf("disconnect: %v", err)
	}
	if _, err := client.s.PeerAddr(); err != syscall.ENOTCONN {
		t.Errorf("peer after disconnecting: %v", err)
	}
}

// TestUnreachablePort learns from an ICMP message that nobody listens.
func TestUnreachablePort(t *testing.T) {
	a, b := newPair(t, true, faults{})
	c := open(t, a.Stack, syscall.AF_INET, syscall.SOCK_DGRAM, 0)
	defer c.close()
	if err := c.s.Connect(sockaddr(netip.AddrPortFrom(b.ip4, 9))); err != 0 {
		t.Fatal(err)
	}
	if err := c.sendTo([]byte("x"), netip.AddrPort{}); err != 0 {
		t.Fatal(err)
	}
	c.wait(kernel.EventErr)
	if _, err := c.s.Read(make([]byte, 1)); err != syscall.ECONNREFUSED {
		t.Errorf("read: %v", err)
	}
}

// TestControl receives what a datagram's headers said.
func TestControl(t *testing.T) {
	s := newLocal(t)
	for _, c := range []struct {
		name    string
		addr    netip.Addr
		level   int
		options [][2]int // name to set, value
		want    []cmsg   // type and data
	}{
		{"v4", netip.MustParseAddr("127.0.0.1"), syscall.IPPROTO_IP,
			[][2]int{{syscall.IP_RECVTTL, 1}, {syscall.IP_RECVTOS, 1}, {syscall.IP_PKTINFO, 1}},
			[]cmsg{
				{syscall.IPPROTO_IP, syscall.IP_TOS, []byte{0x20}},
				{syscall.IPPROTO_IP, syscall.IP_TTL, int32Bytes(33)},
				{syscall.IPPROTO_IP, syscall.IP_PKTINFO, []byte{1, 0, 0, 0, 127, 0, 0, 1, 127, 0, 0, 1}},
			}},
		{"v6", netip.IPv6Loopback(), syscall.IPPROTO_IPV6,
			[][2]int{{ipv6RecvHopLimit, 1}, {ipv6RecvTClass, 1}, {ipv6RecvPktInfo, 1}},
			[]cmsg{
				{syscall.IPPROTO_IPV6, syscall.IPV6_TCLASS, int32Bytes(0x20)},
				{syscall.IPPROTO_IPV6, ipv6HopLimit, int32Bytes(33)},
				{syscall.IPPROTO_IPV6, syscall.IPV6_PKTINFO, append(append(make([]byte, 15), 1), 1, 0, 0, 0)},
			}},
	} {
		t.Run(c.name, func(t *testing.T) {
			server := bound(t, s, netip.AddrPortFrom(c.addr, 0))
			defer server.close()
			client := open(t, s, familyOf(c.addr), syscall.SOCK_DGRAM, 0)
			defer client.close()
			for _, o := range c.options {
				if err := server.s.SetOption(c.level, o[0], int32Bytes(int32(o[1]))); err != 0 {
					t.Fatalf("option %d: %v", o[0], err)
				}
				if got := server.intOption(c.level, o[0]); got != o[1] {
					t.Errorf("option %d reads %d", o[0], got)
				}
			}
			tos, ttl := syscall.IP_TOS, syscall.IP_TTL
			if c.name == "v6" {
				tos, ttl = syscall.IPV6_TCLASS, ipv6HopLimit
			}
			if err := client.s.SetOption(c.level, tos, int32Bytes(0x20)); err != 0 {
				t.Fatal(err)
			}
			var w controlWriter
			w.b = make([]byte, 64)
			w.putInt(c.level, ttl, 33)
			m := kernel.Message{Data: [][]byte{[]byte("hi")}, Name: sockaddr(server.local()), Control: w.b[:w.n]}
			if _, err := client.s.Send(&m, 0); err != 0 {
				t.Fatal(err)
			}
			_, _, got := server.receiveFrom(make([]byte, 10))
			checkControl(t, got.Control[:got.ControlLen], c.want)
		})
	}
}

// cmsg is an expected control message.
type cmsg struct {
	level, typ int
	data       []byte
}

func checkControl(t *testing.T, b []byte, want []cmsg) {
	t.Helper()
	msgs, err := syscall.ParseSocketControlMessage(b)
	if err != nil {
		t.Fatal(err)
	}
	if len(msgs) != len(want) {
		t.Fatalf("%d control messages, want %d", len(msgs), len(want))
	}
	for i, m := range msgs {
		w := want[i]
		if int(m.Header.Level) != w.level || int(m.Header.Type) != w.typ || !bytes.HasPrefix(m.Data, w.data) {
			t.Errorf("message %d: level %d type %d % x, want %+v", i, m.Header.Level, m.Header.Type, m.Data, w)
		}
	}
}

func TestControlTruncated(t *testing.T) {
	s := newLocal(t)
	server := bound(t, s, netip.MustParseAddrPort("127.0.0.1:0"))
	defer server.close()
	server.s.SetOption(syscall.IPPROTO_IP, syscall.IP_PKTINFO, int32Bytes(1))
	server.s.SetOption(syscall.SOL_SOCKET, syscall.SO_TIMESTAMP, int32Bytes(1))
	for size := range 80 {
		if err := server.sendTo([]byte("x"), server.local()); err != 0 {
			t.Fatal(err)
		}
		m := kernel.Message{Data: [][]byte{make([]byte, 1)}, Control: make([]byte, size)}
		if _, err := server.s.Receive(&m, 0); err != 0 {
			t.Fatal(err)
		}
		full := 32 + 32 // a timeval and an in_pktinfo with their headers, padded
		if cut := m.Flags&syscall.MSG_CTRUNC != 0; cut != (size < full-4) || m.ControlLen > size {
			t.Errorf("%d bytes: stored %d, flags %#x", size, m.ControlLen, m.Flags)
		}
	}
}

func TestTimestamp(t *testing.T) {
	s := newLocal(t)
	c := bound(t, s, netip.MustParseAddrPort("127.0.0.1:0"))
	defer c.close()
	c.s.SetOption(syscall.SOL_SOCKET, syscall.SO_TIMESTAMPNS, int32Bytes(1))
	c.sendTo(nil, c.local())
	_, _, m := c.receiveFrom(nil)
	msgs, err := syscall.ParseSocketControlMessage(m.Control[:m.ControlLen])
	if err != nil || len(msgs) != 1 || msgs[0].Header.Type != syscall.SO_TIMESTAMPNS {
		t.Fatalf("%+v, %v", msgs, err)
	}
	sec := int64(binary.NativeEndian.Uint64(msgs[0].Data))
	if d := time.Since(time.Unix(sec, 0)); d < 0 || d > 10*time.Second {
		t.Errorf("received %v ago", d)
	}
}

// TestMulticast sends to a group that the socket itself has joined.
func TestMulticast(t *testing.T) {
	a, b := newPair(t, true, faults{})
	group := netip.MustParseAddr("224.0.0.251")
	server := bound(t, b.Stack, netip.AddrPortFrom(netip.IPv4Unspecified(), 5353))
	req := append(group.AsSlice(), b.ip4.AsSlice()...)
	if err := server.s.SetOption(syscall.IPPROTO_IP, syscall.IP_ADD_MEMBERSHIP, req); err != 0 {
		t.Fatal(err)
	}
	if err := server.s.SetOption(syscall.IPPROTO_IP, syscall.IP_ADD_MEMBERSHIP, req); err != syscall.EADDRINUSE {
		t.Errorf("joined twice: %v", err)
	}
	client := bound(t, a.Stack, netip.AddrPortFrom(netip.IPv4Unspecified(), 0))
	defer client.close()
	if err := client.s.SetOption(syscall.IPPROTO_IP, syscall.IP_MULTICAST_IF, a.ip4.AsSlice()); err != 0 {
		t.Fatal(err)
	}
	if err := client.sendTo([]byte("query"), netip.AddrPortFrom(group, 5353)); err != 0 {
		t.Fatal(err)
	}
	buf := make([]byte, 10)
	if n, from, _ := server.receiveFrom(buf); string(buf[:n]) != "query" || from.Addr() != a.ip4 {
		t.Errorf("got %q from %v", buf[:n], from)
	}
	if got := string(b.procIGMP()); !bytes.Contains([]byte(got), []byte("FB0000E0")) {
		t.Errorf("igmp: %s", got)
	}
	server.close()
	if got := string(b.procIGMP()); bytes.Contains([]byte(got), []byte("FB0000E0")) {
		t.Errorf("igmp after close: %s", got)
	}

	six := netip.MustParseAddr("ff02::fb")
	server = bound(t, b.Stack, netip.AddrPortFrom(netip.IPv6Unspecified(), 5353))
	defer server.close()
	req = append(six.AsSlice(), int32Bytes(int32(b.nic))...)
	if err := server.s.SetOption(syscall.IPPROTO_IPV6, syscall.IPV6_JOIN_GROUP, req); err != 0 {
		t.Fatal(err)
	}
	client6 := bound(t, a.Stack, netip.AddrPortFrom(netip.IPv6Unspecified(), 0))
	defer client6.close()
	client6.s.SetOption(syscall.IPPROTO_IPV6, syscall.IPV6_MULTICAST_IF, int32Bytes(int32(a.nic)))
	if err := client6.sendTo([]byte("query"), netip.AddrPortFrom(six, 5353)); err != 0 {
		t.Fatal(err)
	}
	if n, _, _ := server.receiveFrom(buf); string(buf[:n]) != "query" {
		t.Errorf("got %q", buf[:n])
	}
}

// TestReusePort binds two sockets to one port.
func TestReusePort(t *testing.T) {
	s := newLocal(t)
	var socks []*conn
	addr := netip.MustParseAddrPort("127.0.0.1:5300")
	for range 2 {
		c := open(t, s, syscall.AF_INET, syscall.SOCK_DGRAM, 0)
		defer c.close()
		if err := c.s.SetOption(syscall.SOL_SOCKET, soReusePort, int32Bytes(1)); err != 0 {
			t.Fatal(err)
		}
		if err := c.s.Bind(sockaddr(addr)); err != 0 {
			t.Fatal(err)
		}
		socks = append(socks, c)
	}
	client := open(t, s, syscall.AF_INET, syscall.SOCK_DGRAM, 0)
	defer client.close()
	client.sendTo([]byte("x"), addr)
	waitUntil(t, func() bool {
		return (socks[0].s.Ready()|socks[1].s.Ready())&kernel.EventIn != 0
	})
}

// reusing makes a datagram socket that shares its address with others.
func reusing(t *testing.T, n *Stack, a netip.AddrPort) *conn {
	t.Helper()
	c := open(t, n, familyOf(a.Addr()), syscall.SOCK_DGRAM, 0)
	if err := c.s.SetOption(syscall.SOL_SOCKET, soReusePort, int32Bytes(1)); err != 0 {
		t.Fatal(err)
	}
	if err := c.s.Bind(sockaddr(a)); err != 0 {
		t.Fatalf("bind %v: %v", a, err)
	}
	return c
}

// TestDatagramForSeveral sends datagrams to a group with several members on one
// machine. Each has all of them, whatever the others read.
func TestDatagramForSeveral(t *testing.T) {
	a, b := newPair(t, true, faults{})
	group := netip.MustParseAddr("224.0.0.251")
	var members []*conn
	for range 3 {
		c := reusing(t, b.Stack, netip.AddrPortFrom(netip.IPv4Unspecified(), 5353))
		defer c.close()
		if err := c.s.SetOption(syscall.IPPROTO_IP, syscall.IP_ADD_MEMBERSHIP, append(group.AsSlice(), b.ip4.AsSlice()...)); err != 0 {
			t.Fatal(err)
		}
		members = append(members, c)
	}
	raw := open(t, b.Stack, syscall.AF_INET, syscall.SOCK_RAW, syscall.IPPROTO_UDP)
	defer raw.close()
	client := bound(t, a.Stack, netip.AddrPortFrom(a.ip4, 1000))
	defer client.close()
	if err := client.s.SetOption(syscall.IPPROTO_IP, syscall.IP_MULTICAST_IF, a.ip4.AsSlice()); err != 0 {
		t.Fatal(err)
	}
	messages := []string{"one", strings.Repeat("two ", 300)}
	for _, m := range messages {
		if err := client.sendTo([]byte(m), netip.AddrPortFrom(group, 5353)); err != 0 {
			t.Fatal(err)
		}
	}
	buf := make([]byte, 2000)
	for i, c := range members {
		c.wait(kernel.EventIn)
		if n, err := c.s.Receive(&kernel.Message{Data: [][]byte{buf}}, syscall.MSG_PEEK); err != 0 || string(buf[:n]) != messages[0] {
			t.Errorf("member %d looked at %q, %v", i, buf[:n], err)
		}
		for _, m := range messages {
			if n, from, _ := c.receiveFrom(buf); string(buf[:n]) != m || from != client.local() {
				t.Errorf("member %d got %d bytes from %v, want %d", i, n, from, len(m))
			}
		}
	}
	for _, m := range messages {
		if n, _, _ := raw.receiveFrom(buf); !bytes.HasSuffix(buf[:n], []byte(m)) {
			t.Errorf("the raw socket got %d bytes, want %d and headers", n, len(m))
		}
	}
}

// TestDatagramSockets has the sockets of a port that want the same datagrams closed
// one after the other: each time it is the most particular that is left which gets them.
func TestDatagramSockets(t *testing.T) {
	a, b := newPair(t, true, faults{})
	at := func(ip netip.Addr) netip.AddrPort { return netip.AddrPortFrom(ip, 53) }
	client := bound(t, a.Stack, netip.AddrPortFrom(a.ip4, 1000))
	defer client.close()
	var servers []*conn
	for _, s := range []struct {
		local     netip.Addr
		connected bool
	}{{b.ip4, true}, {b.ip4, false}, {netip.IPv4Unspecified(), false}} {
		c := reusing(t, b.Stack, at(s.local))
		if s.connected {
			if err := c.s.Connect(sockaddr(client.local())); err != 0 {
				t.Fatal(err)
			}
		}
		servers = append(servers, c)
	}
	buf := make([]byte, 10)
	for i, c := range servers {
		if err := client.sendTo([]byte{byte(i)}, at(b.ip4)); err != 0 {
			t.Fatal(err)
		}
		if n, _, _ := c.receiveFrom(buf); n != 1 || buf[0] != byte(i) {
			t.Errorf("server %d got % x", i, buf[:n])
		}
		c.close()
	}
}

// TestPing sends echo requests by a ping socket and by a raw one.
func TestPing(t *testing.T) {
	a, b := newPair(t, true, faults{})
	for _, c := range []struct {
		name           string
		to             netip.Addr
		typ, proto     int
		request, reply byte
		skip           int // bytes before the ICMP message
	}{
		{"v4", b.ip4, syscall.SOCK_DGRAM, syscall.IPPROTO_ICMP, 8, 0, 0},
		{"v4 raw", b.ip4, syscall.SOCK_RAW, syscall.IPPROTO_ICMP, 8, 0, header.IPv4MinimumSize},
		{"v6", b.ip6, syscall.SOCK_DGRAM, syscall.IPPROTO_ICMPV6, 128, 129, 0},
		{"v6 raw", b.ip6, syscall.SOCK_RAW, syscall.IPPROTO_ICMPV6, 128, 129, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := open(t, a.Stack, familyOf(c.to), c.typ, c.proto)
			defer s.close()
			msg := []byte{c.request, 0, 0, 0, 0, 7, 0, 1, 'p', 'i', 'n', 'g'}
			if c.name == "v4 raw" { // a raw IPv4 socket's own affair
				binary.BigEndian.PutUint16(msg[2:], ^sum16(msg))
			}
			if err := s.sendTo(msg, netip.AddrPortFrom(c.to, 0)); err != 0 {
				t.Fatal(err)
			}
			buf := make([]byte, 100)
			for {
				n, from, _ := s.receiveFrom(buf)
				got := buf[min(c.skip, n):n]
				if len(got) == 0 || got[0] != c.reply { // raw sockets see neighbour discovery as well
					continue
				}
				if from.Addr() != c.to || string(got[8:]) != "ping" {
					t.Errorf("got % x from %v", got, from)
				}
				break
			}
		})
	}
}

func sum16(b []byte) uint16 {
	var sum uint32
	for ; len(b) > 1; b = b[2:] {
		sum += uint32(binary.BigEndian.Uint16(b))
	}
	return uint16(sum + sum>>16)
}
