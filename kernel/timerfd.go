package kernel

import (
	"sync"
	"syscall"
	"time"
	"unsafe"
)

// Clocks of timerfd_create(2).
const (
	clockRealtime       = 0
	clockMonotonic      = 1
	clockBoottime       = 7
	clockRealtimeAlarm  = 8
	clockBoottimeAlarm  = 9
	tfdTimerAbstime     = 1
	tfdTimerCancelOnSet = 2
)

// timerFD counts expirations of a timer (timerfd_create(2)).
type timerFD struct {
	clock int
	queue Queue

	mu       sync.Mutex
	timer    *time.Timer
	armed    int64 // changes with each setting, so that late expirations are known
	next     int64 // when it expires next, on the clock; 0 if it is not armed
	interval int64
	count    uint64 // expirations not yet read
}

// Itimerspec is struct itimerspec.
type Itimerspec struct{ Interval, Value syscall.Timespec }

// TimerFD is timerfd_create(2).
func (k *Kernel) TimerFD(clock, flags int) (int, Errno) {
	switch clock {
	case clockRealtime, clockMonotonic, clockBoottime, clockRealtimeAlarm, clockBoottimeAlarm:
	default:
		return -1, syscall.EINVAL
	}
	if flags&^(syscall.O_CLOEXEC|syscall.O_NONBLOCK) != 0 {
		return -1, syscall.EINVAL
	}
	return k.OpenFile(&timerFD{clock: clock}, syscall.O_RDWR|flags)
}

// now reads the timer's clock. The machine is never suspended: the time since
// boot is the monotonic one.
func (t *timerFD) now() int64 {
	if t.clock == clockRealtime || t.clock == clockRealtimeAlarm {
		return time.Now().UnixNano()
	}
	return Monotonic()
}

// Monotonic returns CLOCK_MONOTONIC in nanoseconds.
func Monotonic() int64 {
	var ts syscall.Timespec
	// rt answers this call itself; it cannot fail.
	syscall.RawSyscall(syscall.SYS_CLOCK_GETTIME, clockMonotonic, uintptr(unsafe.Pointer(&ts)), 0)
	return ts.Nano()
}

func (k *Kernel) timerFD(fd int) (*timerFD, Errno) {
	d, err := k.file(fd)
	if err != 0 {
		return nil, err
	}
	t, ok := d.File.(*timerFD)
	if !ok {
		return nil, syscall.EINVAL
	}
	return t, 0
}

// TimerFDSet is timerfd_settime(2); it returns the old setting.
func (k *Kernel) TimerFDSet(fd, flags int, new *Itimerspec) (old Itimerspec, err Errno) {
	t, err := k.timerFD(fd)
	if err != 0 {
		return old, err
	}
	for _, ts := range []syscall.Timespec{new.Interval, new.Value} {
		if ts.Sec < 0 || ts.Sec > 1<<33 || ts.Nsec < 0 || ts.Nsec >= 1e9 {
			return old, syscall.EINVAL
		}
	}
	if flags&^(tfdTimerAbstime|tfdTimerCancelOnSet) != 0 {
		return old, syscall.EINVAL
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	old = t.setting()
	if t.timer != nil {
		t.timer.Stop()
	}
	t.armed++
	t.count, t.next, t.interval = 0, 0, new.Interval.Nano()
	if at := new.Value.Nano(); at != 0 {
		if flags&tfdTimerAbstime == 0 {
			at += t.now()
		}
		t.next = at
		t.arm()
	}
	return old, 0
}

// arm starts the timer for t.next. t.mu is held.
func (t *timerFD) arm() {
	armed := t.armed
	t.timer = time.AfterFunc(time.Duration(t.next-t.now()), func() { t.expire(armed) })
}

// expire is called by the timer.
func (t *timerFD) expire(armed int64) {
	t.mu.Lock()
	if t.armed != armed {
		t.mu.Unlock()
		return
	}
	t.count += t.expired()
	if t.next != 0 {
		t.arm()
	}
	t.mu.Unlock()
	t.queue.Notify(EventIn)
}

// expired returns how often the timer expired since it was last called. t.mu is
// held.
func (t *timerFD) expired() uint64 {
	late := t.now() - t.next
	if t.next == 0 || late < 0 {
		return 0
	}
	if t.interval == 0 {
		t.next = 0
		return 1
	}
	n := 1 + late/t.interval
	t.next += n * t.interval
	return uint64(n)
}

// TimerFDGet is timerfd_gettime(2).
func (k *Kernel) TimerFDGet(fd int) (Itimerspec, Errno) {
	t, err := k.timerFD(fd)
	if err != 0 {
		return Itimerspec{}, err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.setting(), 0
}

func (t *timerFD) setting() (s Itimerspec) {
	s.Interval = syscall.NsecToTimespec(t.interval)
	if t.next != 0 {
		s.Value = syscall.NsecToTimespec(max(t.next-t.now(), 1))
	}
	return s
}

func (t *timerFD) Read(p []byte) (int, Errno) {
	if len(p) < 8 {
		return 0, syscall.EINVAL
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.count += t.expired() // the timer's goroutine may come late
	if t.count == 0 {
		return 0, syscall.EAGAIN
	}
	put64(p, t.count)
	t.count = 0
	return 8, 0
}

func (t *timerFD) Write(p []byte) (int, Errno) { return 0, syscall.EINVAL }

func (t *timerFD) Ready() Events {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.count > 0 {
		return EventIn
	}
	return 0
}

func (t *timerFD) Queue() *Queue                 { return &t.queue }
func (t *timerFD) Name() string                  { return "anon_inode:[timerfd]" }
func (t *timerFD) Stat(st *syscall.Stat_t) Errno { return statAnon(st) }

func (t *timerFD) Close() Errno {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.armed++
	if t.timer != nil {
		t.timer.Stop()
	}
	return 0
}
