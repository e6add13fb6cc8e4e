package dev

import (
	"sync"
	"syscall"
	"testing"
	"unsafe"

	"ringo.dev/ringo/kernel"
)

// typed is an Input with what was typed so far.
type typed struct {
	mu   sync.Mutex
	text string
}

func (in *typed) Read(p []byte) (int, kernel.Errno) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.text == "" {
		return 0, syscall.EAGAIN
	}
	n := copy(p, in.text)
	in.text = in.text[n:]
	return n, 0
}

func (in *typed) Ready() kernel.Events {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.text == "" {
		return 0
	}
	return kernel.EventIn
}

func TestConsoleInput(t *testing.T) {
	c := NewConsole(false)
	buf := make([]byte, 10)
	if n, err := c.Read(buf); n != 0 || err != 0 {
		t.Errorf("without an input: %d, %v", n, err)
	}
	in := &typed{}
	c.SetInput(in)
	if e := c.Ready(); e != kernel.EventOut {
		t.Errorf("events %#x before anything was typed", e)
	}
	notified := make(chan kernel.Events, 1)
	c.Queue().Add(&kernel.Waiter{Mask: kernel.EventIn, Notify: func(e kernel.Events) { notified <- e }})
	in.text = "line\n"
	c.Notify()
	if e := <-notified; e != kernel.EventIn {
		t.Errorf("notified of %#x", e)
	}
	if n, err := c.Read(buf); string(buf[:n]) != "line\n" || err != 0 {
		t.Errorf("read %q, %v", buf[:n], err)
	}
}

func TestTerminal(t *testing.T) {
	var size [4]uint16
	arg := uintptr(unsafe.Pointer(&size))
	if _, err := NewConsole(false).Ioctl(syscall.TIOCGWINSZ, arg); err != syscall.ENOTTY {
		t.Errorf("no terminal: %v", err)
	}
	c := NewConsole(true)
	if _, err := c.Ioctl(syscall.TIOCGWINSZ, arg); err != 0 || size[0] != 25 || size[1] != 80 {
		t.Errorf("size %v, %v", size, err)
	}
	var tio syscall.Termios
	if _, err := c.Ioctl(syscall.TCGETS, uintptr(unsafe.Pointer(&tio))); err != 0 || tio.Lflag&syscall.ECHO == 0 {
		t.Errorf("termios %v, %v", tio, err)
	}
	if _, err := c.Ioctl(syscall.TCGETS, 8); err != syscall.EFAULT {
		t.Errorf("bad address: %v", err)
	}
}
