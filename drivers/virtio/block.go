package virtio

import (
	"runtime"
	"strconv"
	"sync"
	"time"

	"ringo.dev/ringo/drivers/virtio/spec"
	"ringo.dev/ringo/kernel/block"
)

// Block is a virtio disk. It implements block.Device.
//
// A request is made by the goroutine that wants it, which also waits for the
// device: of those that have requests outstanding one sleeps until the device
// has news (it reaps), and the others until that one tells them.
//
// A doorbell costs as much as a small request, and a machine that goes to sleep
// has the device look at the ring anyway. So it is put off until the goroutines
// that are ready to run have run, and may have made requests too; but if that
// takes them longer than patience, it is rung.
type Block struct {
	size     int64
	sector   int
	features uint64
	chunk    int  // the most bytes of a request's data
	ordered  bool // a flush covers writes that are under way

	// Of requests without data on the disk: limits in bytes; 0: not possible.
	maxDiscard, maxZero int64

	mu      sync.Mutex // guards what follows, but for what reap's goroutine waits for
	q       *queue
	owners  []*blockOp // by head of the chain
	reaping bool       // a goroutine waits for the device
	asleep  []*blockOp // others that wait
}

var _ block.Committer = (*Block)(nil)

// blockOp is a call of one of Block's methods: a few requests. While the device
// has one of them, it is reachable through owners, and with it the memory.
type blockOp struct {
	data    []byte        // memory that the device uses
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

	// maxBlockSize is the size of the largest disk that is believed in: offsets
	// in bytes are 63 bits wide.
	maxBlockSize = 1 << 62

	blockWanted = spec.FeatureVersion1 | spec.FeatureEventIdx | spec.FeatureIndirect |
		spec.BlockSegMax | spec.BlockReadOnly | spec.BlockSize | spec.BlockFlush |
		spec.BlockDiscard | spec.BlockWriteZeroes
)

// OpenBlock starts the disk behind t.
func OpenBlock(t Transport) (*Block, error) {
	if t.DeviceID() != spec.DeviceBlock {
		return nil, deviceError("not a disk")
	}
	required := uint64(spec.FeatureVersion1)
	if isLegacy(t) {
		required = 0
	}
	f, err := negotiate(t, blockWanted, required)
	if err != nil {
		return nil, err
	}
	b := &Block{features: f, sector: spec.BlockSector}
	if err := b.configure(t); err != nil {
		return nil, err
	}
	if b.q, err = newQueue(t, 0, f, 0, blockSlot); err != nil {
		return nil, err
	}
	if err := b.limitChunk(t); err != nil {
		return nil, err
	}
	if v, ok := t.(vendored); ok {
		b.ordered = v.vendor() == spec.MMIOVendorRingo
	}
	b.owners = make([]*blockOp, b.q.size)
	ready(t)
	return b, nil
}

// configure reads the device's configuration.
func (b *Block) configure(t Transport) error {
	if b.features&spec.BlockSize != 0 {
		b.sector = int(t.Config(spec.BlockConfigBlockSize, 4))
		if b.sector < spec.BlockSector || b.sector > pageSize || b.sector&(b.sector-1) != 0 {
			return deviceError("the disk has blocks of an impossible size")
		}
	}
	low, high := t.Config(spec.BlockConfigCapacity, 4), t.Config(spec.BlockConfigCapacity+4, 4)
	sectors := uint64(high)<<32 | uint64(low)
	if sectors > maxBlockSize/spec.BlockSector {
		return deviceError("the disk has an impossible size")
	}
	b.size = int64(sectors) * spec.BlockSector
	b.size -= b.size % int64(b.sector)
	if b.features&spec.BlockDiscard != 0 {
		b.maxDiscard = int64(t.Config(spec.BlockConfigMaxDiscard, 4)) * spec.BlockSector
	}
	if b.features&spec.BlockWriteZeroes != 0 {
		b.maxZero = int64(t.Config(spec.BlockConfigMaxZeroes, 4)) * spec.BlockSector
	}
	b.maxDiscard -= b.maxDiscard % int64(b.sector)
	b.maxZero -= b.maxZero % int64(b.sector)
	return nil
}

// limitChunk finds out how much data fits a request: memory of n pages may lie
// in n+1 pieces, and header and status are two more.
func (b *Block) limitChunk(t Transport) error {
	segments := int(b.q.size) - 2
	if b.q.tables != nil {
		segments = indirectLen - 2
	}
	if b.features&spec.BlockSegMax != 0 {
		segments = min(segments, int(t.Config(spec.BlockConfigSegMax, 4)&0xffff))
	}
	if segments < 2 {
		return deviceError("the disk takes too few pieces of data at once")
	}
	b.chunk = (segments - 1) * pageSize
	return nil
}

// Size implements block.Device.
func (b *Block) Size() int64 { return b.size }

// SectorSize implements block.Device.
func (b *Block) SectorSize() int { return b.sector }

// ReadOnly implements block.Device.
func (b *Block) ReadOnly() bool { return b.features&spec.BlockReadOnly != 0 }

// ReadAt implements block.Device.
func (b *Block) ReadAt(p []byte, off int64) error {
	return b.transfer(spec.BlockTypeRead, p, off)
}

// WriteAt implements block.Device.
func (b *Block) WriteAt(p []byte, off int64) error {
	return b.transfer(spec.BlockTypeWrite, p, off)
}

// Flush implements block.Device. A device without a cache has nothing to flush.
func (b *Block) Flush() error {
	if b.features&spec.BlockFlush == 0 {
		return nil
	}
	op := b.begin(nil)
	b.request(op, spec.BlockTypeFlush, 0, nil)
	return b.end(op, spec.BlockTypeFlush, 0, 0)
}

// Discard implements block.Device.
func (b *Block) Discard(off, n int64) error {
	if b.maxDiscard == 0 {
		return nil
	}
	return b.ranges(spec.BlockTypeDiscard, off, n, b.maxDiscard)
}

// Commit implements block.Committer. Both are made known to the device at the
// same time, if it is known to do them in order.
func (b *Block) Commit(p []byte, off int64) error {
	if !b.ordered || b.features&spec.BlockFlush == 0 {
		if err := b.WriteAt(p, off); err != nil {
			return err
		}
		return b.Flush()
	}
	if err := b.check(spec.BlockTypeWrite, off, int64(len(p))); err != nil {
		return err
	}
	op := b.begin(p)
	b.requests(op, spec.BlockTypeWrite, p, off)
	if op.err == nil {
		b.request(op, spec.BlockTypeFlush, 0, nil)
	}
	return b.end(op, spec.BlockTypeWrite, off, int64(len(p)))
}

// transfer reads or writes p.
func (b *Block) transfer(kind uint32, p []byte, off int64) error {
	if err := b.check(kind, off, int64(len(p))); err != nil {
		return err
	}
	op := b.begin(p)
	b.requests(op, kind, p, off)
	return b.end(op, kind, off, int64(len(p)))
}

// requests makes as many requests as it takes to transfer p.
func (b *Block) requests(op *blockOp, kind uint32, p []byte, off int64) {
	for len(p) > 0 && op.err == nil {
		n := min(len(p), b.chunk)
		b.request(op, kind, off, p[:n])
		off, p = off+int64(n), p[n:]
	}
}

// ranges makes requests about the n bytes at off, each of at most limit bytes.
func (b *Block) ranges(kind uint32, off, n, limit int64) error {
	if err := b.check(kind, off, n); err != nil {
		return err
	}
	data := make([]byte, (n+limit-1)/limit*spec.BlockRangeLen)
	op := b.begin(data)
	for at, rest := off, n; rest > 0 && op.err == nil; {
		step := min(rest, limit)
		r := spec.BlockRange{Sector: uint64(at) / spec.BlockSector, Sectors: uint32(step / spec.BlockSector)}
		r.Encode(data)
		b.request(op, kind, 0, data[:spec.BlockRangeLen])
		at, rest, data = at+step, rest-step, data[spec.BlockRangeLen:]
	}
	return b.end(op, kind, off, n)
}

// check refuses what is not on the disk, or not in whole sectors.
func (b *Block) check(kind uint32, off, n int64) error {
	switch {
	case off < 0 || n < 0 || n > b.size || off > b.size-n:
		return &BlockError{kind, off, n, errBeyond}
	case (off|n)&int64(b.sector-1) != 0:
		return &BlockError{kind, off, n, errUnaligned}
	case kind != spec.BlockTypeRead && b.ReadOnly():
		return &BlockError{kind, off, n, errReadOnly}
	}
	return nil
}

// begin starts an operation, with memory that is the device's until end returns.
// Its requests are made by request, and end waits until all were answered.
func (b *Block) begin(data []byte) *blockOp {
	b.mu.Lock()
	return &blockOp{data: data, wake: make(chan struct{}, 1)}
}

// request gives the device a request of the operation; data is of its memory.
func (b *Block) request(op *blockOp, kind uint32, off int64, data []byte) {
	q := b.q
	for {
		if q.err != nil {
			op.err = q.err
			return
		}
		if len(q.free) > 0 {
			slot := b.slot(q.head())
			flags := uint16(0)
			if kind == spec.BlockTypeRead {
				flags = spec.DescWrite
			}
			q.begin()
			q.append(slot[:spec.BlockRequestLen], 0)
			q.append(data, flags)
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
	r := spec.BlockRequest{Type: kind, Sector: uint64(off) / spec.BlockSector}
	r.Encode(slot)
	slot[blockStatus] = noStatus
	b.owners[head] = op
	op.pending++
	q.submit()
}

// noStatus is none that a device writes.
const noStatus = 0xff

// slot returns the memory of descriptor i.
func (b *Block) slot(i uint16) []byte { return b.q.extra[int(i)*blockSlot:][:blockSlot] }

// end waits for the operation's requests and returns its error. The arguments
// after op describe it.
func (b *Block) end(op *blockOp, kind uint32, off, n int64) error {
	for op.pending > 0 && b.q.err == nil {
		b.reap(op)
	}
	if b.q.err != nil {
		op.err = b.q.err
	}
	// Somebody has to go on waiting for the device.
	if !b.reaping && len(b.asleep) > 0 {
		b.rouse(0)
	}
	b.mu.Unlock()
	if op.err != nil {
		return &BlockError{kind, off, n, op.err}
	}
	return nil
}

// reap waits until the device has news, or another goroutine that did so says
// that op can go on. b.mu is held before and after.
func (b *Block) reap(op *blockOp) {
	if b.reaping {
		b.asleep = append(b.asleep, op)
		if late := b.ring(); late && len(op.wake) == 0 {
			b.q.t.Notify(b.q.index)
		}
		<-op.wake
		b.mu.Lock()
		return
	}
	if b.collect() {
		return
	}
	b.reaping = true
	if late := b.ring(); late && b.q.idle() {
		b.q.t.Notify(b.q.index)
	}
	b.q.wait(1)
	b.mu.Lock()
	b.reaping = false
	b.collect()
}

// ring tells the device of new requests, soon, and reports whether that has
// become late. It unlocks b.mu.
func (b *Block) ring() (late bool) {
	wanted := b.q.wantsKick()
	b.q.notified = b.q.added
	b.mu.Unlock()
	if !wanted {
		return false
	}
	b.q.t.NotifySoon(b.q.index)
	start := time.Now()
	runtime.Gosched()
	return time.Since(start) > patience
}

// collect takes the answers of the device, and wakes who waits for them. It
// reports whether there were any.
func (b *Block) collect() bool {
	any := false
	for {
		head, _, ok := b.q.next()
		if !ok {
			break
		}
		any = true
		op := b.owners[head]
		b.owners[head] = nil
		op.pending--
		if status := b.slot(head)[blockStatus]; status != spec.BlockOK {
			op.err = statusError(status)
		}
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

// rouse wakes the operation that is asleep at i.
func (b *Block) rouse(i int) {
	op := b.asleep[i]
	b.asleep = append(b.asleep[:i], b.asleep[i+1:]...)
	op.wake <- struct{}{}
}

// statusError says what a request's status means.
func statusError(status byte) error {
	switch status {
	case spec.BlockIOError:
		return deviceError("the disk reports an I/O error")
	case spec.BlockUnsupported:
		return deviceError("the disk cannot do this")
	}
	return deviceError("the disk answers with an unknown status")
}

// BlockError is the error of a transfer: what was asked of the disk, and why it
// failed. It wraps ErrDevice if that is the device's fault.
type BlockError struct {
	kind   uint32
	off, n int64
	err    error
}

// What a caller of Block can do wrong.
const (
	errBeyond    = callError("beyond the end of the disk")
	errUnaligned = callError("not in whole sectors")
	errReadOnly  = callError("the disk is read-only")
)

// Unwrap returns the reason.
func (e *BlockError) Unwrap() error { return e.err }

func (e *BlockError) Error() string {
	verb := "flush"
	switch e.kind {
	case spec.BlockTypeRead:
		verb = "read"
	case spec.BlockTypeWrite:
		verb = "write"
	case spec.BlockTypeDiscard:
		verb = "discard"
	}
	return "disk: " + verb + " of " + strconv.FormatInt(e.n, 10) + " bytes at " + strconv.FormatInt(e.off, 10) + ": " + e.err.Error()
}
