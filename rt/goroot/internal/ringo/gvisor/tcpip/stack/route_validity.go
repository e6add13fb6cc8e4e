//go:build ringo

package stack

import "sync/atomic"

// routeValidity remembers in which version of all routes a route was valid, which is
// asked twice for each packet.
type routeValidity struct {
	since atomic.Uint64 // the version, and one; 0: not known
}

// isValidForOutgoingRLocked reports whether packets may be sent by the route. r.mu is
// held.
func (r *Route) isValidForOutgoingRLocked() bool {
	version := uint64(routesVersion.Load()) + 1
	if r.localAddressEndpoint != nil && r.validity.since.Load() == version {
		return true
	}
	if !r.isValidNowRLocked() {
		return false
	}
	r.validity.since.Store(version)
	return true
}
