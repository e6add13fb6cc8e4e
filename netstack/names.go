package netstack

import (
	"bytes"
	"fmt"
	"sync"

	"gvisor.dev/gvisor/pkg/tcpip"
)

// names holds what the resolver reads from files, and writes them.
type names struct {
	// write replaces a file. It is set before the first use.
	write func(path string, data []byte) error

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
	n.update(func() {
		for i := range n.sources {
			if n.sources[i].source == source {
				n.sources[i].servers = servers
				return
			}
		}
		n.sources = append(n.sources, nameSource{source, servers})
	})
}

// update changes n and writes the files if that changed them.
func (n *names) update(change func()) {
	n.mu.Lock()
	defer n.mu.Unlock()
	oldResolv, oldHosts := n.resolvConf(), n.hosts()
	change()
	if resolv := n.resolvConf(); !bytes.Equal(resolv, oldResolv) {
		n.store("/etc/resolv.conf", resolv)
	}
	if hosts := n.hosts(); !bytes.Equal(hosts, oldHosts) {
		n.store("/etc/hosts", hosts)
	}
}

// store writes a file. The program can do without; it may have made /etc
// read-only.
func (n *names) store(path string, data []byte) {
	if n.write != nil {
		_ = n.write(path, data)
	}
}

// resolvConf returns /etc/resolv.conf (resolv.conf(5)).
func (n *names) resolvConf() []byte {
	servers := n.fixed
	if len(servers) == 0 {
		for _, s := range n.sources {
			servers = append(servers, s.servers...)
		}
	}
	var b []byte
	for i, d := range n.search {
		if i == 0 {
			b = append(b, "search"...)
		}
		b = append(append(b, ' '), d...)
	}
	if b != nil {
		b = append(b, '\n')
	}
	for _, s := range servers[:min(len(servers), maxServers)] {
		b = fmt.Appendf(b, "nameserver %s\n", s)
	}
	return b
}

// hosts returns /etc/hosts.
func (n *names) hosts() []byte {
	b := []byte("127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n")
	if n.host != "" {
		b = fmt.Appendf(b, "127.0.1.1\t%s\n", n.host)
	}
	return b
}
