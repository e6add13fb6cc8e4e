package image

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestDisk(t *testing.T) {
	d := NewDisk(4 * SectorSize)
	want := make([]byte, 4*SectorSize)
	for _, e := range []Extent{{1000, []byte("middle")}, {0, []byte("begin")}, {2045, []byte("end")}, {1006, []byte("next")}} {
		if err := d.Put(e.Offset, e.Data); err != nil {
			t.Fatal(err)
		}
		copy(want[e.Offset:], e.Data)
	}
	last := int64(-1)
	for _, e := range d.Extents() {
		if e.Offset <= last {
			t.Errorf("an extent at %d follows one that ends at %d", e.Offset, last)
		}
		last = e.end() - 1
	}
	var whole bytes.Buffer
	if n, err := d.WriteTo(&whole); err != nil || n != d.Size() || !bytes.Equal(whole.Bytes(), want) {
		t.Errorf("WriteTo: %d, %v", n, err)
	}
	for off := range want {
		for _, n := range []int{1, 7, 600} {
			p := bytes.Repeat([]byte{0xff}, n)
			got, err := d.ReadAt(p, int64(off))
			rest := min(n, len(want)-off)
			if got != rest || (err == io.EOF) != (rest < n) || !bytes.Equal(p[:got], want[off:off+rest]) {
				t.Fatalf("ReadAt %d bytes at %d: %d, %v, %q", n, off, got, err, p)
			}
		}
	}
}

func TestDiskPutErrors(t *testing.T) {
	d := NewDisk(SectorSize)
	if err := d.Put(100, make([]byte, 100)); err != nil {
		t.Fatal(err)
	}
	for off, want := range map[int64]string{
		-1: "not on a disk", 420: "not on a disk",
		1: "something already", 100: "something already", 150: "something already", 199: "something already",
	} {
		if err := d.Put(off, make([]byte, 100)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("at %d: %v, want %q", off, err, want)
		}
	}
	if err := d.Put(200, make([]byte, 100)); err != nil {
		t.Error(err)
	}
	if err := d.Put(0, make([]byte, 100)); err != nil {
		t.Error(err)
	}
}

// TestWriteFile checks that a file has all of the disk, and that there is none
// after an error.
func TestWriteFile(t *testing.T) {
	d := NewDisk(64 << 20)
	if err := d.Put(1000, []byte("data")); err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(t.TempDir(), "disk")
	if err := os.WriteFile(name, []byte("older and not a disk"), 0o666); err != nil {
		t.Fatal(err)
	}
	if err := d.WriteFile(name); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(name)
	if err != nil || int64(len(data)) != d.Size() || string(data[1000:1004]) != "data" || data[0] != 0 {
		t.Errorf("%v, %d bytes", err, len(data))
	}
	if err := d.WriteFile(filepath.Dir(name)); err == nil {
		t.Error("a directory: no error")
	}
	if err := NewDisk(-1).WriteFile(name); err == nil {
		t.Error("an impossible size: no error")
	}
	if _, err := os.Stat(name); !os.IsNotExist(err) {
		t.Errorf("after an error: %v", err)
	}
}
