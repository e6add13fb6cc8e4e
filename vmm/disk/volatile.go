package disk

import (
	"bytes"
	"errors"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
)

// Volatile is a disk with a volatile write cache of the worst kind, for tests:
// what is written stays in this process's memory until Flush, and reaches the disk
// behind in any order. Now and then a few sectors go there earlier, some of a
// write perhaps and others not. So when the process is killed, the disk holds
// what was flushed and any part of what was not. What is discarded becomes
// garbage in the same way.
type Volatile struct {
	Disk

	mu      sync.RWMutex // guards what follows, and held while the disk is written
	random  *rand.Rand
	pending map[int64][]byte // sectors by offset
}

// NewVolatile puts a cache in front of d. seed decides what reaches the disk, and
// when.
func NewVolatile(d Disk, seed uint64) *Volatile {
	return &Volatile{Disk: d, random: rand.New(rand.NewPCG(seed, 0)), pending: map[int64][]byte{}}
}

// leak is how many sectors of the cache go to the disk when something is written,
// on average.
const leak = 2

// ReadAt implements block.Device.
func (v *Volatile) ReadAt(p []byte, off int64) error {
	v.mu.RLock()
	defer v.mu.RUnlock()
	if err := v.Disk.ReadAt(p, off); err != nil {
		return err
	}
	size := v.SectorSize()
	for at := 0; at < len(p); at += size {
		copy(p[at:at+size], v.pending[off+int64(at)])
	}
	return nil
}

// WriteAt implements block.Device.
func (v *Volatile) WriteAt(p []byte, off int64) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	size := v.SectorSize()
	if off < 0 || off > v.Size()-int64(len(p)) || (off|int64(len(p)))%int64(size) != 0 || v.ReadOnly() {
		return v.Disk.WriteAt(p, off) // says what is wrong
	}
	for at := 0; at < len(p); at += size {
		v.pending[off+int64(at)] = bytes.Clone(p[at : at+size])
	}
	for _, at := range v.shuffled()[:min(len(v.pending), v.random.IntN(2*leak+1))] {
		if err := v.release(at); err != nil {
			return err
		}
	}
	return nil
}

// shuffled returns the offsets of the sectors in the cache in a random order.
func (v *Volatile) shuffled() []int64 {
	list := slices.Sorted(maps.Keys(v.pending)) // so that the seed decides
	v.random.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
	return list
}

// release writes a sector of the cache to the disk.
func (v *Volatile) release(at int64) error {
	if err := v.Disk.WriteAt(v.pending[at], at); err != nil {
		return err
	}
	delete(v.pending, at)
	return nil
}

// Flush implements block.Device. It writes to the disk and does not flush that: it
// is this process which is killed, not the host.
func (v *Volatile) Flush() error {
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, at := range v.shuffled() {
		if err := v.release(at); err != nil {
			return err
		}
	}
	return nil
}

// Discard implements block.Device.
func (v *Volatile) Discard(off, n int64) error {
	const step = 1 << 20
	garbage := bytes.Repeat([]byte{0xdb}, int(min(max(n, 0), step)))
	for n > 0 {
		k := min(n, step)
		if err := v.WriteAt(garbage[:k], off); err != nil {
			return err
		}
		off, n = off+k, n-k
	}
	return nil
}

// Zero leaves it to block.Zero to write them, through the cache.
func (v *Volatile) Zero(off, n int64, _ bool) error { return errors.ErrUnsupported }

// ReadV implements Disk.
func (v *Volatile) ReadV(pieces [][]byte, off int64) error {
	p := make([]byte, length(pieces))
	if err := v.ReadAt(p, off); err != nil {
		return err
	}
	scatter(pieces, p)
	return nil
}

// WriteV implements Disk.
func (v *Volatile) WriteV(pieces [][]byte, off int64) error {
	return v.WriteAt(slices.Concat(pieces...), off)
}

// TryReadV implements Disk: it leaves everything to ReadV.
func (v *Volatile) TryReadV([][]byte, int64) (bool, error) { return false, nil }
