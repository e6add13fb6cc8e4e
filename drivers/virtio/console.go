package virtio

import (
	"io"
	"sync"

	"ringo.dev/ringo/drivers/virtio/spec"
)

// ConsoleRead is the most that Console.Read returns; consoleWrite is the size of
// the buffer of the other direction.
const (
	ConsoleRead  = 32 << 10
	consoleWrite = 4096
)

// Console is the first port of a virtio console (5.3).
type Console struct {
	t     Transport
	sized bool // the device knows the terminal's size
	in    consoleQueue
	out   consoleQueue
}

// consoleQueue is one direction of a Console, with one buffer.
type consoleQueue struct {
	mu  sync.Mutex
	q   *queue
	buf []byte
}

// OpenConsole starts the console behind t.
func OpenConsole(t Transport) (*Console, error) {
	if t.DeviceID() != spec.DeviceConsole {
		return nil, deviceError("not a console")
	}
	f, err := negotiate(t, spec.FeatureEventIdx|spec.ConsoleSize, 0)
	if err != nil {
		return nil, err
	}
	c := &Console{t: t, sized: f&spec.ConsoleSize != 0}
	for _, d := range []struct {
		c     *consoleQueue
		index int
		size  int
	}{{&c.in, spec.ConsoleQueueRX, ConsoleRead}, {&c.out, spec.ConsoleQueueTX, consoleWrite}} {
		if d.c.q, err = newQueue(t, d.index, f, d.size, 0); err != nil {
			return nil, err
		}
		d.c.buf = d.c.q.extra
	}
	ready(t, c.in.q, c.out.q)
	return c, nil
}

// Write writes p, and returns when the device has taken it.
func (c *Console) Write(p []byte) (int, error) {
	o := &c.out
	o.mu.Lock()
	defer o.mu.Unlock()
	for done := 0; done < len(p); {
		n := copy(o.buf, p[done:])
		if _, err := o.q.request(o.buf[:n], 0); err != nil {
			return done, err
		}
		done += n
	}
	return len(p), nil
}

// Read waits for input, of which the device is asked for as much as p holds and
// no more. A device that returns an empty buffer is at an end of its input: the
// error is io.EOF. On a terminal there may be more behind it.
func (c *Console) Read(p []byte) (int, error) {
	i := &c.in
	i.mu.Lock()
	defer i.mu.Unlock()
	if len(p) == 0 {
		return 0, nil
	}
	b := i.buf[:min(len(p), len(i.buf))]
	n, err := i.q.request(b, spec.DescWrite)
	if err != nil {
		return 0, err
	}
	if n == 0 {
		return 0, io.EOF
	}
	return copy(p, b[:n]), nil
}

// Size returns the size of the terminal behind the console in characters, as it
// is now; 0, 0 if there is none, or the device does not know.
func (c *Console) Size() (columns, rows uint16) {
	if !c.sized {
		return 0, 0
	}
	return uint16(c.t.Config(spec.ConsoleConfigColumns, 2)), uint16(c.t.Config(spec.ConsoleConfigRows, 2))
}
