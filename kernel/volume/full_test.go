package volume

import (
	"bytes"
	"fmt"
	"syscall"
	"testing"

	"ringo.dev/ringo/kernel"
)

// TestFull fills small volumes again and again. The space that was promised can be
// used, removing brings all of it back, and what was written stays.
func TestFull(t *testing.T) {
	for _, size := range []int64{1 << 20, 3 << 20, 20 << 20} {
		t.Run(fmt.Sprint(size>>20), func(t *testing.T) {
			disk := format(t, size)
			m := mount(t, disk)
			empty := m.statfs()
			for round := range 12 {
				chunk := []int{1 << 10, 5000, 100 << 10}[round%3]
				written, names := int64(0), []string{}
				contents := map[string][]byte{}
				for i := 0; ; i++ {
					name := fmt.Sprint("file", i)
					f, err := m.create(name)
					if err == syscall.ENOSPC {
						break
					}
					if err != 0 {
						t.Fatal(err)
					}
					names = append(names, name)
					b := pattern(chunk, uint64(i))
					n, err := f.(kernel.WriterAt).WriteAt(b, 0)
					if err != 0 && err != syscall.ENOSPC {
						t.Fatal(err)
					}
					contents[name] = b[:max(n, 0)]
					written += int64(max(n, 0)+BlockSize-1) / BlockSize
					if round%2 == 0 && i%3 == 0 {
						if err := f.(kernel.Syncer).Sync(); err != 0 {
							t.Fatal("fsync on a full disk:", err)
						}
					}
					f.Close()
					if err != 0 {
						break
					}
				}
				full := m.statfs()
				if 10*written < 8*int64(empty.Bavail) && chunk > 10000 {
					t.Errorf("round %d: only %d blocks of %d could be written", round, written, empty.Bavail)
				}
				if full.Bavail*20 > empty.Bavail {
					t.Errorf("round %d: full, but there are %d blocks of %d", round, full.Bavail, empty.Bavail)
				}
				if round%4 == 3 {
					m.unmount()
					checkClean(t, disk)
					m = mount(t, disk)
				}
				for name, want := range contents {
					if got, err := m.read(name); err != 0 || !bytes.Equal(got, want) {
						t.Fatalf("round %d: %s has %d bytes, want %d: %v", round, name, len(got), len(want), err)
					}
				}
				for _, name := range names {
					if err := m.root().Unlink(name); err != 0 {
						t.Fatalf("round %d: unlink on a full disk: %v", round, err)
					}
				}
				if st := m.statfs(); st.Bfree != empty.Bfree || st.Bavail != empty.Bavail {
					t.Errorf("round %d: %d blocks are free, were %d", round, st.Bfree, empty.Bfree)
				}
			}
			m.unmount()
			checkClean(t, disk)
		})
	}
}

// TestOverwriteFull changes data on a full disk: what was promised is kept.
func TestOverwriteFull(t *testing.T) {
	disk := format(t, 2<<20)
	m := mount(t, disk)
	f, err := m.create("big")
	if err != 0 {
		t.Fatal(err)
	}
	size := int64(0)
	for {
		n, err := f.(kernel.WriterAt).WriteAt(pattern(BlockSize, uint64(size)), size)
		if err == syscall.ENOSPC {
			break
		}
		if err != 0 {
			t.Fatal(err)
		}
		size += int64(n)
	}
	if err := m.fs.Sync(); err != 0 {
		t.Fatal(err)
	}
	ok := 0
	for i := range int64(200) {
		off := i * 7919 % (size / BlockSize) * BlockSize
		switch err := writeAll(f, pattern(BlockSize, uint64(off)), off); err {
		case 0:
			ok++
		case syscall.ENOSPC:
		default:
			t.Fatal(err)
		}
		if err := f.(kernel.Syncer).Sync(); err != 0 {
			t.Fatal(err)
		}
	}
	if ok < 200 {
		t.Errorf("only %d of 200 blocks could be overwritten", ok)
	}
	f.Close()
	got, err := m.read("big")
	for off := int64(0); off < size; off += BlockSize {
		if err != 0 || !bytes.Equal(got[off:off+BlockSize], pattern(BlockSize, uint64(off))) {
			t.Fatalf("wrong data at %d: %v", off, err)
		}
	}
	m.unmount()
	checkClean(t, disk)
}

// TestDiscard tells the disk of what a removed file had.
func TestDiscard(t *testing.T) {
	disk := format(t, 8<<20)
	m := mount(t, disk)
	f, err := m.create("file")
	if err != 0 {
		t.Fatal(err)
	}
	content := pattern(1<<20, 1)
	writeAll(f, content, 0)
	f.Close()
	m.statfs()
	find := func(want []byte) (n int) {
		b := make([]byte, BlockSize)
		for off := int64(0); off < disk.Size(); off += BlockSize {
			if disk.ReadAt(b, off); bytes.Equal(b, want) {
				n++
			}
		}
		return n
	}
	if find(content[:BlockSize]) != 1 {
		t.Error("the data is not on the disk")
	}
	m.root().Unlink("file")
	m.statfs()
	if n := find(bytes.Repeat([]byte{0xdd}, BlockSize)); n != len(content)/BlockSize {
		t.Errorf("%d blocks of %d were discarded", n, len(content)/BlockSize)
	}
	m.unmount()
}

// TestHuge uses a volume of 1 TiB of which little is written: a mount takes no longer
// for that.
func TestHuge(t *testing.T) {
	disk := format(t, 1<<40)
	if w := disk.Written(); w > 4<<20 {
		t.Errorf("making the volume wrote %d bytes", w)
	}
	m := mount(t, disk)
	st := m.statfs()
	if have := st.Bavail * BlockSize; have < 1<<40*98/100 {
		t.Errorf("%d bytes of 2^40 are free", have)
	}
	f, err := m.create("sparse")
	if err != 0 {
		t.Fatal(err)
	}
	offs := []int64{0, 1 << 30, 1 << 39, 1<<62 + 4096, 1<<63 - 8192}
	for _, off := range offs {
		if err := writeAll(f, pattern(100, uint64(off)), off); err != 0 {
			t.Fatal(off, err)
		}
	}
	f.Close()
	m.unmount()
	m = mount(t, disk)
	node, _ := m.root().Lookup("sparse")
	f, err = node.(kernel.Regular).Open(0)
	if err != 0 {
		t.Fatal(err)
	}
	for _, off := range offs {
		b := make([]byte, 100)
		if n, err := f.(kernel.ReaderAt).ReadAt(b, off); n != 100 || err != 0 || !bytes.Equal(b, pattern(100, uint64(off))) {
			t.Fatalf("at %d: %d %v", off, n, err)
		}
	}
	f.Close()

	// Space in very many regions does not take more and more memory.
	node, err = m.root().Create("large", syscall.S_IFREG|0o644, 0)
	if err != 0 {
		t.Fatal(err)
	}
	f, _ = node.(kernel.Regular).Open(syscall.O_RDWR)
	if err := f.(kernel.Allocater).Allocate(0, 0, 200<<30); err != 0 {
		t.Fatal(err)
	}
	f.Close()
	if st := m.statfs(); st.Bavail*BlockSize > 1<<40-200<<30 {
		t.Errorf("%d bytes are free", st.Bavail*BlockSize)
	}
	if err := m.root().Unlink("large"); err != 0 {
		t.Fatal(err)
	}
	if n := len(m.v.space.leaves); n > 2*maxBitmaps {
		t.Errorf("%d bitmaps are in memory", n)
	}
	m.unmount()
	checkClean(t, disk)
}
