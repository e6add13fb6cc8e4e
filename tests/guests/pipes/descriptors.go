package main

import (
	"fmt"

	"golang.org/x/sys/unix"

	"ringo.dev/ringo/tests/guests/check"
)

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
