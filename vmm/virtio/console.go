package virtio

import (
	"errors"
	"io"
	"sync"

	"ringo.dev/ringo/drivers/virtio/spec"
)

const consoleQueueSize = 64

// console is the console device (5.3) with one port.
type console struct {
	in   io.Reader
	out  io.Writer
	once sync.Once
	// typed has what was read from in, in pieces. It is closed at the end.
	typed  chan []byte
	rest   []byte        // of the last piece
	quit   chan struct{} // closed by stop
	worker sync.WaitGroup
}

// NewConsole returns a console. What the guest writes goes to out. What it
// reads comes from in, which is first read when the guest wants input, and then
// by a goroutine that outlives the device until its read returns. Either may be
// nil: then there is no input, and output is lost.
func NewConsole(in io.Reader, out io.Writer) *Device {
	if out == nil {
		out = io.Discard
	}
	return newDevice(&console{in: in, out: out, typed: make(chan []byte)})
}

func (c *console) id() uint32        { return spec.DeviceConsole }
func (c *console) features() uint64  { return 0 }
func (c *console) queueSizes() []int { return []int{consoleQueueSize, consoleQueueSize} }
func (c *console) config() []byte    { return nil }

func (c *console) start(_ uint64, queues []*queue) error {
	c.quit = make(chan struct{})
	c.worker.Go(func() { queues[spec.ConsoleQueueRX].serve(&server{handle: c.input, blocks: true}) })
	c.worker.Go(func() { queues[spec.ConsoleQueueTX].serve(&server{handle: c.output, blocks: true}) })
	return nil
}

func (c *console) stop() {
	close(c.quit)
	c.worker.Wait()
}

// output writes what the guest has for us. That out fails is not its fault.
func (c *console) output(ch *chain) (int, error) {
	for _, p := range ch.read {
		c.out.Write(p)
	}
	return 0, nil
}

// input waits for input and gives it to the guest. After the end of the input
// every buffer comes back empty, which the guest's driver takes for that end.
func (c *console) input(ch *chain) (n int, err error) {
	if size(ch.write) == 0 {
		return 0, errors.New("console: a receive buffer without room")
	}
	if len(c.rest) == 0 {
		c.once.Do(func() { go c.read() })
		select {
		case c.rest = <-c.typed:
		case <-c.quit:
			return 0, errStopped
		}
	}
	for _, p := range ch.write {
		k := copy(p, c.rest)
		c.rest = c.rest[k:]
		n += k
	}
	return n, nil
}

// read reads the input to its end.
func (c *console) read() {
	defer close(c.typed)
	if c.in == nil {
		return
	}
	for {
		b := make([]byte, 4096)
		n, err := c.in.Read(b)
		if n > 0 {
			c.typed <- b[:n]
		}
		if err != nil {
			return
		}
	}
}
