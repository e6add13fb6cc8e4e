package dev

import (
	"io"
	"sync"
	"syscall"

	"ringo.dev/ringo/drivers/virtio"
	"ringo.dev/ringo/drivers/virtio/spec"
	"ringo.dev/ringo/kernel"
	"ringo.dev/ringo/rt"
)

// Port is the part of the console that is not for output.
type Port interface {
	// Read waits for input, as io.Reader does. Behind io.EOF there may be more:
	// on a terminal it is ^D.
	Read(p []byte) (int, error)
	// Size is the size of the terminal in characters; 0, 0 if it is not known.
	Size() (columns, rows uint16)
}

// OpenPort opens what the machine has for input: a virtio console, or else the
// console that takes its output. There somebody types, or ringo run carries what is asked
// for with mark. If opening does not work, it is reported on the console and there is no
// port.
func OpenPort(mark string) Port {
	transports, err := virtio.Find(spec.DeviceConsole)
	if err == nil && len(transports) > 0 {
		var c *virtio.Console
		if c, err = virtio.OpenConsole(transports[0]); err == nil {
			return c
		}
	}
	if err != nil {
		reportInput(err)
	}
	if came := rt.ConsoleInput(); came != nil {
		return newSerial(came, mark)
	}
	return nil
}

func reportInput(err error) {
	rt.ConsoleWrite([]byte("ringo: standard input: " + err.Error() + "\n"))
}

// input is the console's input. Nothing is fetched before somebody wants it,
// and then no more than that: what a program does not read is left to others on
// the host. A goroutine waits for the port while a program waits, and only then.
type input struct {
	open  func() Port
	queue kernel.Queue

	mu      sync.Mutex
	opened  bool
	port    Port   // nil: none
	buffer  []byte // of unread
	unread  []byte
	ended   bool // the next Read finds an end
	fetches bool // a goroutine waits for the port
}

// maxFetch is the most that is asked of the port at once.
const maxFetch = virtio.ConsoleRead

// Read answers EAGAIN while there is nothing, and 0 bytes at an end.
func (in *input) Read(p []byte) (int, kernel.Errno) {
	in.mu.Lock()
	defer in.mu.Unlock()
	switch {
	case len(in.unread) > 0:
		n := copy(p, in.unread)
		in.unread = in.unread[n:]
		return n, 0
	case in.ended:
		in.ended = false
		return 0, 0
	case len(p) == 0 || !in.fetch(len(p)):
		return 0, 0
	}
	return 0, syscall.EAGAIN
}

// Ready reports EventIn if Read would not answer EAGAIN.
func (in *input) Ready() kernel.Events {
	in.mu.Lock()
	defer in.mu.Unlock()
	if len(in.unread) > 0 || in.ended || !in.fetch(maxFetch) {
		return kernel.EventIn
	}
	return 0
}

// size returns the size of the terminal.
func (in *input) size() (columns, rows uint16) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if !in.connect() {
		return 0, 0
	}
	return in.port.Size()
}

// connect reports whether there is a port, and opens it first.
func (in *input) connect() bool {
	if !in.opened {
		in.opened = true
		in.port = in.open()
	}
	return in.port != nil
}

// fetch has up to n bytes fetched, unless that is being done. It reports whether
// there is anywhere to fetch them from.
func (in *input) fetch(n int) bool {
	if !in.connect() {
		return false
	}
	if !in.fetches {
		in.fetches = true
		if in.buffer == nil {
			in.buffer = make([]byte, maxFetch)
		}
		go in.wait(in.port, in.buffer[:min(n, maxFetch)])
	}
	return true
}

// wait waits for input, and tells those who wait for that.
func (in *input) wait(port Port, b []byte) {
	n, err := port.Read(b)
	in.mu.Lock()
	in.unread = b[:n]
	in.ended = n == 0
	in.fetches = false
	if err != nil && err != io.EOF {
		in.port = nil
		reportInput(err)
	}
	in.mu.Unlock()
	in.queue.Notify(kernel.EventIn)
}
