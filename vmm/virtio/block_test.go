package virtio

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	driver "ringo.dev/ringo/drivers/virtio"
	"ringo.dev/ringo/drivers/virtio/spec"
	"ringo.dev/ringo/kernel/block"
	"ringo.dev/ringo/vmm/abi"
	"ringo.dev/ringo/vmm/disk"
)

// newDisk returns a disk of n bytes in a file.
func newDisk(t testing.TB, n int64) *disk.File {
	t.Helper()
	name := filepath.Join(t.TempDir(), "disk")
	if err := os.WriteFile(name, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(name, n); err != nil {
		t.Fatal(err)
	}
	d, err := disk.Open(name, false)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return d
}

// openBlock connects the guest's driver to a device with the content of d.
func openBlock(t testing.TB, d disk.Disk) (*driver.Block, *registers) {
	t.Helper()
	tr, regs := connect(t, NewBlock(d, nil))
	b, err := driver.OpenBlock(tr)
	if err != nil {
		t.Fatal(err)
	}
	return b, regs
}

// fillRandomly fills p with what r generates.
func fillRandomly(p []byte, r *rand.Rand) {
	for i := range p {
		p[i] = byte(r.Uint32())
	}
}

// TestBlock transfers, from several goroutines, pieces of all sizes up to some
// that take many requests.
func TestBlock(t *testing.T) {
	for name, lazy := range map[string]bool{"doorbells": false, "polled": true} {
		t.Run(name, func(t *testing.T) {
			const size, parts = 32 << 20, 8
			f := newDisk(t, size)
			b, regs := openBlock(t, f)
			regs.lazy = lazy
			if b.Size() != size || b.SectorSize() != 512 || b.ReadOnly() {
				t.Errorf("size %d, sectors of %d, read-only %v", b.Size(), b.SectorSize(), b.ReadOnly())
			}
			var wg sync.WaitGroup
			for part := range parts {
				wg.Go(func() {
					r := rand.New(rand.NewPCG(uint64(part), 1))
					base := int64(part) * size / parts
					want := make([]byte, size/parts)
					for range 60 {
						n := 512 * (1 + r.IntN(16))
						if r.IntN(10) == 0 {
							n = 512 * (1 + r.IntN(4000))
						}
						off := 512 * r.IntN((len(want)-n)/512)
						p := make([]byte, n+1)[1:] // at an odd address
						if r.IntN(2) == 0 {
							fillRandomly(p, r)
							copy(want[off:], p)
							if err := b.WriteAt(p, base+int64(off)); err != nil {
								t.Error(err)
							}
							if err := b.Flush(); err != nil {
								t.Error(err)
							}
							continue
						}
						if err := b.ReadAt(p, base+int64(off)); err != nil {
							t.Error(err)
						}
						if !bytes.Equal(p, want[off:][:n]) {
							t.Errorf("%d bytes at %d are not what was written", n, off)
						}
					}
					got := make([]byte, len(want))
					if err := f.ReadAt(got, base); err != nil || !bytes.Equal(got, want) {
						t.Errorf("the file does not hold what was written: %v", err)
					}
				})
			}
			wg.Wait()
		})
	}
}

func TestBlockDiscard(t *testing.T) {
	f := newDisk(t, 1<<20)
	b, _ := openBlock(t, f)
	p := bytes.Repeat([]byte{7}, 1<<20)
	if err := b.WriteAt(p, 0); err != nil {
		t.Fatal(err)
	}
	if err := b.Discard(4096, 512<<10); err != nil {
		t.Fatal(err)
	}
	clear(p[4096 : 4096+512<<10])
	got := make([]byte, len(p))
	if err := b.ReadAt(got, 0); err != nil || !bytes.Equal(got, p) {
		t.Errorf("after a discard: %v, or it does not read as zeroes", err)
	}
}

// zeroing is a disk that remembers how it was asked for zeroes.
type zeroing struct {
	disk.Disk
	mu   sync.Mutex
	asks map[[2]int64]bool // by offset and length: whether to discard
}

func (z *zeroing) Zero(off, n int64, discard bool) error {
	z.mu.Lock()
	defer z.mu.Unlock()
	z.asks[[2]int64{off, n}] = discard
	return z.Disk.Zero(off, n, discard)
}

// zeroLimits is the transport of a disk that says other things of writing zeroes.
type zeroLimits struct {
	driver.Transport
	without uint64 // features
	sectors uint32 // of one request
	unmap   uint32
}

func (z zeroLimits) Features() uint64 { return z.Transport.Features() &^ z.without }

func (z zeroLimits) Config(off, n int) uint32 {
	switch off {
	case spec.BlockConfigMaxZeroes:
		return z.sectors
	case spec.BlockConfigZeroesDiscard:
		return z.unmap
	}
	return z.Transport.Config(off, n)
}

// TestBlockZero makes zeroes on disks that can do it, in large or small steps, and on
// such that cannot.
func TestBlockZero(t *testing.T) {
	const size, off, n = 1 << 20, 4096, 512 << 10
	for name, c := range map[string]struct {
		limits   zeroLimits
		requests int // 0: the disk cannot do it
		discard  bool
	}{
		"large":           {zeroLimits{sectors: 1 << 22, unmap: 1}, 1, true},
		"small":           {zeroLimits{sectors: 100, unmap: 1}, 11, true},
		"without discard": {zeroLimits{sectors: 1 << 22}, 1, false},
		"impossible":      {zeroLimits{sectors: 1 << 22, unmap: 0xff}, 1, false},
		"no sectors":      {zeroLimits{}, 0, false},
		"no feature":      {zeroLimits{without: spec.BlockWriteZeroes, sectors: 1 << 22, unmap: 1}, 0, false},
	} {
		z := &zeroing{Disk: newDisk(t, size)}
		c.limits.Transport, _ = connect(t, NewBlock(z, func(err error) { t.Error(err) }))
		b, err := driver.OpenBlock(c.limits)
		if err != nil {
			t.Fatal(err)
		}
		for _, discard := range []bool{false, true} {
			z.asks = map[[2]int64]bool{}
			want, got := bytes.Repeat([]byte{7}, size), make([]byte, size)
			if err := b.WriteAt(want, 0); err != nil {
				t.Fatal(err)
			}
			clear(want[off:][:n])
			err := b.Zero(off, n, discard)
			if c.requests == 0 {
				if !errors.Is(err, errors.ErrUnsupported) {
					t.Errorf("%s: %v", name, err)
				}
				err = block.Zero(b, off, n, discard)
			}
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
			if err := b.ReadAt(got, 0); err != nil || !bytes.Equal(got, want) {
				t.Errorf("%s: %v, or the disk does not hold what it should", name, err)
			}
			if len(z.asks) != c.requests {
				t.Errorf("%s: %d requests", name, len(z.asks))
			}
			for at, asked := range z.asks {
				if asked != (discard && c.discard) {
					t.Errorf("%s: %d bytes at %d, discard %v: the device was asked for %v", name, at[1], at[0], discard, asked)
				}
			}
		}
	}
}

// TestBlockNoDiscard has a disk that cannot discard.
func TestBlockNoDiscard(t *testing.T) {
	tr, _ := connect(t, NewBlock(newDisk(t, 1<<20), nil))
	b, err := driver.OpenBlock(zeroLimits{Transport: tr, without: spec.BlockDiscard})
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Discard(0, 512); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("discard: %v", err)
	}
}

// slowWrites is a disk that takes its time to write. It counts what is not done
// when it is flushed.
type slowWrites struct {
	disk.Disk
	done, late atomic.Int64
	want       int64
}

func (s *slowWrites) WriteV(p [][]byte, off int64) error {
	time.Sleep(2 * time.Millisecond)
	defer s.done.Add(1)
	return s.Disk.WriteV(p, off)
}

func (s *slowWrites) Flush() error {
	if s.done.Load() < s.want {
		s.late.Add(1)
	}
	return nil
}

// TestBlockBatch checks that everything of a batch is written, and that its flush waits
// for the writes before it, carried out by the vCPU or by workers.
func TestBlockBatch(t *testing.T) {
	s := &slowWrites{Disk: newDisk(t, 1<<20)}
	b, _ := openBlock(t, s)
	p := make([]byte, 1<<20) // several requests
	if err := b.WriteAt(p, 0); err != nil {
		t.Fatal(err)
	}
	requests := s.done.Load()
	for range 30 {
		s.want = s.done.Load() + requests
		if err := b.WriteAll([]block.Transfer{{Data: p[:1<<19], Off: 1 << 19}, {Data: p[1<<19:], Off: 0}}, true); err != nil {
			t.Fatal(err)
		}
	}
	for i := range p {
		p[i] = byte(rand.Int())
	}
	var list []block.Transfer // more than the ring takes
	for at := 0; at < len(p); at += 2048 {
		list = append(list, block.Transfer{Data: p[at:][:2048], Off: int64(at)})
	}
	if err := b.WriteAll(list, false); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, len(p))
	if err := b.ReadAt(got, 0); err != nil || !bytes.Equal(got, p) {
		t.Errorf("after a batch of %d writes the disk holds something else, or: %v", len(list), err)
	}
	if s.late.Load() > 0 || requests < 2 {
		t.Errorf("%d flushes of 30 did not wait for all of %d writes", s.late.Load(), requests)
	}
	if err := b.WriteAll([]block.Transfer{{Data: p[:512], Off: 0}, {Data: p[:512], Off: 1 << 20}}, true); err == nil {
		t.Error("a write beyond the end: accepted")
	}
}

// TestBlockRefused has the driver refuse what a disk cannot do.
func TestBlockRefused(t *testing.T) {
	f := newDisk(t, 1<<20)
	b, _ := openBlock(t, f)
	for _, c := range []struct{ n, off int64 }{{100, 0}, {512, 100}, {512, 1 << 20}, {1024, 1<<20 - 512}, {512, -512}, {512, 1<<63 - 512}} {
		p := make([]byte, c.n)
		if b.ReadAt(p, c.off) == nil || b.WriteAt(p, c.off) == nil || b.Discard(c.off, c.n) == nil || b.Zero(c.off, c.n, true) == nil {
			t.Errorf("%d bytes at %d: accepted", c.n, c.off)
		}
	}
}

// failing is a disk that fails.
type failing struct{ disk.Disk }

var errBroken = errors.New("broken")

func (failing) ReadV([][]byte, int64) error            { return errBroken }
func (failing) TryReadV([][]byte, int64) (bool, error) { return false, nil }
func (failing) WriteV([][]byte, int64) error           { return errBroken }
func (failing) Flush() error                           { return errBroken }
func (failing) Discard(int64, int64) error             { return errBroken }
func (failing) Zero(int64, int64, bool) error          { return errBroken }

// TestBlockErrors checks that an error of the disk is one of the driver, and
// that the disk can be used on.
func TestBlockErrors(t *testing.T) {
	reported := make(chan error, 100)
	tr, _ := connect(t, NewBlock(failing{newDisk(t, 1<<20)}, func(err error) { reported <- err }))
	b, err := driver.OpenBlock(tr)
	if err != nil {
		t.Fatal(err)
	}
	p := make([]byte, 512)
	for range 3 {
		for name, err := range map[string]error{
			"read": b.ReadAt(p, 0), "write": b.WriteAt(p, 0), "flush": b.Flush(), "discard": b.Discard(0, 512),
			"zeroes":     b.Zero(0, 512, false),
			"large read": b.ReadAt(make([]byte, 1<<20), 0),
		} {
			if !errors.Is(err, driver.ErrDevice) {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
	if err := <-reported; !errors.Is(err, errBroken) {
		t.Errorf("reported: %v", err)
	}
}

// TestBlockReadOnly opens a disk for reading.
func TestBlockReadOnly(t *testing.T) {
	f := newDisk(t, 1<<20)
	f.Close()
	f, err := disk.Open(f.Name(), true)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	b, _ := openBlock(t, f)
	p := make([]byte, 512)
	if !b.ReadOnly() || b.WriteAt(p, 0) == nil || b.Zero(0, 512, false) == nil || b.ReadAt(p, 0) != nil {
		t.Error("a read-only disk can be written, or cannot be read")
	}
}

func BenchmarkBlock(b *testing.B) {
	f := newDisk(b, 16<<20)
	d, regs := openBlock(b, f)
	p := make([]byte, 4096)
	for name, op := range map[string]func() error{
		"read":  func() error { return d.ReadAt(p, 0) },
		"write": func() error { return d.WriteAt(p, 0) },
		"flush": d.Flush,
		"sync": func() error {
			if err := d.WriteAt(p, 0); err != nil {
				return err
			}
			return d.Flush()
		},
	} {
		for how, lazy := range map[string]bool{"bell": false, "polled": true} {
			b.Run(name+"/"+how, func(b *testing.B) {
				regs.lazy = lazy
				b.ReportAllocs()
				for b.Loop() {
					if err := op(); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

// FuzzBlock is the device against a hostile driver: a proper queue with requests
// of all kinds, which is spoiled by writing single bytes.
func FuzzBlock(f *testing.F) {
	f.Add([]byte{}, uint64(spec.FeatureEventIdx|spec.FeatureIndirect))
	f.Add([]byte{0x08, 0x40, 0xff, 0x0c, 0x40, 0xff}, uint64(0))
	valid := validRequests()
	disk := newDisk(f, 64<<10)
	f.Fuzz(func(t *testing.T, patches []byte, features uint64) {
		content := bytes.Clone(valid)
		for ; len(patches) >= 3; patches = patches[3:] {
			content[int(binary.LittleEndian.Uint16(patches))%len(content)] = patches[2]
		}
		q, _ := hostileQueue(t, content, features)
		b := &blockDevice{disk: disk, report: func(error) {}, queue: q, work: make(chan *blockRequest, hostileSize)}
		for range 2 * hostileSize {
			ok, err := q.pop(&q.next)
			if err != nil || !ok {
				return
			}
			n, err := b.take(&q.next)
			if err != nil {
				return
			}
			if most := size(q.next.write); n < 1 || n > most+1 { // take cuts the status off
				t.Fatalf("%d bytes were written to a chain with room for %d", n, most)
			}
			q.answer(q.next.head, n)
		}
	})
}

// validRequests returns the content of an arena with one request of each kind:
// header, data and status in the descriptors 0 to 2, 3 to 5 and 6 to 7.
func validRequests() []byte {
	m := validQueue()
	le := binary.LittleEndian
	const headers, data, status = arenaBase + 4*abi.PageSize, arenaBase + 5*abi.PageSize, arenaBase + 6*abi.PageSize
	at := 0
	desc := func(addr uint64, n uint32, flags uint16) {
		b := m[hostileDesc-arenaBase+at*spec.DescSize:]
		le.PutUint64(b, addr)
		le.PutUint32(b[8:], n)
		le.PutUint16(b[12:], flags)
		at++
		le.PutUint16(b[14:], uint16(at))
	}
	avail := m[hostileAvail-arenaBase:]
	for i, kind := range []uint32{spec.BlockTypeRead, spec.BlockTypeWriteZeroes, spec.BlockTypeFlush} {
		le.PutUint16(avail[spec.AvailElem(i):], uint16(at))
		r := spec.BlockRequest{Type: kind, Sector: uint64(i)}
		r.Encode(m[headers-arenaBase+uint64(i)*spec.BlockRequestLen:])
		desc(headers+uint64(i)*spec.BlockRequestLen, spec.BlockRequestLen, spec.DescNext)
		switch kind {
		case spec.BlockTypeRead:
			desc(data, 1024, spec.DescNext|spec.DescWrite)
		case spec.BlockTypeWriteZeroes:
			r := spec.BlockRange{Sector: 8, Sectors: 8}
			r.Encode(m[data-arenaBase+2048:])
			desc(data+2048, spec.BlockRangeLen, spec.DescNext)
		}
		desc(status+uint64(i), 1, spec.DescWrite)
	}
	return m
}

// TestBlockRequests carries the requests out that FuzzBlock spoils.
func TestBlockRequests(t *testing.T) {
	q, a := hostileQueue(t, validRequests(), 0)
	d := newDisk(t, 64<<10)
	if err := d.WriteAt(bytes.Repeat([]byte("x"), 64<<10), 0); err != nil {
		t.Fatal(err)
	}
	b := &blockDevice{disk: d, report: func(err error) { t.Error(err) }, queue: q, work: make(chan *blockRequest, hostileSize)}
	for i := range a.pages[6] {
		a.pages[6][i] = 0xff
	}
	for i, want := range []int{1025, 1, 1} {
		if ok, err := q.pop(&q.next); !ok || err != nil {
			t.Fatalf("request %d: %v, %v", i, ok, err)
		}
		if n, err := b.take(&q.next); n != want || err != nil || a.pages[6][i] != spec.BlockOK {
			t.Errorf("request %d: %d bytes, %v, status %d", i, n, err, a.pages[6][i])
		}
	}
	got := make([]byte, 64<<10)
	if err := d.ReadAt(got, 0); err != nil || a.pages[5][1023] != 'x' || bytes.Count(got, []byte{0}) != 4096 || got[4096] != 0 {
		t.Errorf("%v, or it was not carried out", err)
	}
}
