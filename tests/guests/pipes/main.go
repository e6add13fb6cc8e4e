// Command pipes shows pipes, and the descriptors with which programs wait for
// other descriptors.
package main

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"ringo.dev/ringo/tests/guests/check"
)

func main() {
	check.Main(check.Properties{
		"pipe":        pipe,
		"large":       large,
		"deadline":    deadline,
		"broken":      broken,
		"nonblock":    nonblock,
		"eventfd":     eventfd,
		"semaphore":   semaphore,
		"timerfd":     timerfd,
		"epoll":       epoll,
		"edge":        edge,
		"oneshot":     oneShot,
		"epollwait":   epollWait,
		"epollfile":   epollFile,
		"poll":        poll,
		"dup":         dup,
		"reuse":       reuse,
		"descriptors": descriptors,
	})
}

func pipe() error {
	r, w, err := os.Pipe()
	if err != nil {
		return err
	}
	defer r.Close()
	go func() {
		for range 100 {
			io.WriteString(w, "0123456789")
			runtime.Gosched()
		}
		w.Close()
	}()
	b, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	return check.Equal("contents", string(b), string(bytes.Repeat([]byte("0123456789"), 100)))
}

// large sends far more than a pipe holds.
func large() error {
	r, w, err := os.Pipe()
	if err != nil {
		return err
	}
	defer r.Close()
	const size = 8 << 20
	sent := make(chan error, 1)
	go func() {
		b := make([]byte, size)
		for i := range b {
			b[i] = byte(i >> 8)
		}
		_, err := w.Write(b)
		sent <- errors.Join(err, w.Close())
	}()
	b, err := io.ReadAll(r)
	if err := errors.Join(err, <-sent); err != nil {
		return err
	}
	if err := check.Equal("size", len(b), size); err != nil {
		return err
	}
	for i := range b {
		if b[i] != byte(i>>8) {
			return fmt.Errorf("byte %d changed", i)
		}
	}
	return nil
}

func deadline() error {
	r, w, err := os.Pipe()
	if err != nil {
		return err
	}
	defer r.Close()
	defer w.Close()
	start := time.Now()
	if err := r.SetReadDeadline(start.Add(20 * time.Millisecond)); err != nil {
		return err
	}
	_, err = r.Read(make([]byte, 1))
	if err := check.Is("read", err, os.ErrDeadlineExceeded); err != nil {
		return err
	}
	if took := time.Since(start); took < 20*time.Millisecond || took > 5*time.Second {
		return fmt.Errorf("a deadline of 20ms took %v", took)
	}
	done := make(chan error, 1)
	if err := r.SetReadDeadline(time.Time{}); err != nil {
		return err
	}
	go func() { _, err := r.Read(make([]byte, 1)); done <- err }()
	time.Sleep(10 * time.Millisecond)
	if err := r.Close(); err != nil {
		return err
	}
	return check.Is("read of what is closed meanwhile", <-done, os.ErrClosed)
}

func broken() error {
	signal.Ignore(syscall.SIGPIPE)
	r, w, err := os.Pipe()
	if err != nil {
		return err
	}
	if err := r.Close(); err != nil {
		return err
	}
	_, err = w.Write([]byte("x"))
	return check.Is("write without a reader", err, syscall.EPIPE)
}

// pair returns a pipe's ends as plain descriptors.
func pair(flags int) (r, w int, err error) {
	var fds [2]int
	err = unix.Pipe2(fds[:], flags|unix.O_CLOEXEC)
	return fds[0], fds[1], err
}

func nonblock() error {
	r, w, err := pair(unix.O_NONBLOCK)
	if err != nil {
		return err
	}
	b := make([]byte, 4096)
	_, err = unix.Read(r, b)
	if err := check.Is("read of an empty pipe", err, unix.EAGAIN); err != nil {
		return err
	}
	total := 0
	for {
		n, err := unix.Write(w, b)
		if err == unix.EAGAIN {
			break
		}
		if err != nil {
			return err
		}
		total += n
	}
	if err := check.Equal("size of a pipe", total, 64<<10); err != nil {
		return err
	}
	if err := unix.Close(w); err != nil {
		return err
	}
	for {
		n, err := unix.Read(r, b)
		if err != nil {
			return err
		}
		if n == 0 {
			return check.Equal("bytes left", total, 0)
		}
		total -= n
	}
}

// count reads the counter of an eventfd or timerfd.
func count(fd int) (uint64, error) {
	var b [8]byte
	_, err := unix.Read(fd, b[:])
	return binary.NativeEndian.Uint64(b[:]), err
}

// add adds to the counter of an eventfd.
func add(fd int, n uint64) error {
	_, err := unix.Write(fd, binary.NativeEndian.AppendUint64(nil, n))
	return err
}

func eventfd() error {
	fd, err := unix.Eventfd(3, unix.EFD_NONBLOCK|unix.EFD_CLOEXEC)
	if err != nil {
		return err
	}
	if err := add(fd, 4); err != nil {
		return err
	}
	n, err := count(fd)
	if err != nil {
		return err
	}
	if err := check.Equal("counter", n, 7); err != nil {
		return err
	}
	_, err = count(fd)
	if err := check.Is("read of zero", err, unix.EAGAIN); err != nil {
		return err
	}
	if err := add(fd, 1<<64-2); err != nil {
		return err
	}
	if err := check.Is("overflow", add(fd, 1), unix.EAGAIN); err != nil {
		return err
	}
	_, err = unix.Read(fd, make([]byte, 4))
	return check.Is("short read", err, unix.EINVAL)
}

func semaphore() error {
	fd, err := unix.Eventfd(0, unix.EFD_SEMAPHORE|unix.EFD_CLOEXEC)
	if err != nil {
		return err
	}
	got := make(chan uint64)
	for range 3 {
		go func() {
			n, _ := count(fd) // blocks until there is something
			got <- n
		}()
	}
	if err := add(fd, 3); err != nil {
		return err
	}
	for range 3 {
		if err := check.Equal("what one gets", <-got, 1); err != nil {
			return err
		}
	}
	return nil
}

func timerfd() error {
	fd, err := unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_CLOEXEC|unix.TFD_NONBLOCK)
	if err != nil {
		return err
	}
	_, err = count(fd)
	if err := check.Is("read of a timer that is not set", err, unix.EAGAIN); err != nil {
		return err
	}
	ms := func(n int64) unix.Timespec { return unix.NsecToTimespec(n * 1e6) }
	spec := unix.ItimerSpec{Value: ms(20), Interval: ms(10)}
	start := time.Now()
	if err := unix.TimerfdSettime(fd, 0, &spec, nil); err != nil {
		return err
	}
	f := os.NewFile(uintptr(fd), "timer") // waits in the poller
	var expired uint64
	for expired < 5 {
		var b [8]byte
		if _, err := io.ReadFull(f, b[:]); err != nil {
			return err
		}
		expired += binary.NativeEndian.Uint64(b[:])
	}
	if took := time.Since(start); took < 55*time.Millisecond || took > 5*time.Second {
		return fmt.Errorf("%d expirations took %v", expired, took)
	}
	var left unix.ItimerSpec
	if err := unix.TimerfdGettime(fd, &left); err != nil {
		return err
	}
	if left.Interval != ms(10) || left.Value.Nano() > 10e6 {
		return fmt.Errorf("the timer has %v left, interval %v", left.Value, left.Interval)
	}
	return nil
}

// watcher is an epoll descriptor.
type watcher int

func newWatcher() (watcher, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	return watcher(fd), err
}

func (w watcher) control(op, fd int, events uint32) error {
	return unix.EpollCtl(int(w), op, fd, &unix.EpollEvent{Events: events, Fd: int32(fd)})
}

// expect fails unless just one descriptor has just these events now, or none
// if events is 0.
func (w watcher) expect(what string, fd int, events uint32) error {
	var got [8]unix.EpollEvent
	n, err := unix.EpollWait(int(w), got[:], 0)
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	if events == 0 && n == 0 || events != 0 && n == 1 && got[0].Events == events && int(got[0].Fd) == fd {
		return nil
	}
	return fmt.Errorf("%s: events %#v, want %#x of %d", what, got[:n], events, fd)
}

func epoll() error {
	w, err := newWatcher()
	if err != nil {
		return err
	}
	in, out, err := pair(unix.O_NONBLOCK)
	if err != nil {
		return err
	}
	b := make([]byte, 1)
	steps := []struct {
		what   string
		do     func() error
		fd     int
		events uint32
	}{
		{"reader of an empty pipe", func() error { return w.control(unix.EPOLL_CTL_ADD, in, unix.EPOLLIN) }, 0, 0},
		{"after a write", func() error { _, err := unix.Write(out, b); return err }, in, unix.EPOLLIN},
		{"still (level triggered)", func() error { return nil }, in, unix.EPOLLIN},
		{"after a read", func() error { _, err := unix.Read(in, b); return err }, 0, 0},
		{"writer added", func() error { return w.control(unix.EPOLL_CTL_ADD, out, unix.EPOLLOUT) }, out, unix.EPOLLOUT},
		{"writer modified", func() error { return w.control(unix.EPOLL_CTL_MOD, out, 0) }, 0, 0},
		{"writer removed", func() error { return w.control(unix.EPOLL_CTL_DEL, out, 0) }, 0, 0},
		{"writer closed", func() error { return unix.Close(out) }, in, unix.EPOLLHUP},
		{"reader closed", func() error { return unix.Close(in) }, 0, 0},
	}
	for _, s := range steps {
		if err := s.do(); err != nil {
			return fmt.Errorf("%s: %w", s.what, err)
		}
		if err := w.expect(s.what, s.fd, s.events); err != nil {
			return err
		}
	}
	return nil
}

func edge() error {
	w, err := newWatcher()
	if err != nil {
		return err
	}
	in, out, err := pair(unix.O_NONBLOCK)
	if err != nil {
		return err
	}
	write := func() error { _, err := unix.Write(out, []byte{1}); return err }
	if err := write(); err != nil {
		return err
	}
	if err := w.control(unix.EPOLL_CTL_ADD, in, unix.EPOLLIN|unix.EPOLLET); err != nil {
		return err
	}
	if err := w.expect("state at the beginning", in, unix.EPOLLIN); err != nil {
		return err
	}
	if err := w.expect("no second time", 0, 0); err != nil {
		return err
	}
	if err := write(); err != nil {
		return err
	}
	if err := w.expect("again after a write", in, unix.EPOLLIN); err != nil {
		return err
	}
	err = w.control(unix.EPOLL_CTL_ADD, in, unix.EPOLLIN)
	return check.Is("second addition", err, unix.EEXIST)
}

func oneShot() error {
	w, err := newWatcher()
	if err != nil {
		return err
	}
	fd, err := unix.Eventfd(1, 0)
	if err != nil {
		return err
	}
	if err := w.control(unix.EPOLL_CTL_ADD, fd, unix.EPOLLIN|unix.EPOLLONESHOT); err != nil {
		return err
	}
	if err := w.expect("once", fd, unix.EPOLLIN); err != nil {
		return err
	}
	if err := w.expect("not twice", 0, 0); err != nil {
		return err
	}
	if err := w.control(unix.EPOLL_CTL_MOD, fd, unix.EPOLLIN|unix.EPOLLONESHOT); err != nil {
		return err
	}
	return w.expect("armed again", fd, unix.EPOLLIN)
}

// epollWait waits: for nothing until the time is over, and for another thread.
func epollWait() error {
	w, err := newWatcher()
	if err != nil {
		return err
	}
	fd, err := unix.Eventfd(0, 0)
	if err != nil {
		return err
	}
	if err := w.control(unix.EPOLL_CTL_ADD, fd, unix.EPOLLIN); err != nil {
		return err
	}
	var got [4]unix.EpollEvent
	start := time.Now()
	n, err := unix.EpollWait(int(w), got[:], 30)
	if err != nil || n != 0 {
		return fmt.Errorf("%d events, %v", n, err)
	}
	if took := time.Since(start); took < 29*time.Millisecond || took > 5*time.Second {
		return fmt.Errorf("waiting 30ms took %v", took)
	}
	time.AfterFunc(10*time.Millisecond, func() { add(fd, 1) })
	for {
		n, err = unix.EpollWait(int(w), got[:], -1)
		if err != unix.EINTR {
			break
		}
	}
	if err != nil || n != 1 {
		return fmt.Errorf("%d events, %v", n, err)
	}
	return nil
}

// epollFile wants regular files to be refused, as Linux does.
func epollFile() error {
	w, err := newWatcher()
	if err != nil {
		return err
	}
	f, err := os.CreateTemp("", "")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	err = w.control(unix.EPOLL_CTL_ADD, int(f.Fd()), unix.EPOLLIN)
	if err := check.Is("regular file", err, unix.EPERM); err != nil {
		return err
	}
	err = w.control(unix.EPOLL_CTL_ADD, int(w), unix.EPOLLIN)
	if err := check.Is("itself", err, unix.EINVAL); err != nil {
		return err
	}
	return check.Is("bad descriptor", w.control(unix.EPOLL_CTL_ADD, 999, unix.EPOLLIN), unix.EBADF)
}

func poll() error {
	in, out, err := pair(0)
	if err != nil {
		return err
	}
	fds := []unix.PollFd{{Fd: int32(in), Events: unix.POLLIN}, {Fd: int32(out), Events: unix.POLLOUT}, {Fd: 999}, {Fd: -1}}
	n, err := unix.Poll(fds, -1)
	if err != nil {
		return err
	}
	if n != 2 || fds[0].Revents != 0 || fds[1].Revents != unix.POLLOUT || fds[2].Revents != unix.POLLNVAL || fds[3].Revents != 0 {
		return fmt.Errorf("%d ready: %v", n, fds)
	}
	if n, err = unix.Poll(fds[:1], 20); n != 0 || err != nil {
		return fmt.Errorf("%d ready, %v, want none after 20ms", n, err)
	}
	time.AfterFunc(10*time.Millisecond, func() { unix.Write(out, []byte{1}) })
	for {
		if n, err = unix.Poll(fds[:1], -1); err != unix.EINTR {
			break
		}
	}
	if n != 1 || err != nil || fds[0].Revents != unix.POLLIN {
		return fmt.Errorf("%d ready, %v: %v", n, err, fds[0])
	}
	return nil
}

func dup() error {
	in, out, err := pair(0)
	if err != nil {
		return err
	}
	again, err := unix.Dup(out)
	if err != nil {
		return err
	}
	high, err := unix.FcntlInt(uintptr(out), unix.F_DUPFD_CLOEXEC, 100)
	if err != nil {
		return err
	}
	if high < 100 {
		return fmt.Errorf("descriptor %d, want 100 or more", high)
	}
	if err := unix.Dup3(out, 77, unix.O_CLOEXEC); err != nil {
		return err
	}
	fds := []int{out, again, high, 77}
	for _, fd := range fds {
		if _, err := unix.Write(fd, []byte{byte(fd)}); err != nil {
			return err
		}
		if err := unix.Close(fd); err != nil {
			return err
		}
	}
	b := make([]byte, 10)
	if n, err := unix.Read(in, b); n != len(fds) || err != nil {
		return fmt.Errorf("read %d, %v", n, err)
	}
	if n, err := unix.Read(in, b); n != 0 || err != nil {
		return fmt.Errorf("read %d, %v at the end", n, err)
	}
	return nil
}

// reuse wants the lowest free descriptor to be used.
func reuse() error {
	a, _, err := pair(0)
	if err != nil {
		return err
	}
	if err := unix.Close(a); err != nil {
		return err
	}
	b, err := unix.Eventfd(0, 0)
	if err != nil {
		return err
	}
	return check.Equal("descriptor", b, a)
}

// descriptors opens many, and closes them.
func descriptors() error {
	const n = 1000
	for range 3 {
		var fds []int
		for range n / 2 {
			r, w, err := pair(0)
			if err != nil {
				return fmt.Errorf("after %d: %w", len(fds), err)
			}
			fds = append(fds, r, w)
		}
		for _, fd := range fds {
			if err := unix.Close(fd); err != nil {
				return err
			}
		}
	}
	return nil
}
