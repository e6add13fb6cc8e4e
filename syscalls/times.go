package syscalls

import (
	"math"
	"syscall"
	"time"

	"ringo.dev/ringo/kernel"
)

func sysEventfd(t *task) (uintptr, Errno)  { return result(t.k.EventFD(t.uint32(0), 0)) }
func sysEventfd2(t *task) (uintptr, Errno) { return result(t.k.EventFD(t.uint32(0), t.int(1))) }

func sysTimerfdCreate(t *task) (uintptr, Errno) {
	return result(t.k.TimerFD(t.int(0), t.int(1)))
}

func sysTimerfdSettime(t *task) (uintptr, Errno) {
	in, err := need[kernel.Itimerspec](t, 2, false)
	if err != 0 {
		return 0, err
	}
	out, err := value[kernel.Itimerspec](t, 3, true)
	if err != 0 {
		return 0, err
	}
	old, err := t.k.TimerFDSet(t.int(0), t.int(1), in)
	if err == 0 && out != nil {
		*out = old
	}
	return 0, err
}

func sysTimerfdGettime(t *task) (uintptr, Errno) {
	out, err := need[kernel.Itimerspec](t, 1, true)
	if err != 0 {
		return 0, err
	}
	now, err := t.k.TimerFDGet(t.int(0))
	if err == 0 {
		*out = now
	}
	return 0, err
}

func sysClockGetres(t *task) (uintptr, Errno) {
	const clocks = 12
	if t.uint32(0) >= clocks {
		return 0, syscall.EINVAL
	}
	out, err := value[syscall.Timespec](t, 1, true)
	if err == 0 && out != nil {
		*out = syscall.Timespec{Nsec: 1}
	}
	return 0, err
}

// sysNanosleep puts the goroutine to sleep. (The runtime's own calls, which come
// from its system stacks, are rt's: they put the thread to sleep.)
func sysNanosleep(t *task) (uintptr, Errno) {
	ts, err := need[syscall.Timespec](t, 0, false)
	if err != 0 {
		return 0, err
	}
	wait, err := duration(ts)
	if err != 0 {
		return 0, err
	}
	if wait < 0 {
		wait = math.MaxInt64 // longer than any machine runs
	}
	time.Sleep(wait)
	return 0, 0
}

func sysClockNanosleep(t *task) (uintptr, Errno) {
	const realtime, absolute = 0, 1
	ts, err := need[syscall.Timespec](t, 2, false)
	if err != 0 {
		return 0, err
	}
	wait, err := duration(ts)
	if err != 0 {
		return 0, err
	}
	switch {
	case t.int(0) == realtime && t.int(1)&absolute != 0:
		wait -= time.Duration(time.Now().UnixNano())
	case t.int(1)&absolute != 0:
		wait -= time.Duration(kernel.Monotonic())
	}
	time.Sleep(wait)
	return 0, 0
}
