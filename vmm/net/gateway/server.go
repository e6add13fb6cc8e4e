package gateway

import (
	"net/netip"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/adapters/gonet"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/transport/udp"
	"gvisor.dev/gvisor/pkg/waiter"
)

// listenUDP opens a socket of the stack for one of the gateway's own servers.
// An address that is not valid stands for all, of IPv4, broadcasts included.
func (g *Gateway) listenUDP(a netip.Addr, port uint16) (*gonet.UDPConn, error) {
	proto, at := header.IPv4ProtocolNumber, tcpip.FullAddress{NIC: nicID, Port: port}
	if a.IsValid() {
		proto, at = protocolOf(a), fromAddrPort(netip.AddrPortFrom(a, port))
	}
	q := new(waiter.Queue)
	ep, err := g.stack.NewEndpoint(udp.ProtocolNumber, proto, q)
	if err != nil {
		return nil, stackError(err)
	}
	ep.SocketOptions().SetBroadcast(true)
	if err := ep.Bind(at); err != nil {
		ep.Close()
		return nil, stackError(err)
	}
	c := gonet.NewUDPConn(q, ep)
	g.servers = append(g.servers, c)
	return c, nil
}
