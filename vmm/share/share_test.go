package share

import (
	"bytes"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"
)

// newDir shares base/shared, and puts a file beside it that a guest must not reach.
func newDir(t testing.TB, readOnly bool) (d *Dir, shared string) {
	t.Helper()
	base := t.TempDir()
	shared = filepath.Join(base, "shared")
	for _, dir := range []string{shared, filepath.Join(shared, "sub")} {
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for name, text := range map[string]string{"secret": "secret", "shared/file": "text"} {
		if err := os.WriteFile(filepath.Join(base, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	d, err := Open(shared, readOnly)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return d, shared
}

func header(node uint64) fuse.InHeader { return fuse.InHeader{NodeId: node} }

// lookup looks a name up and returns its node.
func (t *tree) lookup(tb testing.TB, dir uint64, name string) uint64 {
	tb.Helper()
	h, out := header(dir), fuse.EntryOut{}
	if s := t.Lookup(nil, &h, name, &out); s != fuse.OK {
		tb.Fatalf("lookup of %q: %v", name, s)
	}
	return out.NodeId
}

const root = fuse.FUSE_ROOT_ID

// TestNames uses names that lead out of a directory with every request that
// takes one.
func TestNames(t *testing.T) {
	d, shared := newDir(t, false)
	tr := d.tree
	h := header(root)
	var entry fuse.EntryOut
	var created fuse.CreateOut
	file := tr.lookup(t, root, "file")
	for _, name := range []string{"", ".", "..", "../secret", "/etc/passwd", "sub/..", "sub/../../secret", "a\x00b", strings.Repeat("x", 256)} {
		for what, s := range map[string]fuse.Status{
			"lookup":      tr.Lookup(nil, &h, name, &entry),
			"mknod":       tr.Mknod(nil, &fuse.MknodIn{InHeader: h, Mode: unix.S_IFREG | 0o644}, name, &entry),
			"mkdir":       tr.Mkdir(nil, &fuse.MkdirIn{InHeader: h, Mode: 0o755}, name, &entry),
			"symlink":     tr.Symlink(nil, &h, "target", name, &entry),
			"link":        tr.Link(nil, &fuse.LinkIn{InHeader: h, Oldnodeid: file}, name, &entry),
			"unlink":      tr.Unlink(nil, &h, name),
			"rmdir":       tr.Rmdir(nil, &h, name),
			"rename from": tr.Rename(nil, &fuse.RenameIn{InHeader: h, Newdir: root}, name, "new"),
			"rename to":   tr.Rename(nil, &fuse.RenameIn{InHeader: h, Newdir: root}, "file", name),
			"create":      tr.Create(nil, &fuse.CreateIn{InHeader: h, Flags: unix.O_RDWR, Mode: 0o644}, name, &created),
		} {
			if s != fuse.EINVAL && s != fuse.Status(syscall.ENAMETOOLONG) {
				t.Errorf("%s of %q: %v", what, name, s)
			}
		}
	}
	entries, err := os.ReadDir(shared)
	if err != nil || len(entries) != 2 {
		t.Errorf("%v, %v", entries, err)
	}
}

// TestLinks wants symbolic links to be nothing but text, also when one takes the
// place of a directory that the guest knows.
func TestLinks(t *testing.T) {
	d, shared := newDir(t, false)
	tr := d.tree
	if err := os.Symlink("../secret", filepath.Join(shared, "out")); err != nil {
		t.Fatal(err)
	}
	out := tr.lookup(t, root, "out")
	h := header(out)
	if target, s := tr.Readlink(nil, &h); s != fuse.OK || string(target) != "../secret" {
		t.Errorf("the link is %q, %v", target, s)
	}
	var open fuse.OpenOut
	if s := tr.Open(nil, &fuse.OpenIn{InHeader: header(out)}, &open); s == fuse.OK {
		t.Error("a symbolic link was opened")
	}
	if s := tr.OpenDir(nil, &fuse.OpenIn{InHeader: header(out)}, &open); s == fuse.OK {
		t.Error("a symbolic link was opened as a directory")
	}
	if s := tr.SetAttr(nil, setSize(out, 0), &fuse.AttrOut{}); s == fuse.OK {
		t.Error("a symbolic link was truncated")
	}
	var entry fuse.EntryOut
	if s := tr.Lookup(nil, &h, "x", &entry); s != fuse.ENOTDIR {
		t.Errorf("looking into a symbolic link: %v", s)
	}
	// The descriptor of a directory stays that, whatever has its name.
	sub := tr.lookup(t, root, "sub")
	if err := os.Rename(filepath.Join(shared, "sub"), filepath.Join(shared, "moved")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("..", filepath.Join(shared, "sub")); err != nil {
		t.Fatal(err)
	}
	h = header(sub)
	if s := tr.Lookup(nil, &h, "secret", &entry); s != fuse.ENOENT {
		t.Errorf("the secret by way of an exchanged directory: %v", s)
	}
	var created fuse.CreateOut
	if s := tr.Create(nil, &fuse.CreateIn{InHeader: h, Flags: unix.O_RDWR, Mode: 0o644}, "new", &created); s != fuse.OK {
		t.Fatal(s)
	}
	if _, err := os.Stat(filepath.Join(shared, "moved", "new")); err != nil {
		t.Error(err)
	}
	// To create where a link is does not follow it.
	h = header(root)
	if s := tr.Create(nil, &fuse.CreateIn{InHeader: h, Flags: unix.O_RDWR | unix.O_TRUNC, Mode: 0o644}, "out", &created); s != fuse.Status(syscall.EEXIST) {
		t.Errorf("creating over a link: %v", s)
	}
	if text, err := os.ReadFile(filepath.Join(shared, "..", "secret")); err != nil || string(text) != "secret" {
		t.Errorf("the secret is %q, %v", text, err)
	}
}

func setSize(node uint64, size uint64) *fuse.SetAttrIn {
	in := &fuse.SetAttrIn{}
	in.InHeader, in.Valid, in.Size = header(node), fuse.FATTR_SIZE, size
	return in
}

// TestSpecial wants devices and FIFOs of the host never to be opened, and no
// devices nor set-user-ID files to be made.
func TestSpecial(t *testing.T) {
	d, shared := newDir(t, false)
	tr := d.tree
	if err := unix.Mkfifo(filepath.Join(shared, "fifo"), 0o600); err != nil {
		t.Fatal(err)
	}
	fifo := tr.lookup(t, root, "fifo")
	for _, flags := range []uint32{unix.O_RDONLY, unix.O_WRONLY, unix.O_RDWR} {
		if s := tr.Open(nil, &fuse.OpenIn{InHeader: header(fifo), Flags: flags}, &fuse.OpenOut{}); s != fuse.EACCES {
			t.Errorf("opening a FIFO: %v", s)
		}
	}
	var entry fuse.EntryOut
	for _, kind := range []uint32{unix.S_IFCHR, unix.S_IFBLK, unix.S_IFDIR, unix.S_IFLNK} {
		in := &fuse.MknodIn{InHeader: header(root), Mode: kind | 0o666, Rdev: uint32(unix.Mkdev(1, 3))}
		if s := tr.Mknod(nil, in, "device", &entry); s != fuse.EPERM {
			t.Errorf("making a node of type %#o: %v", kind, s)
		}
	}
	var created fuse.CreateOut
	if s := tr.Create(nil, &fuse.CreateIn{InHeader: header(root), Flags: unix.O_RDWR, Mode: 0o6755}, "suid", &created); s != fuse.OK {
		t.Fatal(s)
	}
	chmod := &fuse.SetAttrIn{}
	chmod.InHeader, chmod.Valid, chmod.Mode = header(created.NodeId), fuse.FATTR_MODE, 0o6755
	if s := tr.SetAttr(nil, chmod, &fuse.AttrOut{}); s != fuse.OK {
		t.Fatal(s)
	}
	if info, err := os.Stat(filepath.Join(shared, "suid")); err != nil || info.Mode() != 0o755 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
}

// TestReadOnly tries every request that changes something.
func TestReadOnly(t *testing.T) {
	d, _ := newDir(t, true)
	tr := d.tree
	h, file := header(root), tr.lookup(t, root, "file")
	var entry fuse.EntryOut
	for what, s := range map[string]fuse.Status{
		"mknod":    tr.Mknod(nil, &fuse.MknodIn{InHeader: h, Mode: unix.S_IFREG | 0o644}, "a", &entry),
		"mkdir":    tr.Mkdir(nil, &fuse.MkdirIn{InHeader: h, Mode: 0o755}, "a", &entry),
		"symlink":  tr.Symlink(nil, &h, "target", "a", &entry),
		"link":     tr.Link(nil, &fuse.LinkIn{InHeader: h, Oldnodeid: file}, "a", &entry),
		"unlink":   tr.Unlink(nil, &h, "file"),
		"rmdir":    tr.Rmdir(nil, &h, "sub"),
		"rename":   tr.Rename(nil, &fuse.RenameIn{InHeader: h, Newdir: root}, "file", "a"),
		"create":   tr.Create(nil, &fuse.CreateIn{InHeader: h, Flags: unix.O_RDONLY, Mode: 0o644}, "a", &fuse.CreateOut{}),
		"open":     tr.Open(nil, &fuse.OpenIn{InHeader: header(file), Flags: unix.O_WRONLY}, &fuse.OpenOut{}),
		"open rw":  tr.Open(nil, &fuse.OpenIn{InHeader: header(file), Flags: unix.O_RDWR}, &fuse.OpenOut{}),
		"truncate": tr.SetAttr(nil, setSize(file, 0), &fuse.AttrOut{}),
	} {
		if s != fuse.EROFS {
			t.Errorf("%s: %v", what, s)
		}
	}
	if s := tr.Open(nil, &fuse.OpenIn{InHeader: header(file), Flags: unix.O_RDONLY}, &fuse.OpenOut{}); s != fuse.OK {
		t.Errorf("reading: %v", s)
	}
}

// TestForget wants nodes to be closed when they are forgotten, but not while they
// are used, however often a guest forgets them.
func TestForget(t *testing.T) {
	d, _ := newDir(t, false)
	tr := d.tree
	known := tr.lookup(t, root, "file")
	if again := tr.lookup(t, root, "file"); again != known {
		t.Errorf("the file is node %d and %d", known, again)
	}
	tr.Forget(known, 1)
	tr.Forget(root, 1<<60)
	s := tr.node(known, func(n *node) error {
		tr.Forget(known, 1<<60)
		_, err := n.stat()
		return err
	})
	if s != fuse.OK {
		t.Errorf("a node in use: %v", s)
	}
	if s := tr.GetAttr(nil, &fuse.GetAttrIn{InHeader: header(known)}, &fuse.AttrOut{}); s != fuse.Status(syscall.ESTALE) {
		t.Errorf("a forgotten node: %v", s)
	}
	var open fuse.OpenOut
	number := tr.lookup(t, root, "file")
	if s := tr.Open(nil, &fuse.OpenIn{InHeader: header(number)}, &open); s != fuse.OK {
		t.Fatal(s)
	}
	s = tr.file(open.Fh, func(f *file) error {
		tr.Release(nil, &fuse.ReleaseIn{Fh: open.Fh})
		tr.Release(nil, &fuse.ReleaseIn{Fh: open.Fh})
		_, err := unix.Pread(f.fd, make([]byte, 1), 0)
		return err
	})
	if s != fuse.OK {
		t.Errorf("a file in use: %v", s)
	}
	if s := tr.file(open.Fh, func(*file) error { return nil }); s != fuse.Status(syscall.EBADF) {
		t.Errorf("a released file: %v", s)
	}
}

// TestLimit wants a guest that opens too much to get an error.
func TestLimit(t *testing.T) {
	d, _ := newDir(t, false)
	d.tree.most = 10
	file := d.tree.lookup(t, root, "file")
	for i := range 20 {
		s := d.tree.Open(nil, &fuse.OpenIn{InHeader: header(file)}, &fuse.OpenOut{})
		if want := i >= 8; (s == fuse.Status(syscall.ENFILE)) != want || !want && s != fuse.OK {
			t.Fatalf("file %d: %v", i, s)
		}
	}
	d.Reset()
	if n := d.tree.lookup(t, root, "file"); n == 0 {
		t.Error("nothing can be looked up after a reset")
	}
}

func TestOpenErrors(t *testing.T) {
	for path, want := range map[string]error{"/nowhere": os.ErrNotExist, "/etc/hosts": syscall.ENOTDIR} {
		if _, err := Open(path, false); !errors.Is(err, want) || !errors.Is(err, ErrShare) {
			t.Errorf("%s: %v", path, err)
		}
	}
}

// FuzzHandle sends a guest's request, whatever it is, a few times at once.
func FuzzHandle(f *testing.F) {
	request := func(op uint32, node uint64, body string) []byte {
		b := make([]byte, 40, 40+len(body))
		binary.LittleEndian.PutUint32(b, uint32(40+len(body)))
		binary.LittleEndian.PutUint32(b[4:], op)
		binary.LittleEndian.PutUint64(b[16:], node)
		return append(b, body...)
	}
	for op := range uint32(56) {
		for _, body := range []string{"", "file\x00", "../x\x00/y\x00", strings.Repeat("\x01\x00\x00\x00\x00\x00\x00\x00", 12)} {
			f.Add(request(op, 1, body), uint16(200), uint16(24))
		}
	}
	f.Add([]byte("short"), uint16(0), uint16(3))
	d, shared := newDir(f, false)
	secret := filepath.Join(shared, "..", "secret")
	f.Fuzz(func(t *testing.T, request []byte, room, cut uint16) {
		var calls sync.WaitGroup
		for range 2 {
			calls.Go(func() {
				at := min(int(cut), len(request))
				out := make([]byte, room)
				if n := d.Handle([][]byte{bytes.Clone(request[:at]), bytes.Clone(request[at:])}, [][]byte{out[:room/2], out[room/2:]}); n > len(out) {
					t.Errorf("%d bytes were written to %d", n, len(out))
				}
			})
		}
		calls.Wait()
		if text, err := os.ReadFile(secret); err != nil || string(text) != "secret" {
			t.Fatalf("the secret is %q, %v", text, err)
		}
	})
}
