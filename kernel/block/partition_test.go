package block

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// memory is a disk in memory.
type memory struct {
	b      []byte
	sector int
	err    error
}

func (m *memory) Size() int64                       { return int64(len(m.b)) }
func (m *memory) SectorSize() int                   { return m.sector }
func (m *memory) ReadOnly() bool                    { return false }
func (m *memory) Flush() error                      { return m.err }
func (m *memory) Discard(off, n int64) error        { clear(m.b[off : off+n]); return m.err }
func (m *memory) Zero(off, n int64, _ bool) error   { clear(m.b[off : off+n]); return m.err }
func (m *memory) ReadAt(p []byte, off int64) error  { copy(p, m.b[off:off+int64(len(p))]); return m.err }
func (m *memory) WriteAt(p []byte, off int64) error { copy(m.b[off:], p); return m.err }

const testSectors = 4096

// putMBR makes entry i of the boot record at a sector.
func (m *memory) putMBR(lba, i int, kind byte, first, sectors uint32) {
	b := m.b[lba*m.sector:]
	b[510], b[511] = 0x55, 0xaa
	e := b[mbrOffset+i*mbrEntry:]
	e[4] = kind
	binary.LittleEndian.PutUint32(e[8:], first)
	binary.LittleEndian.PutUint32(e[12:], sectors)
}

// putGPT makes a table with its header at a sector and its entries at another.
func (m *memory) putGPT(lba, entries int, ranges ...[2]uint64) {
	le := binary.LittleEndian
	table := m.b[entries*m.sector:][:128*128]
	for i, r := range ranges {
		e := table[i*128:]
		e[0] = 1
		le.PutUint64(e[32:], r[0])
		le.PutUint64(e[40:], r[1])
	}
	h := m.b[lba*m.sector:][:gptMinHeader]
	copy(h, gptSignature)
	le.PutUint32(h[12:], gptMinHeader)
	le.PutUint64(h[24:], uint64(lba))
	le.PutUint64(h[72:], uint64(entries))
	le.PutUint32(h[80:], 128)
	le.PutUint32(h[84:], 128)
	le.PutUint32(h[88:], crc32.ChecksumIEEE(table))
	clear(h[16:20])
	le.PutUint32(h[16:], crc32.ChecksumIEEE(h))
}

func newMemory(sector int) *memory {
	return &memory{b: make([]byte, testSectors*sector), sector: sector}
}

// gptDisk has two partitions and both tables.
func gptDisk(sector int) *memory {
	m := newMemory(sector)
	m.putMBR(0, 0, kindProtective, 1, testSectors-1)
	ranges := [][2]uint64{{64, 163}, {0, 0}, {1000, 1999}}
	m.putGPT(1, 2, ranges...)
	m.putGPT(testSectors-1, testSectors-40, ranges...)
	return m
}

func check(t *testing.T, m *memory, want ...Partition) {
	t.Helper()
	got, err := Partitions(m)
	if err != nil {
		t.Error(err)
	}
	for i := range want {
		want[i].Start *= int64(m.sector)
		want[i].Size *= int64(m.sector)
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestGPT(t *testing.T) {
	for _, sector := range []int{512, 4096} {
		want := []Partition{{1, 64, 100}, {3, 1000, 1000}}
		m := gptDisk(sector)
		check(t, m, slices.Clone(want)...)
		m.b[sector+40] ^= 1 // the first header
		check(t, m, slices.Clone(want)...)
		m.b[(testSectors-40)*sector+40] ^= 1 // the entries of the second
		check(t, m)
	}
}

func TestMBR(t *testing.T) {
	m := newMemory(512)
	check(t, m)
	m.putMBR(0, 0, 0x83, 100, 200)
	m.putMBR(0, 3, 0x05, 1000, 1000)
	m.putMBR(1000, 0, 0x83, 10, 20)
	m.putMBR(1000, 1, 0x05, 500, 100)
	m.putMBR(1500, 0, 0x83, 1, 10)
	check(t, m, Partition{1, 100, 200}, Partition{5, 1010, 20}, Partition{6, 1501, 10})
	m.putMBR(1500, 1, 0x05, 500, 100) // in a circle
	if got, err := Partitions(m); err != nil || len(got) > maxLogical+mbrEntries {
		t.Errorf("%d partitions, %v", len(got), err)
	}
	m.putMBR(0, 1, 0x83, 4000, 97) // one sector too many
	check(t, m)
}

// TestSgdisk has sgdisk make the table.
func TestSgdisk(t *testing.T) {
	sgdisk, err := exec.LookPath("sgdisk")
	if err != nil {
		t.Skip("sgdisk is missing; install it with apt-get install gdisk")
	}
	m := newMemory(512)
	name := writeTemp(t, m.b)
	out, err := exec.Command(sgdisk, "--set-alignment=8", "--new=1:64:163", "--new=4:1000:1999", name).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	m.b = readFile(t, name)
	check(t, m, Partition{1, 64, 100}, Partition{4, 1000, 1000})
}

func TestReadError(t *testing.T) {
	m := gptDisk(512)
	m.err = errors.New("broken")
	if got, err := Partitions(m); err != m.err || got != nil {
		t.Errorf("%v, %v", got, err)
	}
}

func TestSection(t *testing.T) {
	m := newMemory(512)
	s := Partition{1, 1024, 2048}.Open(m)
	if err := s.WriteAt(bytes.Repeat([]byte("x"), 2048), 0); err != nil || strings.Count(string(m.b[1024:3072]), "x") != 2048 || m.b[3072] != 0 {
		t.Errorf("writing it: %v, or in a wrong place", err)
	}
	p := make([]byte, 512)
	if err := s.ReadAt(p, 1536); err != nil || p[511] != 'x' {
		t.Errorf("reading its end: %v, %q", err, p[511])
	}
	for _, off := range []int64{-512, 2048, 1 << 62} {
		if s.ReadAt(p, off) == nil || s.WriteAt(p, off) == nil || s.Discard(off, 512) == nil || s.Zero(off, 512, false) == nil {
			t.Errorf("a transfer at %d: accepted", off)
		}
	}
	if err := s.Discard(0, 2048); err != nil || m.b[1024] != 0 {
		t.Errorf("discard: %v", err)
	}
	copy(m.b[512:], bytes.Repeat([]byte("y"), 2048))
	if err := s.Zero(512, 512, false); err != nil || strings.Count(string(m.b[512:2560]), "y") != 1536 || m.b[1535] != 'y' || m.b[2048] != 'y' {
		t.Errorf("zeroes: %v, or in a wrong place", err)
	}
}

// FuzzPartitions spoils bytes of a disk with both kinds of tables, each given by
// its offset and value.
func FuzzPartitions(f *testing.F) {
	f.Add([]byte{0xc2, 1, 5}, false)
	f.Add([]byte{0x50, 2, 0xff, 0x58, 2, 1}, true)
	valid := gptDisk(512)
	f.Fuzz(func(t *testing.T, patches []byte, whole bool) {
		m := &memory{b: bytes.Clone(valid.b), sector: 512}
		if whole {
			copy(m.b, patches)
		} else {
			for ; len(patches) >= 3; patches = patches[3:] {
				m.b[binary.LittleEndian.Uint16(patches)] = patches[2]
			}
		}
		// The sums are right again, so that what they guard is looked at.
		if h := m.b[512:]; string(h[:8]) == gptSignature {
			le := binary.LittleEndian
			if n := int64(le.Uint32(h[80:])) * int64(le.Uint32(h[84:])); n < 1<<20 {
				le.PutUint32(h[88:], crc32.ChecksumIEEE(m.b[1024:][:n]))
			}
			if n := le.Uint32(h[12:]); n <= 512 {
				clear(h[16:20])
				le.PutUint32(h[16:], crc32.ChecksumIEEE(h[:n]))
			}
		}
		found, err := Partitions(m)
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range found {
			if p.Start < 512 || p.Size <= 0 || p.Start+p.Size > m.Size() {
				t.Fatalf("%+v is not on the disk", p)
			}
		}
	})
}

func writeTemp(t *testing.T, b []byte) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "disk")
	if err := os.WriteFile(name, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

func readFile(t *testing.T, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
