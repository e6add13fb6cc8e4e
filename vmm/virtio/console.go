package virtio

import (
	"encoding/binary"
	"errors"
	"io"
	"sync"

	"ringo.dev/ringo/drivers/virtio/spec"
)

const (
	consoleQueueSize = 64
	// maxConsoleRead is the most that is read at once.
	maxConsoleRead = 64 << 10
)

// console is the console device (5.3) with one port.
type console struct {
	in   io.Reader
	out  io.Writer
	size func() (columns, rows uint16)

	// typed holds one piece of input; asked says that one is to come.
	typed  chan []byte
	asked  bool
	rest   []byte        // of the last piece
	quit   chan struct{} // closed by stop
	worker sync.WaitGroup
}

// NewConsole returns a console. What the guest writes goes to out. What it
// reads comes from in: that is read when the guest wants input, for no more
// than it wants, by a goroutine that outlives the device until its read
// returns. After an end of the file it is read again when the guest wants more.
// size tells the size of the terminal that in and out are. Each may be nil: then
// there is no input, output is lost, and there is no terminal.
func NewConsole(in io.Reader, out io.Writer, size func() (columns, rows uint16)) *Device {
	if out == nil {
		out = io.Discard
	}
	return newDevice(&console{in: in, out: out, size: size, typed: make(chan []byte, 1)})
}

func (c *console) id() uint32        { return spec.DeviceConsole }
func (c *console) queueSizes() []int { return []int{consoleQueueSize, consoleQueueSize} }

func (c *console) features() uint64 {
	if c.size == nil {
		return 0
	}
	return spec.ConsoleSize
}

func (c *console) config() []byte {
	if c.size == nil {
		return nil
	}
	b := make([]byte, 4)
	columns, rows := c.size()
	binary.LittleEndian.PutUint16(b[spec.ConsoleConfigColumns:], columns)
	binary.LittleEndian.PutUint16(b[spec.ConsoleConfigRows:], rows)
	return b
}

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

// input waits for input and gives it to the guest. At the end of the input the
// buffer comes back empty, which the guest's driver takes for that end.
func (c *console) input(ch *chain) (n int, err error) {
	room := size(ch.write)
	if room == 0 {
		return 0, errors.New("console: a receive buffer without room")
	}
	if len(c.rest) == 0 {
		if !c.asked { // else a driver before a reset was
			c.asked = true
			go c.read(min(room, maxConsoleRead))
		}
		select {
		case c.rest = <-c.typed:
			c.asked = false
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

// read reads up to n bytes of the input. An error is as good as its end.
func (c *console) read(n int) {
	var b []byte
	if c.in != nil {
		b = make([]byte, n)
		n, _ = c.in.Read(b)
		b = b[:n]
	}
	c.typed <- b
}
