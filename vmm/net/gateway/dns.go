package gateway

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/net/dns/dnsmessage"
	"gvisor.dev/gvisor/pkg/tcpip/adapters/gonet"

	"gvisor.dev/gvisor/pkg/tcpip"
)

const (
	dnsPort = 53
	// dnsTry is how long each of the host's resolvers is given; stub resolvers
	// commonly ask again after 5 s.
	dnsTry = 2 * time.Second
	// dnsTotal is how long a query may take in all.
	dnsTotal = 10 * time.Second
	// maxQueries is the number of queries that are served at a time. Further
	// ones are lost.
	maxQueries = 256
	// hostsTTL is the time to live, in seconds, of answers from /etc/hosts.
	hostsTTL = 5
)

// resolver answers DNS queries: names in the host's /etc/hosts itself, others
// by asking the host's resolvers, whose answers it passes on as they are.
type resolver struct {
	hosts   *net.Resolver   // of /etc/hosts only
	servers func() []string // the host's resolvers
	active  atomic.Int32    // queries
}

// newHostsResolver returns a resolver that finds what is in /etc/hosts.
func newHostsResolver() *net.Resolver {
	return &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) {
		return nil, errNoNetwork
	}}
}

var errNoNetwork = errors.New("only /etc/hosts is to be used")

// serveDNS serves DNS over UDP and TCP.
func (g *Gateway) serveDNS() error {
	g.resolver.hosts, g.resolver.servers = newHostsResolver(), nameservers
	for _, a := range []netip.Addr{DNS4, DNS6} {
		c, err := g.listenUDP(a, dnsPort)
		if err != nil {
			return err
		}
		g.workers.Go(func() { g.resolver.serveUDP(c) })
		l, err := gonet.ListenTCP(g.stack, tcpip.FullAddress{NIC: nicID, Addr: fromAddr(a), Port: dnsPort}, protocolOf(a))
		if err != nil {
			return err
		}
		g.servers = append(g.servers, l)
		g.workers.Go(func() { g.resolver.serveTCP(l) })
	}
	return nil
}

// serveUDP answers queries until c is closed.
func (r *resolver) serveUDP(c *gonet.UDPConn) {
	b := make([]byte, maxDatagram)
	for {
		n, from, err := c.ReadFrom(b)
		if err != nil {
			return
		}
		if r.active.Add(1) > maxQueries {
			r.active.Add(-1)
			continue
		}
		query := append([]byte(nil), b[:n]...)
		go func() {
			defer r.active.Add(-1)
			if reply := r.answer("udp", query); reply != nil {
				c.WriteTo(reply, from)
			}
		}()
	}
}

// serveTCP answers queries until l is closed.
func (r *resolver) serveTCP(l *gonet.TCPListener) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		if r.active.Add(1) > maxQueries {
			r.active.Add(-1)
			c.Close()
			continue
		}
		go func() {
			defer r.active.Add(-1)
			defer c.Close()
			for {
				c.SetDeadline(time.Now().Add(dnsTotal))
				query, err := readTCPMessage(c)
				if err != nil {
					return
				}
				reply := r.answer("tcp", query)
				if reply == nil || writeTCPMessage(c, reply) != nil {
					return
				}
			}
		}()
	}
}

// A DNS message over TCP is preceded by its length (RFC 1035 section 4.2.2).

func readTCPMessage(c io.Reader) ([]byte, error) {
	var n [2]byte
	if _, err := io.ReadFull(c, n[:]); err != nil {
		return nil, err
	}
	b := make([]byte, binary.BigEndian.Uint16(n[:]))
	_, err := io.ReadFull(c, b)
	return b, err
}

func writeTCPMessage(c io.Writer, b []byte) error {
	_, err := c.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(b))), b...))
	return err
}

// answer answers a query that came over network ("udp" or "tcp"). It returns
// nil for what is not a query.
func (r *resolver) answer(network string, query []byte) []byte {
	var p dnsmessage.Parser
	h, err := p.Start(query)
	if err != nil || h.Response {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), dnsTotal)
	defer cancel()
	q, err := p.Question()
	if err == nil {
		if reply := r.fromHosts(ctx, h, q); reply != nil {
			return reply
		}
		for _, server := range r.servers() {
			if reply, err := exchange(ctx, network, server, query); err == nil {
				return reply
			}
		}
	}
	return respond(h, dnsmessage.RCodeServerFailure, func(b *dnsmessage.Builder) error {
		if err != nil {
			return nil
		}
		return b.Question(q)
	})
}

// fromHosts answers a query for a name in /etc/hosts; for others it returns nil.
func (r *resolver) fromHosts(ctx context.Context, h dnsmessage.Header, q dnsmessage.Question) []byte {
	if q.Class != dnsmessage.ClassINET || q.Type != dnsmessage.TypeA && q.Type != dnsmessage.TypeAAAA {
		return nil
	}
	name := strings.TrimSuffix(q.Name.String(), ".") // as the file has it
	addrs, err := r.hosts.LookupNetIP(ctx, "ip", name)
	if err != nil {
		return nil
	}
	return respond(h, dnsmessage.RCodeSuccess, func(b *dnsmessage.Builder) error {
		if err := b.Question(q); err != nil {
			return err
		}
		if err := b.StartAnswers(); err != nil {
			return err
		}
		head := dnsmessage.ResourceHeader{Name: q.Name, Class: q.Class, TTL: hostsTTL}
		for _, a := range addrs {
			a = a.Unmap()
			if a.IsLoopback() && !strings.EqualFold(name, "localhost") {
				a = fromGuest(a)
			}
			var err error
			switch {
			case a.Is4() && q.Type == dnsmessage.TypeA:
				err = b.AResource(head, dnsmessage.AResource{A: a.As4()})
			case a.Is6() && q.Type == dnsmessage.TypeAAAA:
				err = b.AAAAResource(head, dnsmessage.AAAAResource{AAAA: a.As16()})
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// respond builds the response to a query with header h. body adds what follows
// the header.
func respond(h dnsmessage.Header, code dnsmessage.RCode, body func(*dnsmessage.Builder) error) []byte {
	b := dnsmessage.NewBuilder(nil, dnsmessage.Header{
		ID: h.ID, Response: true, OpCode: h.OpCode, RCode: code,
		RecursionDesired: h.RecursionDesired, RecursionAvailable: true,
	})
	b.EnableCompression()
	if err := b.StartQuestions(); err != nil {
		return nil
	}
	if err := body(&b); err != nil {
		return nil
	}
	msg, err := b.Finish()
	if err != nil {
		return nil
	}
	return msg
}

// nameservers returns the host's resolvers: what /etc/resolv.conf says now.
func nameservers() []string {
	var servers []string
	if f, err := os.Open("/etc/resolv.conf"); err == nil {
		defer f.Close()
		for s := bufio.NewScanner(f); s.Scan(); {
			if w := strings.Fields(s.Text()); len(w) >= 2 && w[0] == "nameserver" {
				servers = append(servers, net.JoinHostPort(w[1], fmt.Sprint(dnsPort)))
			}
		}
	}
	if servers == nil {
		servers = []string{"127.0.0.1:53"} // as the C library does
	}
	return servers
}

// exchange asks one resolver.
func exchange(ctx context.Context, network, server string, query []byte) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, dnsTry)
	defer cancel()
	var d net.Dialer
	c, err := d.DialContext(ctx, network, server)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	deadline, _ := ctx.Deadline()
	c.SetDeadline(deadline)
	if network == "tcp" {
		if err := writeTCPMessage(c, query); err != nil {
			return nil, err
		}
		return readTCPMessage(c)
	}
	if _, err := c.Write(query); err != nil {
		return nil, err
	}
	b := make([]byte, maxDatagram)
	for {
		n, err := c.Read(b)
		if err != nil {
			return nil, err
		}
		// The socket is connected and its port random; the ID is the guest's.
		if n >= 12 && b[0] == query[0] && b[1] == query[1] {
			return b[:n], nil
		}
	}
}
