package machine

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"strings"

	"ringo.dev/ringo/vmm/device"
	"ringo.dev/ringo/vmm/net"
	"ringo.dev/ringo/vmm/net/gateway"
	"ringo.dev/ringo/vmm/virtio"
)

// card is the machine's network card, if it has one.
type card struct {
	devices  []device.Device
	settings map[string]string // boot configuration
	backend  io.Closer         // nil without network
	sockets  bool              // the backend makes sockets of the host
}

func (c *card) close() {
	if c.backend != nil {
		c.backend.Close()
	}
}

var errStatic = errors.New("--ip, --gateway and --dns are for --net tap:NAME; --net user has its own addresses")

// connect makes the network card.
func connect(n *Network) (*card, error) {
	tap, isTap := strings.CutPrefix(n.Kind, "tap:")
	switch {
	case len(n.Forwards) > 0 && n.Kind != "user":
		return nil, errors.New("-p is for --net user; on a tap, the guest's own address is reached directly")
	case !isTap && !n.Static.isZero():
		return nil, errStatic
	case n.Kind == "none":
		return new(card), nil
	case n.Kind == "user":
		g, err := gateway.New(n.Forwards)
		if err != nil {
			return nil, err
		}
		for i, addr := range g.Addrs() {
			if f := n.Forwards[i]; f.Host.Port() == 0 {
				fmt.Fprintf(os.Stderr, "ringo: %v is forwarded to port %d\n", addr, f.Guest)
			}
		}
		c := newCard(g, "user", gateway.Settings())
		c.sockets = true
		return c, nil
	case isTap && tap != "":
		settings, err := n.Static.settings()
		if err != nil {
			return nil, err
		}
		t, err := net.OpenTap(tap)
		if err != nil {
			return nil, err
		}
		return newCard(t, tap, settings), nil
	}
	return nil, fmt.Errorf("--net %s: want user, tap:NAME or none", n.Kind)
}

// newCard connects a network card to b.
func newCard(b net.Backend, name string, settings map[string]string) *card {
	return &card{
		devices:  []device.Device{virtio.NewNet(b, hardwareAddr(name))},
		settings: settings,
		backend:  b,
	}
}

// machineID is a file with what no other machine has (machine-id(5)).
const machineID = "/etc/machine-id"

// hardwareAddr returns an Ethernet address that is the same whenever this
// machine uses the named network, so that DHCP servers and routers know the
// guest again, and another one on other machines.
func hardwareAddr(name string) [6]byte {
	host, err := os.ReadFile(machineID)
	if err != nil {
		h, _ := os.Hostname() // or else nothing
		host = []byte(h)
	}
	sum := sha256.Sum256(append(host, name...))
	mac := [6]byte(sum[:])
	mac[0] = mac[0]&^3 | 2 // locally administered, not a group (IEEE 802)
	return mac
}

func (s *Static) isZero() bool {
	return len(s.Addresses) == 0 && !s.Gateway.IsValid() && len(s.DNS) == 0
}

// settings returns the boot configuration for the guest's network stack
// (package netstack, config.go).
func (s *Static) settings() (map[string]string, error) {
	m := make(map[string]string)
	for _, p := range s.Addresses {
		key := "net.ip"
		if p.Addr().Is6() {
			key = "net.ip6"
		}
		if m[key] != "" {
			return nil, fmt.Errorf("--ip %s: the guest has an address of that family already", p)
		}
		m[key] = p.String()
	}
	if s.Gateway.IsValid() {
		if !s.reaches(s.Gateway) {
			return nil, fmt.Errorf("--gateway %s: it is in the network of no --ip", s.Gateway)
		}
		m["net.gateway"] = s.Gateway.String()
	}
	var dns []string
	for _, a := range s.DNS {
		dns = append(dns, a.String())
	}
	if len(dns) > 0 {
		m["net.dns"] = strings.Join(dns, ",")
	}
	return m, nil
}

// reaches reports whether an address can be reached without a router.
func (s *Static) reaches(a netip.Addr) bool {
	for _, p := range s.Addresses {
		if p.Contains(a) || a.Is6() && a.IsLinkLocalUnicast() {
			return true
		}
	}
	return false
}
