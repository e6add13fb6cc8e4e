package netstack

import (
	"net/netip"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"

	"ringo.dev/ringo/netstack/config"
)

// address returns a in the stack's terms.
func address(a netip.Addr) tcpip.Address { return tcpip.AddrFromSlice(a.AsSlice()) }

// prefix returns p, with all of its address, in the stack's terms.
func prefix(p netip.Prefix) tcpip.AddressWithPrefix {
	return tcpip.AddressWithPrefix{Address: address(p.Addr()), PrefixLen: p.Bits()}
}

// applyStatic gives the card the addresses and routes of the configuration.
func (n *Stack) applyStatic(nic tcpip.NICID, c *config.Config) error {
	var routes []tcpip.Route
	for _, p := range []netip.Prefix{c.IP4, c.IP6} {
		if !p.IsValid() {
			continue
		}
		a := prefix(p)
		if err := n.addAddress(nic, a); err != nil {
			return err
		}
		routes = append(routes, tcpip.Route{Destination: a.Subnet(), NIC: nic})
	}
	for _, g := range c.Gateways {
		everything := header.IPv4EmptySubnet
		if g.Is6() {
			everything = header.IPv6EmptySubnet
		}
		routes = append(routes, tcpip.Route{Destination: everything, Gateway: address(g), NIC: nic})
	}
	n.setRoutes(routeSource{nic, "static"}, routes)
	return nil
}

// configure sets a card up by the configuration: at once what is static, in the
// background what has to be asked for.
func (n *Stack) configure(nic tcpip.NICID, l *link, c *config.Config) error {
	if err := n.applyStatic(nic, c); err != nil {
		return err
	}
	if c.DHCP {
		go newDHCPClient(n, nic, l, c.Hostname, c.Verbose).run(nil)
	}
	if c.IP4.IsValid() || !c.DHCP {
		n.gate.open()
	}
	return nil
}
