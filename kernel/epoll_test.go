package kernel_test

import (
	"syscall"
	"testing"
	"time"

	"ringo.dev/ringo/kernel"
	"ringo.dev/ringo/rt"
)

const (
	in      = uint32(kernel.EventIn)
	out     = uint32(kernel.EventOut)
	hup     = uint32(kernel.EventHup)
	oneShot = uint32(syscall.EPOLLONESHOT)
	edge    = uint32(1 << 31)
)

// poller is an epoll set.
type poller struct {
	testing.TB
	k  *kernel.Kernel
	fd int
}

func newPoller(t testing.TB, k *kernel.Kernel) poller {
	t.Helper()
	fd, err := k.EpollCreate(syscall.O_CLOEXEC)
	ok(t, err)
	return poller{t, k, fd}
}

func (p poller) ctl(op, fd int, events uint32) kernel.Errno {
	return p.k.EpollCtl(p.fd, op, fd, &kernel.EpollEvent{Events: events, Fd: int32(fd), Pad: 77})
}

func (p poller) add(fd int, events uint32) {
	p.Helper()
	ok(p, p.ctl(syscall.EPOLL_CTL_ADD, fd, events))
}

// events returns what holds now, by descriptor.
func (p poller) events() map[int]uint32 {
	p.Helper()
	return p.wait(0)
}

func (p poller) wait(timeout time.Duration) map[int]uint32 {
	p.Helper()
	var evs [8]kernel.EpollEvent
	n, err := p.k.EpollWait(p.fd, evs[:], timeout)
	ok(p, err)
	m := map[int]uint32{}
	for _, ev := range evs[:n] {
		if ev.Pad != 77 {
			p.Errorf("data of descriptor %d is changed: %d", ev.Fd, ev.Pad)
		}
		m[int(ev.Fd)] = ev.Events
	}
	return m
}

// expect compares what holds with pairs of descriptor and events.
func (p poller) expect(pairs ...uint32) {
	p.Helper()
	got := p.events()
	if len(got) != len(pairs)/2 {
		p.Fatalf("events %v, want %v", got, pairs)
	}
	for i := 0; i < len(pairs); i += 2 {
		if got[int(pairs[i])] != pairs[i+1] {
			p.Fatalf("events %v, want %v", got, pairs)
		}
	}
}

func TestEpollLevel(t *testing.T) {
	k := newKernel(t)
	p := newPoller(t, k)
	r, w := pipe(t, k, syscall.O_NONBLOCK)
	p.add(r, in)
	p.expect()
	writeString(t, k, w, "xy")
	p.expect(uint32(r), in)
	p.expect(uint32(r), in) // for as long as it holds
	readString(t, k, r, 1)
	p.expect(uint32(r), in)
	readString(t, k, r, 1)
	p.expect()
	p.add(w, out)
	p.expect(uint32(w), out)
	ok(t, p.ctl(syscall.EPOLL_CTL_DEL, w, 0))
	ok(t, k.Close(w))
	p.expect(uint32(r), hup)
}

func TestEpollEdge(t *testing.T) {
	k := newKernel(t)
	p := newPoller(t, k)
	r, w := pipe(t, k, syscall.O_NONBLOCK)
	writeString(t, k, w, "x")
	p.add(r, in|edge)
	p.expect(uint32(r), in) // adding reports the present state
	p.expect()
	writeString(t, k, w, "y") // another edge, though the pipe was readable
	p.expect(uint32(r), in)
	p.expect()
	ok(t, p.ctl(syscall.EPOLL_CTL_MOD, r, in|edge)) // so does changing
	p.expect(uint32(r), in)
}

func TestEpollOneShot(t *testing.T) {
	k := newKernel(t)
	p := newPoller(t, k)
	r, w := pipe(t, k, syscall.O_NONBLOCK)
	p.add(r, in|oneShot)
	writeString(t, k, w, "x")
	p.expect(uint32(r), in)
	writeString(t, k, w, "x")
	p.expect()
	ok(t, p.ctl(syscall.EPOLL_CTL_MOD, r, in|oneShot))
	p.expect(uint32(r), in)
	p.expect()
}

func TestEpollErrors(t *testing.T) {
	k := newKernel(t)
	p := newPoller(t, k)
	r, _ := pipe(t, k, 0)
	file := open(t, k, "/tmp/f", syscall.O_CREAT|syscall.O_RDWR)
	want(t, p.ctl(syscall.EPOLL_CTL_ADD, file, in), syscall.EPERM)
	want(t, p.ctl(syscall.EPOLL_CTL_ADD, 100, in), syscall.EBADF)
	want(t, p.ctl(syscall.EPOLL_CTL_ADD, p.fd, in), syscall.EINVAL)
	want(t, p.ctl(syscall.EPOLL_CTL_MOD, r, in), syscall.ENOENT)
	want(t, p.ctl(syscall.EPOLL_CTL_DEL, r, in), syscall.ENOENT)
	p.add(r, in)
	want(t, p.ctl(syscall.EPOLL_CTL_ADD, r, in), syscall.EEXIST)
	want(t, p.ctl(9, r, in), syscall.EINVAL)
	want(t, k.EpollCtl(r, syscall.EPOLL_CTL_ADD, p.fd, &kernel.EpollEvent{}), syscall.EINVAL)
	_, err := k.EpollWait(p.fd, nil, 0)
	want(t, err, syscall.EINVAL)
}

// TestEpollClose closes descriptors that are in a set: an interest lasts as
// long as the description.
func TestEpollClose(t *testing.T) {
	k := newKernel(t)
	p := newPoller(t, k)
	r, w := pipe(t, k, syscall.O_NONBLOCK)
	dup, err := k.Dup(r)
	ok(t, err)
	p.add(r, in)
	p.add(dup, in) // the same description, by another descriptor
	writeString(t, k, w, "x")
	p.expect(uint32(r), in, uint32(dup), in)
	ok(t, k.Close(r))
	p.expect(uint32(r), in, uint32(dup), in)
	ok(t, k.Close(dup))
	p.expect()
}

func TestEpollNested(t *testing.T) {
	k := newKernel(t)
	inner, outer := newPoller(t, k), newPoller(t, k)
	r, w := pipe(t, k, syscall.O_NONBLOCK)
	inner.add(r, in)
	outer.add(inner.fd, in)
	outer.expect()
	writeString(t, k, w, "x")
	outer.expect(uint32(inner.fd), in)
	inner.expect(uint32(r), in)
	readString(t, k, r, 1)
	outer.expect()
	want(t, inner.ctl(syscall.EPOLL_CTL_ADD, outer.fd, in), syscall.ELOOP)
	deepest := outer
	for range 3 {
		next := newPoller(t, k)
		next.add(deepest.fd, in)
		deepest = next
	}
	want(t, newPoller(t, k).ctl(syscall.EPOLL_CTL_ADD, deepest.fd, in), syscall.ELOOP)
}

func TestEpollWaits(t *testing.T) {
	k := newKernel(t)
	p := newPoller(t, k)
	r, w := pipe(t, k, syscall.O_NONBLOCK)
	p.add(r, in)
	for range 2 { // both waiters see a level
		got := make(chan map[int]uint32, 2)
		for range 2 {
			go func() { got <- p.wait(-1) }()
		}
		stays(t, got, "epoll_wait")
		writeString(t, k, w, "x")
		for range 2 {
			if m := comes(t, got, "epoll_wait"); m[r] != in {
				t.Errorf("events %v", m)
			}
		}
		readString(t, k, r, 1)
	}
	began := time.Now()
	if m := p.wait(30 * time.Millisecond); len(m) != 0 || time.Since(began) < 30*time.Millisecond {
		t.Errorf("events %v after %v", m, time.Since(began))
	}
}

// TestEpollFair adds more ready files than are asked for at a time: each has
// its turn.
func TestEpollFair(t *testing.T) {
	k := newKernel(t)
	p := newPoller(t, k)
	for range 10 {
		fd, err := k.EventFD(1, 0)
		ok(t, err)
		p.add(fd, in)
	}
	seen := map[int32]bool{}
	for range 5 {
		var evs [2]kernel.EpollEvent
		n, err := k.EpollWait(p.fd, evs[:], 0)
		ok(t, err)
		for _, ev := range evs[:n] {
			seen[ev.Fd] = true
		}
	}
	if len(seen) != 10 {
		t.Errorf("5 waits for 2 events saw %d of 10 files", len(seen))
	}
}

func TestPoll(t *testing.T) {
	k := newKernel(t)
	r, w := pipe(t, k, syscall.O_NONBLOCK)
	file := open(t, k, "/tmp/f", syscall.O_CREAT|syscall.O_RDWR)
	fds := []kernel.PollFD{
		{FD: int32(r), Events: int16(in)},
		{FD: int32(w), Events: int16(in | out)},
		{FD: -1, Events: int16(in)},
		{FD: 99, Events: int16(in)},
		{FD: int32(file), Events: int16(in | out)},
	}
	n, err := k.Poll(fds, -1)
	ok(t, err)
	wanted := []int16{0, int16(out), 0, 0x20, int16(in | out)}
	for i := range fds {
		if fds[i].Revents != wanted[i] {
			t.Errorf("descriptor %d: events %#x, want %#x", fds[i].FD, fds[i].Revents, wanted[i])
		}
	}
	if n != 3 {
		t.Errorf("poll returned %d, want 3", n)
	}
	fds = fds[:1]
	got := make(chan int, 1)
	go func() {
		n, _ := k.Poll(fds, -1)
		got <- n
	}()
	stays(t, got, "poll")
	writeString(t, k, w, "x")
	if n := comes(t, got, "poll"); n != 1 || fds[0].Revents != int16(in) {
		t.Errorf("poll returned %d, events %#x", n, fds[0].Revents)
	}
}

func TestSelect(t *testing.T) {
	k := newKernel(t)
	r, w := pipe(t, k, syscall.O_NONBLOCK)
	read, write := []uint64{1<<r | 1<<w}, []uint64{1 << w}
	n, err := k.Select(64, read, write, nil, -1)
	if n != 1 || err != 0 || read[0] != 0 || write[0] != 1<<w {
		t.Errorf("select: %d, %v, sets %b %b", n, err, read, write)
	}
	read = []uint64{1 << r}
	if n, err := k.Select(64, read, nil, nil, 10*time.Millisecond); n != 0 || err != 0 || read[0] != 0 {
		t.Errorf("select: %d, %v, set %b", n, err, read)
	}
	_, err = k.Select(64, []uint64{1 << 40}, nil, nil, 0)
	want(t, err, syscall.EBADF)
}

func TestEventFD(t *testing.T) {
	k := newKernel(t)
	fd, err := k.EventFD(3, syscall.O_NONBLOCK)
	ok(t, err)
	number := func(n byte) []byte { return []byte{n, 0, 0, 0, 0, 0, 0, 0} }
	_, err = k.Write(fd, number(4))
	ok(t, err)
	if got := readString(t, k, fd, 8); got != string(number(7)) {
		t.Errorf("read %q", got)
	}
	_, err = k.Read(fd, make([]byte, 8))
	want(t, err, syscall.EAGAIN)
	_, err = k.Read(fd, make([]byte, 7))
	want(t, err, syscall.EINVAL)
	most := []byte{0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}
	_, err = k.Write(fd, most)
	ok(t, err)
	_, err = k.Write(fd, number(1))
	want(t, err, syscall.EAGAIN)
	_, err = k.Write(fd, []byte("\xff\xff\xff\xff\xff\xff\xff\xff"))
	want(t, err, syscall.EINVAL)
	sem, err := k.EventFD(2, syscall.O_NONBLOCK|1)
	ok(t, err)
	for range 2 {
		if got := readString(t, k, sem, 8); got != string(number(1)) {
			t.Errorf("read %q", got)
		}
	}
	_, err = k.Read(sem, make([]byte, 8))
	want(t, err, syscall.EAGAIN)
}

func TestTimerFD(t *testing.T) {
	k := newKernel(t)
	fd, err := k.TimerFD(1, syscall.O_NONBLOCK)
	ok(t, err)
	_, err = k.Read(fd, make([]byte, 8))
	want(t, err, syscall.EAGAIN)
	ms := func(n int64) syscall.Timespec { return syscall.NsecToTimespec(n * 1e6) }
	_, err = k.TimerFDSet(fd, 0, &kernel.Itimerspec{Value: ms(5), Interval: ms(5)})
	ok(t, err)
	began := time.Now()
	time.Sleep(23 * time.Millisecond)
	got := int(readString(t, k, fd, 8)[0])
	if most := int(time.Since(began)/(5*time.Millisecond)) + 1; got < 4 || got > most {
		t.Errorf("%d expirations, want 4 to %d", got, most)
	}
	p := newPoller(t, k)
	p.add(fd, in)
	if m := p.wait(time.Second); m[fd] != in {
		t.Errorf("events %v", m)
	}
	old, err := k.TimerFDSet(fd, 0, &kernel.Itimerspec{})
	ok(t, err)
	if old.Interval != ms(5) {
		t.Errorf("old interval %v", old.Interval)
	}
	now, err := k.TimerFDGet(fd)
	ok(t, err)
	if now != (kernel.Itimerspec{}) {
		t.Errorf("disarmed timer shows %v", now)
	}
	ts := syscall.NsecToTimespec(time.Now().Add(-time.Hour).UnixNano())
	real, err := k.TimerFD(0, 0)
	ok(t, err)
	_, err = k.TimerFDSet(real, 1, &kernel.Itimerspec{Value: ts}) // in the past: at once
	ok(t, err)
	if got := readString(t, k, real, 8); got[0] != 1 {
		t.Errorf("%d expirations", got[0])
	}
	_, err = k.TimerFDSet(fd, 0, &kernel.Itimerspec{Value: syscall.Timespec{Nsec: 1e9}})
	want(t, err, syscall.EINVAL)
}

// TestPollOpen looks at what the runtime's poller may be told of.
func TestPollOpen(t *testing.T) {
	k := newKernel(t)
	r, w := pipe(t, k, syscall.O_NONBLOCK)
	file := open(t, k, "/tmp/f", syscall.O_CREAT|syscall.O_RDWR)
	const pd = rt.PollDesc(1)
	for fd, errno := range map[int]kernel.Errno{r: 0, w: 0, file: syscall.EPERM, 99: syscall.EBADF} {
		want(t, kernel.Errno(k.PollOpen(fd, pd)), errno)
	}
	want(t, kernel.Errno(k.PollOpen(r, pd)), syscall.EEXIST)
	want(t, kernel.Errno(k.PollClose(r)), 0)
	want(t, kernel.Errno(k.PollClose(r)), syscall.ENOENT)
	ok(t, k.Close(w)) // ends it too
	want(t, kernel.Errno(k.PollClose(w)), syscall.ENOENT)
}
