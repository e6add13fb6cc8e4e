//go:build ringo

package runtime

import "unsafe"

// Sleeping threads wait in a list ordered by deadline; ringoHousekeep ends what
// is due. The scheduler's lock guards it.

func ringoTimerAdd(t *ringoThread, deadline int64) {
	t.deadline = deadline
	t.timed = true
	at := &ringoSched.timers
	for *at != nil && (*at).deadline <= deadline {
		at = &(*at).later
	}
	t.later = *at
	*at = t
}

func ringoTimerRemove(t *ringoThread) {
	for at := &ringoSched.timers; *at != nil; at = &(*at).later {
		if *at == t {
			*at = t.later
			break
		}
	}
	t.later = nil
	t.timed = false
}

// ringoDeadline converts a relative timespec to an absolute time, nil to -1.
func ringoDeadline(ts *timespec) int64 {
	if ts == nil {
		return -1
	}
	now := ringoNanotime()
	if ts.tv_sec >= 1<<33 {
		return 1<<63 - 1
	}
	d := now + ts.tv_sec*1e9 + ts.tv_nsec
	if d < now {
		return now
	}
	return d
}

// ringoNanosleep answers nanosleep(2). An interrupted sleep reports what is left.
func ringoNanosleep(t *ringoThread, req, rem *timespec) int64 {
	deadline := ringoDeadline(req)
	ringoSched.lock.lock()
	r := ringoBlock(t, ringoInSleep, deadline)
	ringoSched.lock.unlock()
	if r == -ringoETIMEDOUT {
		return 0
	}
	if rem != nil {
		left := max(deadline-ringoNanotime(), 0)
		rem.tv_sec, rem.tv_nsec = left/1e9, left%1e9
	}
	return r
}

// The runtime's CPU profiler makes one timer for each thread, on that thread's
// CPU time, which sends SIGPROF to it. rt supports just that kind; a timer's ID
// is its thread's.

func ringoTimerCreate(t *ringoThread, clock uintptr, ev *sigevent, id *int32) int64 {
	const clockThreadCPU, sigevThreadID = 3, 4
	if clock != clockThreadCPU || ev == nil || ev.notify != sigevThreadID || ev.sigev_notify_thread_id != t.tid || ev.signo != _SIGPROF {
		return -ringoENOSYS
	}
	*id = t.tid
	return 0
}

func ringoTimerSettime(t *ringoThread, id int32, spec *itimerspec) int64 {
	if id != t.tid || spec == nil {
		return -ringoEINVAL
	}
	t.profTick = spec.it_interval.tv_sec*1e9 + spec.it_interval.tv_nsec
	t.profLeft = spec.it_value.tv_sec*1e9 + spec.it_value.tv_nsec
	return 0
}

// ringoItimer is setitimer(ITIMER_PROF): SIGPROF by the process's CPU time.
var ringoItimer struct{ tick, left int64 }

func ringoSetitimer(which uintptr, new, old *itimerval) int64 {
	const itimerProf = 2
	if which != itimerProf {
		return -ringoENOSYS
	}
	ringoSched.lock.lock()
	if old != nil {
		memclrNoHeapPointers(unsafe.Pointer(old), unsafe.Sizeof(*old))
		old.it_interval.tv_sec, old.it_interval.tv_usec = ringoItimer.tick/1e9, ringoItimer.tick%1e9/1e3
	}
	if new != nil {
		ringoItimer.tick = new.it_interval.tv_sec*1e9 + new.it_interval.tv_usec*1e3
		ringoItimer.left = new.it_value.tv_sec*1e9 + new.it_value.tv_usec*1e3
	}
	ringoSched.lock.unlock()
	return 0
}

// ringoTick is the length of a tick as the profiling timers count it.
const ringoTick = 5_000_000

// ringoProfTick sends SIGPROF to the running thread if a profiling timer is due.
func ringoProfTick(t *ringoThread) {
	if t.profTick != 0 && t.profLeft <= 0 {
		t.profLeft = t.profTick
		ringoPend(t, _SIGPROF, _SI_TIMER)
	}
	if ringoItimer.tick != 0 {
		if ringoItimer.left -= ringoTick; ringoItimer.left <= 0 {
			ringoItimer.left = ringoItimer.tick
			ringoPend(t, _SIGPROF, _SI_KERNEL)
		}
	}
}
