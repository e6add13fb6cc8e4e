package netstack

import (
	"encoding/binary"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"gvisor.dev/gvisor/pkg/buffer"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"

	"ringo.dev/ringo/drivers/virtio"
)

// dhcpServer answers a client at the other end of a wire. It is a card's
// handler of its own: there is no stack on its side.
type dhcpServer struct {
	card *testCard
	link *link // for its way of sending

	mu    sync.Mutex
	deaf  int  // queries to ignore
	nak   int  // requests to refuse
	rapid bool // acknowledge at once
	lease uint32
	extra []byte   // options
	seen  []string // the queries' types and destinations
}

var (
	dhcpServerIP = netip.MustParseAddr("10.9.0.1")
	dhcpLeasedIP = netip.MustParseAddr("10.9.0.77")
)

// newDHCPServer starts a server at a card. Its link is not attached.
func newDHCPServer(t *testing.T, c *testCard) *dhcpServer {
	s := &dhcpServer{card: c, link: newLink(c, c, c), lease: 3600}
	go c.Serve(s)
	t.Cleanup(c.close)
	return s
}

func (s *dhcpServer) Buffer() ([]byte, any) { return s.link.Buffer() }
func (s *dhcpServer) Flush()                {}

func (s *dhcpServer) Packet(h *virtio.NetHeader, parts []virtio.RxPart) {
	p := parts[0]
	frame := p.Owner.(*buffer.View).AsSlice()[p.Off : p.Off+p.Len]
	eth := header.Ethernet(frame)
	if eth.Type() != header.IPv4ProtocolNumber {
		return
	}
	ip := header.IPv4(frame[header.EthernetMinimumSize:])
	udp := header.UDP(ip.Payload())
	if ip.TransportProtocol() != header.UDPProtocolNumber || udp.DestinationPort() != dhcpServerPort {
		return
	}
	s.answer(eth.SourceAddress(), ip.DestinationAddress(), udp.Payload())
}

// queryNames are the message types that a client sends.
var queryNames = map[byte]string{byte(dhcpDiscover): "discover", byte(dhcpRequest): "request"}

func (s *dhcpServer) answer(client tcpip.LinkAddress, to tcpip.Address, q []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	typ := q[dhcpHeader+4+2] // the client puts the type first
	s.seen = append(s.seen, queryNames[typ]+" "+to.String())
	if s.deaf > 0 {
		s.deaf--
		return
	}
	reply := dhcpOffer
	switch {
	case typ == byte(dhcpRequest) && s.nak > 0:
		s.nak--
		reply = dhcpNAK
	case typ == byte(dhcpRequest) || s.rapid:
		reply = dhcpACK
	}
	s.link.sendUDP(client, tcpip.FullAddress{Addr: address(dhcpServerIP), Port: dhcpServerPort},
		tcpip.FullAddress{Addr: header.IPv4Broadcast, Port: dhcpClientPort}, s.reply(reply, q))
}

// reply makes a message that answers q.
func (s *dhcpServer) reply(typ dhcpType, q []byte) []byte {
	b := slices.Clone(q[:dhcpHeader])
	b[0] = bootReply
	copy(b[offYourIP:], dhcpLeasedIP.AsSlice())
	b = append(b, dhcpCookie[:]...)
	b = append(b, optMessageType, 1, byte(typ), optServerID, 4)
	b = append(b, dhcpServerIP.AsSlice()...)
	b = append(b, optLeaseTime, 4)
	b = binary.BigEndian.AppendUint32(b, s.lease)
	b = append(b, s.extra...)
	return append(b, optEnd)
}

func (s *dhcpServer) queries() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.seen)
}

var usualOptions = []byte{
	optSubnetMask, 4, 255, 255, 0, 0,
	optRouter, 8, 10, 9, 0, 1, 10, 9, 0, 2,
	optDNS, 8, 10, 9, 0, 3, 10, 9, 0, 4,
	optDomain, 11, 'e', 'x', 'a', 'm', 'p', 'l', 'e', '.', 'o', 'r', 'g',
	optHostname, 3, 'w', 'e', 'b',
	optMTU, 2, 1400 >> 8, 1400 & 0xff,
}

// dhcpGuest is a stack whose card asks for an address.
type dhcpGuest struct {
	*Stack
	nic    tcpip.NICID
	client *dhcpClient

	mu      sync.Mutex
	host    string
	reports []string
}

// newDHCPGuest makes a guest whose client is impatient, and runs it.
func newDHCPGuest(t *testing.T, c *testCard) *dhcpGuest {
	t.Helper()
	s, err := New()
	if err != nil {
		t.Fatal(err)
	}
	g := &dhcpGuest{Stack: s}
	s.names.setHost = func(name string) {
		g.mu.Lock()
		defer g.mu.Unlock()
		g.host = name
	}
	l := newLink(c, c, c)
	if g.nic, err = s.addCard("eth0", l); err != nil {
		t.Fatal(err)
	}
	g.client = newDHCPClient(s, g.nic, l, "", false)
	g.client.times = dhcpTimes{
		first: 20 * time.Millisecond, longest: 40 * time.Millisecond, linkLocal: time.Minute,
		minLease: time.Millisecond, probe: 50 * time.Millisecond,
	}
	g.client.report = func(format string, args ...any) {
		g.mu.Lock()
		defer g.mu.Unlock()
		g.reports = append(g.reports, format)
	}
	t.Cleanup(func() {
		c.close()
		s.ip.Close()
	})
	return g
}

// run runs the client until the test ends.
func (g *dhcpGuest) run(t *testing.T) {
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		g.client.run(done)
		close(ended)
	}()
	t.Cleanup(func() {
		close(done)
		<-ended
	})
}

// has reports whether the card has the address.
func (g *dhcpGuest) has(a netip.Addr) bool {
	for _, p := range g.ip.NICInfo()[g.nic].ProtocolAddresses {
		if p.AddressWithPrefix.Address == address(a) {
			return true
		}
	}
	return false
}

// hasRoute reports whether dst is routed by the gateway.
func (g *dhcpGuest) hasRoute(dst, gateway string) bool {
	for _, r := range g.ip.GetRouteTable() {
		if r.NIC == g.nic && r.Destination == prefix(netip.MustParsePrefix(dst)).Subnet() {
			return gateway == "" && r.Gateway.Len() == 0 ||
				gateway != "" && r.Gateway == address(netip.MustParseAddr(gateway))
		}
	}
	return false
}

func TestDHCP(t *testing.T) {
	guest, wire := newWire(true, faults{})
	srv := newDHCPServer(t, wire)
	srv.extra = usualOptions
	g := newDHCPGuest(t, guest)
	g.run(t)
	g.gate.wait()
	if !g.has(dhcpLeasedIP) {
		t.Fatal("no address")
	}
	if !g.hasRoute("10.9.0.0/16", "") || !g.hasRoute("0.0.0.0/0", "10.9.0.1") {
		t.Errorf("routes: %v", g.ip.GetRouteTable())
	}
	if got, want := string(g.procPnp()), "search example.org\nnameserver 10.9.0.3\nnameserver 10.9.0.4\n"; got != want {
		t.Errorf("resolv.conf: %q, want %q", got, want)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.host != "web" {
		t.Errorf("host name %q", g.host)
	}
	if got := g.ip.NICInfo()[g.nic].MTU; got != 1400 {
		t.Errorf("MTU %d", got)
	}
	// On a busy machine an answer may be so late that the query is repeated.
	if got, want := slices.Compact(srv.queries()), []string{"discover 255.255.255.255", "request 255.255.255.255"}; !slices.Equal(got, want) {
		t.Errorf("queries %q, want %q", got, want)
	}
}

// TestDHCPHostOnly has leases as clouds give them: no subnet, and a router that is
// outside of it. All of the world, the metadata service too, is behind the router.
func TestDHCPHostOnly(t *testing.T) {
	const mask = "\x01\x04\xff\xff\xff\xff"
	for name, options := range map[string]string{
		"router":           mask + "\x03\x04\xac\x1f\x01\x01",
		"classless routes": mask + "\x79\x0e\x20\xac\x1f\x01\x01\x00\x00\x00\x00\x00\xac\x1f\x01\x01",
	} {
		t.Run(name, func(t *testing.T) {
			guest, wire := newWire(true, faults{})
			srv := newDHCPServer(t, wire)
			srv.extra = []byte(options)
			g := newDHCPGuest(t, guest)
			g.run(t)
			g.gate.wait()
			for _, to := range []string{"192.0.2.1", "169.254.169.254"} {
				r, err := g.ip.FindRoute(0, tcpip.Address{}, address(netip.MustParseAddr(to)), header.IPv4ProtocolNumber, false)
				if err != nil {
					t.Fatalf("%s: %v; routes: %v", to, err, g.ip.GetRouteTable())
				}
				if r.NextHop() != address(netip.MustParseAddr("172.31.1.1")) || r.LocalAddress() != address(dhcpLeasedIP) {
					t.Errorf("%s: by %v from %v", to, r.NextHop(), r.LocalAddress())
				}
				r.Release()
			}
		})
	}
}

func TestDHCPRapidCommit(t *testing.T) {
	guest, wire := newWire(true, faults{})
	srv := newDHCPServer(t, wire)
	srv.rapid = true
	g := newDHCPGuest(t, guest)
	g.run(t)
	g.gate.wait()
	if got := srv.queries(); len(got) != 1 || !g.has(dhcpLeasedIP) {
		t.Errorf("queries %q", got)
	}
}

// TestDHCPRetries meets a server that misses queries and refuses a request.
func TestDHCPRetries(t *testing.T) {
	guest, wire := newWire(true, faults{})
	srv := newDHCPServer(t, wire)
	srv.deaf, srv.nak = 2, 1
	g := newDHCPGuest(t, guest)
	g.run(t)
	g.gate.wait()
	if !g.has(dhcpLeasedIP) {
		t.Error("no address")
	}
	if n := len(srv.queries()); n < 6 {
		t.Errorf("%d queries", n)
	}
}

// TestDHCPRenewal sees a lease extended by its server, then by anyone, then
// lost and acquired again.
func TestDHCPRenewal(t *testing.T) {
	guest, wire := newWire(true, faults{})
	srv := newDHCPServer(t, wire)
	srv.lease = 1 // seconds
	g := newDHCPGuest(t, guest)
	g.client.times.longest = 20 * time.Millisecond
	g.run(t)
	g.gate.wait()
	sees := func(query string) func() bool {
		return func() bool { return slices.Contains(srv.queries(), query) }
	}
	forget := func(deaf int) {
		srv.mu.Lock()
		defer srv.mu.Unlock()
		srv.deaf, srv.seen = deaf, nil
	}
	waitUntil(t, sees("request 10.9.0.1"))
	if !g.has(dhcpLeasedIP) {
		t.Error("no address after a renewal")
	}
	forget(1 << 30)
	waitUntil(t, sees("request 255.255.255.255"))
	waitUntil(t, sees("discover 255.255.255.255"))
	waitUntil(t, func() bool { return !g.has(dhcpLeasedIP) })
	forget(0)
	waitUntil(t, func() bool { return g.has(dhcpLeasedIP) })
}

// TestDHCPSilence finds no server at first.
func TestDHCPSilence(t *testing.T) {
	guest, wire := newWire(true, faults{})
	srv := newDHCPServer(t, wire)
	srv.deaf = 1 << 30
	g := newDHCPGuest(t, guest)
	g.client.times.linkLocal = 50 * time.Millisecond
	g.run(t)
	g.gate.wait()
	own := netip.AddrFrom4([4]byte{169, 254, 1, 1})
	if !g.has(own) || !g.hasRoute("169.254.0.0/16", "") {
		t.Fatalf("addresses: %v", g.ip.NICInfo()[g.nic].ProtocolAddresses)
	}
	if len(g.reports) != 1 {
		t.Errorf("reports %q", g.reports)
	}
	srv.mu.Lock()
	srv.deaf = 0
	srv.mu.Unlock()
	waitUntil(t, func() bool { return g.has(dhcpLeasedIP) && !g.has(own) })
}

func TestDHCPClasslessRoutes(t *testing.T) {
	guest, wire := newWire(true, faults{})
	srv := newDHCPServer(t, wire)
	srv.extra = slices.Concat(usualOptions, []byte{
		optClasslessRoute, 8 + 5 + 5,
		24, 192, 0, 2, 10, 9, 0, 9,
		0, 10, 9, 0, 8,
		0, 10, 9, 0, 7,
	})
	g := newDHCPGuest(t, guest)
	g.run(t)
	g.gate.wait()
	if !g.hasRoute("192.0.2.0/24", "10.9.0.9") || !g.hasRoute("0.0.0.0/0", "10.9.0.8") {
		t.Errorf("routes: %v", g.ip.GetRouteTable())
	}
}

func TestParseDHCPErrors(t *testing.T) {
	srv := &dhcpServer{lease: 1}
	q := (&dhcpQuery{typ: dhcpDiscover}).append(nil)
	for name, extra := range map[string][]byte{
		"cut off":          {optRouter, 4, 1},
		"no length":        {optRouter},
		"half an address":  {optDNS, 6, 1, 2, 3, 4, 5, 6},
		"holes in a mask":  {optSubnetMask, 4, 255, 0, 255, 0},
		"long destination": {optClasslessRoute, 9, 33, 1, 1, 1, 1, 2, 2, 2, 2},
		"short type":       {optMessageType, 0},
	} {
		srv.extra = extra
		b := srv.reply(dhcpACK, q)
		if _, err := parseDHCP(b[:len(b)-1]); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	if _, err := parseDHCP(q); err == nil {
		t.Error("a query was taken for a reply")
	}
}

func FuzzParseDHCP(f *testing.F) {
	srv := &dhcpServer{lease: 100, extra: usualOptions}
	f.Add(srv.reply(dhcpACK, (&dhcpQuery{typ: dhcpRequest}).append(nil)))
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := parseDHCP(b)
		if err == nil && (r.maskBits < 0 || r.maskBits > 32 || strings.ContainsAny(r.domain+r.hostname, " \n\t#")) {
			t.Errorf("%+v", r)
		}
	})
}
