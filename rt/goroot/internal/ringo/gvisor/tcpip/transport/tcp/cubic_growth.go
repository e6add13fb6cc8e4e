//go:build ringo

package tcp

import (
	"math"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip"
)

// cubicGrowth is how a congestion window grows between two losses (RFC 9438,
// sections 4.3 to 4.5). It replaces gVisor's computation, which rounds the window
// down with every acknowledgement, so that a small one never grows; and which
// takes what Reno would have reached from the clock and a round trip of at least
// a millisecond, a hundred of those of a fast link.
type cubicGrowth struct {
	since tcpip.MonotonicTime // when the last loss was dealt with
	prior float64             // the window before it, in packets
	reno  float64             // what the window were by now with Reno
	part  float64             // what the window has grown by, beyond whole packets
}

// grow returns the window that is to follow window when packets that filled it
// have been acknowledged.
//
// +checklocks:c.s.ep.mu
func (c *cubicState) grow(packets, window int, srtt time.Duration) int {
	g, size, acked := &c.growth, float64(window), float64(packets)
	if g.since != c.T {
		*g = cubicGrowth{since: c.T, prior: size / c.Beta, reno: size}
	}
	// Section 4.3. Reno grows by a packet for each window. That after a loss it
	// starts lower makes up for part of it.
	alpha := 3 * (1 - c.Beta) / (1 + c.Beta)
	if g.reno >= g.prior {
		alpha = 1
	}
	g.reno += alpha * acked / size

	elapsed := c.s.ep.stack.Clock().NowMonotonic().Sub(c.T)
	c.WC, c.WEst = c.cubicCwnd(elapsed.Seconds()-c.K), g.reno
	if c.WC < c.WEst {
		return max(window, int(c.WEst))
	}
	// Sections 4.4 and 4.5.
	target := c.cubicCwnd((elapsed + srtt).Seconds() - c.K)
	g.part += acked * (min(max(target, size), 1.5*size) - size) / size
	whole := math.Floor(g.part)
	g.part -= whole
	return window + int(whole)
}
