package image

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os/exec"
	"path/filepath"
	"testing"
)

// encoders are the file formats for disks, and QEMU's names for them.
var encoders = []struct {
	name, qemu string
	encode     func(*Disk) (*Disk, error)
	checks     bool // qemu-img check knows it
}{
	{"qcow2", "qcow2", qcow2, true},
	{"vmdk", "vmdk", vmdk, true},
	{"vdi", "vdi", vdi, true},
	{"vhd", "vpc", vhd, false},
}

// randomDisk returns a disk with some extents of any length, at any place.
func randomDisk(r *rand.Rand, size int64) *Disk {
	d := NewDisk(size)
	for range r.IntN(20) {
		n := r.Int64N(1 << uint(1+r.IntN(21)))
		data := make([]byte, n)
		if r.IntN(4) > 0 { // else zeros
			for i := range data {
				data[i] = byte(r.Uint32())
			}
		}
		at := r.Int64N(size)
		if r.IntN(2) == 0 {
			at &^= 1<<uint(r.IntN(20)) - 1
		}
		d.Put(at, data) // it may not fit
	}
	return d
}

// write writes a disk to a file in dir.
func write(t *testing.T, dir, name string, d *Disk) string {
	t.Helper()
	name = filepath.Join(dir, name)
	if err := d.WriteFile(name); err != nil {
		t.Fatal(err)
	}
	return name
}

// TestFormats lets QEMU look at files of all formats with disks of all kinds:
// they have to be sound and to hold what the disk does.
func TestFormats(t *testing.T) {
	if _, err := exec.LookPath("qemu-img"); err != nil {
		t.Skip("qemu-img is missing; install it with apt-get install qemu-utils")
	}
	// A difference in size is only a warning to it.
	qemu := func(args ...string) {
		t.Helper()
		if out, err := exec.Command("qemu-img", args...).CombinedOutput(); err != nil || bytes.Contains(out, []byte("Warning")) {
			t.Errorf("qemu-img %q: %v\n%s", args, err, out)
		}
	}
	const mega = 1 << 20
	full := NewDisk(3 * mega)
	full.Put(0, bytes.Repeat([]byte{1}, 3*mega))
	last := NewDisk(3 << 30) // more than one table of each kind
	last.Put(600*mega+1, []byte{1})
	last.Put(3<<30-1, []byte{2})
	disks := []*Disk{NewDisk(mega), full, last}
	for i := range 12 {
		r := rand.New(rand.NewPCG(uint64(i), 0))
		disks = append(disks, randomDisk(r, (1+r.Int64N(40))*mega))
	}
	for i, d := range disks {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			dir := t.TempDir()
			raw := write(t, dir, "raw", d)
			for _, e := range encoders {
				file, err := e.encode(d)
				if err != nil {
					t.Fatalf("%s: %v", e.name, err)
				}
				name := write(t, dir, e.name, file)
				if e.checks {
					qemu("check", "-f", e.qemu, name)
				}
				qemu("compare", "-f", "raw", "-F", e.qemu, raw, name)
			}
		})
	}
}

// TestFormatErrors checks that sizes that a format does not have are refused.
func TestFormatErrors(t *testing.T) {
	for _, e := range encoders {
		_, err := e.encode(NewDisk(1<<20 + SectorSize))
		if wants := e.name == "vmdk" || e.name == "vhd"; wants != (err != nil) {
			t.Errorf("%s: %v", e.name, err)
		}
	}
}

// FuzzFormats checks of any disk that encoding it succeeds, that files of
// formats are not longer than they have to be, and that it happens the same way
// every time.
func FuzzFormats(f *testing.F) {
	f.Add(uint64(1), uint16(1))
	f.Add(uint64(2), uint16(5000))
	f.Fuzz(func(t *testing.T, seed uint64, megas uint16) {
		size := (int64(megas) + 1) << 20
		disk := func() *Disk { return randomDisk(rand.New(rand.NewPCG(seed, 1)), size) }
		d := disk()
		for _, e := range encoders {
			file, err := e.encode(d)
			if err != nil {
				t.Fatalf("%s: %v", e.name, err)
			}
			again, err := e.encode(disk())
			if err != nil || !equal(file, again) {
				t.Errorf("%s: the same disk makes another file; %v", e.name, err)
			}
		}
	})
}

// equal reports whether two disks have the same extents.
func equal(a, b *Disk) bool {
	if a.Size() != b.Size() || len(a.Extents()) != len(b.Extents()) {
		return false
	}
	for i, e := range a.Extents() {
		if o := b.Extents()[i]; o.Offset != e.Offset || !bytes.Equal(o.Data, e.Data) {
			return false
		}
	}
	return true
}
