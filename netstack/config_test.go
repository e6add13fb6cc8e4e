package netstack

import (
	"net/netip"
	"testing"

	"gvisor.dev/gvisor/pkg/tcpip"

	"ringo.dev/ringo/netstack/config"
)

// TestStaticConfig applies a configuration: the network is up at once.
func TestStaticConfig(t *testing.T) {
	card, _ := newWire(true, faults{})
	g := newDHCPGuest(t, card)
	c, err := config.Parse("net.ip=10.0.2.15/24\nnet.ip6=fd00::15/64\nnet.gateway=10.0.2.2,fd00::2\n")
	if err != nil {
		t.Fatal(err)
	}
	if err := g.configure(g.nic, g.client.l, &c); err != nil {
		t.Fatal(err)
	}
	if !g.gate.isOpen() {
		t.Error("not up")
	}
	for _, a := range []string{"10.0.2.15", "fd00::15"} {
		if !g.has(netip.MustParseAddr(a)) {
			t.Errorf("no address %s", a)
		}
	}
	for dst, gateway := range map[string]string{
		"10.0.2.0/24": "", "fd00::/64": "", "0.0.0.0/0": "10.0.2.2", "::/0": "fd00::2",
	} {
		if !g.hasRoute(dst, gateway) {
			t.Errorf("no route to %s by %q", dst, gateway)
		}
	}
}

// addresses returns addresses in the stack's terms.
func addresses(list ...string) []tcpip.Address {
	var out []tcpip.Address
	for _, a := range list {
		out = append(out, address(netip.MustParseAddr(a)))
	}
	return out
}

func TestNames(t *testing.T) {
	var n names
	host := ""
	n.setHost = func(name string) { host = name }
	v6 := routeSource{2, "ndp"}
	n.setServers(routeSource{2, "dhcp"}, addresses("10.0.0.1", "10.0.0.2"))
	n.setServers(v6, addresses("fd00::1", "fd00::2"))
	n.learn("web", "example.org")
	n.learn("other", "example.net")
	if host != "web" {
		t.Errorf("host %q", host)
	}
	want := "search example.org\nnameserver 10.0.0.1\nnameserver 10.0.0.2\nnameserver fd00::1\n"
	if got := string(n.resolvConf()); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	n.fixed = addresses("10.0.0.9")
	n.setServers(v6, nil)
	if got, want := string(n.resolvConf()), "search example.org\nnameserver 10.0.0.9\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
