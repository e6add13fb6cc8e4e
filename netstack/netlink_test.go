package netstack

import (
	"encoding/binary"
	"net/netip"
	"strings"
	"syscall"
	"testing"
	"unsafe"

	"ringo.dev/ringo/kernel"
)

// query sends a request of one byte of body, as package syscall does, and
// returns the reply's messages.
func query(t *testing.T, n *Stack, typ, flags uint16, body ...byte) []syscall.NetlinkMessage {
	t.Helper()
	s, err := n.Netlink(syscall.SOCK_RAW, syscall.NETLINK_ROUTE)
	if err != 0 {
		t.Fatal(err)
	}
	defer s.Close()
	to := appendSockaddrNL(nil, 0, 0)
	if err := s.Bind(to); err != 0 {
		t.Fatal(err)
	}
	m := kernel.Message{Data: [][]byte{request(typ, flags, body)}, Name: to}
	if _, err := s.Send(&m, 0); err != 0 {
		t.Fatal(err)
	}
	local, err := s.LocalAddr()
	if err != 0 {
		t.Fatal(err)
	}
	port, _, err := parseSockaddrNL(local)
	if err != 0 || port == 0 {
		t.Fatalf("port %d, %v", port, err)
	}
	var all []syscall.NetlinkMessage
	for s.Ready()&kernel.EventIn != 0 {
		b := make([]byte, 4096)
		m := kernel.Message{Data: [][]byte{b}, Name: make([]byte, sockaddrNLSize)}
		size, err := s.Receive(&m, 0)
		if err != 0 || m.Flags != 0 {
			t.Fatalf("receive: %v, flags %#x", err, m.Flags)
		}
		if _, _, err := parseSockaddrNL(m.Name); err != 0 {
			t.Fatalf("sender % x", m.Name)
		}
		msgs, perr := syscall.ParseNetlinkMessage(b[:size])
		if perr != nil {
			t.Fatal(perr)
		}
		for _, m := range msgs {
			if m.Header.Seq != 1 || m.Header.Pid != port {
				t.Errorf("header %+v", m.Header)
			}
		}
		all = append(all, msgs...)
	}
	return all
}

func request(typ, flags uint16, body []byte) []byte {
	b := binary.NativeEndian.AppendUint32(nil, uint32(syscall.NLMSG_HDRLEN+len(body)))
	b = binary.NativeEndian.AppendUint16(b, typ)
	b = binary.NativeEndian.AppendUint16(b, flags)
	b = binary.NativeEndian.AppendUint32(b, 1)
	b = binary.NativeEndian.AppendUint32(b, 0)
	return append(b, body...)
}

const dumpFlags = syscall.NLM_F_REQUEST | syscall.NLM_F_DUMP

// attrs returns a message's attributes by type.
func attrs(t *testing.T, m syscall.NetlinkMessage) map[uint16][]byte {
	t.Helper()
	list, err := syscall.ParseNetlinkRouteAttr(&m)
	if err != nil {
		t.Fatal(err)
	}
	out := map[uint16][]byte{}
	for _, a := range list {
		out[a.Attr.Type] = a.Value
	}
	return out
}

func TestNetlinkLinks(t *testing.T) {
	a, _ := newPair(t, true, faults{})
	msgs := query(t, a.Stack, syscall.RTM_GETLINK, dumpFlags, syscall.AF_UNSPEC)
	if len(msgs) != 3 || msgs[2].Header.Type != syscall.NLMSG_DONE {
		t.Fatalf("messages %+v", msgs)
	}
	lo := (*syscall.IfInfomsg)(unsafe.Pointer(&msgs[0].Data[0]))
	if lo.Index != 1 || lo.Flags&(syscall.IFF_UP|syscall.IFF_LOOPBACK) != syscall.IFF_UP|syscall.IFF_LOOPBACK {
		t.Errorf("lo: %+v", lo)
	}
	eth := (*syscall.IfInfomsg)(unsafe.Pointer(&msgs[1].Data[0]))
	if eth.Index != 2 || eth.Type != syscall.ARPHRD_ETHER || eth.Flags&syscall.IFF_BROADCAST == 0 {
		t.Errorf("eth0: %+v", eth)
	}
	at := attrs(t, msgs[1])
	if string(at[syscall.IFLA_IFNAME]) != "eth0\x00" || string(at[syscall.IFLA_ADDRESS]) != string(a.card.mac[:]) ||
		binary.NativeEndian.Uint32(at[syscall.IFLA_MTU]) != 1500 {
		t.Errorf("eth0: %v", at)
	}

	one := make([]byte, syscall.SizeofIfInfomsg)
	binary.NativeEndian.PutUint32(one[4:], 2)
	if msgs := query(t, a.Stack, syscall.RTM_GETLINK, syscall.NLM_F_REQUEST, one...); len(msgs) != 1 {
		t.Errorf("by index: %+v", msgs)
	}
	binary.NativeEndian.PutUint32(one[4:], 9)
	msgs = query(t, a.Stack, syscall.RTM_GETLINK, syscall.NLM_F_REQUEST, one...)
	if len(msgs) != 1 || msgs[0].Header.Type != syscall.NLMSG_ERROR ||
		int32(binary.NativeEndian.Uint32(msgs[0].Data)) != -int32(syscall.ENODEV) {
		t.Errorf("missing index: %+v", msgs)
	}
}

func TestNetlinkAddresses(t *testing.T) {
	a, _ := newPair(t, true, faults{})
	got := map[string]bool{}
	for _, m := range query(t, a.Stack, syscall.RTM_GETADDR, dumpFlags, syscall.AF_UNSPEC) {
		if m.Header.Type != syscall.RTM_NEWADDR {
			continue
		}
		ifa := (*syscall.IfAddrmsg)(unsafe.Pointer(&m.Data[0]))
		at := attrs(t, m)
		ip, ok := netip.AddrFromSlice(at[syscall.IFA_ADDRESS])
		if !ok {
			t.Fatalf("address % x", at[syscall.IFA_ADDRESS])
		}
		got[netip.PrefixFrom(ip, int(ifa.Prefixlen)).String()] = true
	}
	for _, want := range []string{"127.0.0.1/8", "::1/128", "10.1.0.1/24", "fd01::1/64"} {
		if !got[want] {
			t.Errorf("%s is missing among %v", want, got)
		}
	}
}

func TestNetlinkRoutes(t *testing.T) {
	a, _ := newPair(t, true, faults{})
	n := 0
	for _, m := range query(t, a.Stack, syscall.RTM_GETROUTE, dumpFlags, syscall.AF_INET) {
		if m.Header.Type == syscall.RTM_NEWROUTE {
			n++
			attrs(t, m)
		}
	}
	if n != 2 {
		t.Errorf("%d IPv4 routes", n)
	}
	body := make([]byte, syscall.SizeofRtMsg)
	body[0] = syscall.AF_INET
	body = append(body, 8, 0, syscall.RTA_DST, 0, 10, 1, 0, 77)
	msgs := query(t, a.Stack, syscall.RTM_GETROUTE, syscall.NLM_F_REQUEST, body...)
	if len(msgs) != 1 || binary.NativeEndian.Uint32(attrs(t, msgs[0])[syscall.RTA_OIF]) != 2 {
		t.Errorf("route to a neighbour: %+v", msgs)
	}
}

func TestNetlinkRefusals(t *testing.T) {
	s := newLocal(t)
	msgs := query(t, s, syscall.RTM_NEWLINK, syscall.NLM_F_REQUEST|syscall.NLM_F_ACK)
	if len(msgs) != 1 || int32(binary.NativeEndian.Uint32(msgs[0].Data)) != -int32(syscall.EOPNOTSUPP) {
		t.Errorf("change: %+v", msgs)
	}
	const generic = 16
	if _, err := s.Netlink(syscall.SOCK_RAW, generic); err != syscall.EPROTONOSUPPORT {
		t.Errorf("generic netlink: %v", err)
	}
}

// TestNetlinkSplitsDumps dumps more than fits a datagram.
func TestNetlinkSplitsDumps(t *testing.T) {
	s := newLocal(t)
	const extra = 200
	for i := range extra {
		p := netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}), 32)
		if err := s.addAddress(loopbackNIC, prefix(p)); err != nil {
			t.Fatal(err)
		}
	}
	msgs := query(t, s, syscall.RTM_GETADDR, dumpFlags, syscall.AF_INET)
	if len(msgs) != extra+2 || msgs[len(msgs)-1].Header.Type != syscall.NLMSG_DONE {
		t.Errorf("%d messages", len(msgs))
	}
}

func TestInterfaceIoctl(t *testing.T) {
	a, _ := newPair(t, true, faults{})
	c := open(t, a.Stack, syscall.AF_INET, syscall.SOCK_DGRAM, 0)
	defer c.close()
	ask := func(request uintptr, name string, value ...byte) ([]byte, kernel.Errno) {
		req := make([]byte, ifreqSize)
		copy(req, name)
		copy(req[ifNameSize:], value)
		_, err := c.s.Ioctl(request, uintptr(unsafe.Pointer(&req[0])))
		return req, err
	}
	for _, q := range []struct {
		request uintptr
		want    []byte
	}{
		{ioctlIndex, []byte{2, 0, 0, 0}},
		{ioctlAddr, []byte{2, 0, 0, 0, 10, 1, 0, 1}},
		{ioctlNetmask, []byte{2, 0, 0, 0, 255, 255, 255, 0}},
		{ioctlBroadcast, []byte{2, 0, 0, 0, 10, 1, 0, 255}},
		{ioctlHWAddr, []byte{1, 0, 2, 0, 0, 0, 0, 1}},
		{ioctlMTU, []byte{0xdc, 5, 0, 0}},
	} {
		got, err := ask(q.request, "eth0")
		if err != 0 || string(got[ifNameSize:][:len(q.want)]) != string(q.want) {
			t.Errorf("%#x: % x, %v", q.request, got, err)
		}
	}
	if got, err := ask(ioctlName, "", 1); err != 0 || cString(got[:ifNameSize]) != "lo" {
		t.Errorf("name: %q, %v", got, err)
	}
	if _, err := ask(ioctlFlags, "eth7"); err != syscall.ENODEV {
		t.Errorf("missing interface: %v", err)
	}
	if _, err := c.s.Ioctl(0x5401, 0); err != syscall.ENOTTY {
		t.Errorf("TCGETS: %v", err)
	}
	if _, err := c.s.Ioctl(ioctlAddr, 8); err != syscall.EFAULT {
		t.Errorf("bad address: %v", err)
	}

	buf := make([]byte, 10*ifreqSize)
	conf := make([]byte, ifconfSize)
	binary.NativeEndian.PutUint32(conf, uint32(len(buf)))
	binary.NativeEndian.PutUint64(conf[8:], uint64(uintptr(unsafe.Pointer(&buf[0]))))
	if _, err := c.s.Ioctl(ioctlConf, uintptr(unsafe.Pointer(&conf[0]))); err != 0 {
		t.Fatal(err)
	}
	if n := binary.NativeEndian.Uint32(conf); n != 2*ifreqSize || cString(buf[:ifNameSize]) != "lo" {
		t.Errorf("%d bytes: %q", n, buf[:n])
	}
}

func TestQueueIoctl(t *testing.T) {
	s := newLocal(t)
	c := bound(t, s, netip.MustParseAddrPort("127.0.0.1:0"))
	defer c.close()
	c.sendTo([]byte("12345"), c.local())
	n := int32Bytes(0)
	if _, err := c.s.Ioctl(ioctlInQueue, uintptr(unsafe.Pointer(&n[0]))); err != 0 || n[0] != 5 {
		t.Errorf("FIONREAD: %d, %v", n[0], err)
	}
}

// TestProcFiles looks for what must be in the files of /proc/net.
func TestProcFiles(t *testing.T) {
	a, _ := newPair(t, true, faults{})
	l := listen(t, a.Stack, netip.AddrPortFrom(a.ip4, 0x1234))
	defer l.close()
	l6 := listen(t, a.Stack, netip.AddrPortFrom(netip.IPv6Unspecified(), 0x1235))
	defer l6.close()
	u := bound(t, a.Stack, netip.AddrPortFrom(a.ip4, 0x1236))
	defer u.close()
	files := map[string]func(*Stack) []byte{}
	for _, f := range procFiles {
		files[f.name] = f.generate
	}
	for name, want := range map[string]string{
		"net/dev":       "  eth0: ",
		"net/igmp":      "010000E0",
		"net/igmp6":     "2    eth0            ff020000000000000000000000000001",
		"net/if_inet6":  "fd010000000000000000000000000001 02 40 00 80     eth0",
		"net/route":     "eth0\t0000010A\t00000000\t0001\t0\t0\t0\t00FFFFFF",
		"net/tcp":       " 0100010A:1234 00000000:0000 0A ",
		"net/tcp6":      " 00000000000000000000000000000000:1235 00000000000000000000000000000000:0000 0A ",
		"net/udp":       " 0100010A:1236 00000000:0000 07 ",
		"net/pnp":       "",
		"net/snmp":      "Udp: InDatagrams NoPorts ",
		"net/netstat":   "IpExt: InOctets OutOctets\n",
		"net/sockstat":  "TCP: inuse 1\nUDP: inuse 1\n",
		"net/sockstat6": "TCP6: inuse 1\nUDP6: inuse 0\n",
	} {
		if got := string(files[name](a.Stack)); !strings.Contains(got, want) {
			t.Errorf("%s: %s", name, got)
		}
	}
}
