//go:build ringo

package runtime

import (
	"internal/runtime/atomic"
	"unsafe"
)

// The runtime's monitor (sysmon) preempts goroutines that compute for long. It
// sleeps while there is nothing to run, and on Linux the first system call after
// that wakes it. Here there may be none. To wake it whenever the poller has slept
// would cost every request two switches of threads and a timer; so it is woken
// when a CPU has been busy for a tick, which is long before the monitor would
// preempt anything.

// ringoSysmonSleep is what the monitor calls in place of notetsleep, on its note.
// It may return before the note is signalled, which does not bother the monitor.
func ringoSysmonSleep(ns int64) bool {
	if ringoBare == 0 {
		return notetsleep(&sched.sysmonnote, ns)
	}
	key := key32(&sched.sysmonnote.key)
	futexsleep(key, 0, ns)
	return atomic.Load(key) != 0
}

// ringoSysmonDelay is the shortest time, in µs, that the monitor sleeps while there is
// something to run. On Linux it is short because a system call may block a thread,
// and with it goroutines; here none does, and what is left to be done is in units of
// 10 ms.
func ringoSysmonDelay() uint32 {
	if ringoBare == 0 {
		return 20
	}
	return 1000
}

// ringoWakeSysmon ends the monitor's sleep if the calling CPU has been busy for a
// tick. The scheduler's lock is held.
func ringoWakeSysmon(c *ringoCPU) {
	if c.since-c.rested >= ringoTick && sched.sysmonwait.Load() {
		ringoFutexWake(uintptr(unsafe.Pointer(&sched.sysmonnote.key)), 1)
	}
}

// ringoAsked is set when the monitor has asked a goroutine to yield. Only the monitor
// uses it.
var ringoAsked bool

// ringoSysmonNap returns how long, in µs, the monitor sleeps that would sleep for delay,
// up to 10 ms. It gets a busy CPU only at a tick, which with Linux's delays would add up
// to 30 ms for a loop without calls. So it sleeps for a tick at most, and less if it has
// to see whether a goroutine does as it was asked.
func ringoSysmonNap(delay uint32) uint32 {
	switch {
	case ringoBare == 0:
		return delay
	case ringoAsked:
		ringoAsked = false
		return min(delay, ringoSysmonDelay())
	}
	return min(delay, ringoTick/1000)
}

// ringoPreempt is what the monitor calls in place of preemptone for a goroutine that
// has run for 10 ms. It asks the goroutine to yield at its next call, and sends the
// signal only to one that was asked the last time and has not made any: nearly all
// code makes calls, and a signal's frame, handler and return cost far more than that.
func ringoPreempt(pp *p) {
	if mp := pp.m.ptr(); ringoBare != 0 && mp != nil && mp != getg().m {
		if gp := mp.curg; gp != nil && readgstatus(gp) == _Grunning && !gp.preempt {
			gp.preempt = true
			gp.stackguard0 = stackPreempt
			ringoAsked = true
			return
		}
	}
	preemptone(pp)
}
