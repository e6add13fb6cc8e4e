package virtio

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"unsafe"

	"ringo.dev/ringo/drivers/virtio/spec"
	"ringo.dev/ringo/vmm/abi"
	"ringo.dev/ringo/vmm/device"
)

// maxChainBytes bounds what one chain may describe: far more than any request
// of our devices, and little enough to be faulted in without harm.
const maxChainBytes = 1 << 20

// errLater is what a server's handle returns for a request that it answers later.
var errLater = errors.New("virtio: answered later")

// errStopped ends a queue's goroutine: the device is being reset, or the VM is
// being closed.
var errStopped = errors.New("virtio: the queue was stopped")

// queue is the device's side of a split virtqueue (2.7). All but poll and stop
// is for one goroutine at a time.
type queue struct {
	host  *device.Host
	index int
	size  uint16

	desc, avail, used area
	table             area // the indirect table that follow is reading
	eventIdx          bool
	indirect          bool

	// Of a queue that serve serves. mu is held while it is drained, by serve or
	// by poll; other queues have one user, and no need of it.
	mu     sync.Mutex
	asked  atomic.Bool // somebody wanted to drain it
	server *server     // nil: not being served
	next   chain       // scratch

	popped uint16 // index after the last chain taken from the driver

	pushing  sync.Mutex // held by answer; other queues have one user here, too
	pushed   uint16     // index after the last chain given back
	signaled uint16     // pushed when the driver was last notified
	stopped  atomic.Bool
	bell     *os.File
}

// area is a piece of guest memory that is accessed by the word: one of a
// queue's areas, or an indirect table. It need not be contiguous in the host.
type area struct {
	pages  []unsafe.Pointer // the host's address of each page
	off    int              // of the area in the first page
	pieces [][]byte         // scratch of locate
}

// locate makes a the n bytes at addr, which must be aligned to align.
func (a *area) locate(m device.Memory, addr uint64, n, align int, write bool) (err error) {
	if addr%uint64(align) != 0 {
		return fmt.Errorf("an area at %#x is not aligned to %d bytes", addr, align)
	}
	if a.pieces, err = m.Slices(a.pieces[:0], addr, uint64(n), write); err != nil {
		return err
	}
	a.off = int(addr % abi.PageSize)
	a.pages = a.pages[:0]
	at := a.off
	for _, p := range a.pieces {
		for len(p) > 0 {
			in := at % abi.PageSize
			page := unsafe.Add(unsafe.Pointer(unsafe.SliceData(p)), -in)
			if uintptr(page)%16 != 0 {
				return fmt.Errorf("the page at %#x is not aligned in the host", addr)
			}
			if len(a.pages) == at/abi.PageSize {
				a.pages = append(a.pages, page)
			} else if a.pages[at/abi.PageSize] != page {
				return fmt.Errorf("the page at %#x is in pieces in the host", addr)
			}
			step := min(len(p), abi.PageSize-in)
			p = p[step:]
			at += step
		}
	}
	if at != a.off+n {
		return fmt.Errorf("an area at %#x has %d bytes instead of %d", addr, at-a.off, n)
	}
	return nil
}

// at returns the address of the byte at offset off.
func (a *area) at(off int) unsafe.Pointer {
	off += a.off
	return unsafe.Add(a.pages[off/abi.PageSize], off%abi.PageSize)
}

func (a *area) load32(off int) uint32     { return atomic.LoadUint32((*uint32)(a.at(off))) }
func (a *area) store32(off int, v uint32) { atomic.StoreUint32((*uint32)(a.at(off)), v) }

// newQueue sets up the queue that the driver described by s.
func newQueue(h *device.Host, index, maxSize int, s setup, features uint64) (*queue, error) {
	n := int(s.size)
	if s.size == 0 || s.size > uint32(maxSize) || n&(n-1) != 0 {
		return nil, fmt.Errorf("queue %d: a size of %d descriptors", index, s.size)
	}
	q := &queue{
		host: h, index: index, size: uint16(n),
		eventIdx: features&spec.FeatureEventIdx != 0,
		indirect: features&spec.FeatureIndirect != 0,
		bell:     h.Doorbells[index],
	}
	for _, x := range []struct {
		a        *area
		addr     uint64
		n, align int
		write    bool
	}{
		{&q.desc, s.desc, spec.DescBytes(n), 16, false},
		{&q.avail, s.avail, spec.AvailBytes(n), 2, false},
		{&q.used, s.used, spec.UsedBytes(n), 4, true},
	} {
		if err := x.a.locate(h.Memory, x.addr, x.n, x.align, x.write); err != nil {
			return nil, fmt.Errorf("queue %d: %w", index, err)
		}
	}
	return q, nil
}

// chain is a request of the driver: guest memory, which the driver may change
// at any time.
type chain struct {
	head  uint16
	read  [][]byte // what the device may read
	write [][]byte // what it may write
}

// size returns the total length of pieces.
func size(pieces [][]byte) int {
	n := 0
	for _, p := range pieces {
		n += len(p)
	}
	return n
}

// available returns the number of chains that the driver has made available and
// that were not taken.
func (q *queue) available() (uint16, error) {
	n := spec.Load16(q.avail.at(2)) - q.popped
	if n > q.size {
		return 0, fmt.Errorf("queue %d: %d chains available in a ring of %d", q.index, n, q.size)
	}
	return n, nil
}

// pop takes the next chain. It reuses the memory of c; ok is false if there is
// no chain.
func (q *queue) pop(c *chain) (ok bool, err error) {
	n, err := q.available()
	if n == 0 || err != nil {
		return false, err
	}
	c.head = *(*uint16)(q.avail.at(spec.AvailElem(int(q.popped & (q.size - 1)))))
	c.read, c.write = c.read[:0], c.write[:0]
	if err := q.follow(c); err != nil {
		return false, fmt.Errorf("queue %d: %w", q.index, err)
	}
	q.popped++
	return true, nil
}

// follow collects the buffers of the chain that begins at c.head.
func (q *queue) follow(c *chain) error {
	table, n, at := &q.desc, q.size, c.head
	total := uint64(0)
	for steps := uint16(0); ; steps++ {
		if at >= n {
			return fmt.Errorf("descriptor %d of a table of %d", at, n)
		}
		if steps == n {
			return errors.New("a chain with a loop")
		}
		d := loadDesc(table, at)
		if d.Flags&spec.DescIndirect != 0 {
			if !q.indirect || table == &q.table || d.Flags&spec.DescNext != 0 {
				return errors.New("an indirect table where none may be")
			}
			entries := d.Len / spec.DescSize
			if d.Len%spec.DescSize != 0 || entries == 0 || entries > uint32(q.size) {
				return fmt.Errorf("an indirect table of %d bytes", d.Len)
			}
			if err := q.table.locate(q.host.Memory, d.Addr, int(d.Len), 16, false); err != nil {
				return err
			}
			table, n, at, steps = &q.table, uint16(entries), 0, ^uint16(0)
			continue
		}
		if total += uint64(d.Len); total > maxChainBytes {
			return fmt.Errorf("a chain of more than %d bytes", maxChainBytes)
		}
		if err := q.collect(c, d); err != nil {
			return err
		}
		if d.Flags&spec.DescNext == 0 {
			return nil
		}
		at = d.Next
	}
}

// collect adds the buffer of one descriptor to c.
func (q *queue) collect(c *chain, d spec.Desc) (err error) {
	write := d.Flags&spec.DescWrite != 0
	switch {
	case d.Len == 0:
	case write:
		c.write, err = q.host.Memory.Slices(c.write, d.Addr, uint64(d.Len), true)
	case len(c.write) > 0:
		err = errors.New("a readable buffer after a writable one")
	default:
		c.read, err = q.host.Memory.Slices(c.read, d.Addr, uint64(d.Len), false)
	}
	return err
}

// loadDesc reads entry i of a table, each word once.
func loadDesc(table *area, i uint16) spec.Desc {
	p := table.at(int(i) * spec.DescSize)
	w := atomic.LoadUint64((*uint64)(unsafe.Add(p, 8)))
	return spec.Desc{
		Addr:  atomic.LoadUint64((*uint64)(p)),
		Len:   uint32(w),
		Flags: uint16(w >> 32),
		Next:  uint16(w >> 48),
	}
}

// push gives a chain back, with n bytes written to it. The driver sees it after
// publish.
func (q *queue) push(head uint16, n int) {
	off := spec.UsedElem(int(q.pushed & (q.size - 1)))
	q.used.store32(off, uint32(head))
	q.used.store32(off+4, uint32(n))
	q.pushed++
}

// publish shows the driver what was pushed, and notifies it if it wants that.
func (q *queue) publish() {
	old := q.signaled
	if q.pushed == old {
		return
	}
	q.signaled = q.pushed
	q.used.store32(0, q.used.load32(0)&0xffff|uint32(q.pushed)<<16)
	if q.eventIdx {
		event := spec.Load16(q.avail.at(spec.UsedEvent(int(q.size))))
		if !spec.NeedEvent(event, q.pushed, old) {
			return
		}
	} else if spec.Load16(q.avail.at(0))&1 != 0 {
		return
	}
	q.host.Interrupt()
}

// server answers the requests of a queue.
type server struct {
	// handle answers a request and returns the number of bytes written; or it
	// takes the chain's pieces over and returns errLater, and calls the queue's
	// answer when it is done.
	handle func(*chain) (int, error)
	// idle is called when no more requests are there at the moment; nil: not
	// needed.
	idle func()
	// blocks says that handle waits for others, so that only a goroutine of the
	// queue's own may call it.
	blocks bool
}

// serve lets s answer requests until the queue is stopped or the guest breaks
// the protocol.
func (q *queue) serve(s *server) {
	q.mu.Lock()
	q.server = s
	for {
		q.asked.Store(false)
		err := q.drain()
		if err == nil {
			q.mu.Unlock()
			if !q.asked.Load() {
				err = q.doorbell()
			}
			q.mu.Lock()
		}
		if err != nil {
			q.server = nil
			q.mu.Unlock()
			q.giveUp(err)
			return
		}
	}
}

// poll does what serve would do at a doorbell, unless it might take long. If
// somebody is draining the queue, that one does it once more, as the guest will
// not ring for what it has just made available.
func (q *queue) poll() {
	q.asked.Store(true)
	for q.asked.Load() && q.mu.TryLock() {
		q.asked.Store(false)
		var err error
		if q.server != nil && !q.server.blocks {
			err = q.drain()
		}
		q.mu.Unlock()
		if err != nil {
			q.giveUp(err)
		}
	}
}

// answer gives back a chain of a queue that serve serves, with n bytes written
// to it.
func (q *queue) answer(head uint16, n int) {
	q.pushing.Lock()
	defer q.pushing.Unlock()
	q.push(head, n)
	q.publish()
}

// drain answers all requests there are, and asks for a doorbell at the next one.
func (q *queue) drain() error {
	served := false
	for {
		ok, err := q.pop(&q.next)
		if err != nil {
			return err
		}
		if ok {
			q.listen(false)
			served = true
			n, err := q.server.handle(&q.next)
			if err == errLater {
				continue
			}
			if err != nil {
				return err
			}
			q.answer(q.next.head, n)
			continue
		}
		if served && q.server.idle != nil {
			q.server.idle()
		}
		served = false
		q.listen(true)
		if n, err := q.available(); n == 0 || err != nil {
			return err
		}
	}
}

// wait sleeps until the driver has made a chain available. It fails when the
// queue is stopped.
func (q *queue) wait() error {
	for {
		q.listen(true)
		n, err := q.available()
		if n == 0 && err == nil {
			err = q.doorbell()
		}
		if err != nil {
			return err
		}
		if n > 0 {
			q.listen(false)
			return nil
		}
	}
}

// listen asks the driver to ring the doorbell for the next chain, or not to.
// It is a full barrier.
func (q *queue) listen(on bool) {
	if q.eventIdx {
		if on {
			spec.Store16(q.used.at(spec.AvailEvent(int(q.size))), q.popped)
		}
		return // an event index that was passed is not passed again soon
	}
	flag := uint32(1)
	if on {
		flag = 0
	}
	q.used.store32(0, q.used.load32(0)&^0xffff|flag)
}

// doorbell waits for the doorbell.
func (q *queue) doorbell() error {
	var b [8]byte
	if q.stopped.Load() {
		return errStopped
	}
	if _, err := q.bell.Read(b[:]); err != nil {
		// The VM is being closed.
		return errStopped
	}
	if q.stopped.Load() {
		return errStopped
	}
	return nil
}

// stop makes a goroutine that waits for the queue, or will, get errStopped.
func (q *queue) stop() {
	q.stopped.Store(true)
	// Fails if the doorbell is closed, and then nobody waits.
	q.bell.Write([]byte{1, 0, 0, 0, 0, 0, 0, 0})
}

// giveUp reports err, because of which the queue is not served any more, unless
// it is that the queue was stopped.
func (q *queue) giveUp(err error) {
	if err != errStopped {
		q.host.Fail(err)
	}
}
