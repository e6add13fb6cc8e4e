//go:build ringo

package tcp

import (
	"time"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/seqnum"
)

// delayedACK holds back the acknowledgement of received data for the answer to
// carry it (RFC 1122, 4.2.3.2). gVisor has nothing like it, so that a request
// and its answer take four packets instead of two. Rules of package rt/overlay
// hook it in.
//
// As in Linux only those connections are eligible that were lately seen to
// answer at once. Others, bulk transfers among them, acknowledge at once: their
// sender may be waiting for it.
type delayedACK struct {
	timer       timer // initialized when first used
	interactive bool
	received    tcpip.MonotonicTime // when data last arrived
}

// delayedACKTimeout is the longest delay (Linux: TCP_DELACK_MIN), and the
// longest that an answer which is one takes.
const delayedACKTimeout = 40 * time.Millisecond

// delayACK is called when received data is not acknowledged. It reports whether
// that may wait, and sees to it that it does not wait too long.
//
// +checklocks:e.mu
func (e *Endpoint) delayACK() bool {
	d := &e.delayed
	d.received = e.rcv.lastRcvdAckTime
	switch {
	case !d.interactive, e.EndpointState() != StateEstablished:
		return false
	case e.snd.MaxSentAck.Size(e.rcv.RcvNxt) > seqnum.Size(e.amss):
		return false // a sender of more than one full segment may need to know
	case e.rcv.pendingRcvdSegments.Len() > 0:
		return false // something got lost
	}
	if d.timer.isUninitialized() {
		d.timer.init(e.stack.Clock(), timerHandler(e, e.delayedACKExpired))
	}
	if !d.timer.enabled() {
		d.timer.enable(delayedACKTimeout)
	}
	return true
}

// acknowledged is called when an acknowledgement of all data is being sent.
func (d *delayedACK) acknowledged() {
	if d.timer.enabled() {
		d.timer.disable()
	}
}

// answered is called when data is being sent.
func (d *delayedACK) answered(now tcpip.MonotonicTime) {
	d.interactive = now.Sub(d.received) < delayedACKTimeout
}

// delayedACKExpired is called when no answer came in time.
//
// +checklocks:e.mu
func (e *Endpoint) delayedACKExpired() tcpip.Error {
	d := &e.delayed
	if d.timer.isUninitialized() || !d.timer.checkExpiration() {
		return nil
	}
	d.interactive = false
	if e.EndpointState().connected() && e.rcv.RcvNxt != e.snd.MaxSentAck {
		e.snd.sendAck()
	}
	return nil
}
