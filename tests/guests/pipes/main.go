// Command pipes shows pipes, and the descriptors with which programs wait for
// other descriptors.
package main

import (
	"bytes"
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
