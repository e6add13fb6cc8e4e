package volume

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"ringo.dev/ringo/kernel"
	"ringo.dev/ringo/kernel/block"
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
