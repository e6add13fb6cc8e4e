package virtio

import (
	"runtime"
	"strconv"
	"sync"
	"time"

	"ringo.dev/ringo/drivers/virtio/spec"
	"ringo.dev/ringo/kernel/block"
	"ringo.dev/ringo/rt"
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
// takes them longer than patience, it is rung. With a single CPU there is nobody
// left then to whom waiting would be of use, and the machine is asked to serve the
// device at once. It is asked before the others run, too, for some requests after
// they took longer than most requests do (longTurn): the CPU is crowded.
type Block struct {
	size     int64
	sector   int
	features uint64
	chunk    int  // the most bytes of a request's data
	ordered  bool // a flush covers writes that are under way
	alone    bool // the machine has one CPU

	maxDiscard int64 // bytes of one request; 0: not possible

	mu       sync.Mutex // guards what follows, but for what reap's goroutine waits for
	q        *queue
	requests []blockRequest // by head of the chain
	reaping  bool           // a goroutine waits for the device
	asleep   []*blockOp     // others that wait
	crowded  int            // requests that will not wait for other goroutines
}

var _ block.Batcher = (*Block)(nil)

// blockRequest is a request of the device.
type blockRequest struct {
	kind uint32
	off  int64 // of the n bytes of the disk that it is about
	n    int64
	data []byte // memory that the device uses, reachable as long as it does
	op   *blockOp
}

// blockOp is a call of one of Block's methods: a few requests.
type blockOp struct {
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

	// maxBlockSize is the size of the largest disk that is believed in: offsets
	// in bytes are 63 bits wide.
	maxBlockSize = 1 << 62

	blockWanted = spec.FeatureVersion1 | spec.FeatureEventIdx | spec.FeatureIndirect |
		spec.BlockSegMax | spec.BlockReadOnly | spec.BlockSize | spec.BlockFlush |
		spec.BlockDiscard
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
	b := &Block{features: f, sector: spec.BlockSector, alone: rt.CPUs() == 1}
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
	b.requests = make([]blockRequest, b.q.size)
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
	b.maxDiscard -= b.maxDiscard % int64(b.sector)
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
	if err := b.check(spec.BlockTypeRead, off, int64(len(p))); err != nil {
		return err
	}
	op := b.begin()
	b.transfer(op, spec.BlockTypeRead, p, off)
	return b.end(op)
}

// WriteAt implements block.Device.
func (b *Block) WriteAt(p []byte, off int64) error {
	return b.WriteAll([]block.Write{{Data: p, Off: off}}, false)
}

// WriteAll implements block.Batcher. The device gets all requests before the first
// answer is waited for. If it is known to do them in order, the flush is among them.
func (b *Block) WriteAll(list []block.Write, flush bool) error {
	for _, w := range list {
		if err := b.check(spec.BlockTypeWrite, w.Off, int64(len(w.Data))); err != nil {
			return err
		}
	}
	op := b.begin()
	for _, w := range list {
		b.transfer(op, spec.BlockTypeWrite, w.Data, w.Off)
	}
	flush = flush && b.features&spec.BlockFlush != 0
	if flush && b.ordered && op.err == nil {
		b.request(blockRequest{kind: spec.BlockTypeFlush, op: op})
		flush = false
	}
	if err := b.end(op); err != nil || !flush {
		return err
	}
	return b.Flush()
}

// Flush implements block.Device. A device without a cache has nothing to flush.
func (b *Block) Flush() error {
	if b.features&spec.BlockFlush == 0 {
		return nil
	}
	op := b.begin()
	b.request(blockRequest{kind: spec.BlockTypeFlush, op: op})
	return b.end(op)
}

// Discard implements block.Device.
func (b *Block) Discard(off, n int64) error {
	if b.maxDiscard == 0 {
		return nil
	}
	if err := b.check(spec.BlockTypeDiscard, off, n); err != nil {
		return err
	}
	op := b.begin()
	for n > 0 && op.err == nil {
		step := min(n, b.maxDiscard)
		r := spec.BlockRange{Sector: uint64(off) / spec.BlockSector, Sectors: uint32(step / spec.BlockSector)}
		data := make([]byte, spec.BlockRangeLen)
		r.Encode(data)
		b.request(blockRequest{spec.BlockTypeDiscard, off, step, data, op})
		off, n = off+step, n-step
	}
	return b.end(op)
}

// transfer makes as many requests as it takes to transfer p.
func (b *Block) transfer(op *blockOp, kind uint32, p []byte, off int64) {
	for len(p) > 0 && op.err == nil {
		n := min(len(p), b.chunk)
		b.request(blockRequest{kind, off, int64(n), p[:n], op})
		off, p = off+int64(n), p[n:]
	}
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

// begin starts an operation. Its requests are made by request, and end waits until
// all were answered. b.mu is held in between.
func (b *Block) begin() *blockOp {
	b.mu.Lock()
	return &blockOp{wake: make(chan struct{}, 1)}
}

// request gives the device a request, or notes why not in its operation.
func (b *Block) request(r blockRequest) {
	q, op := b.q, r.op
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
func (b *Block) slot(i uint16) []byte { return b.q.extra[int(i)*blockSlot:][:blockSlot] }

// end waits for the operation's requests and returns its error.
func (b *Block) end(op *blockOp) error {
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
func (b *Block) reap(op *blockOp) {
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
func (b *Block) ring() {
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
func (b *Block) notify(seen uint16, crowded bool) (took time.Duration) {
	t, index := b.q.t, b.q.index
	if crowded {
		if rt.ServeDevices() {
			return 0
		}
		t.Notify(index)
	} else {
		t.NotifySoon(index)
	}
	start := time.Now()
	runtime.Gosched()
	took = time.Since(start)
	switch {
	case crowded || b.q.usedIndex() != seen: // the device knows
	case b.alone && rt.ServeDevices():
	case took > patience:
		t.Notify(index)
	}
	return took
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
