// Command signals shows the signals that a program sends to itself. What comes
// from outside the tests of the ringo command show.
package main

import (
	"errors"
	"fmt"
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
		"notify":  notify,
		"ignore":  ignore,
		"reset":   reset,
		"many":    many,
		"thread":  thread,
		"alarm":   alarm,
		"process": process,
		"busy":    busy,
	})
}

func kill(s syscall.Signal) error { return syscall.Kill(os.Getpid(), s) }

// receive fails unless the signal comes.
func receive(c <-chan os.Signal, want os.Signal) error {
	select {
	case got := <-c:
		return check.Equal("signal", got, want)
	case <-time.After(5 * time.Second):
		return fmt.Errorf("no %v", want)
	}
}

func notify() error {
	c := make(chan os.Signal, 1)
	for _, s := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT, syscall.SIGUSR1, syscall.SIGHUP, syscall.Signal(40)} {
		signal.Notify(c, s)
		if err := kill(s); err != nil {
			return err
		}
		if err := receive(c, s); err != nil {
			return err
		}
	}
	return nil
}

func ignore() error {
	signal.Ignore(syscall.SIGTERM)
	if err := kill(syscall.SIGTERM); err != nil {
		return err
	}
	time.Sleep(10 * time.Millisecond)
	if !signal.Ignored(syscall.SIGTERM) {
		return errors.New("SIGTERM is not ignored")
	}
	return nil
}

// reset wants a signal that is noticed no more to have its default action,
// which for SIGURG and SIGCHLD is none.
func reset() error {
	c := make(chan os.Signal, 1)
	signal.Notify(c, syscall.SIGCHLD)
	if err := kill(syscall.SIGCHLD); err != nil {
		return err
	}
	if err := receive(c, syscall.SIGCHLD); err != nil {
		return err
	}
	signal.Reset(syscall.SIGCHLD)
	if err := kill(syscall.SIGCHLD); err != nil {
		return err
	}
	select {
	case s := <-c:
		return fmt.Errorf("got %v after the reset", s)
	case <-time.After(20 * time.Millisecond):
		return nil
	}
}

// many wants the machinery of signals to last.
func many() error {
	c := make(chan os.Signal, 1)
	signal.Notify(c, syscall.SIGUSR2)
	for range 1000 {
		if err := kill(syscall.SIGUSR2); err != nil {
			return err
		}
		if err := receive(c, syscall.SIGUSR2); err != nil {
			return err
		}
	}
	return nil
}

// thread sends a signal to one thread.
func thread() error {
	c := make(chan os.Signal, 1)
	signal.Notify(c, syscall.SIGUSR1)
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := syscall.Tgkill(os.Getpid(), syscall.Gettid(), syscall.SIGUSR1); err != nil {
		return err
	}
	return receive(c, syscall.SIGUSR1)
}

func alarm() error {
	c := make(chan os.Signal, 1)
	signal.Notify(c, syscall.SIGALRM)
	start := time.Now()
	t := unix.Itimerval{Value: unix.NsecToTimeval(20e6)}
	if _, err := unix.Setitimer(unix.ItimerReal, t); err != nil {
		return err
	}
	if err := receive(c, syscall.SIGALRM); err != nil {
		return err
	}
	if took := time.Since(start); took < 19*time.Millisecond {
		return fmt.Errorf("an alarm of 20ms took %v", took)
	}
	return nil
}

// process wants the usual questions about processes to be answered.
func process() error {
	p, err := os.FindProcess(os.Getpid())
	if err != nil {
		return err
	}
	if err := p.Signal(syscall.Signal(0)); err != nil {
		return err
	}
	err = syscall.Kill(1<<22-1, 0)
	return check.Is("signal to no process", err, syscall.ESRCH)
}

// busy wants a signal to be seen while every CPU is busy.
func busy() error {
	c := make(chan os.Signal, 1)
	signal.Notify(c, syscall.SIGTERM)
	for range runtime.GOMAXPROCS(0) {
		go forever()
	}
	if err := kill(syscall.SIGTERM); err != nil {
		return err
	}
	return receive(c, syscall.SIGTERM)
}

// forever uses a CPU and never yields it.
func forever() {
	//lint:ignore SA5002 that is what it is for
	for {
	}
}
