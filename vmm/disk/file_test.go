package disk

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"ringo.dev/ringo/kernel/block"
)

// newFile makes a file of n bytes.
func newFile(t *testing.T, n int64) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "disk")
	if err := os.WriteFile(name, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(name, n); err != nil {
		t.Fatal(err)
	}
	return name
}

func open(t *testing.T, name string, readOnly bool) *File {
	t.Helper()
	d, err := Open(name, readOnly)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return d
}

func TestFile(t *testing.T) {
	d := open(t, newFile(t, 1<<20+100), false)
	if d.Size() != 1<<20 || d.SectorSize() != 512 || d.ReadOnly() {
		t.Errorf("size %d, sectors of %d, read-only %v", d.Size(), d.SectorSize(), d.ReadOnly())
	}
	want := bytes.Repeat([]byte("0123456789abcdef"), 1<<20/16)
	var pieces [][]byte // more than a system call takes
	for rest := want; len(rest) > 0; rest = rest[min(len(rest), 500):] {
		pieces = append(pieces, rest[:min(len(rest), 500)])
	}
	if err := d.WriteV(pieces, 0); err != nil {
		t.Fatal(err)
	}
	if err := d.Flush(); err != nil {
		t.Fatal(err)
	}
	check := func() {
		t.Helper()
		got := make([]byte, len(want))
		if err := d.ReadV([][]byte{got[:1], got[1:7000], got[7000:]}, 0); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%v, or what is read is not what was written", err)
		}
	}
	check()
	got := make([]byte, 1024)
	if done, err := d.TryReadV([][]byte{got}, 2048); err != nil || done && !bytes.Equal(got, want[2048:3072]) {
		t.Errorf("what is in memory: %v, %v, or it is wrong", done, err)
	}
	for _, discard := range []bool{false, true} {
		if err := block.Zero(d, 4096, 8192, discard); err != nil {
			t.Fatal(err)
		}
		clear(want[4096:][:8192])
		check()
	}
	if err := d.Discard(1<<19, 1<<18); err != nil {
		t.Fatal(err)
	}
	if err := d.ReadAt(got, 1<<19); err != nil {
		t.Error(err)
	}
}

// TestLimits checks that what is not on the disk, or not in sectors, is refused.
func TestLimits(t *testing.T) {
	d := open(t, newFile(t, 1<<20), false)
	for _, c := range []struct{ off, n int64 }{{-512, 512}, {1 << 20, 512}, {1<<20 - 512, 1024}, {1<<63 - 512, 512}, {100, 512}, {0, 100}} {
		p := make([]byte, c.n)
		for verb, err := range map[string]error{
			"read": d.ReadAt(p, c.off), "write": d.WriteAt(p, c.off), "discard": d.Discard(c.off, c.n), "zero": d.Zero(c.off, c.n, false),
		} {
			if !errors.Is(err, unix.EINVAL) {
				t.Errorf("%s of %d bytes at %d: %v", verb, c.n, c.off, err)
			}
		}
	}
	if err := os.Truncate(d.Name(), 4096); err != nil {
		t.Fatal(err)
	}
	if err := d.ReadAt(make([]byte, 512), 8192); err == nil || !strings.Contains(err.Error(), "shorter") {
		t.Errorf("reading what the file has lost: %v", err)
	}
}

func TestReadOnly(t *testing.T) {
	name := newFile(t, 4096)
	d, other := open(t, name, true), open(t, name, true)
	if !d.ReadOnly() || !other.ReadOnly() {
		t.Error("they are not read-only")
	}
	if err := d.WriteAt(make([]byte, 512), 0); !errors.Is(err, unix.EROFS) {
		t.Errorf("writing: %v", err)
	}
	if err := d.Flush(); err != nil {
		t.Error(err)
	}
}

// TestLock opens a disk that is open.
func TestLock(t *testing.T) {
	name := newFile(t, 4096)
	d := open(t, name, false)
	for _, readOnly := range []bool{false, true} {
		if _, err := Open(name, readOnly); !errors.Is(err, ErrInUse) {
			t.Errorf("read-only %v: %v", readOnly, err)
		}
	}
	d.Close()
	reader := open(t, name, true)
	if _, err := Open(name, false); !errors.Is(err, ErrInUse) {
		t.Errorf("for writing beside a reader: %v", err)
	}
	reader.Close()
	open(t, name, false)
}

func TestOpenErrors(t *testing.T) {
	for name, want := range map[string]string{
		filepath.Join(t.TempDir(), "x"): "ringo volume create",
		t.TempDir():                     "is a directory",
		newFile(t, 511):                 "too small",
		"/dev/null":                     "neither a regular file nor a block device",
	} {
		if _, err := Open(name, false); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v, want %q", name, err, want)
		}
	}
}
