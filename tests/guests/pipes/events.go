package main

import (
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"ringo.dev/ringo/tests/guests/check"
)

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
