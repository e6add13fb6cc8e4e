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

// ringoWakeSysmon ends the monitor's sleep if the calling CPU has been busy for a
// tick. The scheduler's lock is held.
func ringoWakeSysmon(c *ringoCPU) {
	if c.since-c.rested >= ringoTick && sched.sysmonwait.Load() {
		ringoFutexWake(uintptr(unsafe.Pointer(&sched.sysmonnote.key)), 1)
	}
}
