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

func sysAdjtimex(t *task) (uintptr, Errno) { return adjustTime(t, 0) }

// sysClockAdjtime knows the real-time clock alone, as Linux does without others'
// hardware.
func sysClockAdjtime(t *task) (uintptr, Errno) {
	const realtime = 0
	if t.int(0) != realtime {
		return 0, syscall.EOPNOTSUPP
	}
	return adjustTime(t, 1)
}

// adjustTime answers questions about the clock in the struct timex of argument i. To
// set it is refused: it follows the host's. Nobody in the machine knows how right
// that is, which is what Linux says, too, before a time service has set it.
func adjustTime(t *task, i int) (uintptr, Errno) {
	const (
		unsynchronized = 0x40  // STA_UNSYNC
		timeError      = 5     // TIME_ERROR, the state that goes with it
		largest        = 16e6  // microseconds of error (NTP_PHASE_LIMIT)
		tick           = 10000 // microseconds
	)
	x, err := need[syscall.Timex](t, i, true)
	if err != 0 {
		return 0, err
	}
	if x.Modes != 0 {
		return 0, syscall.EPERM
	}
	*x = syscall.Timex{
		Maxerror: largest, Esterror: largest, Status: unsynchronized, Precision: 1, Tick: tick,
		Time: syscall.NsecToTimeval(time.Now().UnixNano()),
	}
	return timeError, 0
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
