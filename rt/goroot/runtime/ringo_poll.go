//go:build ringo

package runtime

import "internal/runtime/atomic"

// In QEMU without KVM a processor is a thread of the host's, and to put it to sleep and
// wake it takes as long as the machine needs for a small answer: what follows on it, such
// as the client's next packet, mostly comes before. So there the poller looks at the
// devices for a while before it sleeps. Meanwhile they do not interrupt, and nobody has
// to be put to sleep or woken. (Hypervisors that use the processor's own support do the
// same by themselves for a guest that rests.)

// ringoPolling is how looking has fared. Only the poller uses it.
var ringoPolling struct {
	misses uint32 // times in a row that it was in vain, up to a limit
	skip   uint32 // times that it is not worth trying
}

// ringoPollAwake reports whether a device had something within a short time. It gives up
// early if there may be something else to do: the poller then goes to sleep as ever, by
// which the CPU is free. So nothing is lost by it but time, and each time that it was in
// vain, it is left out twice as often as before.
func ringoPollAwake(deadline int64) bool {
	const mostMisses = 6
	p := &ringoPolling
	limit := ringoPlatPollTime()
	if limit == 0 {
		return false
	}
	if p.skip != 0 {
		p.skip--
		return false
	}
	ringoRing()
	c, page := ringoMe(), ringoThisCPU()
	now := ringoNanotime()
	ringoCharge(c, now)
	until := now + limit
	end := until
	if deadline >= 0 {
		end = min(end, deadline)
	}
	if t := ringoSched.timers; t != nil { // a hint only: read without the lock
		end = min(end, t.deadline)
	}
	found := false
	for !found && now < end && atomic.Load(&ringoSched.ready) == 0 && !ringoSched.broken && atomic.Load(&page.Pending) == 0 {
		const looks = 16 // reading the time takes longer
		for i := 0; i < looks && !found; i++ {
			found = ringoDeviceReady()
		}
		now = ringoNanotime()
	}
	c.slack += now - c.since
	c.since = now
	switch {
	case found:
		p.misses = 0
		c.rested = now
		ringoClockSync(now)
	case now >= until:
		p.misses = min(p.misses+1, mostMisses)
		p.skip = 1<<p.misses - 1
	}
	return found
}
