package virtio

import (
	"encoding/binary"
	"errors"
	"testing"
	"unsafe"

	"ringo.dev/ringo/drivers/virtio/spec"
)

// hostile is a device that offers everything and whose used areas are written
// by the test.
type hostile struct {
	features uint64
	size     int
	config   []byte
	used     [maxBlockQueues]unsafe.Pointer
	avail    [maxBlockQueues]unsafe.Pointer
	id       uint32
}

func (h *hostile) Legacy() bool       { return false }
func (h *hostile) FixedQueues() bool  { return false }
func (h *hostile) DeviceID() uint32   { return h.id }
func (h *hostile) Features() uint64   { return h.features }
func (h *hostile) SetFeatures(uint64) {}
func (h *hostile) Status() uint8      { return 0xff }
func (h *hostile) SetStatus(uint8)    {}
func (h *hostile) QueueMax(q int) int { return h.size }
func (h *hostile) Notify(q int)       {}
func (h *hostile) NotifySoon(q int)   {}
func (h *hostile) Config(o, n int) uint32 {
	v := uint32(0)
	for i := range min(n, max(0, len(h.config)-o)) {
		v |= uint32(h.config[o+i]) << (8 * i)
	}
	return v
}

func (h *hostile) EnableQueue(q, size int, desc, avail, used uint64) {
	h.avail[q], h.used[q] = pointer(avail), pointer(used)
}

// pointer undoes rt.DeviceAddr.
func pointer(addr uint64) unsafe.Pointer { return *(*unsafe.Pointer)(unsafe.Pointer(&addr)) }

// counter is an Owner.
type counter struct{ n int }

func (c *counter) DecRef() { c.n++ }

// taker is an RxHandler that checks what it gets.
type taker struct {
	t       *testing.T
	packets int
}

func (k *taker) Buffer() ([]byte, any) {
	b := make([]byte, 2048)
	return b, b
}

func (k *taker) Packet(h *NetHeader, parts []RxPart) {
	k.packets++
	for _, p := range parts {
		if b := p.Owner.([]byte); p.Off < 0 || p.Len < 0 || p.Off+p.Len > len(b) {
			k.t.Errorf("a part of %d bytes at %d of %d", p.Len, p.Off, len(b))
		}
	}
}

func (k *taker) Flush() {}

// FuzzNet is the network driver against a hostile device, which writes content
// to both used areas, again and again with another index, while packets are
// sent and received.
func FuzzNet(f *testing.F) {
	ring := func(index uint16, elems ...uint32) []byte {
		b := binary.LittleEndian.AppendUint32(nil, uint32(index)<<16)
		for _, e := range elems {
			b = binary.LittleEndian.AppendUint32(b, e)
		}
		return b
	}
	f.Add(ring(1, 0, 100), ring(1, 0, 0), uint64(1)<<32, 3)
	f.Add(ring(2, 0, 2048, 1, 60), ring(4, 7, 0, 7, 0), ^uint64(0), 2)
	f.Fuzz(func(t *testing.T, rx, tx []byte, features uint64, rounds int) {
		h := &hostile{id: spec.DeviceNet, features: features | spec.FeatureVersion1, size: 8, config: rx}
		n, err := OpenNet(h)
		if err != nil {
			if !errors.Is(err, ErrDevice) {
				t.Error(err)
			}
			return
		}
		k := &taker{t: t}
		var owned counter
		sent := 0
		n.Rx.refill(k)
		for i := range min(max(rounds, 1), 20) {
			writeUsed(h.used[spec.NetQueueRX], h.size, rx, i)
			for {
				got, err := n.Rx.packet(k)
				if err != nil {
					if !errors.Is(err, ErrDevice) {
						t.Error(err)
					}
					break
				}
				if !got {
					break
				}
			}
			if n.Rx.q.err == nil {
				n.Rx.refill(k)
			}
			writeUsed(h.used[spec.NetQueueTX], h.size, tx, i)
			n.Tx.Begin()
			if len(n.Tx.q.free) >= 4 || n.Tx.q.err != nil { // otherwise Send waits for the device
				sent++
				n.Tx.Send(&NetHeader{}, [][]byte{make([]byte, 500), make([]byte, 9000)}, &owned)
			}
			n.Tx.End()
			checkQueue(t, n.Tx.q)
			checkQueue(t, n.Rx.q)
		}
		if owned.n > sent {
			t.Errorf("%d packets were released, %d sent", owned.n, sent)
		}
	})
}

// writeUsed writes content to a used area, with an index that moves on.
func writeUsed(area unsafe.Pointer, size int, content []byte, round int) {
	b := unsafe.Slice((*byte)(area), spec.UsedBytes(size))
	copy(b, content)
	if len(content) >= 4 {
		binary.LittleEndian.PutUint16(b[2:], binary.LittleEndian.Uint16(content[2:])*uint16(round+1))
	}
}

// checkQueue checks that each descriptor is either free, once, or in one chain.
func checkQueue(t *testing.T, q *queue) {
	seen := make([]int, q.size)
	for _, d := range q.free {
		seen[d]++
	}
	used := 0
	for _, c := range q.chains {
		used += int(c.descs)
	}
	for d, n := range seen {
		if n > 1 {
			t.Errorf("descriptor %d is free %d times", d, n)
		}
	}
	if len(q.free)+used != int(q.size) {
		t.Errorf("%d descriptors are free and %d in use, of %d", len(q.free), used, q.size)
	}
}

func TestHostileSetup(t *testing.T) {
	for name, h := range map[string]*hostile{
		"another device":   {id: spec.DeviceRNG, features: spec.FeatureVersion1, size: 8},
		"a legacy device":  {id: spec.DeviceNet, size: 8},
		"no queues":        {id: spec.DeviceNet, features: spec.FeatureVersion1},
		"a queue of three": {id: spec.DeviceNet, features: spec.FeatureVersion1, size: 3},
		"an MTU of 0":      {id: spec.DeviceNet, features: spec.FeatureVersion1 | spec.NetMTU, size: 8},
	} {
		if _, err := OpenNet(h); !errors.Is(err, ErrDevice) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
