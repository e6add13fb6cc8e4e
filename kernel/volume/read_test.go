package volume

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"syscall"
	"testing"

	"ringo.dev/ringo/kernel/block"
	"ringo.dev/ringo/kernel/block/blocktest"
	"ringo.dev/ringo/kernel/pagecache"
)

// batching is a disk that takes several transfers at once, and cannot read one block.
type batching struct {
	*blocktest.Disk
	bad   int64 // -1: it can
	calls int   // of ReadAll
	most  int   // transfers of a call
}

func (d *batching) ReadAt(p []byte, off int64) error {
	if d.bad >= 0 && off <= d.bad*BlockSize && d.bad*BlockSize < off+int64(len(p)) {
		return errors.New("cannot be read")
	}
	return d.Disk.ReadAt(p, off)
}

func (d *batching) ReadAll(list []block.Transfer) error {
	d.calls++
	d.most = max(d.most, len(list))
	for _, r := range list {
		if err := d.ReadAt(r.Data, r.Off); err != nil {
			return err
		}
	}
	return nil
}

func (d *batching) WriteAll(list []block.Transfer, flush bool) error {
	for _, w := range list {
		if err := d.WriteAt(w.Data, w.Off); err != nil {
			return err
		}
	}
	return nil
}

// TestScattered reads a file whose blocks lie in many places, some of which are holes: the
// disk gets the reads together. If one of them fails it is known which.
func TestScattered(t *testing.T) {
	disk := &batching{Disk: format(t, 16<<20), bad: -1}
	m := mount(t, disk)
	f, e := m.create("file")
	if e != 0 {
		t.Fatal(e)
	}
	const blocks = 100
	want := make([]byte, blocks*BlockSize)
	for i := 1; i < blocks; i += 2 { // every other one, backwards, and not all of those
		at := (blocks - i) * BlockSize
		copy(want[at:], pattern(BlockSize, uint64(i)))
		if i%7 == 0 {
			clear(want[at:][:BlockSize])
			continue
		}
		if err := writeAll(f, want[at:][:BlockSize], int64(at)); err != 0 {
			t.Fatal(err)
		}
		f.(interface{ Sync() syscall.Errno }).Sync()
	}
	f.Close()
	m.unmount()

	var reported []string
	v, err := Open(disk, Options{Report: func(err error) { reported = append(reported, err.Error()) }})
	if err != nil {
		t.Fatal(err)
	}
	m = &mounted{t, v, v.Files(pagecache.New(1 << 20))}
	got, e := m.read("file")
	if e != 0 || !bytes.Equal(got, want) {
		t.Fatalf("%d bytes, want %d: %v", len(got), len(want), e)
	}
	if disk.most < blocks/4 || disk.calls > 6 {
		t.Errorf("%d calls for reading, the largest of %d pieces", disk.calls, disk.most)
	}
	node, _ := m.root().Lookup("file")
	var st syscall.Stat_t
	node.Stat(&st)
	ext, ok, err := m.fs.tree.extentAt(st.Ino, 30)
	if err != nil || !ok {
		t.Fatal(ok, err)
	}
	disk.bad = int64(ext.addr)
	if err := m.fs.read(st.Ino, 0, make([]byte, blocks*BlockSize)); err == nil {
		t.Error("no error")
	}
	if !slices.ContainsFunc(reported, func(s string) bool { return strings.Contains(s, "block "+decimal(ext.addr)+" ") }) {
		t.Errorf("block %d cannot be read; reported is %q", ext.addr, reported)
	}
	m.unmount()
}
