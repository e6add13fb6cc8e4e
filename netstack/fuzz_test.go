package netstack

import (
	"encoding/binary"
	"net/netip"
	"syscall"
	"testing"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/stack"

	"ringo.dev/ringo/drivers/virtio"
	"ringo.dev/ringo/drivers/virtio/spec"
	"ringo.dev/ringo/kernel"
)

func FuzzSockaddr(f *testing.F) {
	f.Add(sockaddr(netip.MustParseAddrPort("10.0.0.1:80")))
	f.Add(sockaddr(netip.MustParseAddrPort("[fe80::1]:80")))
	f.Fuzz(func(t *testing.T, b []byte) {
		addr, family, err := parseSockaddr(b)
		if err != 0 || family == syscall.AF_UNSPEC {
			return
		}
		again, family2, err := parseSockaddr(appendSockaddr(nil, family, addr))
		if err != 0 || family2 != family || again != addr {
			t.Errorf("%+v became %+v, %v", addr, again, err)
		}
	})
}

func FuzzControl(f *testing.F) {
	var w controlWriter
	w.b = make([]byte, 64)
	w.putInt(syscall.IPPROTO_IP, syscall.IP_TTL, 7)
	w.putInt(syscall.IPPROTO_IPV6, ipv6HopLimit, 7)
	f.Add(w.b[:w.n])
	s := &socket{}
	f.Fuzz(func(t *testing.T, b []byte) {
		var out tcpip.SendableControlMessages
		s.parseControl(b, &out)
	})
}

func FuzzNetlink(f *testing.F) {
	f.Add(request(syscall.RTM_GETLINK, dumpFlags, []byte{0}))
	f.Add(request(syscall.RTM_GETROUTE, syscall.NLM_F_REQUEST, append(make([]byte, 12), 8, 0, 1, 0, 10, 1, 0, 1)))
	n := newLocal(f)
	f.Fuzz(func(t *testing.T, b []byte) {
		s, _ := n.Netlink(syscall.SOCK_RAW, syscall.NETLINK_ROUTE)
		s.Send(&kernel.Message{Data: [][]byte{b}}, 0)
		for s.Ready()&kernel.EventIn != 0 {
			buf := make([]byte, 1<<16)
			m := kernel.Message{Data: [][]byte{buf}}
			size, err := s.Receive(&m, 0)
			if err != 0 {
				t.Fatal(err)
			}
			if _, err := syscall.ParseNetlinkMessage(buf[:size]); err != nil {
				t.Errorf("reply % x: %v", buf[:size], err)
			}
		}
	})
}

func FuzzOptions(f *testing.F) {
	f.Add(syscall.SOL_SOCKET, syscall.SO_LINGER, []byte{1, 0, 0, 0, 1, 0, 0, 0})
	f.Add(syscall.IPPROTO_IP, mcastJoinGroup, make([]byte, groupReqSize))
	n := newLocal(f)
	f.Fuzz(func(t *testing.T, level, name int, value []byte) {
		for _, typ := range []int{syscall.SOCK_STREAM, syscall.SOCK_DGRAM} {
			s, err := n.newSocket(syscall.AF_INET6, typ, 0)
			if err != 0 {
				t.Fatal(err)
			}
			s.SetOption(level, name, value)
			if n, err := s.Option(level, name, value); err == 0 && n > len(value) {
				t.Errorf("%d bytes stored in %d", n, len(value))
			}
			s.SetOption(syscall.SOL_SOCKET, syscall.SO_LINGER, make([]byte, 8)) // do not wait in Close
			s.Close()
		}
	})
}

// FuzzFrames gives the stack frames that a hostile network might send.
func FuzzFrames(f *testing.F) {
	seed := func(proto uint16, body ...byte) {
		frame := append([]byte{2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2}, 0, 0)
		binary.BigEndian.PutUint16(frame[12:], proto)
		f.Add(uint8(0), append(frame, body...))
	}
	seed(0x0806, 0, 1, 8, 0, 6, 4, 0, 1, 2, 0, 0, 0, 0, 2, 10, 1, 0, 2, 0, 0, 0, 0, 0, 0, 10, 1, 0, 1)
	seed(0x0800, append([]byte{0x45, 0, 0, 40, 0, 0, 0x40, 0, 64, 6, 0, 0, 10, 1, 0, 2, 10, 1, 0, 1}, make([]byte, 20)...)...)
	seed(0x86dd, append([]byte{0x60, 0, 0, 0, 0, 20, 6, 64}, make([]byte, 52)...)...)
	card, _ := newWire(true, faults{})
	h := newHost(f, card, 1)
	listen(f, h.Stack, netip.AddrPortFrom(netip.IPv6Unspecified(), 80))
	l := newLink(card, card, card)
	var nobody stack.NetworkDispatcher = discardNetwork{}
	l.dispatcher.Store(&nobody)
	f.Fuzz(func(t *testing.T, flags uint8, data []byte) {
		if len(data) == 0 || len(data) > 1514 {
			return
		}
		hdr := virtio.NetHeader{Flags: flags & (spec.NetNeedsCSum | spec.NetDataValid)}
		x := frame{hdr, data}
		card.receive(x) // through the stack, asynchronously
		deliver(l, &x)  // the link alone
		l.Flush()
	})
}
