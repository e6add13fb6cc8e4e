package netstack

import (
	"fmt"
	"net/netip"
	"strings"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"
)

// config is what the boot configuration says about the network: lines
//
//	net=none                  there is to be no card
//	net.ip=10.0.2.15/24       the card's IPv4 address, instead of DHCP
//	net.gateway=10.0.2.2      where other networks are; one of each family at most
//	net.ip6=fd00::15/64       an IPv6 address, beside those of router advertisements
//	net.dns=10.0.2.3,fd00::3  name servers, instead of DHCP's
//	net.search=example.org    domains that the resolver tries, separated by commas
//	net.dhcp=0                no DHCP; 1: DHCP although there is an address
//	hostname=web              the machine's name, instead of DHCP's
//	net.verbose=1             report on the console when the network is up
type config struct {
	none     bool
	ip4      netip.Prefix
	ip6      netip.Prefix
	gateways []netip.Addr
	dns      []netip.Addr
	search   []string
	dhcp     bool
	hostname string
	verbose  bool
}

// parseConfig reads the configuration's lines; those of others are skipped.
func parseConfig(text string) (config, error) {
	var c config
	dhcp := ""
	for line := range strings.Lines(text) {
		key, value, _ := strings.Cut(strings.TrimRight(line, "\r\n"), "=")
		var err error
		switch key {
		case "net":
			if c.none = value == "none"; !c.none {
				err = fmt.Errorf("%q is not none, the only value that it can have", value)
			}
		case "net.ip":
			c.ip4, err = parsePrefix(value, 4)
		case "net.ip6":
			c.ip6, err = parsePrefix(value, 16)
		case "net.gateway":
			c.gateways, err = parseAddrs(value)
		case "net.dns":
			c.dns, err = parseAddrs(value)
		case "net.search":
			c.search = splitList(value)
		case "net.dhcp":
			dhcp = value
		case "hostname":
			c.hostname = value
		case "net.verbose":
			c.verbose = value != "0"
		}
		if err != nil {
			return config{}, fmt.Errorf("boot configuration, %s: %w", key, err)
		}
	}
	c.dhcp = dhcp == "1" || dhcp == "" && !c.ip4.IsValid()
	return c, nil
}

// parsePrefix reads an address with its prefix length; size is the address's.
func parsePrefix(s string, size int) (netip.Prefix, error) {
	p, err := netip.ParsePrefix(s)
	if err == nil && p.Addr().BitLen() != 8*size {
		err = fmt.Errorf("%s is of the other address family", s)
	}
	return p, err
}

// parseAddrs reads addresses separated by commas.
func parseAddrs(s string) ([]netip.Addr, error) {
	var list []netip.Addr
	for _, f := range splitList(s) {
		a, err := netip.ParseAddr(f)
		if err != nil {
			return nil, err
		}
		list = append(list, a)
	}
	return list, nil
}

// splitList splits at commas and drops what is empty.
func splitList(s string) []string {
	return strings.FieldsFunc(s, func(r rune) bool { return r == ',' || r == ' ' })
}

// address returns a in the stack's terms.
func address(a netip.Addr) tcpip.Address { return tcpip.AddrFromSlice(a.AsSlice()) }

// prefix returns p, with all of its address, in the stack's terms.
func prefix(p netip.Prefix) tcpip.AddressWithPrefix {
	return tcpip.AddressWithPrefix{Address: address(p.Addr()), PrefixLen: p.Bits()}
}

// applyStatic gives the card the addresses and routes of the configuration.
func (n *Stack) applyStatic(nic tcpip.NICID, c *config) error {
	var routes []tcpip.Route
	for _, p := range []netip.Prefix{c.ip4, c.ip6} {
		if !p.IsValid() {
			continue
		}
		a := prefix(p)
		if err := n.addAddress(nic, a); err != nil {
			return err
		}
		routes = append(routes, tcpip.Route{Destination: a.Subnet(), NIC: nic})
	}
	for _, g := range c.gateways {
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
func (n *Stack) configure(nic tcpip.NICID, l *link, c *config) error {
	if err := n.applyStatic(nic, c); err != nil {
		return err
	}
	go n.handleNDP(nic)
	if c.dhcp {
		go newDHCPClient(n, nic, l, c.hostname, c.verbose).run(nil)
	}
	if c.ip4.IsValid() || !c.dhcp {
		n.gate.open()
	}
	return nil
}
