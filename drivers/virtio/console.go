package virtio

import (
	"io"
	"sync"

	"ringo.dev/ringo/drivers/virtio/spec"
)

// consoleBuffer is the size of the buffer of each direction.
const consoleBuffer = 4096

// Console is the first port of a virtio console (5.3).
type Console struct {
	in  consoleQueue
	out consoleQueue
	// unread is what the device has read and Read not yet returned.
	unread []byte
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
	f, err := negotiate(t, spec.FeatureEventIdx, spec.FeatureVersion1)
	if err != nil {
		return nil, err
	}
	c := new(Console)
	for _, d := range []struct {
		c     *consoleQueue
		index int
	}{{&c.in, spec.ConsoleQueueRX}, {&c.out, spec.ConsoleQueueTX}} {
		if d.c.q, err = newQueue(t, d.index, f, consoleBuffer, 0); err != nil {
			return nil, err
		}
		d.c.buf = d.c.q.extra
	}
	ready(t)
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

// Read waits for input. A device that returns an empty buffer is at the end of
// its input: the error is io.EOF.
func (c *Console) Read(p []byte) (int, error) {
	i := &c.in
	i.mu.Lock()
	defer i.mu.Unlock()
	if len(c.unread) == 0 && len(p) > 0 {
		n, err := i.q.request(i.buf, spec.DescWrite)
		if err != nil {
			return 0, err
		}
		if n == 0 {
			return 0, io.EOF
		}
		c.unread = i.buf[:n]
	}
	n := copy(p, c.unread)
	c.unread = c.unread[n:]
	return n, nil
}
