//go:build ringo

package tcp

import "gvisor.dev/gvisor/pkg/tcpip"

// countsFlight reports whether SetPipe, which counts what is in flight, has to be
// asked for it outside of fast recovery, too: packets leave the flight otherwise
// than by being acknowledged in order.
//
// +checklocks:s.ep.mu
func (s *sender) countsFlight() bool {
	return s.ep.tcpRecovery&tcpip.TCPRACKLossDetection != 0 &&
		(s.state == tcpip.RTORecovery || s.ep.scoreboard.Sacked() > 0)
}

// loseFlight marks all that was sent as lost (RFC 8985, section 6.3).
//
// +checklocks:s.ep.mu
func (s *sender) loseFlight() {
	for seg := s.writeList.Front(); seg != nil && seg.xmitCount > 0; seg = seg.Next() {
		seg.lost, seg.acked = true, false
	}
}
