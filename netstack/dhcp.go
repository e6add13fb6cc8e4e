package netstack

import (
	"encoding/binary"
	"errors"
	"net/netip"
	"strings"
	"time"
)

// DHCP messages (RFC 2131, options RFC 2132).

// dhcpType is the kind of a message (option 53).
type dhcpType byte

const (
	dhcpDiscover dhcpType = 1
	dhcpOffer    dhcpType = 2
	dhcpRequest  dhcpType = 3
	dhcpACK      dhcpType = 5
	dhcpNAK      dhcpType = 6
)

// Ports of the two sides.
const (
	dhcpServerPort = 67
	dhcpClientPort = 68
)

// Options that the client knows.
const (
	optPad            = 0
	optSubnetMask     = 1
	optRouter         = 3
	optDNS            = 6
	optHostname       = 12
	optDomain         = 15
	optMTU            = 26
	optRequestedIP    = 50
	optLeaseTime      = 51
	optOverload       = 52
	optMessageType    = 53
	optServerID       = 54
	optParameters     = 55
	optMaxSize        = 57
	optRenewalTime    = 58
	optRebindingTime  = 59
	optClientID       = 61
	optRapidCommit    = 80  // RFC 4039
	optClasslessRoute = 121 // RFC 3442
	optEnd            = 255
)

// Layout of a message.
const (
	dhcpHeader   = 236
	dhcpMinSize  = 300 // what old servers and relays expect at least (BOOTP)
	dhcpMaxSize  = 1472
	offXID       = 4
	offFlags     = 10
	offClientIP  = 12
	offYourIP    = 16
	offMAC       = 28
	offServer    = 44 // sname, may hold options
	offFile      = 108
	bootRequest  = 1
	bootReply    = 2
	hwEthernet   = 1
	flagBcast    = 0x8000
	infiniteTime = 0xffffffff
)

var dhcpCookie = [4]byte{99, 130, 83, 99}

var errDHCP = errors.New("malformed DHCP message")

// dhcpReply is what the client takes from a server's message.
type dhcpReply struct {
	typ      dhcpType
	xid      uint32
	mac      [6]byte
	ip       netip.Addr // the address offered
	server   netip.Addr
	maskBits int
	routers  []netip.Addr
	routes   []dhcpRoute // classless: they replace routers
	dns      []netip.Addr
	hostname string
	domain   string
	mtu      int
	lease    time.Duration // 0: not given
	renew    time.Duration
	rebind   time.Duration
}

// dhcpRoute is an entry of the classless static route option.
type dhcpRoute struct {
	dst     netip.Prefix
	gateway netip.Addr // unspecified: on the link
}

// forever stands for an infinite lease.
const forever = time.Duration(1<<63 - 1)

// parseDHCP reads a server's message.
func parseDHCP(b []byte) (*dhcpReply, error) {
	if len(b) < dhcpHeader+len(dhcpCookie) || b[0] != bootReply || b[1] != hwEthernet || b[2] != 6 ||
		[4]byte(b[dhcpHeader:]) != dhcpCookie {
		return nil, errDHCP
	}
	r := &dhcpReply{
		xid:      binary.BigEndian.Uint32(b[offXID:]),
		mac:      [6]byte(b[offMAC:]),
		ip:       netip.AddrFrom4([4]byte(b[offYourIP:])),
		maskBits: -1,
	}
	overload, err := r.options(b[dhcpHeader+len(dhcpCookie):])
	if err == nil && overload&1 != 0 {
		_, err = r.options(b[offFile:dhcpHeader])
	}
	if err == nil && overload&2 != 0 {
		_, err = r.options(b[offServer:offFile])
	}
	if err != nil {
		return nil, err
	}
	if r.maskBits < 0 { // the class decides, as in RFC 950's days
		r.maskBits = 24
		switch first := b[offYourIP]; {
		case first < 128:
			r.maskBits = 8
		case first < 192:
			r.maskBits = 16
		}
	}
	return r, nil
}

// options reads a list of options. It returns the value of the overload option.
func (r *dhcpReply) options(b []byte) (overload byte, err error) {
	for len(b) > 0 {
		code := b[0]
		b = b[1:]
		switch code {
		case optPad:
			continue
		case optEnd:
			return overload, nil
		}
		if len(b) == 0 || len(b) < 1+int(b[0]) {
			return 0, errDHCP
		}
		v := b[1 : 1+b[0]]
		b = b[1+b[0]:]
		if code == optOverload {
			if len(v) != 1 {
				return 0, errDHCP
			}
			overload = v[0]
			continue
		}
		if err := r.option(code, v); err != nil {
			return 0, err
		}
	}
	return overload, nil
}

func (r *dhcpReply) option(code byte, v []byte) error {
	var ok bool
	switch code {
	case optMessageType:
		if ok = len(v) == 1; ok {
			r.typ = dhcpType(v[0])
		}
	case optSubnetMask:
		if ok = len(v) == 4; ok {
			r.maskBits, ok = maskBits(binary.BigEndian.Uint32(v))
		}
	case optRouter:
		r.routers, ok = addrList(v)
	case optDNS:
		r.dns, ok = addrList(v)
	case optServerID:
		if ok = len(v) == 4; ok {
			r.server = netip.AddrFrom4([4]byte(v))
		}
	case optHostname:
		r.hostname, ok = text(v), true
	case optDomain:
		r.domain, ok = text(v), true
	case optMTU:
		if ok = len(v) == 2; ok {
			r.mtu = int(binary.BigEndian.Uint16(v))
		}
	case optLeaseTime:
		r.lease, ok = seconds(v)
	case optRenewalTime:
		r.renew, ok = seconds(v)
	case optRebindingTime:
		r.rebind, ok = seconds(v)
	case optClasslessRoute:
		r.routes, ok = classlessRoutes(v)
	default:
		ok = true
	}
	if !ok {
		return errDHCP
	}
	return nil
}

// maskBits counts the bits of a subnet mask, which must be contiguous.
func maskBits(mask uint32) (int, bool) {
	n := 0
	for mask&(1<<31) != 0 {
		n++
		mask <<= 1
	}
	return n, mask == 0
}

func addrList(v []byte) ([]netip.Addr, bool) {
	if len(v) == 0 || len(v)%4 != 0 {
		return nil, false
	}
	var list []netip.Addr
	for ; len(v) > 0; v = v[4:] {
		list = append(list, netip.AddrFrom4([4]byte(v)))
	}
	return list, true
}

func seconds(v []byte) (time.Duration, bool) {
	if len(v) != 4 {
		return 0, false
	}
	s := binary.BigEndian.Uint32(v)
	if s == infiniteTime {
		return forever, true
	}
	return time.Duration(s) * time.Second, true
}

// text returns a name, if it consists of what names consist of: it goes into
// files that the resolver reads.
func text(v []byte) string {
	s := strings.TrimRight(string(v), "\x00")
	for i := range len(s) {
		switch c := s[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '-', c == '.', c == '_':
		default:
			return ""
		}
	}
	return s
}

// classlessRoutes reads the entries of RFC 3442: prefix length, the significant
// bytes of the destination, router.
func classlessRoutes(v []byte) ([]dhcpRoute, bool) {
	var list []dhcpRoute
	for len(v) > 0 {
		bits := int(v[0])
		n := (bits + 7) / 8
		if bits > 32 || len(v) < 1+n+4 {
			return nil, false
		}
		var dst [4]byte
		copy(dst[:], v[1:1+n])
		list = append(list, dhcpRoute{
			dst:     netip.PrefixFrom(netip.AddrFrom4(dst), bits).Masked(),
			gateway: netip.AddrFrom4([4]byte(v[1+n:])),
		})
		v = v[1+n+4:]
	}
	return list, true
}

// dhcpQuery is a message of the client's.
type dhcpQuery struct {
	typ       dhcpType
	xid       uint32
	secs      uint16 // since the client began
	mac       [6]byte
	ciaddr    netip.Addr // the client's address, if it has one
	requested netip.Addr // option 50
	server    netip.Addr // option 54
	hostname  string
}

// append appends the message to b.
func (q *dhcpQuery) append(b []byte) []byte {
	start := len(b)
	b = append(b, make([]byte, dhcpHeader)...)
	h := b[start:]
	h[0], h[1], h[2] = bootRequest, hwEthernet, 6
	binary.BigEndian.PutUint32(h[offXID:], q.xid)
	binary.BigEndian.PutUint16(h[8:], q.secs)
	if q.ciaddr.IsValid() {
		copy(h[offClientIP:], q.ciaddr.AsSlice())
	} else {
		binary.BigEndian.PutUint16(h[offFlags:], flagBcast)
	}
	copy(h[offMAC:], q.mac[:])

	b = append(b, dhcpCookie[:]...)
	b = append(b, optMessageType, 1, byte(q.typ))
	b = append(b, optClientID, 7, hwEthernet)
	b = append(b, q.mac[:]...)
	if q.requested.IsValid() {
		b = append(append(b, optRequestedIP, 4), q.requested.AsSlice()...)
	}
	if q.server.IsValid() {
		b = append(append(b, optServerID, 4), q.server.AsSlice()...)
	}
	b = append(b, optMaxSize, 2, dhcpMaxSize>>8, dhcpMaxSize&0xff)
	b = append(b, optParameters, 10, optSubnetMask, optClasslessRoute, optRouter, optDNS, optHostname, optDomain,
		optMTU, optLeaseTime, optRenewalTime, optRebindingTime)
	if n := min(len(q.hostname), 63); n > 0 {
		b = append(append(b, optHostname, byte(n)), q.hostname[:n]...)
	}
	if q.typ == dhcpDiscover {
		b = append(b, optRapidCommit, 0)
	}
	b = append(b, optEnd)
	if short := dhcpMinSize - (len(b) - start); short > 0 {
		b = append(b, make([]byte, short)...)
	}
	return b
}
