package netstack

import (
	"sync"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"
)

// membership is a multicast group on an interface.
type membership struct {
	nic   tcpip.NICID
	group tcpip.Address
}

// memberships counts the groups that sockets are in: the stack knows them, but
// does not tell.
type memberships struct {
	mu sync.Mutex
	n  map[membership]int
}

// add changes the number of sockets in a group.
func (m *memberships) add(g membership, d int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.n == nil {
		m.n = make(map[membership]int)
	}
	if m.n[g] += d; m.n[g] <= 0 {
		delete(m.n, g)
	}
}

// of lists an interface's groups of one address family, the one that every
// machine is in first.
func (m *memberships) of(nic tcpip.NICID, v6 bool) []tcpip.Address {
	list := []tcpip.Address{header.IPv4AllSystems}
	if v6 {
		list[0] = header.IPv6AllNodesMulticastAddress
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for g := range m.n {
		if g.nic == nic && (g.group.Len() == 16) == v6 && g.group != list[0] {
			list = append(list, g.group)
		}
	}
	return list
}

// groupOf returns which group o means: without an interface, the one by which
// the group is reached.
func (s *socket) groupOf(o tcpip.MembershipOption) membership {
	g := membership{o.NIC, o.MulticastAddr}
	if g.nic != 0 {
		return g
	}
	if o.InterfaceAddr.Len() > 0 && !o.InterfaceAddr.Unspecified() {
		g.nic = s.net.ip.CheckLocalAddress(0, netProtoOf(o.InterfaceAddr), o.InterfaceAddr)
		return g
	}
	r, err := s.net.ip.FindRoute(0, tcpip.Address{}, o.MulticastAddr, netProtoOf(o.MulticastAddr), false)
	if err != nil {
		return g
	}
	g.nic = r.NICID()
	r.Release()
	return g
}

// joined notes that the socket has joined or left a group.
func (s *socket) joined(g membership, join bool) {
	s.groupsMu.Lock()
	defer s.groupsMu.Unlock()
	if join {
		s.groups = append(s.groups, g)
		s.net.groups.add(g, 1)
		return
	}
	for i := range s.groups {
		if s.groups[i] == g {
			s.groups = append(s.groups[:i], s.groups[i+1:]...)
			s.net.groups.add(g, -1)
			return
		}
	}
}

// leaveAll notes that the socket, which is being closed, leaves its groups.
func (s *socket) leaveAll() {
	s.groupsMu.Lock()
	defer s.groupsMu.Unlock()
	for _, g := range s.groups {
		s.net.groups.add(g, -1)
	}
	s.groups = nil
}
