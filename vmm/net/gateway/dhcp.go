package gateway

import (
	"bytes"
	"encoding/binary"
	"net"
	"net/netip"
)

// The parts of DHCP that one client and one address need (RFC 2131, 2132).
const (
	dhcpServerPort = 67
	dhcpClientPort = 68

	dhcpFixed  = 236 // bytes before the magic cookie
	dhcpCookie = 0x63825363
	dhcpReply  = 2     // BOOTREPLY
	dhcpLease  = 86400 // seconds

	dhcpOptPad      = 0
	dhcpOptMask     = 1
	dhcpOptRouter   = 3
	dhcpOptDNS      = 6
	dhcpOptMTU      = 26
	dhcpOptRequest  = 50
	dhcpOptLease    = 51
	dhcpOptType     = 53
	dhcpOptServerID = 54
	dhcpOptEnd      = 255

	dhcpDiscover = 1
	dhcpOffer    = 2
	dhcpRequest  = 3
	dhcpAck      = 5
	dhcpNak      = 6
	dhcpInform   = 8
)

// serveDHCP serves the guest's address.
func (g *Gateway) serveDHCP() error {
	c, err := g.listenUDP(netip.Addr{}, dhcpServerPort)
	if err != nil {
		return err
	}
	g.workers.Go(func() {
		b := make([]byte, 1500)
		everybody := &net.UDPAddr{IP: net.IPv4bcast, Port: dhcpClientPort}
		for {
			n, _, err := c.ReadFrom(b)
			if err != nil {
				return // closed
			}
			if reply := answerDHCP(b[:n]); reply != nil {
				// The client may have no address yet at which to be reached.
				c.WriteTo(reply, everybody)
			}
		}
	})
	return nil
}

// answerDHCP returns the answer to a client's message, or nil if it gets none.
func answerDHCP(q []byte) []byte {
	if len(q) < dhcpFixed+4 || binary.BigEndian.Uint32(q[dhcpFixed:]) != dhcpCookie {
		return nil
	}
	options := dhcpOptions(q[dhcpFixed+4:])
	kind, address := byte(0), Guest4.AsSlice()
	switch t := options[dhcpOptType]; {
	case len(t) != 1:
		return nil
	case t[0] == dhcpDiscover:
		kind = dhcpOffer
	case t[0] == dhcpRequest:
		server := options[dhcpOptServerID]
		if server != nil && !bytes.Equal(server, Router4.AsSlice()) {
			return nil // the client has chosen another server
		}
		wanted := options[dhcpOptRequest]
		if wanted == nil {
			wanted = q[12:16] // ciaddr: a renewal
		}
		if kind = dhcpAck; !bytes.Equal(wanted, address) {
			kind = dhcpNak
		}
	case t[0] == dhcpInform:
		kind, address = dhcpAck, make([]byte, 4)
	default:
		return nil
	}

	r := make([]byte, dhcpFixed, 512)
	copy(r, q[:4]) // htype, hlen, hops
	r[0] = dhcpReply
	copy(r[4:8], q[4:8])     // xid
	copy(r[10:12], q[10:12]) // flags
	copy(r[28:44], q[28:44]) // chaddr
	r = binary.BigEndian.AppendUint32(r, dhcpCookie)
	add := func(option byte, value ...byte) {
		r = append(append(r, option, byte(len(value))), value...)
	}
	add(dhcpOptType, kind)
	add(dhcpOptServerID, Router4.AsSlice()...)
	if kind != dhcpNak {
		copy(r[16:20], address) // yiaddr
		add(dhcpOptLease, binary.BigEndian.AppendUint32(nil, dhcpLease)...)
		add(dhcpOptMask, net.CIDRMask(Prefix4.Bits(), 32)...)
		add(dhcpOptRouter, Router4.AsSlice()...)
		add(dhcpOptDNS, DNS4.AsSlice()...)
		add(dhcpOptMTU, binary.BigEndian.AppendUint16(nil, mtu)...)
	}
	return append(r, dhcpOptEnd)
}

// dhcpOptions returns the options in b by number. It ends where b is malformed.
func dhcpOptions(b []byte) map[byte][]byte {
	options := make(map[byte][]byte)
	for len(b) > 0 && b[0] != dhcpOptEnd {
		if b[0] == dhcpOptPad {
			b = b[1:]
			continue
		}
		if len(b) < 2 || len(b) < 2+int(b[1]) {
			break
		}
		end := 2 + int(b[1])
		options[b[0]] = b[2:end]
		b = b[end:]
	}
	return options
}
