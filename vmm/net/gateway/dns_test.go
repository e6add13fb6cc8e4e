package gateway

import (
	"net"
	"net/netip"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/adapters/gonet"
)

// upstream is a resolver of the host: it answers every question with one
// TXT record.
func upstream(t *testing.T) string {
	t.Helper()
	reply := func(query []byte) []byte {
		var m dnsmessage.Message
		if err := m.Unpack(query); err != nil {
			t.Error(err)
			return nil
		}
		m.Response = true
		m.Answers = []dnsmessage.Resource{{
			Header: dnsmessage.ResourceHeader{Name: m.Questions[0].Name, Class: dnsmessage.ClassINET, TTL: 77},
			Body:   &dnsmessage.TXTResource{TXT: []string{"upstream"}},
		}}
		b, err := m.Pack()
		if err != nil {
			t.Error(err)
		}
		return b
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	u, err := net.ListenPacket("udp", l.Addr().String())
	if err != nil {
		t.Skip(err)
	}
	t.Cleanup(func() { l.Close(); u.Close() })
	go func() {
		b := make([]byte, maxDatagram)
		for {
			n, from, err := u.ReadFrom(b)
			if err != nil {
				return
			}
			u.WriteTo(reply(b[:n]), from)
		}
	}()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			if q, err := readTCPMessage(c); err == nil {
				writeTCPMessage(c, reply(q))
			}
			c.Close()
		}
	}()
	return l.Addr().String()
}

// lookup asks the gateway's server from the guest.
func (v *guest) lookup(t *testing.T, network string, server netip.Addr, name string, kind dnsmessage.Type) dnsmessage.Message {
	t.Helper()
	q := dnsmessage.Message{
		Header:    dnsmessage.Header{ID: 4711, RecursionDesired: true},
		Questions: []dnsmessage.Question{{Name: dnsmessage.MustNewName(name), Type: kind, Class: dnsmessage.ClassINET}},
	}
	query, err := q.Pack()
	if err != nil {
		t.Fatal(err)
	}
	at := netip.AddrPortFrom(server, dnsPort)
	var reply []byte
	if network == "tcp" {
		c, err := v.dial(at)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		c.SetDeadline(time.Now().Add(5 * time.Second))
		if err := writeTCPMessage(c, query); err != nil {
			t.Fatal(err)
		}
		if reply, err = readTCPMessage(c); err != nil {
			t.Fatal(err)
		}
	} else {
		to := fromAddrPort(at)
		c, err := gonet.DialUDP(v.Stack, nil, &to, protocolOf(server))
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		c.SetDeadline(time.Now().Add(5 * time.Second))
		if _, err := c.Write(query); err != nil {
			t.Fatal(err)
		}
		b := make([]byte, maxDatagram)
		n, err := c.Read(b)
		if err != nil {
			t.Fatal(err)
		}
		reply = b[:n]
	}
	var m dnsmessage.Message
	if err := m.Unpack(reply); err != nil {
		t.Fatal(err)
	}
	if m.ID != 4711 || !m.Response {
		t.Errorf("%s: the header is %+v", name, m.Header)
	}
	return m
}

func TestDNS(t *testing.T) {
	g := newGateway(t)
	server := upstream(t)
	g.resolver.servers = func() []string { return []string{"127.0.0.1:1", server} } // the first one refuses
	v := newGuest(t, g, true)
	for _, network := range []string{"udp", "tcp"} {
		m := v.lookup(t, network, DNS4, "localhost.", dnsmessage.TypeA)
		if len(m.Answers) != 1 {
			t.Fatalf("%s: localhost: %v", network, m)
		}
		if a, ok := m.Answers[0].Body.(*dnsmessage.AResource); !ok || a.A != [4]byte{127, 0, 0, 1} {
			t.Errorf("%s: localhost is %v", network, m.Answers[0])
		}
		m = v.lookup(t, network, DNS4, "example.org.", dnsmessage.TypeTXT)
		if len(m.Answers) != 1 || m.Answers[0].Header.TTL != 77 {
			t.Errorf("%s: example.org: %v", network, m)
		}
	}
	g.resolver.servers = func() []string { return nil }
	if m := v.lookup(t, "udp", DNS4, "example.org.", dnsmessage.TypeA); m.RCode != dnsmessage.RCodeServerFailure {
		t.Errorf("without resolvers: %v", m.RCode)
	}
}

func FuzzDNS(f *testing.F) {
	q := dnsmessage.Message{Questions: []dnsmessage.Question{{Name: dnsmessage.MustNewName("localhost."), Type: dnsmessage.TypeA, Class: dnsmessage.ClassINET}}}
	b, err := q.Pack()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	r := resolver{servers: func() []string { return nil }}
	r.hosts = newHostsResolver()
	f.Fuzz(func(t *testing.T, b []byte) { r.answer("udp", b) })
}

func FuzzInspect(f *testing.F) {
	f.Add(uint16(0x86dd), routerAdvert(fromAddr(Router6)))
	f.Add(uint16(0x0800), make([]byte, 40))
	f.Fuzz(func(t *testing.T, proto uint16, b []byte) {
		if v, reply := inspect(tcpip.NetworkProtocolNumber(proto), b); v == answer && len(reply) == 0 {
			t.Error("an answer without content")
		}
	})
}
