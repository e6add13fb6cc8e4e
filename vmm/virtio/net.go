package virtio

import (
	"errors"
	"fmt"
	"sync"

	"ringo.dev/ringo/drivers/virtio/spec"
	"ringo.dev/ringo/vmm/net"
)

// netQueueSize is the largest number of descriptors of a network queue.
const netQueueSize = 256

// netCard is the network device (5.1).
type netCard struct {
	backend net.Backend
	mac     [6]byte
	workers sync.WaitGroup
}

// NewNet returns a network card with address mac, connected to b. The caller
// closes b after the device was stopped.
func NewNet(b net.Backend, mac [6]byte) *Device {
	return newDevice(&netCard{backend: b, mac: mac})
}

func (n *netCard) id() uint32        { return spec.DeviceNet }
func (n *netCard) queueSizes() []int { return []int{netQueueSize, netQueueSize} }

func (n *netCard) features() uint64 {
	return n.backend.Features() | spec.NetMAC | spec.NetMTU | spec.NetMrgRxBuf
}

func (n *netCard) config() []byte {
	c := make([]byte, spec.NetConfigLen)
	copy(c[spec.NetConfigMAC:], n.mac[:])
	mtu := n.backend.MTU()
	c[spec.NetConfigMTU], c[spec.NetConfigMTU+1] = byte(mtu), byte(mtu>>8)
	return c
}

func (n *netCard) start(features uint64, queues []*queue) error {
	rx := &receiver{q: queues[spec.NetQueueRX], mergeable: features&spec.NetMrgRxBuf != 0}
	if err := n.backend.Attach(rx, features); err != nil {
		return err
	}
	n.workers.Go(func() { queues[spec.NetQueueTX].serve(&server{handle: n.send, idle: n.backend.Flush}) })
	return nil
}

func (n *netCard) stop() {
	n.workers.Wait()
	n.backend.Detach()
}

func (n *netCard) poll() int {
	if p, ok := n.backend.(net.Poller); ok {
		return p.Poll()
	}
	return -1
}

func (n *netCard) endPoll() { n.backend.(net.Poller).EndPoll() }

// send hands a frame of the guest to the backend.
func (n *netCard) send(c *chain) (int, error) {
	if len(c.write) > 0 || size(c.read) < spec.NetHeaderLen {
		return 0, errors.New("network card: a frame without header, or to be written")
	}
	return 0, n.backend.Send(c.read)
}

// receiver is the card's receiving side. It holds the buffers that the guest
// has made available, as many as Reserve needed so far, in order. It implements
// net.Card.
type receiver struct {
	q         *queue
	mergeable bool
	broken    bool // the guest broke the protocol
	bufs      []rxBuffer
	pieces    [][]byte // of all bufs
	room      int      // their size
	next      chain    // scratch
}

// rxBuffer is a buffer of the guest.
type rxBuffer struct {
	head   uint16
	pieces int // number of elements in receiver.pieces
	size   int
}

// Reserve implements net.Card.
func (r *receiver) Reserve(n int) [][]byte {
	for r.room < n {
		if r.broken || !r.take(n) {
			return nil
		}
	}
	return r.pieces
}

// take adds a buffer of the guest to those held, to make room for n bytes.
func (r *receiver) take(n int) bool {
	ok, err := r.q.pop(&r.next)
	if !ok && err == nil {
		if len(r.bufs) == int(r.q.size) {
			err = fmt.Errorf("queue %d: all receive buffers together do not hold a frame of %d bytes", r.q.index, n)
		}
	} else if ok {
		b := rxBuffer{head: r.next.head, pieces: len(r.next.write), size: size(r.next.write)}
		if len(r.next.read) > 0 || b.size < spec.NetHeaderLen || !r.mergeable && b.size < n {
			err = fmt.Errorf("queue %d: a receive buffer that cannot take a frame", r.q.index)
		} else {
			r.bufs = append(r.bufs, b)
			r.pieces = append(r.pieces, r.next.write...)
			r.room += b.size
		}
	}
	if err != nil {
		r.fail(err)
		return false
	}
	return ok
}

func (r *receiver) fail(err error) {
	r.broken = true
	r.q.host.Fail(fmt.Errorf("network card: %w", err))
}

// Commit implements net.Card.
func (r *receiver) Commit(n int) {
	used, pieces, left := 0, 0, n
	for left > 0 {
		b := r.bufs[used]
		r.q.push(b.head, min(b.size, left))
		left -= min(b.size, left)
		r.room -= b.size
		pieces += b.pieces
		used++
	}
	putAt(r.pieces, spec.NetHeaderLen-2, byte(used))
	putAt(r.pieces, spec.NetHeaderLen-1, byte(used>>8))
	r.bufs = r.bufs[:copy(r.bufs, r.bufs[used:])]
	r.pieces = r.pieces[:copy(r.pieces, r.pieces[pieces:])]
}

// putAt sets the byte at offset off of the concatenation of pieces.
func putAt(pieces [][]byte, off int, v byte) {
	for _, p := range pieces {
		if off < len(p) {
			p[off] = v
			return
		}
		off -= len(p)
	}
}

// Flush implements net.Card.
func (r *receiver) Flush() { r.q.publish() }

// Wait implements net.Card.
func (r *receiver) Wait() bool {
	if r.broken {
		return false
	}
	if err := r.q.wait(); err != nil {
		r.broken = true
		r.q.giveUp(err)
	}
	return !r.broken
}
