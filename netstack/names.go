package netstack

import (
	"fmt"
	"sync"

	"gvisor.dev/gvisor/pkg/tcpip"
)

// names holds what programs learn about names: the resolver's configuration
// and the machine's own name.
type names struct {
	// setHost makes a name the machine's. It may be nil.
	setHost func(name string)

	mu      sync.Mutex
	fixed   []tcpip.Address // from the boot configuration: instead of all others
	sources []nameSource    // in the order in which they appeared
	search  []string
	host    string
}

// nameSource is name servers that one source is responsible for.
type nameSource struct {
	source  routeSource
	servers []tcpip.Address
}

// maxServers is how many name servers a resolver takes (MAXNS).
const maxServers = 3

// setServers replaces the servers that a source gave.
func (n *names) setServers(source routeSource, servers []tcpip.Address) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for i := range n.sources {
		if n.sources[i].source == source {
			n.sources[i].servers = servers
			return
		}
	}
	n.sources = append(n.sources, nameSource{source, servers})
}

// learn takes what a DHCP server says about names, unless the boot
// configuration said it.
func (n *names) learn(host, domain string) {
	n.mu.Lock()
	if domain != "" && len(n.search) == 0 {
		n.search = []string{domain}
	}
	isNew := host != "" && n.host == ""
	if isNew {
		n.host = host
	}
	n.mu.Unlock()
	if isNew && n.setHost != nil {
		n.setHost(host)
	}
}

// resolvConf returns the content of /etc/resolv.conf (resolv.conf(5)).
func (n *names) resolvConf() []byte {
	n.mu.Lock()
	defer n.mu.Unlock()
	servers := n.fixed
	if len(servers) == 0 {
		for _, s := range n.sources {
			servers = append(servers, s.servers...)
		}
	}
	var b []byte
	if len(n.search) > 0 {
		b = append(b, "search"...)
		for _, d := range n.search {
			b = append(append(b, ' '), d...)
		}
		b = append(b, '\n')
	}
	for _, s := range servers[:min(len(servers), maxServers)] {
		b = fmt.Appendf(b, "nameserver %s\n", s)
	}
	return b
}
