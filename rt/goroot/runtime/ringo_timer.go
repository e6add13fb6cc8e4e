//go:build ringo

package runtime

import "internal/runtime/atomic"

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
	ringoSetProfile(t, spec.it_interval.tv_sec*1e9+spec.it_interval.tv_nsec)
	t.profLeft = spec.it_value.tv_sec*1e9 + spec.it_value.tv_nsec
	return 0
}

// ringoProfiled is the number of threads with a profiling timer. While there are
// any, the machine is asked for every tick: they are the samples.
var ringoProfiled int

// ringoSetProfile sets the interval of t's profiling timer, 0 for none.
func ringoSetProfile(t *ringoThread, every int64) {
	ringoSched.lock.lock()
	if t.profTick != 0 {
		ringoProfiled--
	}
	t.profTick = every
	if every != 0 {
		ringoProfiled++
	}
	want := uint32(0)
	if ringoProfiled > 0 {
		want = 1
	}
	for n := uint32(0); n < ringoSched.ncpu; n++ {
		atomic.Store(&ringoPage(n).EveryTick, want)
	}
	ringoSched.lock.unlock()
}

// ringoItimers are setitimer(2)'s timers: real time, which sends SIGALRM, and the
// CPU time of all threads, which sends SIGPROF and counts down in ticks. The
// scheduler's lock guards them.
var ringoItimers struct {
	alarm      int64 // when SIGALRM is due; 0: never
	alarmEvery int64
	prof       int64 // what is left; 0: off
	profEvery  int64
}

func ringoSetitimer(which uintptr, new, old *itimerval) int64 {
	const real, prof = 0, 2
	x := &ringoItimers
	now := ringoNanotime()
	ringoSched.lock.lock()
	var value, every *int64
	var left int64
	switch which {
	case real:
		value, every = &x.alarm, &x.alarmEvery
		if *value != 0 {
			left = max(*value-now, 1000)
		}
	case prof:
		value, every, left = &x.prof, &x.profEvery, x.prof
	default:
		ringoSched.lock.unlock()
		return -ringoENOSYS // ITIMER_VIRTUAL: nothing here tells user time from system time
	}
	if old != nil {
		old.it_interval = ringoTimeval(*every)
		old.it_value = ringoTimeval(left)
	}
	if new != nil {
		*every = new.it_interval.tv_sec*1e9 + new.it_interval.tv_usec*1e3
		*value = new.it_value.tv_sec*1e9 + new.it_value.tv_usec*1e3
		if which == real && *value != 0 {
			*value += now
		}
		ringoWakeIdle() // it may have to wait for less long
	}
	ringoSched.lock.unlock()
	return 0
}

func ringoTimeval(ns int64) timeval { return timeval{ns / 1e9, ns % 1e9 / 1e3} }

// ringoAlarm sends SIGALRM if it is due.
func ringoAlarm(now int64) {
	x := &ringoItimers
	if x.alarm == 0 || x.alarm > now {
		return
	}
	x.alarm = 0
	if x.alarmEvery != 0 {
		x.alarm = now + x.alarmEvery
	}
	ringoPendProcess(_SIGALRM, _SI_KERNEL)
}

// ringoNextTimer returns when the first timer is due, -1 if there is none.
func ringoNextTimer() int64 {
	next := ringoItimers.alarm
	if t := ringoSched.timers; t != nil && (next == 0 || t.deadline < next) {
		next = t.deadline
	}
	if next == 0 {
		return -1
	}
	return next
}

// ringoTick is the length of a tick as the profiling timers count it.
const ringoTick = 5_000_000

// ringoProfTick sends SIGPROF to the running thread if a profiling timer is due.
// The runtime's profiler uses both kinds, and wants those of the thread's timer
// only: that one goes first, as a signal that is pending stays what it is.
func ringoProfTick(t *ringoThread) {
	if t.profTick != 0 && t.profLeft <= 0 {
		t.profLeft = max(t.profLeft+t.profTick, 0) // what ticks are late by is made up for, if it is not much
		ringoPend(t, _SIGPROF, _SI_TIMER)
	}
	if x := &ringoItimers; x.prof != 0 {
		if x.prof -= ringoTick; x.prof <= 0 {
			x.prof = x.profEvery
			ringoPend(t, _SIGPROF, _SI_KERNEL)
		}
	}
}
