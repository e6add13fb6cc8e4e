package block

import (
	"bytes"
	"errors"
	"testing"
)

// plain is a disk that cannot make zeroes.
type plain struct {
	*memory
	writes int
}

func (p *plain) Zero(int64, int64, bool) error { return errors.ErrUnsupported }

func (p *plain) WriteAt(b []byte, off int64) error {
	p.writes++
	return p.memory.WriteAt(b, off)
}

// TestZero makes zeroes on a disk that has a request for that, on one where they must
// be written, and on such a one's partition.
func TestZero(t *testing.T) {
	const size, off, n = testSectors * 512, 1024, 1 << 20
	m, p := newMemory(512), &plain{memory: newMemory(512)}
	for name, c := range map[string]struct {
		memory *memory
		device Device
		off    int64
	}{
		"by request":   {m, m, off},
		"written":      {p.memory, p, off},
		"of partition": {p.memory, NewMeter(Partition{1, 512, size - 512}.Open(p)), off - 512},
	} {
		want := bytes.Repeat([]byte("x"), size)
		copy(c.memory.b, want)
		clear(want[off:][:n])
		if err := Zero(c.device, c.off, n, false); err != nil || !bytes.Equal(c.memory.b, want) {
			t.Errorf("%s: %v, or the disk does not hold what it should", name, err)
		}
	}
	p.writes, p.err = 0, errors.New("broken")
	if err := Zero(p, 0, n, false); err != p.err || p.writes != 1 {
		t.Errorf("a broken disk: %v after %d writes", err, p.writes)
	}
	p.writes, p.err = 0, nil
	for _, c := range [][2]int64{{-512, 512}, {size, 512}, {0, size + 512}, {0, -512}, {1<<63 - 512, 512}} {
		if err := Zero(p, c[0], c[1], false); err != ErrBeyond || p.writes > 0 {
			t.Errorf("%d bytes at %d: %v, %d writes", c[1], c[0], err, p.writes)
		}
	}
}
