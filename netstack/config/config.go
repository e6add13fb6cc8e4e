// Package config reads what the boot configuration says about the network. The guest
// does when it starts, and the ringo command when it makes an image.
package config

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
)

// Config is what the boot configuration says about the network: lines
//
//	net=none                  there is to be no card
//	net.ip=10.0.2.15/24       the card's IPv4 address, instead of DHCP
//	net.gateway=10.0.2.2      where other networks are; one of each family at most
//	net.ip6=fd00::15/64       an IPv6 address, beside those of router advertisements
//	net.dns=10.0.2.3,fd00::3  name servers, instead of DHCP's
//	net.search=example.org    domains that the resolver tries, separated by commas
//	net.dhcp=0                no DHCP; 1: DHCP although there is an address
//	hostname=web              the machine's name, instead of DHCP's
//	net.verbose=1             report on the console when DHCP has set up the network, and what the stack says
type Config struct {
	None     bool
	IP4      netip.Prefix
	IP6      netip.Prefix
	Gateways []netip.Addr
	DNS      []netip.Addr
	Search   []string
	DHCP     bool
	Hostname string
	Verbose  bool
}

// Parse reads the configuration's lines; those of others are skipped. An error begins
// with the line.
func Parse(text string) (Config, error) {
	var c Config
	dhcp := ""
	for text != "" {
		var line string
		line, text, _ = strings.Cut(text, "\n")
		key, value, _ := strings.Cut(strings.TrimSuffix(line, "\r"), "=")
		var err error
		switch key {
		case "net":
			if c.None = value == "none"; !c.None {
				err = errors.New("want none, the only value that it can have")
			}
		case "net.ip":
			c.IP4, err = parsePrefix(value, netip.Addr.Is4, "an IPv4 address and its bits, such as 10.0.2.15/24")
		case "net.ip6":
			c.IP6, err = parsePrefix(value, netip.Addr.Is6, "an IPv6 address and its bits, such as fd00::15/64")
		case "net.gateway":
			c.Gateways, err = parseAddrs(value)
		case "net.dns":
			c.DNS, err = parseAddrs(value)
		case "net.search":
			c.Search = splitList(value)
		case "net.dhcp":
			dhcp, err = value, parseFlag(value)
		case "hostname":
			c.Hostname = value
		case "net.verbose":
			c.Verbose, err = value == "1", parseFlag(value)
		}
		if err != nil {
			return Config{}, fmt.Errorf("%s=%s: %w", key, value, err)
		}
	}
	c.DHCP = dhcp == "1" || dhcp == "" && !c.IP4.IsValid()
	return c, nil
}

// parseFlag looks at a setting that is on or off.
func parseFlag(s string) error {
	if s != "0" && s != "1" {
		return errors.New("want 0 or 1")
	}
	return nil
}

// parsePrefix reads an address of the wanted family with its prefix length.
func parsePrefix(s string, family func(netip.Addr) bool, want string) (netip.Prefix, error) {
	p, err := netip.ParsePrefix(s)
	if err != nil || !family(p.Addr()) {
		return p, errors.New("want " + want)
	}
	return p, nil
}

// parseAddrs reads addresses separated by commas.
func parseAddrs(s string) ([]netip.Addr, error) {
	var list []netip.Addr
	for _, f := range splitList(s) {
		a, err := netip.ParseAddr(f)
		if err != nil {
			return nil, fmt.Errorf("%s is no IP address", f)
		}
		list = append(list, a)
	}
	return list, nil
}

// splitList splits at commas and drops what is empty.
func splitList(s string) []string {
	return strings.FieldsFunc(s, func(r rune) bool { return r == ',' || r == ' ' })
}
