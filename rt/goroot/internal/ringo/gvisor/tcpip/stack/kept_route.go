//go:build ringo

package stack

import (
	"sync"
	"sync/atomic"

	"gvisor.dev/gvisor/pkg/tcpip"
)

// KeptRoute is the route that a socket without a fixed peer used last. Mostly its next
// packet goes the same way, and to find a route is a sixth of what an answer to a
// datagram takes. The zero KeptRoute has none.
type KeptRoute struct {
	mu      sync.Mutex
	to      routeQuestion
	version uint32
	route   *Route // nil: none; its local address is referred to
}

// routeQuestion is what FindRoute is asked.
type routeQuestion struct {
	nic           tcpip.NICID
	local, remote tcpip.Address
	proto         tcpip.NetworkProtocolNumber
	loop          bool
}

// routesVersion counts the changes of all that FindRoute looks at: routes, addresses
// and interfaces, of every stack.
var routesVersion atomic.Uint32

// routesChanged makes everybody look for his route again. Who changes what a lock
// guards calls it while he has the lock, else after the change.
func routesChanged() { routesVersion.Add(1) }

// Find is s.FindRoute, whose answer it keeps. The route has to be released as ever.
func (k *KeptRoute) Find(s *Stack, nic tcpip.NICID, local, remote tcpip.Address, proto tcpip.NetworkProtocolNumber, loop bool) (*Route, tcpip.Error) {
	to := routeQuestion{nic, local, remote, proto, loop}
	k.mu.Lock()
	defer k.mu.Unlock()
	version := routesVersion.Load()
	if k.route != nil {
		if k.version == version && k.to == to {
			k.route.Acquire()
			return k.route, nil
		}
		k.releaseLocked()
	}
	r, err := s.FindRoute(nic, local, remote, proto, loop)
	if err == nil {
		r.Acquire()
		k.to, k.version, k.route = to, version, r
	}
	return r, err
}

// Release forgets the route.
func (k *KeptRoute) Release() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.releaseLocked()
}

func (k *KeptRoute) releaseLocked() {
	if k.route != nil {
		k.route.Release()
		k.route = nil
	}
}
