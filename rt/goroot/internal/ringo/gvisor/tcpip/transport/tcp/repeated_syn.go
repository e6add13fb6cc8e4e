//go:build ringo

package tcp

import (
	"time"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"
)

// synACKTimeout is the time after which a SYN-ACK is first repeated unasked.
//
// A client repeats its SYN after a second (RFC 6298, section 2.1), and is then
// answered at once. A SYN-ACK that came just before that would look to it like
// the late answer to its first SYN: it would take the second for a round trip,
// and wait for three of them before it repeats data that gets lost. This is
// enough for the client to be first, on paths of up to half a second.
const synACKTimeout = 1500 * time.Millisecond

// repeatedSYN reports whether s is again the SYN that the handshake answers.
func (h *handshake) repeatedSYN(s *segment) bool {
	const which = header.TCPFlagSyn | header.TCPFlagAck | header.TCPFlagRst
	return s.flags&which == header.TCPFlagSyn && s.sequenceNumber == h.ackNum-1
}

// answerAgain sends the SYN-ACK again, because the other side has sent its SYN
// again. gVisor would send an acknowledgement, which who waits for a SYN-ACK has
// to ignore.
//
// +checklocks:h.ep.mu
func (h *handshake) answerAgain(s *segment) tcpip.Error {
	if s.parsedOptions.TS {
		// By it the other side measures the round trip (RFC 7323, section 4.3).
		h.ep.updateRecentTimestamp(s.parsedOptions.TSVal, h.ackNum, s.sequenceNumber)
	}
	if !h.ep.allowOutOfWindowAck() {
		return nil
	}
	h.retransmitTimer.timeout /= 2 // that is, start it again, without backing off
	return h.retransmitHandlerLocked()
}
