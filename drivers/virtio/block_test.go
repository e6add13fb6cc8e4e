package virtio

import (
	"encoding/binary"
	"errors"
	"testing"

	"ringo.dev/ringo/drivers/virtio/spec"
	"ringo.dev/ringo/rt"
)

// FuzzBlock is the disk's driver against a hostile device, which writes content
// to the used area and to the statuses while requests are outstanding.
func FuzzBlock(f *testing.F) {
	config := make([]byte, spec.BlockConfigLen)
	config[0], config[spec.BlockConfigSegMax], config[spec.BlockConfigBlockSize+1] = 100, 126, 2
	config[spec.BlockConfigMaxDiscard], config[spec.BlockConfigMaxZeroes], config[spec.BlockConfigZeroesDiscard] = 9, 7, 1
	f.Add([]byte{0, 0, 1, 0, 0, 0, 0, 0, 1, 0, 0, 0}, config, uint64(1)<<32, byte(0))
	f.Add([]byte{0, 0, 2, 0, 7, 0, 0, 0, 0, 8, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0}, config, ^uint64(0), byte(1))
	f.Fuzz(func(t *testing.T, used, config []byte, features uint64, status byte) {
		h := &hostile{id: spec.DeviceBlock, features: features | spec.FeatureVersion1, size: 8, config: config}
		b, err := OpenBlock(h)
		if err != nil {
			if !errors.Is(err, ErrDevice) {
				t.Error(err)
			}
			return
		}
		if b.Size() < 0 || b.SectorSize() < 512 || b.SectorSize() > 4096 || b.Size()%int64(b.SectorSize()) != 0 || b.chunk < pageSize {
			t.Fatalf("a disk of %d bytes, in sectors of %d, by %d", b.Size(), b.SectorSize(), b.chunk)
		}
		for _, n := range []int64{b.maxDiscard, b.maxZeroes} {
			if n < 0 || n%int64(b.SectorSize()) != 0 {
				t.Fatalf("ranges of %d bytes, in sectors of %d", n, b.SectorSize())
			}
		}
		for round := range 20 {
			op := b.begin()
			bq := op.queue
			asked := 0
			for _, kind := range []uint32{spec.BlockTypeRead, spec.BlockTypeWrite, spec.BlockTypeWriteZeroes, spec.BlockTypeFlush} {
				if len(bq.q.free) >= 4 && bq.q.err == nil { // otherwise request waits for the device
					asked++
					op.request(blockRequest{kind: kind, n: 4096, data: make([]byte, 4096)})
				}
			}
			writeUsed(h.used[0], h.size, used, round)
			for i := range h.size {
				bq.slot(uint16(i))[blockStatus] = status
			}
			bq.collect()
			if op.pending < 0 || op.pending > asked {
				t.Fatalf("%d of %d requests are pending", op.pending, asked)
			}
			bq.mu.Unlock()
			checkQueue(t, bq.q)
		}
	})
}

// TestBlockImpossible checks what a disk may not say of itself.
func TestBlockImpossible(t *testing.T) {
	le := binary.LittleEndian
	for name, spoil := range map[string]func(config []byte){
		"sectors of 100":  func(c []byte) { le.PutUint32(c[spec.BlockConfigBlockSize:], 100) },
		"sectors of 1":    func(c []byte) { le.PutUint32(c[spec.BlockConfigBlockSize:], 1) },
		"sectors of 8192": func(c []byte) { le.PutUint32(c[spec.BlockConfigBlockSize:], 8192) },
		"too many":        func(c []byte) { le.PutUint64(c, 1<<60) },
		"one segment":     func(c []byte) { le.PutUint32(c[spec.BlockConfigSegMax:], 1) },
	} {
		c := make([]byte, spec.BlockConfigLen)
		le.PutUint64(c, 2048)
		le.PutUint32(c[spec.BlockConfigSegMax:], 126)
		le.PutUint32(c[spec.BlockConfigBlockSize:], 512)
		h := &hostile{id: spec.DeviceBlock, features: ^uint64(0), size: 8, config: c}
		if b, err := OpenBlock(h); err != nil || b.Size() != 1<<20 {
			t.Fatalf("a proper disk: %v", err)
		}
		spoil(c)
		if _, err := OpenBlock(h); !errors.Is(err, ErrDevice) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestBlockQueues checks how many queues a disk gets.
func TestBlockQueues(t *testing.T) {
	for offered, most := range map[uint16]int{0: 1, 1: 1, 2: 2, 3: 3, 0xffff: maxBlockQueues} {
		c := make([]byte, spec.BlockConfigLen)
		binary.LittleEndian.PutUint32(c[spec.BlockConfigSegMax:], 126)
		binary.LittleEndian.PutUint32(c[spec.BlockConfigBlockSize:], 512)
		binary.LittleEndian.PutUint16(c[spec.BlockConfigQueues:], offered)
		for _, features := range []uint64{^uint64(0), ^uint64(spec.BlockQueues)} {
			want := min(most, rt.CPUs())
			if features&spec.BlockQueues == 0 {
				want = 1
			}
			b, err := OpenBlock(&hostile{id: spec.DeviceBlock, features: features, size: 8, config: c})
			if err != nil || len(b.queues) != want {
				t.Errorf("%d are offered, features %#x: %v, want %d queues", offered, features, err, want)
			}
		}
	}
}
