package pagecache

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"sync"
	"syscall"
	"testing"

	"ringo.dev/ringo/kernel"
)

// disk is a Backing in memory, and the file system around it. It checks what the
// cache has promised.
type disk struct {
	t testing.TB

	mu       sync.Mutex
	pages    map[int64][PageSize]byte
	size     int64
	reserved map[int64]bool
	room     int            // pages that can still be reserved
	busy     map[int64]bool // transfers under way
	sizing   bool
	modified int
	commits  int
	reads    int // calls
	fail     Errno
}

func newDisk(t testing.TB) *disk {
	return &disk{t: t, pages: map[int64][PageSize]byte{}, reserved: map[int64]bool{}, room: 1 << 30, busy: map[int64]bool{}}
}

// transfer marks the pages of p busy, and returns what ends that.
func (d *disk) transfer(off int64, p [][]byte) (end func()) {
	var list []int64
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, b := range p {
		if len(b) == 0 || len(b)%PageSize != 0 {
			d.t.Errorf("a piece of %d bytes", len(b))
		}
		for range len(b) / PageSize {
			i := off / PageSize
			if d.busy[i] || d.sizing {
				d.t.Errorf("page %d is transferred twice, or while the size changes", i)
			}
			d.busy[i] = true
			list = append(list, i)
			off += PageSize
		}
	}
	return func() {
		for _, i := range list {
			delete(d.busy, i)
		}
	}
}

func (d *disk) ReadPages(off int64, p [][]byte) Errno {
	end := d.transfer(off, p)
	d.mu.Lock()
	defer d.mu.Unlock()
	defer end()
	d.reads++
	if d.fail != 0 {
		return d.fail
	}
	for _, b := range p {
		for len(b) > 0 {
			data := d.pages[off/PageSize]
			copy(b, data[:])
			b, off = b[PageSize:], off+PageSize
		}
	}
	return 0
}

func (d *disk) WritePages(off int64, p [][]byte, size int64) Errno {
	end := d.transfer(off, p)
	before := append([]byte(nil), bytes.Join(p, nil)...)
	d.mu.Lock()
	defer d.mu.Unlock()
	defer end()
	if d.fail != 0 {
		return d.fail
	}
	all := bytes.Join(p, nil)
	if !bytes.Equal(all, before) {
		d.t.Error("pages changed while they were written")
	}
	for len(all) > 0 {
		i := off / PageSize
		if !d.reserved[i] {
			d.t.Errorf("page %d is written without a reservation", i)
		}
		delete(d.reserved, i)
		d.room++
		if tail := all[max(0, min(size-off, PageSize)):PageSize]; !bytes.Equal(tail, make([]byte, len(tail))) {
			d.t.Error("there is something beyond the end")
		}
		d.pages[i] = [PageSize]byte(all)
		all, off = all[PageSize:], off+PageSize
	}
	d.size = max(d.size, min(size, off))
	return 0
}

func (d *disk) Reserve(off, n int64) Errno {
	d.mu.Lock()
	defer d.mu.Unlock()
	if int(n/PageSize) > d.room {
		return syscall.ENOSPC
	}
	for i := off / PageSize; i < (off+n)/PageSize; i++ {
		if d.reserved[i] {
			d.t.Errorf("page %d is reserved twice", i)
		}
		d.reserved[i] = true
		d.room--
	}
	return 0
}

func (d *disk) Unreserve(off, n int64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for i := off / PageSize; i < (off+n)/PageSize; i++ {
		if !d.reserved[i] {
			d.t.Errorf("page %d had no reservation", i)
		}
		delete(d.reserved, i)
		d.room++
	}
}

func (d *disk) SetSize(size int64) Errno {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.busy) > 0 {
		d.t.Error("the size changes during a transfer")
	}
	for i, data := range d.pages {
		switch {
		case i >= pagesOf(size):
			delete(d.pages, i)
		case i == size/PageSize:
			clear(data[size%PageSize:])
			d.pages[i] = data
		}
	}
	d.size = size
	return 0
}

func (d *disk) Punch(off, n int64) Errno {
	d.mu.Lock()
	defer d.mu.Unlock()
	for i := off / PageSize; i < (off+n)/PageSize; i++ {
		delete(d.pages, i)
	}
	return 0
}

func (d *disk) Modified() {
	d.mu.Lock()
	d.modified++
	d.mu.Unlock()
}

func (d *disk) Commit() Errno {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.commits++
	return 0
}

// content returns what the disk has.
func (d *disk) content() []byte {
	d.mu.Lock()
	defer d.mu.Unlock()
	b := make([]byte, pagesOf(d.size)*PageSize)
	for i, data := range d.pages {
		if i*PageSize < d.size {
			copy(b[i*PageSize:], data[:])
		}
	}
	return b[:d.size]
}

func newFile(t testing.TB, limit int64) (*File, *disk) {
	d := newDisk(t)
	v := New(limit).NewVolume(d)
	t.Cleanup(func() { v.Close() })
	return v.NewFile(d, 0), d
}

// readAll returns the file's content by way of the cache.
func readAll(t testing.TB, f *File) []byte {
	t.Helper()
	b := make([]byte, f.Size())
	n, err := f.ReadAt(b, 0)
	if err != 0 || n != len(b) {
		t.Fatalf("reading %d bytes: %d, %v", len(b), n, err)
	}
	return b
}

// TestModel does random things to a file and to a slice of bytes, in caches that
// hold all of it and much less.
func TestModel(t *testing.T) {
	for _, limit := range []int64{16, 64, 1024} {
		t.Run(fmt.Sprint(limit, " pages"), func(t *testing.T) {
			f, d := newFile(t, limit*PageSize)
			r := rand.New(rand.NewPCG(1, uint64(limit)))
			const most = 100 * PageSize
			var want []byte
			resize := func(n int64) {
				if k := int(n) - len(want); k > 0 {
					want = append(want, make([]byte, k)...)
				}
				want = want[:n]
			}
			for range 3000 {
				off, n := r.Int64N(most), r.Int64N(8*PageSize)
				if r.IntN(3) == 0 {
					off, n = off&^(PageSize-1), n&^(PageSize-1)
				}
				switch r.IntN(10) {
				case 0, 1, 2:
					b := make([]byte, n)
					for i := range b {
						b[i] = byte(r.Uint32())
					}
					if n == 0 {
						continue
					}
					if m, err := f.WriteAt(b, off); m != len(b) || err != 0 {
						t.Fatalf("write: %d, %v", m, err)
					}
					resize(max(int64(len(want)), off+n))
					copy(want[off:], b)
				case 3:
					if err := f.Truncate(off); err != 0 {
						t.Fatal(err)
					}
					cut := want[:min(int64(len(want)), off)]
					want = append([]byte(nil), cut...)
					resize(off)
				case 4:
					if n == 0 {
						continue
					}
					if err := f.Allocate(punchHole|keepSize, off, n); err != 0 {
						t.Fatal(err)
					}
					if off < int64(len(want)) {
						clear(want[off:min(off+n, int64(len(want)))])
					}
				case 5:
					if err := f.Flush(); err != 0 {
						t.Fatal(err)
					}
					if !bytes.Equal(d.content(), want[:d.size]) || bytes.Trim(want[d.size:], "\x00") != nil {
						t.Fatal("the disk has something else")
					}
				default:
					b := make([]byte, n)
					m, err := f.ReadAt(b, off)
					if err != 0 {
						t.Fatal(err)
					}
					var has []byte
					if off < int64(len(want)) {
						has = want[off:min(off+n, int64(len(want)))]
					}
					if !bytes.Equal(b[:m], has) {
						t.Fatalf("read %d bytes at %d: not what was written", n, off)
					}
				}
			}
			if !bytes.Equal(readAll(t, f), want) {
				t.Error("the file has something else")
			}
			f.Flush()
			f.Drop()
			if used, _ := f.volume.cache.Usage(); used != 0 {
				t.Errorf("%d bytes are left in the cache", used)
			}
			if len(d.reserved) != 0 || f.volume.cache.dirty.Load() != 0 {
				t.Errorf("%d pages are reserved, %d dirty", len(d.reserved), f.volume.cache.dirty.Load())
			}
			if got := readAll(t, f.volume.NewFile(d, d.size)); !bytes.Equal(got, want[:d.size]) {
				t.Error("the disk has something else")
			}
		})
	}
}

// TestParallel lets goroutines use several files in a small cache.
func TestParallel(t *testing.T) {
	c := New(64 * PageSize)
	var wait sync.WaitGroup
	for i := range 4 {
		d := newDisk(t)
		v := c.NewVolume(d)
		defer v.Close()
		f := v.NewFile(d, 0)
		for j := range 3 {
			wait.Go(func() {
				r := rand.New(rand.NewPCG(uint64(i), uint64(j)))
				own := bytes.Repeat([]byte{byte(j + 1)}, 100)
				for range 1000 {
					// Each goroutine has its part of every 300 bytes.
					off := r.Int64N(1000)*300 + int64(j)*100
					if n, err := f.WriteAt(own, off); n != 100 || err != 0 {
						t.Errorf("write: %d, %v", n, err)
					}
					b := make([]byte, 100)
					if n, err := f.ReadAt(b, off); n != 100 || err != 0 || !bytes.Equal(b, own) {
						t.Errorf("read: %d, %v, % x", n, err, b[:4])
					}
					switch r.IntN(50) {
					case 0:
						f.Flush()
					case 1:
						v.Sync()
					}
				}
			})
		}
	}
	wait.Wait()
}

func TestNoSpace(t *testing.T) {
	f, d := newFile(t, 1<<20)
	d.room = 10
	b := bytes.Repeat([]byte("x"), 20*PageSize)
	if n, err := f.WriteAt(b, 0); n != 10*PageSize || err != 0 {
		t.Fatalf("write: %d, %v", n, err)
	}
	if n, err := f.WriteAt(b, 10*PageSize); n != 0 || err != syscall.ENOSPC {
		t.Fatalf("write to a full disk: %d, %v", n, err)
	}
	if n, err := f.WriteAt(b[:PageSize], PageSize); n != PageSize || err != 0 {
		t.Fatalf("overwriting what is dirty: %d, %v", n, err)
	}
	if f.Size() != 10*PageSize {
		t.Errorf("size %d", f.Size())
	}
	f.Truncate(5 * PageSize)
	if n, err := f.WriteAt(b[:PageSize], 5*PageSize); n != PageSize || err != 0 {
		t.Errorf("write to what was given back: %d, %v", n, err)
	}
	// What is on the disk must not suffer from a write that fails.
	f.Flush()
	f.Drop()
	d.room = 0
	if n, err := f.WriteAt(bytes.Repeat([]byte("y"), PageSize), 0); n != 0 || err != syscall.ENOSPC {
		t.Fatalf("write to a full disk: %d, %v", n, err)
	}
	if got := readAll(t, f); !bytes.Equal(got, b[:6*PageSize]) {
		t.Error("a write that failed has changed the file")
	}
}

func TestErrors(t *testing.T) {
	f, d := newFile(t, 1<<20)
	one, two := f.Open(nil, 0, nil), f.Open(nil, 0, nil)
	if _, err := one.Write([]byte("hello")); err != 0 {
		t.Fatal(err)
	}
	sync := func(file kernel.File) Errno { return file.(kernel.Syncer).Sync() }
	d.fail = syscall.EIO
	f.volume.Sync()
	d.fail = 0
	if e := sync(one); e != syscall.EIO {
		t.Errorf("the first fsync after an error: %v", e)
	}
	if e := sync(one); e != 0 {
		t.Errorf("the second fsync: %v", e)
	}
	if e := sync(two); e != syscall.EIO {
		t.Errorf("the other opener's fsync: %v", e)
	}
	if e := sync(f.Open(nil, 0, nil)); e != 0 {
		t.Errorf("a new opener's fsync: %v", e)
	}
	if got := string(d.content()); got != "hello" {
		t.Errorf("%q is on the disk: it was not tried again", got)
	}
	f.Drop()
	d.fail = syscall.EIO
	if _, err := f.ReadAt(make([]byte, 5), 0); err != syscall.EIO {
		t.Errorf("reading: %v", err)
	}
	d.fail = 0
	if got := readAll(t, f); string(got) != "hello" {
		t.Errorf("%q after an error", got)
	}
}

func TestReadAhead(t *testing.T) {
	f, d := newFile(t, 16<<20)
	d.size = 1024 * PageSize
	f = f.volume.NewFile(d, d.size)
	b := make([]byte, PageSize)
	for i := range int64(1024) {
		f.ReadAt(b, i*PageSize)
	}
	if d.reads > 30 {
		t.Errorf("%d transfers for 1024 pages in order", d.reads)
	}
	f.Drop()
	d.reads = 0
	r := rand.New(rand.NewPCG(1, 2))
	for range 100 {
		f.ReadAt(b, r.Int64N(1024)*PageSize)
	}
	if used, _ := f.volume.cache.Usage(); used > 150*PageSize {
		t.Errorf("%d pages cached after 100 random reads", used/PageSize)
	}
}

func TestWriteLater(t *testing.T) {
	f, d := newFile(t, 1<<20)
	f.WriteAt([]byte("x"), 0)
	if len(d.pages) != 0 {
		t.Error("written at once")
	}
	if err := f.volume.Sync(); err != 0 || len(d.pages) != 1 || d.commits != 1 {
		t.Errorf("Sync: %v, %d pages, %d commits", err, len(d.pages), d.commits)
	}
	if err := f.volume.Sync(); err != 0 || d.commits != 1 {
		t.Errorf("Sync without a change: %v, %d commits", err, d.commits)
	}
}

// TestTruncateOrder wants data to be on the disk when a size is that lies behind it: a
// power cut would leave zeroes otherwise.
func TestTruncateOrder(t *testing.T) {
	for _, size := range []int64{PageSize + 100, 3 * PageSize} {
		f, d := newFile(t, 1<<20)
		f.WriteAt(bytes.Repeat([]byte("x"), 2*PageSize), 0)
		if err := f.Truncate(size); err != 0 {
			t.Fatal(err)
		}
		if len(d.pages) != 2 || d.size != size {
			t.Errorf("size %d: the disk has %d pages and size %d", size, len(d.pages), d.size)
		}
	}
	f, d := newFile(t, 1<<20)
	f.WriteAt(bytes.Repeat([]byte("x"), 2*PageSize), 0)
	if err := f.Truncate(0); err != 0 || len(d.pages) != 0 {
		t.Errorf("%v: %d pages were written that nobody needs", err, len(d.pages))
	}
}

func BenchmarkRead(b *testing.B) {
	for _, size := range []int{4 << 10, 64 << 10, 1 << 20} {
		b.Run(fmt.Sprint(size>>10, "KiB"), func(b *testing.B) {
			f, d := newFile(b, 64<<20)
			d.size = 16 << 20
			f = f.volume.NewFile(d, d.size)
			buf := make([]byte, size)
			b.SetBytes(int64(size))
			off := int64(0)
			for b.Loop() {
				if n, _ := f.ReadAt(buf, off); n != size {
					b.Fatal(io.ErrUnexpectedEOF)
				}
				off = (off + int64(size)) % d.size
			}
		})
	}
}
