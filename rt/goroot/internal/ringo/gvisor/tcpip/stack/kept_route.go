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
	to      RouteQuestion
	version uint32
	route   *Route // nil: none; its local address is referred to
}

// RouteQuestion is what a socket's program and its options say of a route, before
// addresses are converted. The socket forgets its route when else it changes.
type RouteQuestion struct {
	To, Local    tcpip.Address // Local may be empty
	NIC          tcpip.NICID   // to be used
	ToNIC        tcpip.NICID   // of the address
	V6Only, Loop bool
}

// is reports whether they are the same. (In this order, and each for itself, fields are
// compared without a call.)
func (q *RouteQuestion) is(other *RouteQuestion) bool {
	return q.To == other.To && q.NIC == other.NIC && q.ToNIC == other.ToNIC && q.Local == other.Local &&
		q.V6Only == other.V6Only && q.Loop == other.Loop
}

// routesVersion counts the changes of all that FindRoute looks at: routes, addresses
// and interfaces, of every stack.
var routesVersion atomic.Uint32

// routesChanged makes everybody look for his route again. Who changes what a lock
// guards calls it while he has the lock, else after the change.
func routesChanged() { routesVersion.Add(1) }

// Find returns the route if it is the answer to q, else nil and the version for Keep.
// The route has to be released, as one of FindRoute's.
func (k *KeptRoute) Find(q *RouteQuestion) (r *Route, version uint32) {
	version = routesVersion.Load()
	k.mu.Lock()
	if k.route != nil && k.version == version && k.to.is(q) {
		r = k.route
		r.Acquire()
	}
	k.mu.Unlock()
	return r, version
}

// Keep remembers the answer to q, which was looked for after Find had returned the
// version.
func (k *KeptRoute) Keep(q *RouteQuestion, version uint32, r *Route) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.releaseLocked()
	r.Acquire()
	k.to, k.version, k.route = *q, version, r
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
