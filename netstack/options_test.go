package netstack

import (
	"encoding/binary"
	"net/netip"
	"syscall"
	"testing"

	"ringo.dev/ringo/kernel"
)

// TestOptions sets options that the standard library and popular packages use,
// and reads them back.
func TestOptions(t *testing.T) {
	s := newLocal(t)
	kinds := map[string]*conn{
		"tcp4": open(t, s, syscall.AF_INET, syscall.SOCK_STREAM, 0),
		"tcp6": open(t, s, syscall.AF_INET6, syscall.SOCK_STREAM, 0),
		"udp4": open(t, s, syscall.AF_INET, syscall.SOCK_DGRAM, 0),
		"udp6": open(t, s, syscall.AF_INET6, syscall.SOCK_DGRAM, 0),
	}
	for _, c := range kinds {
		defer c.close()
	}
	for _, o := range []struct {
		kind             string
		level, name      int
		value, wantValue int
	}{
		{"tcp4", syscall.SOL_SOCKET, syscall.SO_REUSEADDR, 1, 1},
		{"tcp4", syscall.SOL_SOCKET, soReusePort, 1, 1},
		{"tcp4", syscall.SOL_SOCKET, syscall.SO_KEEPALIVE, 1, 1},
		{"tcp4", syscall.SOL_SOCKET, syscall.SO_SNDBUF, 100_000, 200_000},
		{"tcp4", syscall.SOL_SOCKET, syscall.SO_RCVBUF, 100_000, 200_000},
		{"tcp4", syscall.SOL_SOCKET, syscall.SO_MARK, 7, 7},
		{"tcp4", syscall.SOL_SOCKET, syscall.SO_PRIORITY, 5, 5},
		{"tcp4", syscall.SOL_SOCKET, soBindToIfindex, 1, 1},
		{"udp4", syscall.SOL_SOCKET, syscall.SO_BROADCAST, 1, 1},
		{"udp4", syscall.SOL_SOCKET, syscall.SO_TIMESTAMP, 1, 1},
		{"tcp4", syscall.IPPROTO_TCP, syscall.TCP_NODELAY, 0, 0},
		{"tcp6", syscall.IPPROTO_TCP, syscall.TCP_NODELAY, 1, 1},
		{"tcp4", syscall.IPPROTO_TCP, syscall.TCP_CORK, 1, 1},
		{"tcp4", syscall.IPPROTO_TCP, syscall.TCP_KEEPIDLE, 15, 15},
		{"tcp4", syscall.IPPROTO_TCP, syscall.TCP_KEEPINTVL, 15, 15},
		{"tcp4", syscall.IPPROTO_TCP, syscall.TCP_KEEPCNT, 9, 9},
		{"tcp4", syscall.IPPROTO_TCP, tcpUserTimeout, 20_000, 20_000},
		{"tcp4", syscall.IPPROTO_TCP, syscall.TCP_LINGER2, 5, 5},
		{"tcp4", syscall.IPPROTO_TCP, syscall.TCP_QUICKACK, 1, 1},
		{"tcp4", syscall.IPPROTO_TCP, syscall.TCP_DEFER_ACCEPT, 3, 3},
		{"tcp4", syscall.IPPROTO_TCP, syscall.TCP_SYNCNT, 3, 3},
		{"tcp4", syscall.IPPROTO_TCP, syscall.TCP_MAXSEG, 1200, -1},
		{"udp4", syscall.IPPROTO_IP, syscall.IP_TTL, 9, 9},
		{"udp4", syscall.IPPROTO_IP, syscall.IP_TOS, 0x10, 0x10},
		{"udp4", syscall.IPPROTO_IP, syscall.IP_MULTICAST_TTL, 3, 3},
		{"udp4", syscall.IPPROTO_IP, syscall.IP_MULTICAST_LOOP, 0, 0},
		{"udp4", syscall.IPPROTO_IP, syscall.IP_MTU_DISCOVER, syscall.IP_PMTUDISC_DO, syscall.IP_PMTUDISC_DO},
		{"udp4", syscall.IPPROTO_IP, syscall.IP_MTU_DISCOVER, 3, 3},
		{"udp4", syscall.IPPROTO_IP, syscall.IP_RECVERR, 1, 1},
		{"udp4", syscall.IPPROTO_IP, ipRecvOrigDstAddr, 1, 1},
		{"udp6", syscall.IPPROTO_IPV6, syscall.IPV6_V6ONLY, 1, 1},
		{"tcp6", syscall.IPPROTO_IPV6, syscall.IPV6_V6ONLY, 0, 0},
		{"udp6", syscall.IPPROTO_IPV6, syscall.IPV6_UNICAST_HOPS, 9, 9},
		{"udp6", syscall.IPPROTO_IPV6, syscall.IPV6_MULTICAST_HOPS, 2, 2},
		{"udp6", syscall.IPPROTO_IPV6, syscall.IPV6_MULTICAST_IF, 1, 1},
		{"udp6", syscall.IPPROTO_IPV6, syscall.IPV6_TCLASS, 4, 4},
		{"udp6", syscall.IPPROTO_IPV6, ipv6MTUDiscover, 2, 2},
		{"udp6", syscall.IPPROTO_IPV6, ipv6RecvErr, 1, 1},
	} {
		c := kinds[o.kind]
		if err := c.s.SetOption(o.level, o.name, int32Bytes(int32(o.value))); err != 0 {
			t.Errorf("%s: setting %d/%d: %v", o.kind, o.level, o.name, err)
			continue
		}
		if got := c.intOption(o.level, o.name); got != o.wantValue && o.wantValue >= 0 {
			t.Errorf("%s: %d/%d reads %d, want %d", o.kind, o.level, o.name, got, o.wantValue)
		}
	}
	// Beyond the limit: what QUIC asks for.
	udp := kinds["udp4"]
	udp.s.SetOption(syscall.SOL_SOCKET, syscall.SO_RCVBUF, int32Bytes(7<<20))
	if got := udp.intOption(syscall.SOL_SOCKET, syscall.SO_RCVBUF); got >= 14<<20 {
		t.Errorf("SO_RCVBUF passes the limit: %d", got)
	}
	udp.s.SetOption(syscall.SOL_SOCKET, syscall.SO_RCVBUFFORCE, int32Bytes(7<<20))
	if got := udp.intOption(syscall.SOL_SOCKET, syscall.SO_RCVBUF); got != 14<<20 {
		t.Errorf("SO_RCVBUFFORCE: %d", got)
	}

	tcp := kinds["tcp4"]
	for name, want := range map[int]int{
		syscall.SO_TYPE: syscall.SOCK_STREAM, soProtocol: syscall.IPPROTO_TCP, soDomain: syscall.AF_INET,
		syscall.SO_ACCEPTCONN: 0, syscall.SO_ERROR: 0,
	} {
		if got := tcp.intOption(syscall.SOL_SOCKET, name); got != want {
			t.Errorf("SOL_SOCKET/%d reads %d, want %d", name, got, want)
		}
	}
}

// TestOptionErrors has what cannot be set or read.
func TestOptionErrors(t *testing.T) {
	s := newLocal(t)
	tcp := open(t, s, syscall.AF_INET, syscall.SOCK_STREAM, 0)
	defer tcp.close()
	udp := open(t, s, syscall.AF_INET, syscall.SOCK_DGRAM, 0)
	defer udp.close()
	const udpSegment = 103
	for _, c := range []struct {
		name string
		err  kernel.Errno
		want kernel.Errno
	}{
		{"unknown option set", tcp.s.SetOption(syscall.SOL_SOCKET, 9999, int32Bytes(1)), 0},
		{"unknown level set", tcp.s.SetOption(9999, 1, int32Bytes(1)), 0},
		{"short value", tcp.s.SetOption(syscall.SOL_SOCKET, syscall.SO_REUSEADDR, []byte{1}), syscall.EINVAL},
		{"no value", udp.s.SetOption(syscall.IPPROTO_IP, syscall.IP_TOS, nil), syscall.EINVAL},
		{"TCP option of UDP", udp.s.SetOption(syscall.IPPROTO_TCP, syscall.TCP_NODELAY, int32Bytes(1)), syscall.ENOPROTOOPT},
		{"IPv6 option of IPv4", udp.s.SetOption(syscall.IPPROTO_IPV6, syscall.IPV6_V6ONLY, int32Bytes(1)), syscall.ENOPROTOOPT},
		{"TTL out of range", udp.s.SetOption(syscall.IPPROTO_IP, syscall.IP_TTL, int32Bytes(256)), syscall.EINVAL},
		{"unknown device", udp.s.SetOption(syscall.SOL_SOCKET, syscall.SO_BINDTODEVICE, []byte("eth9\x00")), syscall.ENODEV},
		{"keep-alive of no time", tcp.s.SetOption(syscall.IPPROTO_TCP, syscall.TCP_KEEPIDLE, int32Bytes(0)), syscall.EINVAL},
	} {
		if c.err != c.want {
			t.Errorf("%s: %v, want %v", c.name, c.err, c.want)
		}
	}
	var b [4]byte
	if _, err := tcp.s.Option(syscall.SOL_SOCKET, 9999, b[:]); err != syscall.ENOPROTOOPT {
		t.Errorf("unknown option read: %v", err)
	}
	if _, err := udp.s.Option(syscall.IPPROTO_UDP, udpSegment, b[:]); err != syscall.ENOPROTOOPT {
		t.Errorf("UDP_SEGMENT: %v", err)
	}
	// A value is cut off to the caller's length.
	if n, err := tcp.s.Option(syscall.SOL_SOCKET, syscall.SO_TYPE, b[:1]); n != 1 || err != 0 || b[0] != syscall.SOCK_STREAM {
		t.Errorf("one byte of SO_TYPE: %d, %v, % x", n, err, b)
	}
}

func TestSocketKinds(t *testing.T) {
	s := newLocal(t)
	const mptcp = 262
	for _, c := range []struct {
		family, typ, proto int
		want               kernel.Errno
	}{
		{syscall.AF_INET, syscall.SOCK_STREAM, mptcp, syscall.EPROTONOSUPPORT},
		{syscall.AF_INET, syscall.SOCK_STREAM, syscall.IPPROTO_UDP, syscall.EPROTONOSUPPORT},
		{syscall.AF_INET, syscall.SOCK_DGRAM, syscall.IPPROTO_ICMPV6, syscall.EPROTONOSUPPORT},
		{syscall.AF_INET, syscall.SOCK_SEQPACKET, 0, syscall.ESOCKTNOSUPPORT},
		{syscall.AF_INET, syscall.SOCK_RAW, 0, syscall.EPROTONOSUPPORT},
		{syscall.AF_INET, syscall.SOCK_RAW, 256, syscall.EINVAL},
		{syscall.AF_INET6, syscall.SOCK_RAW, syscall.IPPROTO_RAW, 0},
		{syscall.AF_INET, syscall.SOCK_RAW, syscall.IPPROTO_UDP, 0},
	} {
		sock, err := s.Inet(c.family)(c.typ, c.proto)
		if err != c.want {
			t.Errorf("%+v: %v", c, err)
		}
		if err == 0 {
			sock.Close()
		}
	}
}

func TestTCPInfo(t *testing.T) {
	s := newLocal(t)
	l := listen(t, s, netip.MustParseAddrPort("127.0.0.1:0"))
	defer l.close()
	c := dial(t, s, l.local())
	defer c.close()
	var b [256]byte
	n, err := c.s.Option(syscall.IPPROTO_TCP, syscall.TCP_INFO, b[:])
	if err != 0 || n != syscall.SizeofTCPInfo {
		t.Fatalf("%d bytes, %v", n, err)
	}
	const established = 1
	if b[0] != established || binary.NativeEndian.Uint32(b[80:]) == 0 {
		t.Errorf("state %d, congestion window %d", b[0], binary.NativeEndian.Uint32(b[80:]))
	}
	if _, err := c.s.Option(syscall.IPPROTO_TCP, syscall.TCP_CONGESTION, b[:]); err != 0 || cString(b[:16]) != "cubic" {
		t.Errorf("congestion control %q, %v", cString(b[:16]), err)
	}
	if l.intOption(syscall.SOL_SOCKET, syscall.SO_ACCEPTCONN) != 1 {
		t.Error("a listener does not accept")
	}
}
