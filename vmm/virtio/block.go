package virtio

import (
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"ringo.dev/ringo/drivers/virtio/spec"
	"ringo.dev/ringo/kernel/block"
	"ringo.dev/ringo/vmm/disk"
)

const (
	blockQueueSize = 256

	// blockWorkers is how many requests may wait for the disk at the same time.
	blockWorkers = 8

	// maxBlockData bounds the data of one request: what a chain may describe,
	// without header and status, in whole sectors.
	maxBlockData = maxChainBytes - 4096

	// maxBlockRanges is the most ranges of a discard, or writing of zeroes.
	maxBlockRanges = 32

	// patience is how long the disk may take, by experience, for a request to be
	// carried out where it is found, which may be a vCPU's thread. The vCPU is
	// about to sleep, but wakes late if something else happens meanwhile.
	patience = 2 * time.Millisecond

	tellEvery = time.Second
)

// blockDevice is the block device (5.2), with one queue.
//
// A request that needs no waiting (a read of what the host has in memory) is
// carried out at once, and so is any other as long as the disk has been quick
// lately. The rest go to workers. A flush covers all writes that were made
// available before it, so that a driver need not wait for these first.
type blockDevice struct {
	disk   disk.Disk
	report func(error)

	queue   *queue
	server  sync.WaitGroup
	workers sync.WaitGroup
	work    chan *blockRequest
	writes  inFlight
	pace    [blockPaces]pace
	told    atomic.Int64 // when an error was last reported
}

// blockRequest is a request of the guest: its chain, taken apart.
type blockRequest struct {
	chain  chain
	header spec.BlockRequest
	status *byte
	data   [][]byte // what the disk reads or writes
	size   int      // of data
	number uint64   // in which order workers got it
}

// Kinds of requests by how long they take.
const (
	paceRead = iota
	paceWrite
	paceFlush
	blockPaces
)

// NewBlock returns a block device with the content of d, which the caller closes
// after the device was stopped. The guest only learns that a request failed;
// report is told why, from any goroutine and not too often, and may be nil.
func NewBlock(d disk.Disk, report func(error)) *Device {
	if report == nil {
		report = func(error) {}
	}
	return newDevice(&blockDevice{disk: d, report: report})
}

func (b *blockDevice) id() uint32        { return spec.DeviceBlock }
func (b *blockDevice) queueSizes() []int { return []int{blockQueueSize} }

func (b *blockDevice) features() uint64 {
	f := uint64(spec.BlockSegMax | spec.BlockSize | spec.BlockFlush)
	if b.disk.ReadOnly() {
		return f | spec.BlockReadOnly
	}
	return f | spec.BlockDiscard | spec.BlockWriteZeroes
}

func (b *blockDevice) config() []byte {
	const maxRange = 1 << 22 // sectors
	c := make([]byte, spec.BlockConfigLen)
	le := binary.LittleEndian
	le.PutUint64(c[spec.BlockConfigCapacity:], uint64(b.disk.Size()/spec.BlockSector))
	le.PutUint32(c[spec.BlockConfigSegMax:], blockQueueSize-2)
	le.PutUint32(c[spec.BlockConfigBlockSize:], uint32(b.disk.SectorSize()))
	le.PutUint32(c[spec.BlockConfigMaxDiscard:], maxRange)
	le.PutUint32(c[spec.BlockConfigDiscardSegs:], maxBlockRanges)
	le.PutUint32(c[spec.BlockConfigDiscardAlign:], uint32(b.disk.SectorSize()/spec.BlockSector))
	le.PutUint32(c[spec.BlockConfigMaxZeroes:], maxRange)
	le.PutUint32(c[spec.BlockConfigZeroesSegs:], maxBlockRanges)
	c[spec.BlockConfigZeroesDiscard] = 1
	return c
}

func (b *blockDevice) start(_ uint64, queues []*queue) error {
	b.queue = queues[0]
	b.writes.cond.L = &b.writes.mu
	b.work = make(chan *blockRequest, blockQueueSize) // never full: the ring has no more
	for range blockWorkers {
		b.workers.Go(func() {
			for r := range b.work {
				b.serve(r)
			}
		})
	}
	b.server.Go(func() { b.queue.serve(&server{handle: b.take}) })
	return nil
}

func (b *blockDevice) stop() {
	b.server.Wait()
	close(b.work)
	b.workers.Wait()
}

// take carries a request out, or gives it to a worker.
func (b *blockDevice) take(c *chain) (int, error) {
	r := &blockRequest{chain: *c}
	if err := r.parse(); err != nil {
		return 0, fmt.Errorf("block device: %w", err)
	}
	if r.header.Type == spec.BlockTypeRead && r.readable() {
		if done, err := b.disk.TryReadV(r.data, r.offset()); done && err == nil {
			*r.status = spec.BlockOK
			return r.size + 1, nil
		}
	}
	if b.pace[r.pace()].quick() && (r.header.Type != spec.BlockTypeFlush || b.writes.none()) {
		return b.carryOut(r), nil
	}
	*c = chain{} // its pieces are the request's now
	r.number = b.writes.add(r.pace() == paceWrite)
	b.work <- r
	return 0, errLater
}

// serve is what a worker does. A flush waits for the writes before it.
func (b *blockDevice) serve(r *blockRequest) {
	if r.header.Type == spec.BlockTypeFlush {
		b.writes.waitBefore(r.number)
	}
	n := b.carryOut(r)
	b.writes.remove(r.number)
	b.queue.answer(r.chain.head, n)
}

// parse takes the chain apart. Whatever is wrong with a request, but for a
// missing header or status, the guest is told in its status.
func (r *blockRequest) parse() error {
	var header [spec.BlockRequestLen]byte
	rest, n := cut(r.chain.read, header[:])
	if n < len(header) {
		return errors.New("a request without a header")
	}
	r.header.Decode(header[:])
	w := r.chain.write
	if len(w) == 0 {
		return errors.New("a request without room for its status")
	}
	last := len(w) - 1
	r.status = &w[last][len(w[last])-1]
	if r.data = rest; r.header.Type == spec.BlockTypeRead {
		if w[last] = w[last][:len(w[last])-1]; len(w[last]) == 0 {
			w = w[:last]
		}
		r.data = w
	}
	r.size = size(r.data)
	return nil
}

// cut moves the first bytes of pieces to b and returns the rest, and how many
// there were.
func cut(pieces [][]byte, b []byte) (rest [][]byte, n int) {
	for n < len(b) && len(pieces) > 0 {
		k := copy(b[n:], pieces[0])
		n += k
		if pieces[0] = pieces[0][k:]; len(pieces[0]) == 0 {
			pieces = pieces[1:]
		}
	}
	return pieces, n
}

// readable reports whether the request is of a form that a disk can transfer.
// Whether the disk goes so far is for the disk to say.
func (r *blockRequest) readable() bool {
	return r.header.Sector < 1<<(63-9) && r.size <= maxBlockData
}

func (r *blockRequest) offset() int64 { return int64(r.header.Sector) * spec.BlockSector }

func (r *blockRequest) pace() int {
	switch r.header.Type {
	case spec.BlockTypeRead:
		return paceRead
	case spec.BlockTypeFlush:
		return paceFlush
	}
	return paceWrite
}

// carryOut does what is asked for, sets the status, and returns the number of
// bytes written to the guest.
func (b *blockDevice) carryOut(r *blockRequest) int {
	start := time.Now()
	status, err := b.do(r)
	b.pace[r.pace()].add(time.Since(start))
	if err != nil {
		status = spec.BlockIOError
		b.tell(err)
	}
	*r.status = status
	if r.header.Type == spec.BlockTypeRead {
		return r.size + 1
	}
	return 1
}

func (b *blockDevice) do(r *blockRequest) (status byte, err error) {
	switch r.header.Type {
	case spec.BlockTypeRead, spec.BlockTypeWrite:
		if !r.readable() {
			return 0, fmt.Errorf("the guest asks for %d bytes at sector %d", r.size, r.header.Sector)
		}
		if r.header.Type == spec.BlockTypeRead {
			return spec.BlockOK, b.disk.ReadV(r.data, r.offset())
		}
		return spec.BlockOK, b.disk.WriteV(r.data, r.offset())
	case spec.BlockTypeFlush:
		return spec.BlockOK, b.disk.Flush()
	case spec.BlockTypeDiscard, spec.BlockTypeWriteZeroes:
		return b.ranges(r)
	}
	return spec.BlockUnsupported, nil
}

// ranges discards, or makes zeroes.
func (b *blockDevice) ranges(r *blockRequest) (status byte, err error) {
	if r.size == 0 || r.size%spec.BlockRangeLen != 0 || r.size > maxBlockRanges*spec.BlockRangeLen {
		return 0, fmt.Errorf("the guest describes ranges in %d bytes", r.size)
	}
	for range r.size / spec.BlockRangeLen {
		var encoded [spec.BlockRangeLen]byte
		var s spec.BlockRange
		r.data, _ = cut(r.data, encoded[:])
		s.Decode(encoded[:])
		discard := r.header.Type == spec.BlockTypeDiscard
		if s.Flags&^spec.BlockRangeUnmap != 0 || discard && s.Flags != 0 {
			return spec.BlockUnsupported, nil
		}
		if s.Sector >= 1<<(63-9) {
			return 0, fmt.Errorf("the guest describes a range at sector %d", s.Sector)
		}
		off, n := int64(s.Sector)*spec.BlockSector, int64(s.Sectors)*spec.BlockSector
		if discard {
			err = b.disk.Discard(off, n)
		} else {
			err = block.Zero(b.disk, off, n, s.Flags != 0)
		}
		if err != nil {
			return 0, err
		}
	}
	return spec.BlockOK, nil
}

// tell reports an error, unless it has just reported one: a guest can cause as
// many as it likes.
func (b *blockDevice) tell(err error) {
	now := time.Now().UnixNano()
	if last := b.told.Load(); (last == 0 || now-last > int64(tellEvery)) && b.told.CompareAndSwap(last, now) {
		b.report(err)
	}
}

// pace is how long the disk has lately taken for one kind of request.
type pace struct{ average atomic.Int64 }

func (p *pace) quick() bool { return time.Duration(p.average.Load()) < patience }

// add counts d into the average. What took very long, as now and then on a host that is
// busy, counts no more than a disk that is slow. Two at the same time may lose one.
func (p *pace) add(d time.Duration) {
	const weight, most = 8, 2 * patience
	old := p.average.Load()
	p.average.Store(old + (int64(min(d, most))-old)/weight)
}

// inFlight are the writes that workers have.
type inFlight struct {
	mu      sync.Mutex
	cond    sync.Cond
	last    uint64
	numbers map[uint64]struct{}
}

// add numbers a request, and enters it if it is a write.
func (f *inFlight) add(write bool) uint64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.last++
	if write {
		if f.numbers == nil {
			f.numbers = map[uint64]struct{}{}
		}
		f.numbers[f.last] = struct{}{}
	}
	return f.last
}

// remove takes a request out that is done.
func (f *inFlight) remove(number uint64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.numbers, number)
	f.cond.Broadcast()
}

func (f *inFlight) none() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.numbers) == 0
}

// waitBefore waits until no write is left that was added before a number.
func (f *inFlight) waitBefore(number uint64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for slices.ContainsFunc(slices.Collect(maps.Keys(f.numbers)), func(n uint64) bool { return n < number }) {
		f.cond.Wait()
	}
}
