package config

import (
	"net/netip"
	"reflect"
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	addr, pre := netip.MustParseAddr, netip.MustParsePrefix
	for _, c := range []struct {
		text string
		want Config
	}{
		{"", Config{DHCP: true}},
		{"mem=64M\nnet.ip=10.0.2.15/24\nnet.gateway=10.0.2.2,fd00::2\n", Config{
			IP4: pre("10.0.2.15/24"), Gateways: []netip.Addr{addr("10.0.2.2"), addr("fd00::2")},
		}},
		{"net=none\n", Config{None: true, DHCP: true}},
		{"net.ip=10.0.2.15/24\nnet.dhcp=1\n", Config{IP4: pre("10.0.2.15/24"), DHCP: true}},
		{"net.ip6=fd00::15/64\n", Config{IP6: pre("fd00::15/64"), DHCP: true}},
		{"net.dhcp=0\nnet.verbose=1\nhostname=web\r\n", Config{Verbose: true, Hostname: "web"}},
		{"net.dns=10.0.2.3, fd00::3\nnet.search=a.example,b.example", Config{
			DNS: []netip.Addr{addr("10.0.2.3"), addr("fd00::3")}, Search: []string{"a.example", "b.example"}, DHCP: true,
		}},
	} {
		got, err := Parse(c.text)
		if err != nil || !reflect.DeepEqual(got, c.want) {
			t.Errorf("%q: got %+v, %v, want %+v", c.text, got, err, c.want)
		}
	}
	for text, want := range map[string]string{
		"net=virtio": "want none", "net.ip=10.0.2.15": "want an IPv4 address", "net.ip=fd00::15/64": "want an IPv4 address",
		"net.ip6=10.0.2.15/24": "want an IPv6 address", "net.gateway=router": "router is no IP address",
		"net.dns=10.0.2.3,1.2.3": "1.2.3 is no IP address", "net.dhcp=no": "want 0 or 1", "net.verbose=": "want 0 or 1",
	} {
		if c, err := Parse(text); err == nil || !strings.HasPrefix(err.Error(), text+": ") || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %+v, %v, want %q", text, c, err, want)
		}
	}
}
