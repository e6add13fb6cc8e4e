//go:build ringo

package ipv6

import "time"

// enableDelay is how long after its interface IPv6 begins on a network: to look for
// the neighbours that have its addresses, for routers, and to join groups. Hosts that
// start at the same time are to wait longer than that, up to a second (RFC 4861, 6.3.7;
// RFC 4862, 5.4.2), and meanwhile the program has started and IPv4 is up.
const enableDelay = 200 * time.Millisecond

// postpone is called with e.mu held when the endpoint is to be enabled, by a rule of
// package rt/overlay. It reports whether that is done later. Whoever cannot wait
// enables the endpoint once more.
func (e *endpoint) postpone() bool {
	if e.postponed {
		return false
	}
	e.postponed = true
	if e.nic.IsLoopback() {
		return true // until a program has to do with IPv6
	}
	e.protocol.stack.Clock().AfterFunc(enableDelay, func() {
		_ = e.Enable() // fails if the interface has gone down: then it is for who brings it up again
	})
	return true
}
