package virtio

import (
	"runtime"
	"sync"
	"time"

	"ringo.dev/ringo/drivers/virtio/spec"
	"ringo.dev/ringo/rt"
)

// blockQueue is a queue of a disk, with the requests that are in it.
//
// A request is made by the goroutine that wants it, which also waits for the
// device: of those that have requests outstanding one sleeps until the device
// has news (it reaps), and the others until that one tells them.
//
// A doorbell costs as much as a small request, and a machine that goes to sleep
// has the device look at the ring anyway. So it is put off until the goroutines
// that are ready to run have run, and may have made requests too; but if that
// takes them longer than patience, it is rung. With a single CPU there is nobody
// left then to whom waiting would be of use, and the machine is asked to serve the
// device at once. It is asked before the others run, too, for some requests after
// they took longer than most requests do (longTurn): the CPU is crowded. Where no machine
// can be asked, the doorbell is rung then, and the ring looked at for as long as quick
// disks take (glance): to let others run would be to wait for a turn of theirs.
type blockQueue struct {
	alone bool // the machine has one CPU
	only  bool // the disk has no other queue: NotifySoon, which knows one of a device, is this one's

	mu       sync.Mutex // guards what follows, but for what reap's goroutine waits for
	q        *queue
	requests []blockRequest // by head of the chain
	reaping  bool           // a goroutine waits for the device
	asleep   []*blockOp     // others that wait
	crowded  int            // requests that will not wait for other goroutines
}

// blockRequest is a request of the device.
type blockRequest struct {
	kind uint32
	off  int64 // of the n bytes of the disk that it is about
	n    int64
	data []byte   // memory that the device uses, reachable as long as it does
	op   *blockOp // set by request
}

// blockOp is a call of one of Block's methods: a few requests.
type blockOp struct {
	queue   *blockQueue
	pending int           // requests that the device has
	err     error         // of one of them
	room    bool          // it waits for free descriptors, too
	wake    chan struct{} // holds one
}

// Each descriptor of the queue has memory for the header and the status of the
// request that begins with it.
const (
	blockStatus = spec.BlockRequestLen
	blockSlot   = 32
)

const (
	// patience is how long other goroutines may run before the doorbell for
	// their requests is rung.
	patience = 20 * time.Microsecond

	// longTurn is how long they may run before the next crowdedRequests requests
	// do not wait for them.
	longTurn        = 2 * time.Millisecond
	crowdedRequests = 16
	glance          = time.Millisecond
)

// newBlockQueue sets up a queue of the disk behind t: index, of n.
func newBlockQueue(t Transport, index, n int, features uint64) (*blockQueue, error) {
	q, err := newQueue(t, index, features, 0, blockSlot)
	if err != nil {
		return nil, err
	}
	return &blockQueue{alone: rt.CPUs() == 1, only: n == 1, q: q, requests: make([]blockRequest, q.size)}, nil
}

// request gives the device a request, or notes why not in its operation.
func (op *blockOp) request(r blockRequest) {
	b, q := op.queue, op.queue.q
	r.op = op
	for {
		if q.err != nil {
			op.fail(&r, q.err)
			return
		}
		if len(q.free) > 0 {
			slot := b.slot(q.head())
			flags := uint16(0)
			if r.kind == spec.BlockTypeRead {
				flags = spec.DescWrite
			}
			q.begin()
			q.append(slot[:spec.BlockRequestLen], 0)
			q.append(r.data, flags)
			q.append(slot[blockStatus:blockStatus+1], spec.DescWrite)
			if q.room() <= len(q.free) {
				break
			}
		}
		op.room = true
		b.reap(op)
		op.room = false
	}
	head := q.head()
	slot := b.slot(head)
	header := spec.BlockRequest{Type: r.kind}
	if r.kind == spec.BlockTypeRead || r.kind == spec.BlockTypeWrite {
		header.Sector = uint64(r.off) / spec.BlockSector
	}
	header.Encode(slot)
	slot[blockStatus] = noStatus
	b.requests[head] = r
	op.pending++
	q.submit()
}

// noStatus is none that a device writes.
const noStatus = 0xff

// slot returns the memory of descriptor i.
func (b *blockQueue) slot(i uint16) []byte { return b.q.extra[int(i)*blockSlot:][:blockSlot] }

// end waits for the operation's requests, unlocks the queue and returns the error.
func (op *blockOp) end() error {
	b := op.queue
	for op.pending > 0 && b.q.err == nil {
		b.reap(op)
	}
	if op.pending > 0 {
		op.err = b.q.err
	}
	// Somebody has to go on waiting for the device.
	if !b.reaping && len(b.asleep) > 0 {
		b.rouse(0)
	}
	b.mu.Unlock()
	return op.err
}

// reap waits until the device has news, or another goroutine that did so says
// that op can go on. b.mu is held before and after.
func (b *blockQueue) reap(op *blockOp) {
	b.ring()
	if b.collect() || b.q.pending == 0 || op.pending == 0 && !op.room {
		return
	}
	if b.reaping {
		b.asleep = append(b.asleep, op)
		b.mu.Unlock()
		<-op.wake
		b.mu.Lock()
		return
	}
	b.reaping = true
	seen := b.q.seen
	b.mu.Unlock()
	b.q.wait(seen, 1)
	b.mu.Lock()
	b.reaping = false
	b.collect()
}

// ring makes new requests known to the device: after others had their turn, who
// may make some, too, or if that is how the CPU is used best, at once. b.mu is held
// before and after, but not meanwhile.
func (b *blockQueue) ring() {
	q := b.q
	wanted, crowded := q.wantsKick(), b.crowded > 0
	if q.notified = q.added; !wanted {
		return
	}
	if crowded {
		b.crowded--
	}
	seen := q.seen
	b.mu.Unlock()
	took := b.notify(seen, crowded)
	b.mu.Lock()
	if took > longTurn {
		b.crowded = crowdedRequests
	}
}

// notify tells the device that there are requests, and returns for how long others
// ran meanwhile. seen is the queue's.
func (b *blockQueue) notify(seen uint16, crowded bool) (took time.Duration) {
	t, index := b.q.t, b.q.index
	soon := b.only && !crowded
	switch {
	case soon:
		t.NotifySoon(index)
	case crowded && rt.ServeDevices():
		return 0
	case crowded:
		if t.Notify(index); b.answered(seen) {
			return 0
		}
	default:
		t.Notify(index)
	}
	start := time.Now()
	runtime.Gosched()
	took = time.Since(start)
	switch {
	case !soon || b.q.usedIndex() != seen: // the device knows
	case b.alone && rt.ServeDevices():
	case took > patience:
		t.Notify(index)
	}
	return took
}

// answered waits for a glance, and reports whether the device has answered.
func (b *blockQueue) answered(seen uint16) bool {
	for start := time.Now(); time.Since(start) < glance; rt.Pause() {
		if b.q.usedIndex() != seen {
			return true
		}
	}
	return false
}

// collect takes the answers of the device, and wakes who waits for them. It
// reports whether there were any.
func (b *blockQueue) collect() bool {
	any := false
	for {
		head, _, ok := b.q.next()
		if !ok {
			break
		}
		any = true
		r := &b.requests[head]
		r.op.pending--
		if status := b.slot(head)[blockStatus]; status != spec.BlockOK {
			r.op.fail(r, statusError(status))
		}
		*r = blockRequest{}
	}
	any = any || b.q.err != nil
	for i := 0; any && i < len(b.asleep); {
		if o := b.asleep[i]; o.pending == 0 || o.room || b.q.err != nil {
			b.rouse(i)
		} else {
			i++
		}
	}
	return any
}

// fail notes that one of the operation's requests failed.
func (op *blockOp) fail(r *blockRequest, err error) {
	op.err = &BlockError{r.kind, r.off, r.n, err}
}

// rouse wakes the operation that is asleep at i.
func (b *blockQueue) rouse(i int) {
	op := b.asleep[i]
	b.asleep = append(b.asleep[:i], b.asleep[i+1:]...)
	op.wake <- struct{}{}
}
