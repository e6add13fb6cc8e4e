package virtio

import (
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"time"

	"ringo.dev/ringo/drivers/virtio/spec"
)

const (
	fsQueueSize = 128
	// fsQueues is the number of requests that are handled at the same time.
	fsQueues = 4
)

// fsDevice is the file system device (5.11).
//
// A request is carried out where it is found, which may be the thread of a vCPU
// that has nothing else to do, as long as those of its kind have been quick
// lately; otherwise by a goroutine of its own.
type fsDevice struct {
	tag    string
	handle func(in, out [][]byte) int
	reset  func()
	worker sync.WaitGroup
	pace   [fsKinds]pace
}

// fsKinds is the number of kinds of requests, by the opcode of FUSE. Opcodes
// beyond count as the last one.
const fsKinds = 64

// NewFS returns a file system device with a tag. Its requests are answered by
// handle (see share.Dir.Handle); reset is called when a driver starts it.
func NewFS(tag string, handle func(in, out [][]byte) (n int), reset func()) (*Device, error) {
	if len(tag) == 0 || len(tag) > spec.FSTagLen {
		return nil, fmt.Errorf("a file system's tag has 1 to %d bytes, not %q", spec.FSTagLen, tag)
	}
	return newDevice(&fsDevice{tag: tag, handle: handle, reset: reset}), nil
}

func (d *fsDevice) id() uint32       { return spec.DeviceFS }
func (d *fsDevice) features() uint64 { return 0 }

func (d *fsDevice) queueSizes() []int {
	sizes := make([]int, spec.FSQueueRequests+fsQueues)
	for i := range sizes {
		sizes[i] = fsQueueSize
	}
	return sizes
}

func (d *fsDevice) config() []byte {
	b := make([]byte, spec.FSTagLen, spec.FSTagLen+4)
	copy(b, d.tag)
	return binary.LittleEndian.AppendUint32(b, fsQueues)
}

func (d *fsDevice) start(_ uint64, queues []*queue) error {
	d.reset()
	for _, q := range queues {
		d.worker.Go(func() {
			q.serve(&server{handle: func(c *chain) (int, error) { return d.take(q, c) }})
		})
	}
	return nil
}

func (d *fsDevice) stop() { d.worker.Wait() }

// take answers a request, now or later.
func (d *fsDevice) take(q *queue, c *chain) (int, error) {
	pace := &d.pace[kindOf(c)]
	if pace.quick() {
		return d.answer(c, pace)
	}
	later := *c
	*c = chain{} // its pieces are the request's now
	d.worker.Go(func() {
		n, err := d.answer(&later, pace)
		if err != nil {
			q.giveUp(err)
			return
		}
		q.answer(later.head, n)
	})
	return 0, errLater
}

// answer answers a request, and notes how long that takes.
func (d *fsDevice) answer(c *chain, pace *pace) (int, error) {
	start := time.Now()
	n := d.handle(c.read, c.write)
	pace.add(time.Since(start))
	if n == 0 && len(c.write) > 0 {
		return 0, errors.New("file system: a request that cannot be answered")
	}
	return n, nil
}

// kindOf returns the opcode of a request: its second word.
func kindOf(c *chain) int {
	var b [8]byte
	n := 0
	for _, p := range c.read {
		n += copy(b[n:], p)
	}
	return int(min(binary.LittleEndian.Uint32(b[4:]), fsKinds-1))
}
