package volume

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"ringo.dev/ringo/kernel"
	"ringo.dev/ringo/kernel/block"
	"ringo.dev/ringo/kernel/block/blocktest"
	"ringo.dev/ringo/kernel/pagecache"
)

// mounted is a volume with its files, for tests of the whole.
type mounted struct {
	t  testing.TB
	v  *Volume
	fs *FS
}

func mount(t testing.TB, d block.Device) *mounted {
	t.Helper()
	v := open(t, d)
	return &mounted{t, v, v.Files(pagecache.New(1 << 20))}
}

func (m *mounted) unmount() {
	m.t.Helper()
	if err := m.fs.Close(); err != 0 {
		m.t.Fatal(err)
	}
	if err := m.v.Close(); err != nil {
		m.t.Fatal(err)
	}
}

func (m *mounted) root() directory { return m.fs.Root().(directory) }

// create opens a file that may be new.
func (m *mounted) create(name string) (kernel.File, kernel.Errno) {
	node, err := m.root().Create(name, syscall.S_IFREG|0o644, 0)
	if err == syscall.EEXIST {
		node, err = m.root().Lookup(name)
	}
	if err != 0 {
		return nil, err
	}
	return node.(kernel.Regular).Open(syscall.O_RDWR)
}

// writeAll writes b at an offset.
func writeAll(f kernel.File, b []byte, off int64) kernel.Errno {
	for len(b) > 0 {
		n, err := f.(kernel.WriterAt).WriteAt(b, off)
		if err != 0 {
			return err
		}
		b, off = b[n:], off+int64(n)
	}
	return 0
}

// read returns a file's content.
func (m *mounted) read(name string) ([]byte, kernel.Errno) {
	node, err := m.root().Lookup(name)
	if err != 0 {
		return nil, err
	}
	f, err := node.(kernel.Regular).Open(0)
	if err != 0 {
		return nil, err
	}
	defer f.Close()
	var st syscall.Stat_t
	f.Stat(&st)
	b := make([]byte, st.Size)
	for n := 0; n < len(b); {
		k, err := f.(kernel.ReaderAt).ReadAt(b[n:], int64(n))
		if err != 0 {
			return nil, err
		}
		n += k
	}
	return b, 0
}

func (m *mounted) statfs() (st syscall.Statfs_t) {
	m.t.Helper()
	if err := m.fs.Sync(); err != 0 {
		m.t.Fatal(err)
	}
	if err := m.v.Commit(); err != nil {
		m.t.Fatal(err)
	}
	m.fs.Statfs(&st)
	return st
}

func pattern(n int, seed uint64) []byte {
	b := make([]byte, n)
	r := rand.New(rand.NewPCG(seed, 3))
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

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

// TestOpenUnlinked uses a file without a name, and finds its space free after
// that, or after a crash.
func TestOpenUnlinked(t *testing.T) {
	disk := format(t, 8<<20)
	m := mount(t, disk)
	empty := m.statfs()
	for range 2 {
		f, err := m.create("gone")
		if err != 0 {
			t.Fatal(err)
		}
		want := pattern(3<<20, 1)
		if err := writeAll(f, want, 0); err != 0 {
			t.Fatal(err)
		}
		if err := m.root().Unlink("gone"); err != 0 {
			t.Fatal(err)
		}
		if err := m.fs.Sync(); err != 0 {
			t.Fatal(err)
		}
		got := make([]byte, len(want))
		if n, err := f.(kernel.ReaderAt).ReadAt(got, 0); n != len(want) || err != 0 || !bytes.Equal(got, want) {
			t.Fatalf("%d bytes: %v", n, err)
		}
		crashed := disk.Clone()
		checkClean(t, crashed)
		w := mount(t, crashed)
		if st := w.statfs(); st.Bfree != empty.Bfree {
			t.Errorf("after a crash %d blocks are free, were %d", st.Bfree, empty.Bfree)
		}
		w.unmount()
		checkClean(t, crashed)
		f.Close()
		if st := m.statfs(); st.Bfree != empty.Bfree {
			t.Errorf("%d blocks are free, were %d", st.Bfree, empty.Bfree)
		}
	}
	m.unmount()
}

// TestReplace renames a file over another one without fsync, as many programs do. When the
// new name is durable, so is the data.
func TestReplace(t *testing.T) {
	disk := newRecorder(format(t, 8<<20))
	m := mount(t, disk)
	put := func(name string, content []byte) {
		t.Helper()
		f, err := m.create(name)
		if err == 0 {
			err = writeAll(f, content, 0)
		}
		if err != 0 {
			t.Fatal(err)
		}
		f.Close()
	}
	old, content := pattern(100<<10, 1), pattern(300<<10, 2)
	put("file", old)
	if err := m.fs.Sync(); err != 0 {
		t.Fatal(err)
	}
	put("new", content)
	if err := m.root().Rename("new", m.root(), "file", 0); err != 0 {
		t.Fatal(err)
	}
	r, seen := rand.New(rand.NewPCG(1, 1)), [2]int{}
	look := func() {
		w := mount(t, disk.cut(r))
		switch got, err := w.read("file"); {
		case err != 0:
			t.Error(err)
		case bytes.Equal(got, old):
			seen[0]++
		case bytes.Equal(got, content):
			seen[1]++
		default:
			t.Errorf("%d bytes that nobody wrote", len(got))
		}
	}
	disk.moment = look
	if err := m.fs.Commit(); err != 0 { // another file's fsync
		t.Fatal(err)
	}
	disk.moment = func() {}
	look()
	if seen[0] == 0 || seen[1] == 0 {
		t.Errorf("%d times the old content, %d times the new one", seen[0], seen[1])
	}
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

// TestFlips flips a bit of every block that was written, one at a time. Nothing
// that is read then is wrong: it is right, or an error.
func TestFlips(t *testing.T) {
	disk := format(t, 2<<20)
	m := mount(t, disk)
	want := map[string][]byte{}
	for i := range 20 {
		name := fmt.Sprint("file", i)
		f, err := m.create(name)
		if err != 0 {
			t.Fatal(err)
		}
		want[name] = pattern(1+i*3000, uint64(i))
		writeAll(f, want[name], 0)
		f.Close()
	}
	if err := m.root().Unlink("file3"); err != 0 {
		t.Fatal(err)
	}
	delete(want, "file3")
	if err := m.v.CreateSnapshot("snap"); err != nil {
		t.Fatal(err)
	}
	m.unmount()
	used := 0
	r := rand.New(rand.NewPCG(1, 1))
	for b := range disk.Size() / BlockSize {
		bad := disk.Clone()
		block := make([]byte, BlockSize)
		bad.ReadAt(block, b*BlockSize)
		block[r.IntN(BlockSize)] ^= 1 << r.IntN(8)
		bad.WriteAt(block, b*BlockSize)
		found := 0
		_, err := Check(bad, func(error) { found++ })
		v, openErr := Open(bad, Options{})
		if (err == nil) != (openErr == nil) {
			t.Fatal(err, openErr)
		}
		if openErr != nil {
			used++
			continue
		}
		wrong := 0
		w := &mounted{t, v, v.Files(pagecache.New(1 << 20))}
		for name, data := range want {
			got, err := w.read(name)
			if err != 0 {
				wrong++
				if err != syscall.EIO {
					t.Fatal(err)
				}
			} else if !bytes.Equal(got, data) {
				t.Fatalf("block %d: wrong data of %s without an error", b, name)
			}
		}
		if wrong > 0 && found == 0 {
			t.Errorf("block %d: %d files cannot be read, and Check finds nothing", b, wrong)
		}
		if wrong > 0 || found > 0 {
			used++
		}
	}
	if used < 150 {
		t.Errorf("only %d flips had consequences", used)
	}
}

// TestSnapshots keeps states of a volume, and finds them as they were.
func TestSnapshots(t *testing.T) {
	for seed := range *seeds {
		size := int64(1) << (20 + seed%3)
		disk := format(t, size)
		v := open(t, disk)
		r := rand.New(rand.NewPCG(seed, 9))
		d := newDriver(t, r, v)
		d.greedy = seed%6 >= 3
		kept := map[string]string{}
		for i := range 600 {
			d.step()
			switch r.IntN(30) {
			case 0, 1:
				name := fmt.Sprint("s", i)
				switch err := v.CreateSnapshot(name); err {
				case nil:
					kept[name] = d.digest()
				case syscall.ENOSPC:
				default:
					t.Fatal(err)
				}
			case 2:
				if names := sortedKeys(kept); len(names) > 0 {
					name := names[r.IntN(len(names))]
					if err := v.RemoveSnapshot(name); err != nil {
						t.Fatal(err)
					}
					delete(kept, name)
				}
			case 3:
				v.Sync()
				crashed := disk.Clone()
				checkClean(t, crashed)
				w := open(t, crashed)
				if got := load(t, w, &w.files).digest(); got != d.digest() {
					t.Fatal("other files after a crash")
				}
				w.Close()
				checkClean(t, crashed)
			}
			if t.Failed() {
				t.Fatalf("seed %d, step %d", seed, i)
			}
		}
		all, err := v.Snapshots()
		if err != nil || len(all) != len(kept) {
			t.Fatalf("%d snapshots, want %d: %v", len(all), len(kept), err)
		}
		for _, s := range all {
			if got := load(t, v, &tree{v, filesTree, s.root}).digest(); got != kept[s.Name] {
				t.Fatalf("snapshot %s is not what it was", s.Name)
			}
		}
		v.Close()
		checkClean(t, disk)
		for _, i := range r.Perm(len(all)) {
			if err := v.RemoveSnapshot(all[i].Name); err != nil {
				t.Fatal(err)
			}
			checkClean(t, disk)
		}
		for name, n := range d.root.names {
			removeTree(t, v, RootInode, name, n)
		}
		v.Close()
		checkClean(t, disk)
		fresh := open(t, format(t, size))
		empty := fresh.space.free.Load()
		if got := v.space.free.Load(); got != empty {
			t.Errorf("%d blocks are free when all is removed, want %d", got, empty)
		}
		t.Logf("%d snapshots at the end, %d times full", len(all), d.full)
	}
}

func removeTree(t *testing.T, v *Volume, dir uint64, name string, n *modelNode) {
	t.Helper()
	if n.dir() {
		e, err := v.files.find(dir, name)
		if err != nil {
			t.Fatal(err)
		}
		for sub, c := range n.names {
			removeTree(t, v, e.ino, sub, c)
		}
	}
	if _, err := v.unlink(dir, name, n.dir()); err != nil {
		t.Fatal(err)
	}
}

// TestBigDirectory makes many names, and lists them while some are removed.
func TestBigDirectory(t *testing.T) {
	const n = 20000
	disk := format(t, 64<<20)
	m := mount(t, disk)
	for i := range n {
		if _, err := m.root().Create(fmt.Sprint("a file with a number ", i), syscall.S_IFREG, 0); err != 0 {
			t.Fatal(i, err)
		}
	}
	seen := map[string]int{}
	cookie := int64(0)
	for {
		count := 0
		err := m.root().ReadDir(cookie, func(e kernel.DirEntry) bool {
			seen[e.Name]++
			cookie = e.Cookie
			count++
			return count < 100
		})
		if err != 0 {
			t.Fatal(err)
		}
		if count == 0 {
			break
		}
		m.root().Unlink(fmt.Sprint("a file with a number ", len(seen)))
	}
	for i := range n {
		name := fmt.Sprint("a file with a number ", i)
		if _, err := m.root().Lookup(name); err == 0 && seen[name] != 1 {
			t.Fatalf("%s was listed %d times", name, seen[name])
		}
	}
	m.unmount()
	checkClean(t, disk)
}

// TestParallel uses a volume from many goroutines; on a small one there is often no space.
func TestParallel(t *testing.T) {
	for _, size := range []int64{2 << 20, 16 << 20} {
		t.Run(fmt.Sprint(size>>20), func(t *testing.T) { parallel(t, size) })
	}
}

func parallel(t *testing.T, size int64) {
	disk := format(t, size)
	m := mount(t, disk)
	var wg sync.WaitGroup
	var full atomic.Int64
	// fine reports whether a call did what it should.
	fine := func(err kernel.Errno) bool {
		if err == syscall.ENOSPC {
			full.Add(1)
		} else if err != 0 {
			t.Error(err)
		}
		return err == 0
	}
	shared := "shared"
	if _, err := m.root().Create(shared, syscall.S_IFREG|0o644, 0); err != 0 {
		t.Fatal(err)
	}
	one := func(g, i int, r *rand.Rand) {
		name := fmt.Sprintf("%d-%d", g, r.IntN(6))
		want := pattern(1+r.IntN(200000), uint64(g*1000+i))
		f, err := m.create(name)
		if !fine(err) {
			return
		}
		whole := fine(f.(kernel.Truncater).Truncate(0)) && fine(writeAll(f, want, 0))
		if r.IntN(3) == 0 {
			fine(f.(kernel.Syncer).Sync())
		}
		f.Close()
		if got, err := m.read(name); err != 0 || whole && !bytes.Equal(got, want) {
			t.Errorf("%s: wrong data: %v", name, err)
		}
		switch r.IntN(8) {
		case 0, 1, 2:
			fine(m.root().Unlink(name))
		case 3:
			fine(m.root().Rename(name, m.root(), name+"x", 0))
		case 4: // everybody's
			if f, err := m.create(shared); err == 0 {
				writeAll(f, want, int64(r.IntN(100000)))
				m.root().Unlink(shared)
				f.Close()
			}
		}
	}
	for g := range 6 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			r := rand.New(rand.NewPCG(uint64(g), 4))
			for i := range 100 {
				one(g, i, r)
			}
		}()
	}
	wg.Wait()
	m.unmount()
	checkClean(t, disk)
	t.Logf("full %d times", full.Load())
}

// TestErrors makes and opens volumes where none can be.
func TestErrors(t *testing.T) {
	small := blocktest.New(100 << 10)
	var format *FormatError
	if err := Format(small, [16]byte{}); !errors.As(err, &format) {
		t.Error(err)
	}
	if _, err := Open(blocktest.New(4<<20), Options{}); !errors.As(err, &format) {
		t.Error(err)
	}
}

// failing is a disk that fails from some write or flush on.
type failing struct {
	*recorder
	after int
}

var errFailing = errors.New("the disk is broken")

func (d *failing) broken() bool { d.after--; return d.after < 0 }

func (d *failing) WriteAt(p []byte, off int64) error {
	if d.broken() {
		return errFailing
	}
	return d.recorder.WriteAt(p, off)
}

func (d *failing) Flush() error {
	if d.broken() {
		return errFailing
	}
	return d.recorder.Flush()
}

// TestFailingDisk breaks a disk at every point of some changes. What cannot be written
// is an error, what was read before can be read, and another machine finds what was
// synced.
func TestFailingDisk(t *testing.T) {
	fresh := format(t, 2<<20)
	for after := range 60 {
		disk := &failing{newRecorder(fresh.Clone()), after}
		v, err := Open(disk, Options{})
		if err != nil {
			t.Fatal(err)
		}
		synced, made := -1, -1
		for i := 0; err == nil && i < 100; i++ {
			var ino uint64
			if ino, err = v.create(RootInode, fmt.Sprint("file", i), syscall.S_IFREG|0o644, 0, ""); err != nil {
				break
			}
			err = v.storeAll(grow, ino, 0, pattern(BlockSize*(1+i%8), uint64(i)), BlockSize, 0)
			if err == nil {
				made = i
			}
			if err == nil && i%2 == 0 {
				if err = v.Sync(); err == nil {
					synced = i
				}
			}
			if err == nil && i%7 == 0 {
				err = v.Commit()
			}
		}
		if !errors.Is(err, errFailing) {
			t.Fatalf("after %d: %v", after, err)
		}
		if err := v.Sync(); err == nil && synced < made {
			t.Errorf("after %d: a sync succeeds on a broken disk", after)
		}
		for range 3 {
			cut := disk.cut(rand.New(rand.NewPCG(uint64(after), 1)))
			checkClean(t, cut)
			w := open(t, cut)
			for i := range synced + 1 {
				e, err := w.files.find(RootInode, fmt.Sprint("file", i))
				if err != nil {
					t.Fatalf("after %d: file %d of %d: %v", after, i, synced, err)
				}
				b := make([]byte, BlockSize)
				if err := (&FS{v: w, tree: &w.files}).read(e.ino, 0, b); err != nil || !bytes.Equal(b, pattern(BlockSize, uint64(i))) {
					t.Fatalf("after %d: file %d: %v", after, i, err)
				}
			}
		}
	}
}

// TestSyncCost wants fsync of a little data to be one write and one flush.
func TestSyncCost(t *testing.T) {
	disk := &counter{Disk: format(t, 256<<20)}
	m := mount(t, disk)
	f, err := m.create("file")
	if err != 0 {
		t.Fatal(err)
	}
	const n = 100
	for i := range int64(n + 1) {
		if i == 1 {
			disk.writes, disk.flushes = 0, 0
		}
		writeAll(f, pattern(BlockSize, 1), i*7%n*BlockSize)
		if err := f.(kernel.Syncer).Sync(); err != 0 {
			t.Fatal(err)
		}
	}
	f.Close()
	if disk.writes != n || disk.flushes != n {
		t.Errorf("%d writes and %d flushes for %d times fsync", disk.writes, disk.flushes, n)
	}
	m.unmount()
}

// TestRewriteCost wants data that was replaced before it came to its place not to be
// written there.
func TestRewriteCost(t *testing.T) {
	disk := &counter{Disk: format(t, 256<<20)}
	m := mount(t, disk)
	f, err := m.create("file")
	if err != 0 {
		t.Fatal(err)
	}
	for i := range uint64(100) {
		writeAll(f, pattern(BlockSize, i), 0)
		if err := f.(kernel.Syncer).Sync(); err != 0 {
			t.Fatal(err)
		}
	}
	f.Close()
	disk.bytes = 0
	m.unmount()
	const most = 10 // the block, nodes up to the root, the space map, and superblocks
	if disk.bytes > most*BlockSize {
		t.Errorf("%d blocks are written for one", disk.bytes/BlockSize)
	}
	m = mount(t, disk)
	if got, err := m.read("file"); err != 0 || !bytes.Equal(got, pattern(BlockSize, 99)) {
		t.Errorf("what is read is not what was written last, or: %v", err)
	}
	m.unmount()
	checkClean(t, disk)
}

// TestSuperblocks destroys superblocks. One is enough to find the last state, and those
// of one place have their copies at the other.
func TestSuperblocks(t *testing.T) {
	disk := format(t, 2<<20)
	v := open(t, disk)
	for i := range 5 {
		if _, err := v.create(RootInode, fmt.Sprint(i), syscall.S_IFREG|0o644, 0, ""); err != nil {
			t.Fatal(err)
		}
		if err := v.Commit(); err != nil {
			t.Fatal(err)
		}
	}
	last := v.super.generation
	end := v.super.blocks
	state := load(t, v, &v.files).digest()
	for _, blocks := range [][]uint64{{0}, {1}, {end - 2}, {end - 1}, {0, 1}, {end - 2, end - 1}} {
		bad := disk.Clone()
		for _, b := range blocks {
			bad.WriteAt(bytes.Repeat([]byte{0xaa}, BlockSize), int64(b)*BlockSize)
		}
		w := open(t, bad)
		if got := load(t, w, &w.files).digest(); w.super.generation != last || got != state {
			t.Errorf("without the superblocks %v: generation %d of %d\n%s", blocks, w.super.generation, last, got)
		}
	}
}

// counter is a disk that counts.
type counter struct {
	*blocktest.Disk
	writes, flushes, bytes int
}

func (c *counter) WriteAt(p []byte, off int64) error {
	c.writes++
	c.bytes += len(p)
	return c.Disk.WriteAt(p, off)
}

func (c *counter) Flush() error {
	c.flushes++
	return nil
}

// FuzzOpen opens volumes that were changed where the fuzzer says, with checksums that
// are right. Whatever they hold, nothing panics or does not end.
func FuzzOpen(f *testing.F) {
	disk := someVolume(f)
	c := newCorruptible(f, disk)
	checkClean(f, c.corrupt(nil))
	f.Add([]byte{0, 1, 2, 3, 4, 5, 6, 7})
	f.Fuzz(func(t *testing.T, data []byte) { exercise(c.corrupt(data)) })
}

// TestCorrupt is FuzzOpen with random changes.
func TestCorrupt(t *testing.T) {
	c := newCorruptible(t, someVolume(t))
	r := rand.New(rand.NewPCG(5, 5))
	for range 600 {
		data := make([]byte, 4*(1+r.IntN(4)))
		for i := range data {
			data[i] = byte(r.Uint32())
		}
		if r.IntN(2) == 0 {
			data[1] = 255
		}
		start := time.Now()
		exercise(c.corrupt(data))
		if d := time.Since(start); d > 20*time.Second {
			t.Errorf("%v for %v", d, data)
		}
	}
}

// someVolume returns a disk with a volume that has a bit of everything.
func someVolume(t testing.TB) *blocktest.Disk {
	disk := format(t, 1<<20)
	v := open(t, disk)
	d := newDriver(t, rand.New(rand.NewPCG(1, 1)), v)
	for range 150 {
		d.step()
	}
	if err := v.CreateSnapshot("s"); err != nil {
		t.Fatal(err)
	}
	for range 20 {
		d.step()
	}
	if err := v.Sync(); err != nil {
		t.Fatal(err)
	}
	return disk
}

// corruptible are the blocks of a volume that have a structure, and how their
// checksums depend on each other.
type corruptible struct {
	disk   *blocktest.Disk
	super  superblock
	blocks []structured
}

// structured is a block whose checksum, or that of a part of it, is in another one.
type structured struct {
	addr   uint64
	parent int // index of the block with the checksum; -1: the superblock
	offset int // of the checksum in that
}

// newCorruptible finds the trees' nodes and the log's first record.
func newCorruptible(t testing.TB, disk *blocktest.Disk) *corruptible {
	c := &corruptible{disk: disk}
	var err error
	if c.super, err = readSuper(disk); err != nil {
		t.Fatal(err)
	}
	v := newVolume(disk, c.super)
	var walk func(tr *tree, r treeRoot, parent, offset int)
	walk = func(tr *tree, r treeRoot, parent, offset int) {
		n, err := tr.load(r.pointer, r.level)
		if err != nil {
			t.Fatal(err)
		}
		c.blocks = append(c.blocks, structured{r.addr, parent, offset})
		self := len(c.blocks) - 1
		for i := 0; r.level > 0 && i < n.count(); i++ {
			walk(tr, treeRoot{n.child(i), r.level - 1}, self, int(get16(n.slot(i)[16:]))+16)
		}
	}
	const filesSum, metaSum, spaceSum = 64 + 16, 64 + 24 + 16, 64 + 2*24 + 8
	walk(&v.files, c.super.files, -1, filesSum)
	walk(&v.meta, c.super.meta, -1, metaSum)
	c.blocks = append(c.blocks, structured{v.space.place(0, 0, c.super.space.place), -1, spaceSum})
	return c
}

// corrupt returns a volume in which bytes were changed as data says.
func (c *corruptible) corrupt(data []byte) *blocktest.Disk {
	d := c.disk.Clone()
	super := c.super.encode()
	for ; len(data) >= 4; data = data[4:] {
		i := int(data[0]) % (len(c.blocks) + 2)
		off := (int(data[1]) | int(data[2])<<8) % BlockSize
		switch {
		case i == len(c.blocks):
			super[off%256] = data[3]
		case i == len(c.blocks)+1: // the log
			b := make([]byte, BlockSize)
			d.ReadAt(b, int64(c.super.logStart)*BlockSize)
			b[off] = data[3]
			put32(b[8:], checksum(b[12:min(max(get32(b[12:]), 12), BlockSize)]))
			d.WriteAt(b, int64(c.super.logStart)*BlockSize)
		default:
			b := make([]byte, BlockSize)
			d.ReadAt(b, int64(c.blocks[i].addr)*BlockSize)
			if data[1] == 255 {
				off = nodeHead + int(data[2])%200 // where the slots are
			}
			b[off] = data[3]
			for at := i; ; {
				d.WriteAt(b, int64(c.blocks[at].addr)*BlockSize)
				s := c.blocks[at]
				sum := checksum(b)
				if s.parent < 0 {
					put32(super[s.offset:], sum)
					break
				}
				d.ReadAt(b, int64(c.blocks[s.parent].addr)*BlockSize)
				put32(b[s.offset:], sum)
				at = s.parent
			}
		}
	}
	put32(super[superSum:], 0)
	put32(super[superSum:], checksum(super))
	for _, at := range superPlaces(c.super.generation, c.super.blocks) {
		d.WriteAt(super, int64(at)*BlockSize)
	}
	return d
}

// exercise does a bit of everything with a volume that may be damaged.
func exercise(d block.Device) {
	Check(d, func(error) {})
	v, err := Open(d, Options{})
	if err != nil {
		return
	}
	fs := v.Files(pagecache.New(64 << 10))
	root := fs.Root()
	var names []string
	root.ReadDir(0, func(e kernel.DirEntry) bool {
		names = append(names, e.Name)
		return len(names) < 100
	})
	for _, name := range names {
		node, err := root.Lookup(name)
		if err != 0 {
			continue
		}
		var st syscall.Stat_t
		node.Stat(&st)
		switch n := node.(type) {
		case regular:
			if f, err := n.Open(0); err == 0 {
				f.(kernel.ReaderAt).ReadAt(make([]byte, 10000), 0)
				f.(kernel.WriterAt).WriteAt(make([]byte, 10000), 5000)
				f.Close()
			}
		case symlink:
			n.Readlink()
		case directory:
			n.Parent()
			n.ReadDir(0, func(kernel.DirEntry) bool { return true })
		}
		if a, ok := node.(kernel.Attributed); ok {
			a.ListXattr()
			a.Xattr("user.1")
		}
	}
	for i, name := range names {
		if i%2 == 0 {
			root.Unlink(name)
			root.Rmdir(name)
		} else {
			root.Rename(name, root, name+"y", 0)
		}
	}
	fs.Sync()
	v.RemoveSnapshot("s")
	v.Close()
}
