package main

import (
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"ringo.dev/ringo/tests/guests/check"
)

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
