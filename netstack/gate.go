package netstack

import (
	"fmt"
	"sync/atomic"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"

	"ringo.dev/ringo/rt"
)

// gateTimeout bounds how long a call waits for the network to be configured.
const gateTimeout = 15 * time.Second

// gate holds back what needs an address until the machine has one. A program
// may dial in its first millisecond; DHCP takes a little longer.
type gate struct {
	done   chan struct{}
	opened atomic.Bool // each packet asks
}

func (g *gate) init() { g.done = make(chan struct{}) }

// open lets everybody through, now and later.
func (g *gate) open() {
	if g.opened.CompareAndSwap(false, true) {
		close(g.done)
	}
}

// isOpen reports whether wait would return at once.
func (g *gate) isOpen() bool { return g.opened.Load() }

// wait returns when the gate opens, or after gateTimeout.
func (g *gate) wait() {
	if g.isOpen() {
		return
	}
	t := time.NewTimer(gateTimeout)
	defer t.Stop()
	select {
	case <-g.done:
	case <-t.C:
	}
}

// waitFor waits until the machine may have an address by which to reach a.
func (n *Stack) waitFor(a tcpip.Address) {
	if n.gate.isOpen() || isLoopback(a) {
		return
	}
	n.gate.wait()
}

// wantCard ends the machine if a program listens where nobody ever comes: at an address
// or port that only a card leads to, on a machine that has none for which there is a
// driver. Serving nobody in silence is no better.
func (n *Stack) wantCard(at tcpip.FullAddress) {
	if n.alone == "" || at.Addr.Len() > 0 && isLoopback(at.Addr) {
		return
	}
	rt.ConsoleWrite(fmt.Appendf(nil, "ringo: fatal: nobody can reach port %d: %s; "+
		"give the machine a virtio or e1000 card, or set ringo.net=none if nobody shall\n", at.Port, n.alone))
	rt.Exit(startFailed)
}

// isLoopback reports whether a, which may be the empty address (the machine
// itself) or an IPv4 address in IPv6 form, is reached without a card.
func isLoopback(a tcpip.Address) bool {
	if a.Len() == 0 {
		return true
	}
	if v4 := a.To4(); v4.Len() == 4 {
		return header.IsV4LoopbackAddress(v4)
	}
	return header.IsV6LoopbackAddress(a)
}
