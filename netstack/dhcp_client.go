package netstack

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv4"
	"gvisor.dev/gvisor/pkg/tcpip/stack"

	"ringo.dev/ringo/rt"
)

// dhcpClient keeps a card's IPv4 address leased (RFC 2131, 4.4). It sends and
// receives whole frames: before it has an address, the stack would not.
//
// An offered address is not probed for another user first (4.4.1): that would
// take a second of every boot.
type dhcpClient struct {
	n       *Stack
	nic     tcpip.NICID
	l       *link
	mac     [6]byte
	host    string
	times   dhcpTimes
	report  func(format string, args ...any) // to the console
	verbose bool

	replies chan dhcpFrame
	started time.Time
	xid     uint32
	current tcpip.AddressWithPrefix // assigned to the card, if any
}

// dhcpFrame is a reply and the card that sent it, a server's or a relay's.
type dhcpFrame struct {
	*dhcpReply
	from tcpip.LinkAddress
}

// dhcpTimes are the client's patience.
type dhcpTimes struct {
	first     time.Duration // until the first repetition; then twice as long each time
	longest   time.Duration // between two repetitions
	linkLocal time.Duration // until it makes an address of its own up
	minLease  time.Duration // least time between two renewals
	probe     time.Duration // how long to look for another user of that address
}

var defaultDHCPTimes = dhcpTimes{
	first:     time.Second,
	longest:   64 * time.Second,
	linkLocal: 8 * time.Second,
	minLease:  10 * time.Second,
	probe:     2 * time.Second,
}

// dhcpBacklog bounds the replies that wait for the client.
const dhcpBacklog = 8

func newDHCPClient(n *Stack, nic tcpip.NICID, l *link, host string, verbose bool) *dhcpClient {
	c := &dhcpClient{
		n: n, nic: nic, l: l, mac: [6]byte([]byte(l.mac)), host: host,
		times: defaultDHCPTimes, verbose: verbose,
		replies: make(chan dhcpFrame, dhcpBacklog),
		report: func(format string, args ...any) {
			rt.ConsoleWrite(fmt.Appendf(nil, "ringo: "+format+"\n", args...))
		},
	}
	l.udpTap.Store(&udpTap{dhcpClientPort, c.receive})
	return c
}

// receive takes a datagram for the client's port. It runs on the card's
// goroutine.
func (c *dhcpClient) receive(from tcpip.LinkAddress, payload []byte) {
	r, err := parseDHCP(payload)
	if err != nil || r.mac != c.mac {
		return
	}
	select {
	case c.replies <- dhcpFrame{r, from}:
	default:
	}
}

// run acquires leases for ever. It returns if done is closed.
func (c *dhcpClient) run(done <-chan struct{}) {
	for {
		f, ok := c.acquire(done)
		if !ok {
			return
		}
		c.apply(f.dhcpReply)
		if !c.hold(f, done) {
			return
		}
		c.drop()
	}
}

// begin starts a transaction.
func (c *dhcpClient) begin() {
	var b [4]byte
	rt.Random(b[:])
	c.xid = binary.NativeEndian.Uint32(b[:])
	c.started = time.Now()
}

// acquire goes from INIT to BOUND: it returns the acknowledgement.
func (c *dhcpClient) acquire(done <-chan struct{}) (f dhcpFrame, ok bool) {
	c.begin()
	discover := dhcpQuery{typ: dhcpDiscover}
	alone := time.NewTimer(c.times.linkLocal)
	defer alone.Stop()
	for {
		offer, ok := c.exchange(&discover, nil, alone.C, done, func(f dhcpFrame) bool {
			return f.typ == dhcpOffer && f.ip.IsValid() || f.typ == dhcpACK && f.lease > 0
		})
		if !ok || offer.typ == dhcpACK { // an immediate one: rapid commit
			return offer, ok
		}
		request := dhcpQuery{typ: dhcpRequest, requested: offer.ip, server: offer.server}
		// A server that does not acknowledge its offer soon is given up.
		giveUp := time.NewTimer(4 * c.times.first)
		f, ok = c.exchange(&request, giveUp.C, alone.C, done, func(f dhcpFrame) bool {
			return f.server == offer.server && (f.typ == dhcpACK && f.lease > 0 || f.typ == dhcpNAK)
		})
		giveUp.Stop()
		switch {
		case !ok:
			return f, false
		case f.dhcpReply != nil && f.typ == dhcpACK:
			return f, true
		}
		c.begin()
	}
}

// exchange broadcasts a query, again and again, until an answer satisfies
// want. It gives up at deadline, with an empty frame, and ends with ok false
// when done is closed. When alone fires it makes an address up and goes on.
func (c *dhcpClient) exchange(q *dhcpQuery, deadline, alone <-chan time.Time, done <-chan struct{}, want func(dhcpFrame) bool) (f dhcpFrame, ok bool) {
	pause := c.times.first
	again := time.NewTimer(0)
	defer again.Stop()
	for {
		select {
		case f := <-c.replies:
			if f.xid == c.xid && want(f) {
				return f, true
			}
		case <-again.C:
			c.send(q, header.EthernetBroadcastAddress, header.IPv4Broadcast)
			again.Reset(c.jitter(pause))
			pause = min(2*pause, c.times.longest)
		case <-alone:
			c.linkLocal()
		case <-deadline:
			return dhcpFrame{}, true
		case <-done:
			return dhcpFrame{}, false
		}
	}
}

// jitter spreads d by up to an eighth either way.
func (c *dhcpClient) jitter(d time.Duration) time.Duration {
	var b [2]byte
	rt.Random(b[:])
	return d + d/8*time.Duration(int(binary.NativeEndian.Uint16(b[:]))-1<<15)/(1<<15)
}

// hold stays BOUND, RENEWING at T1 with the server and REBINDING at T2 with
// anyone, until the lease is lost. It returns false if done is closed.
func (c *dhcpClient) hold(f dhcpFrame, done <-chan struct{}) bool {
	for {
		renew, rebind, expire := c.leaseTimes(f.dhcpReply)
		now := time.Now()
		if !sleep(renew, done) {
			return false
		}
		c.begin()
		q := dhcpQuery{typ: dhcpRequest, ciaddr: f.ip}
		next, ok := c.extend(&q, f, now.Add(rebind), now.Add(expire), done)
		if !ok {
			return false
		}
		if next.dhcpReply == nil || next.typ == dhcpNAK {
			return true
		}
		if next.server.IsValid() {
			f.server = next.server
		}
		c.apply(next.dhcpReply)
		f = next
	}
}

// leaseTimes returns T1, T2 and the end of a lease, counted from now.
func (c *dhcpClient) leaseTimes(r *dhcpReply) (renew, rebind, expire time.Duration) {
	expire = max(r.lease, c.times.minLease)
	renew, rebind = r.renew, r.rebind
	if renew <= 0 || renew >= expire {
		renew = expire / 2
	}
	if rebind <= renew || rebind >= expire {
		rebind = renew + (expire-renew)/4*3
	}
	return renew, rebind, expire
}

// extend asks for a longer lease: the server until rebind, then everybody. It
// returns an empty frame at the end of the lease.
func (c *dhcpClient) extend(q *dhcpQuery, f dhcpFrame, rebind, expire time.Time, done <-chan struct{}) (dhcpFrame, bool) {
	for {
		now := time.Now()
		to, ip, until := f.from, address(f.server), rebind
		if !now.Before(rebind) || !f.server.IsValid() {
			to, ip, until = header.EthernetBroadcastAddress, header.IPv4Broadcast, expire
		}
		if !now.Before(expire) {
			return dhcpFrame{}, true
		}
		c.send(q, to, ip)
		// Half of what is left, but no less than a minute (4.4.5).
		wait := min(max(until.Sub(now)/2, c.times.longest), until.Sub(now))
		timer := time.NewTimer(wait)
		for waiting := true; waiting; {
			select {
			case r := <-c.replies:
				if r.xid == c.xid && (r.typ == dhcpACK && r.lease > 0 || r.typ == dhcpNAK) {
					timer.Stop()
					return r, true
				}
			case <-timer.C:
				waiting = false
			case <-done:
				timer.Stop()
				return dhcpFrame{}, false
			}
		}
	}
}

// sleep waits; it returns false if done is closed before.
func sleep(d time.Duration, done <-chan struct{}) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-done:
		return false
	}
}

// send sends a query to an Ethernet and an IP address.
func (c *dhcpClient) send(q *dhcpQuery, to tcpip.LinkAddress, ip tcpip.Address) {
	q.xid, q.mac, q.hostname = c.xid, c.mac, c.host
	q.secs = uint16(min(time.Since(c.started)/time.Second, 0xffff))
	from := header.IPv4Any
	if q.ciaddr.IsValid() {
		from = address(q.ciaddr)
	}
	c.l.sendUDP(to, tcpip.FullAddress{Addr: from, Port: dhcpClientPort},
		tcpip.FullAddress{Addr: ip, Port: dhcpServerPort}, q.append(nil))
}

// apply configures the card by an acknowledgement.
func (c *dhcpClient) apply(r *dhcpReply) {
	a := prefix(netip.PrefixFrom(r.ip, r.maskBits))
	if a != c.current {
		c.drop()
		if err := c.n.addAddress(c.nic, a); err != nil {
			c.report("DHCP: %v", err)
			return
		}
		c.current = a
	}
	if r.mtu >= header.IPv4MinimumMTU && uint32(r.mtu) < c.l.MTU() {
		c.n.ip.SetNICMTU(c.nic, uint32(r.mtu))
	}
	c.n.setRoutes(routeSource{c.nic, "dhcp"}, c.routes(r, a.Subnet()))
	c.n.names.learn(r.hostname, r.domain)
	var dns []tcpip.Address
	for _, s := range r.dns {
		dns = append(dns, address(s))
	}
	c.n.names.setServers(routeSource{c.nic, "dhcp"}, dns)
	if !c.n.gate.isOpen() && c.verbose {
		c.report("network is up: %v by DHCP from %v, after %v", a, r.server, time.Since(c.started).Round(time.Microsecond))
	}
	c.n.gate.open()
}

// routes returns a lease's routes: to its subnet, and either the classless ones
// or the default route (RFC 3442).
func (c *dhcpClient) routes(r *dhcpReply, subnet tcpip.Subnet) []tcpip.Route {
	list := []tcpip.Route{{Destination: subnet, NIC: c.nic}}
	for _, cr := range r.routes {
		p := prefix(cr.dst)
		route := tcpip.Route{Destination: p.Subnet(), NIC: c.nic}
		if !cr.gateway.IsUnspecified() {
			route.Gateway = address(cr.gateway)
		}
		list = append(list, route)
	}
	if len(r.routes) == 0 && len(r.routers) > 0 {
		list = append(list, tcpip.Route{Destination: header.IPv4EmptySubnet, Gateway: address(r.routers[0]), NIC: c.nic})
	}
	return list
}

// drop takes the address away.
func (c *dhcpClient) drop() {
	if c.current == (tcpip.AddressWithPrefix{}) {
		return
	}
	c.n.setRoutes(routeSource{c.nic, "dhcp"}, nil)
	// It is there: apply has added it.
	_ = c.n.ip.RemoveAddress(c.nic, c.current.Address)
	c.current = tcpip.AddressWithPrefix{}
}

// linkLocal gives the card an address of 169.254.0.0/16 (RFC 3927) until a
// server answers. The address follows from the card's.
func (c *dhcpClient) linkLocal() {
	if c.current != (tcpip.AddressWithPrefix{}) {
		return
	}
	for try := range byte(4) {
		ip := netip.AddrFrom4([4]byte{169, 254, c.mac[4]%254 + 1, c.mac[5] + try})
		if !c.isFree(address(ip)) {
			continue
		}
		a := prefix(netip.PrefixFrom(ip, 16))
		if err := c.n.addAddress(c.nic, a); err != nil {
			c.report("link-local address: %v", err)
			return
		}
		c.current = a
		c.n.setRoutes(routeSource{c.nic, "dhcp"}, []tcpip.Route{{Destination: a.Subnet(), NIC: c.nic}})
		c.report("no DHCP server answers: the address is %v", a.Address)
		c.n.gate.open()
		return
	}
}

// isFree looks whether anybody on the link uses an address.
func (c *dhcpClient) isFree(a tcpip.Address) bool {
	result := make(chan bool, 1)
	_, err := c.n.ip.CheckDuplicateAddress(c.nic, ipv4.ProtocolNumber, a, func(r stack.DADResult) {
		_, taken := r.(*stack.DADDupAddrDetected)
		result <- !taken
	})
	if err != nil {
		return true
	}
	t := time.NewTimer(c.times.probe)
	defer t.Stop()
	select {
	case free := <-result:
		return free
	case <-t.C:
		return true
	}
}
