package syscalls

import (
	"syscall"
	"time"

	"ringo.dev/ringo/kernel"
)

func sysEpollCreate(t *task) (uintptr, Errno) {
	if t.int(0) <= 0 {
		return 0, syscall.EINVAL
	}
	return result(t.k.EpollCreate(0))
}

func sysEpollCreate1(t *task) (uintptr, Errno) { return result(t.k.EpollCreate(t.int(0))) }

func sysEpollCtl(t *task) (uintptr, Errno) {
	var ev kernel.EpollEvent
	if t.int(1) != syscall.EPOLL_CTL_DEL {
		p, err := need[kernel.EpollEvent](t, 3, false)
		if err != 0 {
			return 0, err
		}
		ev = *p
	}
	return done(t.k.EpollCtl(t.int(0), t.int(1), t.int(2), &ev))
}

// epollWait answers the calls that wait for a set. Their signal mask, if they
// have one, does not matter: signals never interrupt a call.
func (t *task) epollWait(timeout time.Duration) (uintptr, Errno) {
	const maxEvents = 1 << 20
	n := t.int(2)
	if n <= 0 {
		return 0, syscall.EINVAL
	}
	events, err := kernel.UserSlice[kernel.EpollEvent](t.a[1], uintptr(min(n, maxEvents)), true)
	if err != 0 {
		return 0, err
	}
	return result(t.k.EpollWait(t.int(0), events, timeout))
}

func sysEpollWait(t *task) (uintptr, Errno) { return t.epollWait(milliseconds(t.int(3))) }

func sysEpollPwait2(t *task) (uintptr, Errno) {
	timeout, err := t.timespec(3)
	if err != 0 {
		return 0, err
	}
	return t.epollWait(timeout)
}

// timespec reads a timeout; a null pointer means none.
func (t *task) timespec(i int) (time.Duration, Errno) {
	ts, err := value[syscall.Timespec](t, i, false)
	if err != 0 {
		return 0, err
	}
	return duration(ts)
}

func sysPoll(t *task) (uintptr, Errno) { return t.poll(milliseconds(t.int(2))) }

func sysPpoll(t *task) (uintptr, Errno) {
	timeout, err := t.timespec(2)
	if err != 0 {
		return 0, err
	}
	return t.poll(timeout)
}

func (t *task) poll(timeout time.Duration) (uintptr, Errno) {
	fds, err := kernel.UserSlice[kernel.PollFD](t.a[0], uintptr(t.uint32(1)), true)
	if err != 0 {
		return 0, err
	}
	return result(t.k.Poll(fds, timeout))
}

func sysSelect(t *task) (uintptr, Errno) {
	tv, err := value[syscall.Timeval](t, 4, false)
	if err != 0 {
		return 0, err
	}
	var ts *syscall.Timespec
	if tv != nil {
		ts = &syscall.Timespec{Sec: tv.Sec + tv.Usec/1e6, Nsec: tv.Usec % 1e6 * 1000}
	}
	timeout, err := duration(ts)
	if err != 0 {
		return 0, err
	}
	return t.selectSets(timeout)
}

func sysPselect6(t *task) (uintptr, Errno) {
	timeout, err := t.timespec(4)
	if err != 0 {
		return 0, err
	}
	return t.selectSets(timeout)
}

func (t *task) selectSets(timeout time.Duration) (uintptr, Errno) {
	const maxDescriptors = 1 << 20
	n := t.int(0)
	if n < 0 {
		return 0, syscall.EINVAL
	}
	n = min(n, maxDescriptors)
	var sets [3][]uint64
	for i := range sets {
		if t.isNil(i + 1) {
			continue
		}
		var err Errno
		if sets[i], err = kernel.UserSlice[uint64](t.a[i+1], uintptr(n+63)/64, true); err != 0 {
			return 0, err
		}
	}
	return result(t.k.Select(n, sets[0], sets[1], sets[2], timeout))
}

// deadline is a time that may be none.
type deadline struct{ at time.Time }

func deadlineAfter(timeout time.Duration) deadline {
	if timeout < 0 {
		return deadline{}
	}
	return deadline{time.Now().Add(timeout)}
}

func (d deadline) passed() bool { return !d.at.IsZero() && !time.Now().Before(d.at) }

func sysInotifyInit(t *task) (uintptr, Errno)  { return result(t.k.Inotify(0)) }
func sysInotifyInit1(t *task) (uintptr, Errno) { return result(t.k.Inotify(t.int(0))) }

func sysInotifyAddWatch(t *task) (uintptr, Errno) {
	path, err := t.path(1)
	if err != 0 {
		return 0, err
	}
	return result(t.k.InotifyAdd(t.int(0), path, t.uint32(2)))
}

func sysInotifyRmWatch(t *task) (uintptr, Errno) {
	return done(t.k.InotifyRemove(t.int(0), t.int(1)))
}
