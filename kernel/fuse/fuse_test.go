package fuse

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
	"unsafe"
	"weak"

	"ringo.dev/ringo/kernel"
	"ringo.dev/ringo/kernel/fuse/wire"
	"ringo.dev/ringo/vmm/share"
)

// counted is a directory of the host that counts what is forgotten.
type counted struct {
	dir       *share.Dir
	forgotten atomic.Int64
}

func (c *counted) Call(in, out [][]byte) (int, error) {
	if (*wire.InHeader)(unsafe.Pointer(unsafe.SliceData(in[0]))).Op == wire.OpForget {
		c.forgotten.Add(1)
	}
	return c.dir.Handle(in, out), nil
}

func newShared(t *testing.T) (*FS, *counted, string) {
	t.Helper()
	path := t.TempDir()
	dir, err := share.Open(path, false)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { dir.Close() })
	c := &counted{dir: dir}
	fs, errno := New(c, func(err error) { t.Error(err) })
	if errno != 0 {
		t.Fatal(errno)
	}
	return fs, c, path
}

// TestIdentity wants one object to be one Inode, and what nobody uses to be
// forgotten.
func TestIdentity(t *testing.T) {
	fs, c, path := newShared(t)
	const files = 100
	for i := range files {
		if err := os.WriteFile(filepath.Join(path, strconv.Itoa(i)), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Link(filepath.Join(path, "0"), filepath.Join(path, "also 0")); err != nil {
		t.Fatal(err)
	}
	a, err1 := fs.root.Lookup("0")
	b, err2 := fs.root.Lookup("also 0")
	if a != b || err1 != 0 || err2 != 0 {
		t.Errorf("two names of a file lead to %p, %v and %p, %v", a, err1, b, err2)
	}
	for i := range files {
		if _, err := fs.root.Lookup(strconv.Itoa(i)); err != 0 {
			t.Fatal(err)
		}
	}
	for end := time.Now().Add(10 * time.Second); c.forgotten.Load() < files-1; {
		if time.Now().After(end) {
			t.Fatalf("%d of %d files were forgotten", c.forgotten.Load(), files)
		}
		runtime.GC()
		time.Sleep(time.Millisecond)
	}
	if again, err := fs.root.Lookup("0"); again != a || err != 0 {
		t.Errorf("the file that is in use became %p, %v", again, err)
	}
	runtime.KeepAlive(a)
}

// TestCreateWithoutOpen makes files that nobody opens, and one that cannot be
// opened again.
func TestCreateWithoutOpen(t *testing.T) {
	fs, _, path := newShared(t)
	for range 2 * 1024 { // more than descriptors would be there
		n, err := fs.root.Create("file", syscall.S_IFREG, 0)
		if err != 0 {
			t.Fatal(err)
		}
		if err := fs.root.Unlink("file"); err != 0 {
			t.Fatal(err)
		}
		runtime.KeepAlive(n)
	}
	n, err := fs.root.Create("file", syscall.S_IFREG|0o400, 0)
	if err != 0 {
		t.Fatal(err)
	}
	f, err := n.(kernel.Regular).Open(syscall.O_WRONLY)
	if err != 0 {
		t.Fatal(err)
	}
	if n, err := f.Write([]byte("text")); n != 4 || err != 0 {
		t.Errorf("%d, %v", n, err)
	}
	f.Close()
	if b, err := os.ReadFile(filepath.Join(path, "file")); string(b) != "text" || err != nil {
		t.Errorf("%q, %v", b, err)
	}
}

// TestGone wants EIO from everything when the other side is gone, and one report.
func TestGone(t *testing.T) {
	fs, _, _ := newShared(t)
	reports := 0
	fs.report = func(error) { reports++ }
	fs.transport = gone{}
	for range 3 {
		if _, err := fs.root.Lookup("x"); err != syscall.EIO {
			t.Errorf("%v", err)
		}
	}
	if reports != 1 {
		t.Errorf("%d reports", reports)
	}
}

type gone struct{}

func (gone) Call(_, _ [][]byte) (int, error) { return 0, errors.New("gone") }

// script is another side that answers with the bytes of a script.
type script struct{ rest []byte }

func (s *script) Call(in, out [][]byte) (n int, err error) {
	h := (*wire.InHeader)(unsafe.Pointer(unsafe.SliceData(in[0])))
	if len(s.rest) == 0 {
		return 0, nil
	}
	honest := s.rest[0]
	s.rest = s.rest[1:]
	for _, p := range out {
		k := copy(p, s.rest)
		s.rest = s.rest[k:]
		n += k
	}
	if honest&1 != 0 && len(out) > 0 { // so that more than headers is looked at
		if honest&2 != 0 {
			for n = 0; len(out) > 1; out = out[:len(out)-1] {
				n += len(out[len(out)-1])
			}
			n += wire.OutHeaderSize
		}
		*(*wire.OutHeader)(unsafe.Pointer(unsafe.SliceData(out[0]))) = wire.OutHeader{Length: uint32(n), Unique: h.Unique}
	}
	return n, nil
}

// FuzzAnswers wants no answer to do harm.
func FuzzAnswers(f *testing.F) {
	f.Add([]byte("\x03some bytes"), uint8(0))
	f.Fuzz(func(t *testing.T, answers []byte, call uint8) {
		s := &script{rest: answers}
		fs := &FS{transport: s, report: func(error) {}, maxWrite: 4096, known: map[uint64]weak.Pointer[inode]{}}
		d := &dir{inode: inode{fs: fs, number: wire.RootID, kind: syscall.S_IFDIR}}
		fs.root = d
		file := &file{regular: &regular{inode{fs: fs, number: 2, kind: syscall.S_IFREG}}, number: 3}
		buf := make([]byte, 1000)
		switch call % 12 {
		case 0:
			d.Lookup("x")
		case 1:
			d.ReadDir(0, func(e kernel.DirEntry) bool { return e.Name != "" })
		case 2:
			if n, _ := file.ReadAt(buf, 5); n > len(buf) {
				t.Fatal(n)
			}
		case 3:
			if n, _ := file.WriteAt(buf, 5); n > len(buf) {
				t.Fatal(n)
			}
		case 4:
			file.Append(buf)
		case 5:
			d.Create("x", syscall.S_IFREG, 0)
			d.Create("x", syscall.S_IFREG, 0)
		case 6:
			(&symlink{inode{fs: fs, number: 2}}).Readlink()
		case 7:
			var st syscall.Stat_t
			d.Stat(&st)
		case 8:
			var st syscall.Statfs_t
			fs.Statfs(&st)
		case 9:
			file.SeekData(7, true)
		case 10:
			fs.Sync()
		case 11:
			New(s, func(error) {})
		}
	})
}
