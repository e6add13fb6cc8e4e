package virtio

import (
	"runtime"
	"sync/atomic"
	"unsafe"

	"ringo.dev/ringo/drivers/virtio/spec"
	"ringo.dev/ringo/rt"
)

const (
	pageSize = 4096

	// maxQueueSize limits what a queue of ours has. More only costs memory.
	maxQueueSize = 256

	// maxFixedSize limits the queues of devices that do not leave it to the
	// driver.
	maxFixedSize = 1024

	// indirectLen is the number of descriptors in an indirect table. Each
	// descriptor of the ring has such a table of its own, so that a long chain
	// takes one place in the ring. Chains of up to directLen descriptors go
	// without: for the device a table is one more address to translate.
	indirectLen = 32
	directLen   = 2
)

// queue is the driver's side of a split virtqueue (2.7). It is for one
// goroutine at a time.
//
// The device can write the used area at any time, and nothing that it writes
// is believed: which chains it has, how long they are and what room they have
// is kept in chains, out of its reach.
type queue struct {
	t     Transport
	index int
	size  uint16

	// The three areas; see package spec for their layout.
	desc, avail, used unsafe.Pointer
	tables            unsafe.Pointer // indirect tables, one for each descriptor; nil: not in use
	extra             []byte         // for the driver's use
	eventIdx          bool
	indirect          bool // the device takes indirect tables; see hasTables

	chains   []chain  // by first descriptor
	free     []uint16 // free descriptors, a stack: those used last are in the cache
	scratch  []spec.Desc
	added    uint16 // index after the last chain given to the device
	notified uint16 // added when the device was last notified
	seen     uint16 // index after the last used chain taken back
	pending  uint16 // chains that the device has
	err      error  // set when the device broke the protocol: the queue is dead
}

// chain is what the driver knows of a chain that the device has.
type chain struct {
	descs    uint16 // descriptors of the ring that it takes; 0: the device does not have it
	next     uint16 // in the entry of each descriptor of a chain: the one that follows
	writable uint32 // bytes that the device may write
}

// newQueue sets up queue index of the device behind t. With it come extra bytes
// of device memory, page aligned, and each more for every descriptor. The memory is not
// touched before ready: what several queues have is then given to the machine at once.
func newQueue(t Transport, index int, features uint64, extra, each int) (*queue, error) {
	size := t.QueueMax(index)
	if !t.FixedQueues() {
		size = min(size, maxQueueSize)
	}
	if size < 2 || size > maxFixedSize || size&(size-1) != 0 {
		return nil, deviceError("a virtqueue is missing or has a size that is no power of two")
	}
	extra += size * each
	availOff := spec.DescBytes(size)
	usedOff := pageUp(availOff + spec.AvailBytes(size))
	mem := rt.AllocDevice(uintptr(usedOff + spec.UsedBytes(size)))
	q := &queue{
		t: t, index: index, size: uint16(size),
		desc: mem, avail: unsafe.Add(mem, availOff), used: unsafe.Add(mem, usedOff),
		eventIdx: features&spec.FeatureEventIdx != 0,
		indirect: features&spec.FeatureIndirect != 0,
		chains:   make([]chain, size),
		free:     make([]uint16, 0, size),
		scratch:  make([]spec.Desc, 0, size),
	}
	if extra > 0 {
		q.extra = unsafe.Slice((*byte)(rt.AllocDevice(uintptr(extra))), extra)
	}
	for i := size - 1; i >= 0; i-- {
		q.free = append(q.free, uint16(i))
	}
	t.EnableQueue(index, size, rt.DeviceAddr(q.desc), rt.DeviceAddr(q.avail), rt.DeviceAddr(q.used))
	return q, nil
}

func pageUp(n int) int { return (n + pageSize - 1) &^ (pageSize - 1) }

// begin starts a new chain. Buffers are added with append, and the chain is
// given to the device by submit.
func (q *queue) begin() { q.scratch = q.scratch[:0] }

// append adds b to the chain: for the device to read, or (spec.DescWrite) to
// write. b must stay reachable and unmoved until the chain was taken back.
func (q *queue) append(b []byte, flags uint16) {
	for len(b) > 0 {
		p := unsafe.Pointer(unsafe.SliceData(b))
		n := min(len(b), pageSize-int(uintptr(p)&(pageSize-1)))
		addr := rt.DeviceAddr(p)
		b = b[n:]
		if last := len(q.scratch) - 1; last >= 0 {
			if d := &q.scratch[last]; d.Flags == flags && d.Addr+uint64(d.Len) == addr {
				d.Len += uint32(n)
				continue
			}
		}
		q.scratch = append(q.scratch, spec.Desc{Addr: addr, Len: uint32(n), Flags: flags})
	}
}

// room returns the number of descriptors of the ring that the chain needs.
func (q *queue) room() int {
	if n := len(q.scratch); n <= directLen || n > indirectLen || !q.hasTables() {
		return n
	}
	return 1
}

// hasTables reports whether there are indirect tables. They are made when they are first
// asked for, as a card that sends few large packets needs none; where there is no memory
// for them, chains take descriptors of the ring.
func (q *queue) hasTables() bool {
	if q.tables == nil && q.indirect {
		q.tables = rt.AllocDevice(uintptr(int(q.size) * indirectLen * spec.DescSize))
		q.indirect = q.tables != nil
	}
	return q.tables != nil
}

// head returns the descriptor at which the next chain will begin. There must be
// a free one.
func (q *queue) head() uint16 { return q.free[len(q.free)-1] }

// submit gives the chain to the device, which sees it at once but need not look
// before kick. There must be room for it. The chain is known by its head until
// next returns that.
func (q *queue) submit() {
	head := q.head()
	var writable uint32
	for _, d := range q.scratch {
		if d.Flags&spec.DescWrite != 0 {
			writable += d.Len
		}
	}
	n := q.room()
	q.chains[head] = chain{descs: uint16(n), writable: writable}
	if n == len(q.scratch) {
		q.link()
	} else {
		q.linkTable(head)
	}
	*(*uint16)(unsafe.Add(q.avail, spec.AvailElem(int(q.added&(q.size-1))))) = head
	q.added++
	q.pending++
	q.storeAvail()
}

// link writes the chain to free descriptors of the ring and takes them.
func (q *queue) link() {
	prev := uint16(0)
	for i, d := range q.scratch {
		at := q.head()
		q.free = q.free[:len(q.free)-1]
		if i > 0 {
			q.chains[prev].next = at
			q.descAt(prev).Next = at
		}
		if i < len(q.scratch)-1 {
			d.Flags |= spec.DescNext
		}
		*q.descAt(at) = d
		prev = at
	}
}

// linkTable writes the chain to the indirect table of head, and takes head.
func (q *queue) linkTable(head uint16) {
	q.free = q.free[:len(q.free)-1]
	table := unsafe.Add(q.tables, int(head)*indirectLen*spec.DescSize)
	descs := unsafe.Slice((*spec.Desc)(table), indirectLen)
	for i, d := range q.scratch {
		if i < len(q.scratch)-1 {
			d.Flags |= spec.DescNext
			d.Next = uint16(i + 1)
		}
		descs[i] = d
	}
	*q.descAt(head) = spec.Desc{
		Addr:  rt.DeviceAddr(table),
		Len:   uint32(len(q.scratch) * spec.DescSize),
		Flags: spec.DescIndirect,
	}
}

func (q *queue) descAt(i uint16) *spec.Desc {
	return (*spec.Desc)(unsafe.Add(q.desc, int(i)*spec.DescSize))
}

// storeAvail publishes added, as a full barrier.
func (q *queue) storeAvail() {
	spec.Store16(unsafe.Add(q.avail, 2), q.added)
}

// kick notifies the device of what was submitted, if it wants to be.
func (q *queue) kick() {
	wanted := q.wantsKick()
	q.notified = q.added
	if wanted {
		q.t.Notify(q.index)
	}
}

// wantsKick reports whether the device wants to be notified of what was
// submitted since the last kick.
func (q *queue) wantsKick() bool {
	if q.notified == q.added {
		return false
	}
	if q.eventIdx {
		event := spec.Load16(unsafe.Add(q.used, spec.AvailEvent(int(q.size))))
		return spec.NeedEvent(event, q.added, q.notified)
	}
	return atomic.LoadUint32((*uint32)(q.used))&1 == 0
}

// usedIndex returns the device's index of used chains.
func (q *queue) usedIndex() uint16 {
	return uint16(atomic.LoadUint32((*uint32)(q.used)) >> 16)
}

// next takes back a chain that the device has used: its head, and the number of
// bytes written to it. ok is false if there is none, or the device is broken. (It is too
// long to be in the image once for each of its callers, as the profile would have it.)
//
//go:noinline
func (q *queue) next() (head uint16, n uint32, ok bool) {
	ready := q.usedIndex() - q.seen
	if ready == 0 || q.err != nil {
		return 0, 0, false
	}
	if ready > q.pending {
		return q.fail("the device returned more buffers than it had")
	}
	elem := (*[2]uint32)(unsafe.Add(q.used, spec.UsedElem(int(q.seen&(q.size-1)))))
	id, n := atomic.LoadUint32(&elem[0]), atomic.LoadUint32(&elem[1])
	if id >= uint32(q.size) || q.chains[id].descs == 0 {
		return q.fail("the device returned a buffer that it did not have")
	}
	c := &q.chains[id]
	if n > c.writable && c.writable > 0 {
		return q.fail("the device wrote more than a buffer holds")
	}
	head = uint16(id)
	for at := head; c.descs > 0; c.descs-- {
		q.free = append(q.free, at)
		at = q.chains[at].next
	}
	q.seen++
	q.pending--
	return head, n, true
}

// request gives b to the device, as the only chain that it has, and waits until
// it comes back. n is the number of bytes written to it.
func (q *queue) request(b []byte, flags uint16) (n uint32, err error) {
	if q.err != nil {
		return 0, q.err
	}
	q.begin()
	q.append(b, flags)
	q.submit()
	q.kick()
	return q.await()
}

// await waits until the chain comes back that is the only one of the device. n is
// the number of bytes written to it.
func (q *queue) await() (n uint32, err error) {
	for {
		if _, n, ok := q.next(); ok || q.err != nil {
			return n, q.err
		}
		q.wait(q.seen, 1)
	}
}

// fail marks the device as broken, and returns next's zero results.
func (q *queue) fail(reason string) (uint16, uint32, bool) {
	q.err = deviceError(reason)
	return 0, 0, false
}

// idle reports that next has nothing to return, the device's fault included.
func (q *queue) idle() bool { return q.err != nil || q.usedIndex() == q.seen }

// wait sleeps until the device has used n more chains than seen, those that were taken
// back (it may return earlier). Where several want to run they have a chance before, so
// that the device need not notify the driver if it is done by then; one alone is done
// long before. They may use the queue.
func (q *queue) wait(seen, n uint16) {
	if rt.OthersReady() {
		runtime.Gosched()
	}
	if q.usedIndex() != seen {
		return
	}
	event, at := q.avail, uint16(0) // flags: interrupts wanted
	if q.eventIdx {
		event, at = unsafe.Add(q.avail, spec.UsedEvent(int(q.size))), seen+n-1
	}
	waitIndex((*uint16)(unsafe.Add(q.used, 2)), seen, (*uint16)(event), at)
	q.muffle(seen)
}

// muffle tells the device not to notify the driver of used chains, of which it has
// seen so many.
func (q *queue) muffle(seen uint16) {
	if q.eventIdx {
		spec.Store16(unsafe.Add(q.avail, spec.UsedEvent(int(q.size))), seen-1)
	} else {
		spec.Store16(q.avail, 1)
	}
}
