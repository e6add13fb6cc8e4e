package virtio

import (
	"errors"
	"strconv"

	"ringo.dev/ringo/drivers/virtio/spec"
	"ringo.dev/ringo/kernel/block"
	"ringo.dev/ringo/rt"
)

// Block is a virtio disk. It implements block.Device. Its requests go through as many
// queues as there are CPUs, if the device has so many.
type Block struct {
	size     int64
	sector   int
	features uint64
	chunk    int  // the most bytes of a request's data
	ordered  bool // a flush covers writes of the same queue that are under way

	maxDiscard  int64 // bytes of one request; 0: not possible
	maxZeroes   int64 // the same for writing zeroes
	zeroesUnmap bool  // writing zeroes may discard

	queues []*blockQueue
}

var _ block.Batcher = (*Block)(nil)

const (
	// maxBlockSize is the size of the largest disk that is believed in: offsets
	// in bytes are 63 bits wide.
	maxBlockSize = 1 << 62

	blockWanted = spec.FeatureEventIdx | spec.FeatureIndirect |
		spec.BlockSegMax | spec.BlockReadOnly | spec.BlockSize | spec.BlockFlush |
		spec.BlockQueues | spec.BlockDiscard | spec.BlockWriteZeroes

	// flatChunk is the most bytes of a request's data for ringo's own monitor, which knows
	// memory by the guest's addresses: there it is one piece.
	flatChunk = 512 << 10

	// maxBlockQueues limits the queues of a disk: for each, one of WaitIndex's slots
	// may be in use.
	maxBlockQueues = 4
)

// OpenBlock starts the disk behind t.
func OpenBlock(t Transport) (*Block, error) {
	if t.DeviceID() != spec.DeviceBlock {
		return nil, deviceError("not a disk")
	}
	f, err := negotiate(t, blockWanted, 0)
	if err != nil {
		return nil, err
	}
	b := &Block{features: f, sector: spec.BlockSector}
	if err := b.configure(t); err != nil {
		return nil, err
	}
	var all []*queue
	n := b.queueCount(t)
	for i := range n {
		q, err := newBlockQueue(t, i, n, f)
		if err != nil {
			return nil, err
		}
		b.queues = append(b.queues, q)
		all = append(all, q.q)
	}
	if err := b.limitChunk(t); err != nil {
		return nil, err
	}
	if v, ok := t.(vendored); ok && v.vendor() == spec.MMIOVendorRingo {
		b.ordered = true
		b.chunk = max(b.chunk, flatChunk)
	}
	ready(t, all...)
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
		b.maxDiscard = b.maxRange(t, spec.BlockConfigMaxDiscard)
	}
	if b.features&spec.BlockWriteZeroes != 0 {
		b.maxZeroes = b.maxRange(t, spec.BlockConfigMaxZeroes)
		b.zeroesUnmap = t.Config(spec.BlockConfigZeroesDiscard, 1) == 1
	}
	return nil
}

// maxRange returns how many bytes, in whole blocks, one range may have: a field of the
// configuration tells it in sectors.
func (b *Block) maxRange(t Transport, field int) int64 {
	n := int64(t.Config(field, 4)) * spec.BlockSector
	return n - n%int64(b.sector)
}

// queueCount returns how many queues to use: not more than there are CPUs to make
// requests.
func (b *Block) queueCount(t Transport) int {
	if b.features&spec.BlockQueues == 0 {
		return 1
	}
	n := int(t.Config(spec.BlockConfigQueues, 2))
	return max(1, min(n, rt.CPUs(), maxBlockQueues))
}

// limitChunk finds out how much data fits a request: memory of n pages may lie
// in n+1 pieces, and header and status are two more.
func (b *Block) limitChunk(t Transport) error {
	segments := indirectLen - 2
	for _, q := range b.queues {
		if !q.q.hasTables() {
			segments = min(segments, int(q.q.size)-2)
		}
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
	return b.ReadAll([]block.Transfer{{Data: p, Off: off}})
}

// ReadAll implements block.Batcher. The device gets all requests before the first
// answer is waited for.
func (b *Block) ReadAll(list []block.Transfer) error {
	op, err := b.transferAll(spec.BlockTypeRead, list)
	if err != nil {
		return err
	}
	return op.end()
}

// WriteAt implements block.Device.
func (b *Block) WriteAt(p []byte, off int64) error {
	return b.WriteAll([]block.Transfer{{Data: p, Off: off}}, false)
}

// WriteAll implements block.Batcher, as ReadAll does. If the device is known to do requests
// in order, the flush is among them.
func (b *Block) WriteAll(list []block.Transfer, flush bool) error {
	op, err := b.transferAll(spec.BlockTypeWrite, list)
	if err != nil {
		return err
	}
	flush = flush && b.features&spec.BlockFlush != 0
	if flush && b.ordered && op.err == nil {
		op.request(blockRequest{kind: spec.BlockTypeFlush})
		flush = false
	}
	if err := op.end(); err != nil || !flush {
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
	op.request(blockRequest{kind: spec.BlockTypeFlush})
	return op.end()
}

// Discard implements block.Device.
func (b *Block) Discard(off, n int64) error {
	return b.inRanges(spec.BlockTypeDiscard, 0, b.maxDiscard, off, n)
}

// Zero implements block.Device.
func (b *Block) Zero(off, n int64, discard bool) error {
	flags := uint32(0)
	if discard && b.zeroesUnmap {
		flags = spec.BlockRangeUnmap
	}
	return b.inRanges(spec.BlockTypeWriteZeroes, flags, b.maxZeroes, off, n)
}

// inRanges makes requests of a kind that have a range as their data, each of at most
// most bytes. With 0 the device does not have them.
func (b *Block) inRanges(kind, flags uint32, most, off, n int64) error {
	if err := b.check(kind, off, n); err != nil {
		return err
	}
	if most == 0 {
		return errors.ErrUnsupported
	}
	op := b.begin()
	for n > 0 && op.err == nil {
		step := min(n, most)
		r := spec.BlockRange{Sector: uint64(off) / spec.BlockSector, Sectors: uint32(step / spec.BlockSector), Flags: flags}
		data := make([]byte, spec.BlockRangeLen)
		r.Encode(data)
		op.request(blockRequest{kind: kind, off: off, n: step, data: data})
		off, n = off+step, n-step
	}
	return op.end()
}

// transferAll begins an operation and makes as many requests as it takes to transfer all
// of list.
func (b *Block) transferAll(kind uint32, list []block.Transfer) (*blockOp, error) {
	for _, t := range list {
		if err := b.check(kind, t.Off, int64(len(t.Data))); err != nil {
			return nil, err
		}
	}
	op := b.begin()
	for _, t := range list {
		for p, off := t.Data, t.Off; len(p) > 0 && op.err == nil; {
			n := min(len(p), b.chunk)
			op.request(blockRequest{kind: kind, off: off, n: int64(n), data: p[:n]})
			off, p = off+int64(n), p[n:]
		}
	}
	return op, nil
}

// begin starts an operation. Its requests are made by request, and end waits until
// all were answered. The lock of its queue is held in between.
func (b *Block) begin() *blockOp {
	q := b.queues[rt.Processor()%len(b.queues)]
	q.mu.Lock()
	return &blockOp{queue: q, wake: make(chan struct{}, 1)}
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
	case spec.BlockTypeWriteZeroes:
		verb = "write of zeroes"
	}
	return "disk: " + verb + " of " + strconv.FormatInt(e.n, 10) + " bytes at " + strconv.FormatInt(e.off, 10) + ": " + e.err.Error()
}
