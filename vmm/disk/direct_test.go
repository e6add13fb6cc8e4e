package disk

import (
	"bytes"
	"errors"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"ringo.dev/ringo/kernel/volume"
)

// openDirect skips the test where the file system of temporary files cannot go past
// the page cache.
func openDirect(t *testing.T, name string, readOnly bool) *File {
	t.Helper()
	d, err := OpenDirect(name, readOnly)
	if errors.Is(err, ErrNotDirect) {
		t.Skipf("this needs a file system with O_DIRECT, which TMPDIR can name: %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return d
}

// demand makes d as demanding as a disk can be.
func demand(d *File) { d.sector, d.direct = maxSector, newDirect(4096, maxSector) }

// TestDirect transfers pieces that lie well in memory, and others that do not, and
// compares with what the file holds for others.
func TestDirect(t *testing.T) {
	for name, prepare := range map[string]func(*File){"as the file system wants it": func(*File) {}, "4096": demand} {
		t.Run(name, func(t *testing.T) {
			const size = 2 << 20
			d := openDirect(t, newFile(t, size+512), false)
			flags, err := unix.FcntlInt(uintptr(d.fd), unix.F_GETFL, 0)
			if err != nil || flags&unix.O_DIRECT == 0 {
				t.Errorf("flags %#x, %v: not O_DIRECT", flags, err)
			}
			prepare(d)
			want := bytes.Repeat([]byte("0123456789abcde"), size/15+1)[:size]
			memory := make([]byte, size+8192)
			memory = memory[4096-int(address(memory)%4096):] // begins a page
			cases := map[string][][]byte{
				"one piece":    {memory[:size]},
				"pages":        {memory[:8192], memory[8192:12288], memory[12288:size]},
				"at odd bytes": {memory[1 : size+1]},
				"odd lengths":  {memory[:100], memory[100:4096], memory[4096:700_000], memory[700_000:size]},
			}
			for name, pieces := range cases {
				scatter(pieces, want)
				if err := d.WriteV(pieces, 0); err != nil {
					t.Fatalf("%s: %v", name, err)
				}
				if err := d.Flush(); err != nil {
					t.Fatal(err)
				}
				if got, err := os.ReadFile(d.Name()); err != nil || !bytes.Equal(got[:size], want) {
					t.Fatalf("%s: %v, or the file does not hold what was written", name, err)
				}
				clear(memory)
				if err := d.ReadV(pieces, 0); err != nil {
					t.Fatalf("%s: %v", name, err)
				}
				got := make([]byte, size)
				if gather(got, pieces); !bytes.Equal(got, want) {
					t.Fatalf("%s: what is read is not what was written", name)
				}
				want = append(want[1:], want[0]) // others than before
			}
			if done, err := d.TryReadV(cases["pages"], 0); done || err != nil {
				t.Errorf("reading what is in memory: %v, %v", done, err)
			}
			if err := d.Zero(4096, 8192, false); err != nil {
				t.Fatal(err)
			}
			part := memory[:4096]
			if err := d.ReadAt(part, 8192); err != nil || !bytes.Equal(part, make([]byte, 4096)) {
				t.Errorf("%v, or what was made zeroes is not", err)
			}
			for _, p := range [][]byte{memory[:8192], memory[1:8193]} {
				if err := d.WriteAt(p, size-4096); !errors.Is(err, unix.EINVAL) {
					t.Errorf("writing beyond the end: %v", err)
				}
			}
		})
	}
}

// TestDirectBuffers has more goroutines than there are buffers read.
func TestDirectBuffers(t *testing.T) {
	d := openDirect(t, newFile(t, 1<<20), false)
	demand(d)
	errs := make(chan error)
	for range 3 * maxBuffers {
		go func() {
			p := make([]byte, 1<<20+1)
			errs <- d.ReadV([][]byte{p[:1], p[1 : 1<<20]}, 0)
		}()
	}
	for range 3 * maxBuffers {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	if len(d.direct.buffers) != maxBuffers {
		t.Errorf("%d buffers of %d came back", len(d.direct.buffers), maxBuffers)
	}
}

func TestDirectReadOnly(t *testing.T) {
	d := openDirect(t, newFile(t, 8192), true)
	for _, p := range [][]byte{make([]byte, 4096), make([]byte, 4097)[1:]} {
		if err := d.WriteAt(p, 0); !errors.Is(err, unix.EROFS) {
			t.Errorf("writing: %v", err)
		}
		if err := d.ReadAt(p, 4096); err != nil {
			t.Error(err)
		}
	}
	if err := d.Flush(); err != nil {
		t.Error(err)
	}
}

// TestDirectRefused opens a file of a file system that has no O_DIRECT.
func TestDirectRefused(t *testing.T) {
	const name = "/proc/version"
	if _, err := OpenDirect(name, true); !errors.Is(err, ErrNotDirect) || !strings.Contains(err.Error(), name) || !strings.Contains(err.Error(), "leave out :direct") {
		t.Errorf("%v", err)
	}
}

// TestDirectVolume looks at a volume that was made by the page cache, on a disk whose
// sectors are then larger, and the other way round.
func TestDirectVolume(t *testing.T) {
	name := newFile(t, 4<<20)
	check := func(d *File) {
		t.Helper()
		defer d.Close()
		if _, err := volume.Check(d, func(err error) { t.Error(err) }); err != nil {
			t.Error(err)
		}
	}
	format := func(d *File) {
		t.Helper()
		defer d.Close()
		if err := volume.Format(d, [16]byte{}); err != nil {
			t.Fatal(err)
		}
	}
	format(open(t, name, false))
	d := openDirect(t, name, false)
	demand(d)
	check(d)
	d = openDirect(t, name, false)
	demand(d)
	format(d)
	check(open(t, name, false))
}
