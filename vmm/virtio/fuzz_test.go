package virtio

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"os"
	"testing"
	"unsafe"

	"ringo.dev/ringo/drivers/virtio/spec"
	"ringo.dev/ringo/vmm/abi"
	"ringo.dev/ringo/vmm/device"
)

// arena is a device.Memory: a few pages of guest memory from arenaBase on, the
// last of them not writable, in the host in another order.
type arena struct {
	pages [arenaPages]*[abi.PageSize]byte
}

const (
	arenaBase  = 0x10000
	arenaPages = 8
)

var errUnmapped = errors.New("not mapped")

func newArena() *arena {
	a := new(arena)
	host := unsafe.Slice((*byte)(alignedPages(2*arenaPages)), 2*arenaPages*abi.PageSize)
	for i := range a.pages {
		a.pages[i] = (*[abi.PageSize]byte)(host[(2*((i*5)%arenaPages)+1)*abi.PageSize:])
	}
	return a
}

func alignedPages(n int) unsafe.Pointer {
	b := make([]byte, (n+1)*abi.PageSize)
	off := -uintptr(unsafe.Pointer(&b[0])) & (abi.PageSize - 1)
	return unsafe.Pointer(&b[off])
}

// fill sets all of the memory.
func (a *arena) fill(b []byte) {
	for _, p := range a.pages {
		clear(p[:])
		b = b[copy(p[:], b):]
	}
}

func (a *arena) Slices(dst [][]byte, addr, n uint64, write bool) ([][]byte, error) {
	base := len(dst)
	for n > 0 {
		i := (addr - arenaBase) / abi.PageSize
		if addr < arenaBase || i >= arenaPages || write && i == arenaPages-1 {
			return dst[:base], errUnmapped
		}
		off := addr % abi.PageSize
		step := min(n, abi.PageSize-off)
		dst = append(dst, a.pages[i][off:off+step:off+step])
		addr += step
		n -= step
	}
	return dst, nil
}

// Where the queue of a hostile driver is in the arena. The areas share pages
// with what they may describe.
const (
	hostileSize  = 8
	hostileDesc  = arenaBase
	hostileAvail = arenaBase + 0xffc // across two pages
	hostileUsed  = arenaBase + 0x1ffc
)

// hostileQueue is a queue whose memory has the given content.
func hostileQueue(t testing.TB, content []byte, features uint64) (*queue, *arena) {
	a := newArena()
	a.fill(content)
	h := &device.Host{Memory: a, Doorbells: []*os.File{nil}, Interrupt: func() {}, Fail: func(error) {}}
	q, err := newQueue(h, 0, hostileSize, setup{size: hostileSize, desc: hostileDesc, avail: hostileAvail, used: hostileUsed}, features)
	if err != nil {
		t.Fatal(err)
	}
	return q, a
}

// checkPop takes chains until there is an error or no chain, and checks that
// all of them are within what the guest may access.
func checkPop(t testing.TB, q *queue, a *arena) {
	var c chain
	for range 3 * hostileSize {
		ok, err := q.pop(&c)
		if err != nil || !ok {
			return
		}
		if int(c.head) >= hostileSize || size(c.read)+size(c.write) > maxChainBytes {
			t.Fatalf("head %d, %d bytes to read, %d to write", c.head, size(c.read), size(c.write))
		}
		for _, p := range c.write {
			if len(p) == 0 || a.find(&p[0]) < 0 || a.find(&p[0]) == arenaPages-1 {
				t.Fatal("a piece to write that the guest may not write")
			}
			clear(p) // and perhaps the queue's own memory
		}
		for _, p := range c.read {
			if len(p) == 0 || a.find(&p[0]) < 0 {
				t.Fatal("a piece outside the guest's memory")
			}
		}
		q.push(c.head, size(c.write))
		q.publish()
		q.listen(true)
		q.listen(false)
	}
}

// find returns the page that b is in, or -1.
func (a *arena) find(b *byte) int {
	for i, p := range a.pages {
		if d := uintptr(unsafe.Pointer(b)) - uintptr(unsafe.Pointer(p)); d < abi.PageSize {
			return i
		}
	}
	return -1
}

// FuzzQueue is the device against a hostile driver: a proper queue which is
// spoiled by writing single bytes, each given by its offset and value.
func FuzzQueue(f *testing.F) {
	f.Add([]byte{}, uint64(spec.FeatureEventIdx|spec.FeatureIndirect))
	f.Add([]byte{0x0e, 0, 8, 0xfe, 0x0f, 9}, uint64(0))
	valid := validQueue()
	f.Fuzz(func(t *testing.T, patches []byte, features uint64) {
		content := bytes.Clone(valid)
		for ; len(patches) >= 3; patches = patches[3:] {
			content[int(binary.LittleEndian.Uint16(patches))%len(content)] = patches[2]
		}
		q, a := hostileQueue(t, content, features)
		checkPop(t, q, a)
	})
}

// validQueue returns the content of an arena with three proper chains: a direct
// one, one with an indirect table, and one that crosses pages.
func validQueue() []byte {
	m := make([]byte, arenaPages*abi.PageSize)
	put := func(at uint64, d spec.Desc) {
		b := m[at-arenaBase:]
		binary.LittleEndian.PutUint64(b, d.Addr)
		binary.LittleEndian.PutUint32(b[8:], d.Len)
		binary.LittleEndian.PutUint16(b[12:], d.Flags)
		binary.LittleEndian.PutUint16(b[14:], d.Next)
	}
	const data, table = arenaBase + 4*abi.PageSize, arenaBase + 3*abi.PageSize
	put(hostileDesc+0*spec.DescSize, spec.Desc{Addr: data, Len: 100, Flags: spec.DescNext, Next: 3})
	put(hostileDesc+3*spec.DescSize, spec.Desc{Addr: data + 0x800, Len: 200, Flags: spec.DescWrite})
	put(hostileDesc+1*spec.DescSize, spec.Desc{Addr: table, Len: 2 * spec.DescSize, Flags: spec.DescIndirect})
	put(table, spec.Desc{Addr: data, Len: 12, Flags: spec.DescNext, Next: 1})
	put(table+spec.DescSize, spec.Desc{Addr: data + 0x100, Len: 1500})
	put(hostileDesc+2*spec.DescSize, spec.Desc{Addr: data + 0xf00, Len: 5000, Flags: spec.DescWrite})
	avail := m[hostileAvail-arenaBase:]
	binary.LittleEndian.PutUint16(avail[2:], 3)
	for i, head := range []uint16{0, 1, 2} {
		binary.LittleEndian.PutUint16(avail[spec.AvailElem(i):], head)
	}
	return m
}

func TestQueueValid(t *testing.T) {
	q, _ := hostileQueue(t, validQueue(), spec.FeatureIndirect|spec.FeatureEventIdx)
	var c chain
	for i, want := range []struct{ read, write, pieces int }{{100, 200, 1}, {1512, 0, 0}, {0, 5000, 3}} {
		ok, err := q.pop(&c)
		if !ok || err != nil {
			t.Fatalf("chain %d: %v, %v", i, ok, err)
		}
		if c.head != uint16(i) || size(c.read) != want.read || size(c.write) != want.write || len(c.write) != want.pieces {
			t.Errorf("chain %d: head %d, %d bytes to read, %d to write in %d pieces", i, c.head, size(c.read), size(c.write), len(c.write))
		}
	}
	if ok, err := q.pop(&c); ok || err != nil {
		t.Errorf("a fourth chain: %v, %v", ok, err)
	}
}

// TestQueueHostile checks that each way to break the protocol is an error.
func TestQueueHostile(t *testing.T) {
	desc := func(m []byte, i int) []byte { return m[i*spec.DescSize:] }
	for name, spoil := range map[string]func(m []byte){
		"more chains than the ring has": func(m []byte) { m[hostileAvail-arenaBase+2] = hostileSize + 1 },
		"a head out of range":           func(m []byte) { m[hostileAvail-arenaBase+4] = hostileSize },
		"a next out of range":           func(m []byte) { desc(m, 0)[14] = hostileSize },
		"a loop":                        func(m []byte) { desc(m, 0)[14] = 0 },
		"an address that is not mapped": func(m []byte) { desc(m, 0)[7] = 0x80 },
		"an address that wraps":         func(m []byte) { binary.LittleEndian.PutUint64(desc(m, 0), ^uint64(0)-50) },
		"a length beyond the mapping":   func(m []byte) { desc(m, 0)[10] = 1 },
		"a huge length":                 func(m []byte) { desc(m, 0)[11] = 0xff },
		"a read-only page to write": func(m []byte) {
			binary.LittleEndian.PutUint64(desc(m, 3), arenaBase+(arenaPages-1)*abi.PageSize)
		},
		"a readable buffer after a writable one": func(m []byte) {
			binary.LittleEndian.PutUint16(desc(m, 0)[12:], spec.DescNext|spec.DescWrite)
			binary.LittleEndian.PutUint16(desc(m, 3)[12:], 0)
		},
		"a table that is no table": func(m []byte) {
			binary.LittleEndian.PutUint16(desc(m, 0)[12:], spec.DescIndirect)
			binary.LittleEndian.PutUint32(desc(m, 0)[8:], spec.DescSize+1)
		},
		"a table without entries": func(m []byte) {
			binary.LittleEndian.PutUint16(desc(m, 0)[12:], spec.DescIndirect)
			binary.LittleEndian.PutUint32(desc(m, 0)[8:], 0)
		},
		"a table with a successor": func(m []byte) {
			binary.LittleEndian.PutUint16(desc(m, 0)[12:], spec.DescIndirect|spec.DescNext)
			binary.LittleEndian.PutUint32(desc(m, 0)[8:], spec.DescSize)
		},
		"a table in itself": func(m []byte) {
			binary.LittleEndian.PutUint64(desc(m, 0), hostileDesc)
			binary.LittleEndian.PutUint32(desc(m, 0)[8:], spec.DescSize)
			binary.LittleEndian.PutUint16(desc(m, 0)[12:], spec.DescIndirect)
		},
	} {
		m := validQueue()
		spoil(m)
		q, _ := hostileQueue(t, m, spec.FeatureIndirect|spec.FeatureEventIdx)
		var c chain
		if ok, err := q.pop(&c); ok || err == nil {
			t.Errorf("%s: taken", name)
		}
	}
	q, _ := hostileQueue(t, validQueue(), 0)
	var c chain
	q.pop(&c)
	if ok, err := q.pop(&c); ok || err == nil {
		t.Error("an indirect table that was not agreed on: taken")
	}
}

// TestQueueRandom is a million times what FuzzQueue does, with proper queues
// that are spoiled in random places.
func TestQueueRandom(t *testing.T) {
	n := 1_000_000
	if testing.Short() {
		n = 20_000
	}
	r := rand.New(rand.NewPCG(42, 1))
	valid := validQueue()
	a := newArena()
	h := &device.Host{Memory: a, Doorbells: []*os.File{nil}, Interrupt: func() {}, Fail: func(error) {}}
	for range n {
		m := a.pages[:]
		for i, p := range m[:4] { // the queue's own memory and the table
			copy(p[:], valid[i*abi.PageSize:])
		}
		for range 1 + r.IntN(6) {
			var at int
			switch r.IntN(4) {
			case 0:
				at = r.IntN(hostileSize * spec.DescSize)
			case 1:
				at = hostileAvail - arenaBase + r.IntN(spec.AvailBytes(hostileSize))
			case 2:
				at = 3*abi.PageSize + r.IntN(4*spec.DescSize)
			case 3:
				at = r.IntN(4 * abi.PageSize)
			}
			m[at/abi.PageSize][at%abi.PageSize] = byte(r.Uint32())
		}
		q, err := newQueue(h, 0, hostileSize, setup{size: hostileSize, desc: hostileDesc, avail: hostileAvail, used: hostileUsed}, r.Uint64())
		if err != nil {
			t.Fatal(err)
		}
		checkPop(t, q, a)
	}
}

// FuzzRegisters writes registers in any order: pairs of offset and value.
func FuzzRegisters(f *testing.F) {
	seed := func(pairs ...uint32) {
		var b []byte
		for i := 0; i < len(pairs); i += 2 {
			b = append(b, byte(pairs[i]/4))
			b = binary.LittleEndian.AppendUint32(b, pairs[i+1])
		}
		f.Add(b)
	}
	seed(spec.MMIOStatus, 3,
		spec.MMIODriverFeaturesSel, 1, spec.MMIODriverFeatures, 1, spec.MMIOStatus, 11,
		spec.MMIOQueueNum, 8, spec.MMIOQueueDescLow, hostileDesc, spec.MMIOQueueDriverLow, hostileAvail,
		spec.MMIOQueueDeviceLow, hostileUsed, spec.MMIOQueueReady, 1, spec.MMIOStatus, 15, spec.MMIOStatus, 0)
	f.Fuzz(func(t *testing.T, b []byte) {
		d := NewRNG()
		a := newArena()
		a.fill(validQueue())
		h := newHost(t, d, a)
		h.Fail = func(error) {}
		if err := d.Start(h); err != nil {
			t.Fatal(err)
		}
		defer d.Stop()
		for ; len(b) >= 5; b = b[5:] {
			off := uint64(b[0]) * 4
			d.WriteRegister(off, 4, uint64(binary.LittleEndian.Uint32(b[1:])))
			d.ReadRegister(off, 4)
		}
	})
}
