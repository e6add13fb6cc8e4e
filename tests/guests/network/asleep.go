package main

import (
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"
	"unsafe"
)

// asleep waits, without a timer or a connection of the runtime's, for what only the
// kernel knows of. That is no deadlock.
func asleep() error {
	const while = 300 * time.Millisecond
	for _, wait := range []func(time.Duration) error{waitForTimer, waitForEpoll, waitForSignal} {
		if err := wait(while); err != nil {
			return err
		}
	}
	return nil
}

// waitForTimer blocks in a read of a timerfd.
func waitForTimer(d time.Duration) error {
	fd, _, errno := syscall.Syscall(syscall.SYS_TIMERFD_CREATE, 1, 0, 0)
	if errno != 0 {
		return os.NewSyscallError("timerfd_create", errno)
	}
	defer syscall.Close(int(fd))
	t := [2]syscall.Timespec{1: syscall.NsecToTimespec(d.Nanoseconds())}
	if _, _, errno := syscall.Syscall6(syscall.SYS_TIMERFD_SETTIME, fd, 0, uintptr(unsafe.Pointer(&t)), 0, 0, 0); errno != 0 {
		return os.NewSyscallError("timerfd_settime", errno)
	}
	var count [8]byte
	if n, err := syscall.Read(int(fd), count[:]); n != len(count) || err != nil {
		return fmt.Errorf("read of a timerfd: %d, %w", n, err)
	}
	return nil
}

// waitForEpoll blocks in epoll_wait, in another goroutine.
func waitForEpoll(d time.Duration) error {
	fd, err := syscall.EpollCreate1(0)
	if err != nil {
		return os.NewSyscallError("epoll_create1", err)
	}
	defer syscall.Close(fd)
	done := make(chan error)
	go func() {
		err := error(syscall.EINTR)
		for err == syscall.EINTR { // the runtime's own signals end epoll_wait, and no other call here
			_, err = syscall.EpollWait(fd, make([]syscall.EpollEvent, 1), int(d.Milliseconds()))
		}
		done <- err
	}()
	return <-done
}

// waitForSignal waits for the signal of an interval timer.
func waitForSignal(d time.Duration) error {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGALRM)
	defer signal.Stop(signals)
	t := [2]syscall.Timeval{1: syscall.NsecToTimeval(d.Nanoseconds())}
	if _, _, errno := syscall.Syscall(syscall.SYS_SETITIMER, 0, uintptr(unsafe.Pointer(&t)), 0); errno != 0 {
		return os.NewSyscallError("setitimer", errno)
	}
	if s := <-signals; s != syscall.SIGALRM {
		return errors.New("got " + s.String())
	}
	return nil
}
