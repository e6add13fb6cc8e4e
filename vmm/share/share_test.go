package share

import (
	"bytes"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
	"ringo.dev/ringo/kernel/fuse/wire"
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

// about returns a request about a node, with names.
func about(node uint64, names ...string) *request { return &request{node: node, names: names} }

// find looks a name up and returns its node.
func (t *tree) find(tb testing.TB, dir uint64, name string) uint64 {
	tb.Helper()
	var out wire.EntryOut
	if err := t.lookup(about(dir, name), nil, &out); err != nil {
		tb.Fatalf("lookup of %q: %v", name, err)
	}
	return out.Node
}

const root = wire.RootID

// TestNames uses names that lead out of a directory with every request that
// takes one.
func TestNames(t *testing.T) {
	d, shared := newDir(t, false)
	tr := d.tree
	var entry wire.EntryOut
	var created wire.CreateOut
	file := tr.find(t, root, "file")
	for _, name := range []string{"", ".", "..", "../secret", "/etc/passwd", "sub/..", "sub/../../secret", "a\x00b", strings.Repeat("x", 256)} {
		for what, err := range map[string]error{
			"lookup":      tr.lookup(about(root, name), nil, &entry),
			"mknod":       tr.mknod(about(root, name), &wire.MknodIn{Mode: unix.S_IFREG | 0o644}, &entry),
			"mkdir":       tr.mkdir(about(root, name), &wire.MkdirIn{Mode: 0o755}, &entry),
			"symlink":     tr.symlink(about(root, name, "target"), nil, &entry),
			"link":        tr.link(about(root, name), &wire.LinkIn{Node: file}, &entry),
			"unlink":      tr.unlink(about(root, name), nil, nil),
			"rmdir":       tr.rmdir(about(root, name), nil, nil),
			"rename from": tr.rename(about(root, name, "new"), &wire.Rename2In{Dir: root}, nil),
			"rename to":   tr.rename(about(root, "file", name), &wire.Rename2In{Dir: root}, nil),
			"create":      tr.create(about(root, name), &wire.CreateIn{Flags: unix.O_RDWR, Mode: 0o644}, &created),
		} {
			if err != syscall.EINVAL && err != syscall.ENAMETOOLONG {
				t.Errorf("%s of %q: %v", what, name, err)
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
	out := tr.find(t, root, "out")
	target := make([]byte, 100)
	r := &request{node: out, answer: pieces{target}}
	if err := tr.readlink(r, nil, nil); err != nil || string(target[:r.used]) != "../secret" {
		t.Errorf("the link is %q, %v", target[:r.used], err)
	}
	var open wire.OpenOut
	if err := tr.openFile(about(out), &wire.OpenIn{}, &open); err == nil {
		t.Error("a symbolic link was opened")
	}
	if err := tr.openDir(about(out), &wire.OpenIn{}, &open); err == nil {
		t.Error("a symbolic link was opened as a directory")
	}
	if err := tr.setAttr(about(out), &wire.SetAttrIn{Valid: wire.ValidSize}, &wire.AttrOut{}); err == nil {
		t.Error("a symbolic link was truncated")
	}
	var entry wire.EntryOut
	if err := tr.lookup(about(out, "x"), nil, &entry); err != syscall.ENOTDIR {
		t.Errorf("looking into a symbolic link: %v", err)
	}
	// The descriptor of a directory stays that, whatever has its name.
	sub := tr.find(t, root, "sub")
	if err := os.Rename(filepath.Join(shared, "sub"), filepath.Join(shared, "moved")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("..", filepath.Join(shared, "sub")); err != nil {
		t.Fatal(err)
	}
	if err := tr.lookup(about(sub, "secret"), nil, &entry); err != syscall.ENOENT {
		t.Errorf("the secret by way of an exchanged directory: %v", err)
	}
	var created wire.CreateOut
	if err := tr.create(about(sub, "new"), &wire.CreateIn{Flags: unix.O_RDWR, Mode: 0o644}, &created); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(shared, "moved", "new")); err != nil {
		t.Error(err)
	}
	// To create where a link is does not follow it.
	if err := tr.create(about(root, "out"), &wire.CreateIn{Flags: unix.O_RDWR | unix.O_TRUNC, Mode: 0o644}, &created); err != syscall.EEXIST {
		t.Errorf("creating over a link: %v", err)
	}
	if text, err := os.ReadFile(filepath.Join(shared, "..", "secret")); err != nil || string(text) != "secret" {
		t.Errorf("the secret is %q, %v", text, err)
	}
}

// TestSpecial wants devices and FIFOs of the host never to be opened, and no
// devices nor set-user-ID files to be made.
func TestSpecial(t *testing.T) {
	d, shared := newDir(t, false)
	tr := d.tree
	if err := unix.Mkfifo(filepath.Join(shared, "fifo"), 0o600); err != nil {
		t.Fatal(err)
	}
	fifo := tr.find(t, root, "fifo")
	for _, flags := range []uint32{unix.O_RDONLY, unix.O_WRONLY, unix.O_RDWR} {
		if err := tr.openFile(about(fifo), &wire.OpenIn{Flags: flags}, &wire.OpenOut{}); err != syscall.EACCES {
			t.Errorf("opening a FIFO: %v", err)
		}
	}
	var entry wire.EntryOut
	for _, kind := range []uint32{unix.S_IFCHR, unix.S_IFBLK, unix.S_IFDIR, unix.S_IFLNK} {
		in := &wire.MknodIn{Mode: kind | 0o666, Rdev: uint32(unix.Mkdev(1, 3))}
		if err := tr.mknod(about(root, "device"), in, &entry); err != syscall.EPERM {
			t.Errorf("making a node of type %#o: %v", kind, err)
		}
	}
	var created wire.CreateOut
	if err := tr.create(about(root, "suid"), &wire.CreateIn{Flags: unix.O_RDWR, Mode: 0o6755}, &created); err != nil {
		t.Fatal(err)
	}
	chmod := &wire.SetAttrIn{Valid: wire.ValidMode, Mode: 0o6755}
	if err := tr.setAttr(about(created.Entry.Node), chmod, &wire.AttrOut{}); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(filepath.Join(shared, "suid")); err != nil || info.Mode() != 0o755 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
}

// TestReadOnly tries every request that changes something.
func TestReadOnly(t *testing.T) {
	d, _ := newDir(t, true)
	tr := d.tree
	file := tr.find(t, root, "file")
	var entry wire.EntryOut
	for what, err := range map[string]error{
		"mknod":    tr.mknod(about(root, "a"), &wire.MknodIn{Mode: unix.S_IFREG | 0o644}, &entry),
		"mkdir":    tr.mkdir(about(root, "a"), &wire.MkdirIn{Mode: 0o755}, &entry),
		"symlink":  tr.symlink(about(root, "a", "target"), nil, &entry),
		"link":     tr.link(about(root, "a"), &wire.LinkIn{Node: file}, &entry),
		"unlink":   tr.unlink(about(root, "file"), nil, nil),
		"rmdir":    tr.rmdir(about(root, "sub"), nil, nil),
		"rename":   tr.rename(about(root, "file", "a"), &wire.Rename2In{Dir: root}, nil),
		"create":   tr.create(about(root, "a"), &wire.CreateIn{Flags: unix.O_RDONLY, Mode: 0o644}, &wire.CreateOut{}),
		"open":     tr.openFile(about(file), &wire.OpenIn{Flags: unix.O_WRONLY}, &wire.OpenOut{}),
		"open rw":  tr.openFile(about(file), &wire.OpenIn{Flags: unix.O_RDWR}, &wire.OpenOut{}),
		"truncate": tr.setAttr(about(file), &wire.SetAttrIn{Valid: wire.ValidSize}, &wire.AttrOut{}),
	} {
		if err != syscall.EROFS {
			t.Errorf("%s: %v", what, err)
		}
	}
	if err := tr.openFile(about(file), &wire.OpenIn{Flags: unix.O_RDONLY}, &wire.OpenOut{}); err != nil {
		t.Errorf("reading: %v", err)
	}
}

// TestForget wants nodes to be closed when they are forgotten, but not while they
// are used, however often a guest forgets them.
func TestForget(t *testing.T) {
	d, _ := newDir(t, false)
	tr := d.tree
	known := tr.find(t, root, "file")
	if again := tr.find(t, root, "file"); again != known {
		t.Errorf("the file is node %d and %d", known, again)
	}
	forget := func(node, lookups uint64) { tr.forgetNode(about(node), &wire.ForgetIn{Lookups: lookups}, nil) }
	forget(known, 1)
	forget(root, 1<<60)
	err := tr.node(known, func(n *node) error {
		forget(known, 1<<60)
		_, err := n.stat()
		return err
	})
	if err != nil {
		t.Errorf("a node in use: %v", err)
	}
	if err := tr.getAttr(about(known), nil, &wire.AttrOut{}); err != syscall.ESTALE {
		t.Errorf("a forgotten node: %v", err)
	}
	var open wire.OpenOut
	number := tr.find(t, root, "file")
	if err := tr.openFile(about(number), &wire.OpenIn{}, &open); err != nil {
		t.Fatal(err)
	}
	err = tr.file(open.File, func(f *file) error {
		tr.release(open.File)
		tr.release(open.File)
		_, err := unix.Pread(f.fd, make([]byte, 1), 0)
		return err
	})
	if err != nil {
		t.Errorf("a file in use: %v", err)
	}
	if err := tr.file(open.File, func(*file) error { return nil }); err != syscall.EBADF {
		t.Errorf("a released file: %v", err)
	}
}

// TestLimit wants a guest that opens too much to get an error.
func TestLimit(t *testing.T) {
	d, _ := newDir(t, false)
	d.tree.most = 10
	file := d.tree.find(t, root, "file")
	for i := range 20 {
		err := d.tree.openFile(about(file), &wire.OpenIn{}, &wire.OpenOut{})
		if want := i >= 8; (err == syscall.ENFILE) != want || !want && err != nil {
			t.Fatalf("file %d: %v", i, err)
		}
	}
	d.Reset()
	if n := d.tree.find(t, root, "file"); n == 0 {
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

// TestMessages sends requests as a guest does, some of them with too little of
// something, in pieces of all sizes.
func TestMessages(t *testing.T) {
	d, _ := newDir(t, false)
	open := wire.OpenIn{}
	var opened wire.OpenOut
	file := d.tree.find(t, root, "file")
	if err := d.tree.openFile(about(file), &open, &opened); err != nil {
		t.Fatal(err)
	}
	read := wire.TransferIn{File: opened.File, Size: 4}
	write := wire.TransferIn{File: opened.File, Size: 4} // it is open for reading
	for _, c := range []struct {
		what  string
		op    wire.Opcode
		node  uint64
		body  []byte
		room  int // beyond the header
		size  int // of the answer, beyond it
		errno syscall.Errno
		text  string // the answer's data
	}{
		{"read", wire.OpRead, file, wire.BytesOf(&read), 4, 4, 0, "text"},
		{"read with less room", wire.OpRead, file, wire.BytesOf(&read), 3, 3, 0, "tex"},
		{"short request", wire.OpRead, file, wire.BytesOf(&read)[1:], 4, 0, syscall.EINVAL, ""},
		{"write without data", wire.OpWrite, file, wire.BytesOf(&write), 8, 0, syscall.EINVAL, ""},
		{"write", wire.OpWrite, file, append(wire.BytesOf(&write), "more"...), 8, 0, syscall.EBADF, ""},
		{"lookup", wire.OpLookup, root, []byte("nothing\x00"), 128, 0, syscall.ENOENT, ""},
		{"name without end", wire.OpLookup, root, []byte("file"), 128, 0, syscall.EINVAL, ""},
		{"one name of two", wire.OpSymlink, root, []byte("a\x00"), 128, 0, syscall.EINVAL, ""},
		{"long name", wire.OpLookup, root, make([]byte, maxNames+1), 128, 0, syscall.ENAMETOOLONG, ""},
		{"no room", wire.OpLookup, root, []byte("file\x00"), 127, -wire.OutHeaderSize, 0, ""},
		{"no opcode", 63, root, nil, 0, 0, syscall.ENOSYS, ""},
	} {
		for _, cut := range []int{1, 7, 100} {
			h := wire.InHeader{Length: uint32(wire.InHeaderSize + len(c.body)), Op: c.op, Unique: 7, Node: c.node}
			in := slices.Collect(slices.Chunk(slices.Concat(wire.BytesOf(&h), c.body), cut))
			out := make([]byte, wire.OutHeaderSize+c.room)
			n := d.Handle(in, slices.Collect(slices.Chunk(out, cut)))
			if n != wire.OutHeaderSize+c.size {
				t.Errorf("%s: %d bytes, want %d", c.what, n, wire.OutHeaderSize+c.size)
			}
			if n == 0 {
				continue
			}
			var got wire.OutHeader
			copy(wire.BytesOf(&got), out)
			if want := (wire.OutHeader{Length: uint32(n), Errno: -int32(c.errno), Unique: 7}); got != want {
				t.Errorf("%s: %+v, want %+v", c.what, got, want)
			}
			if text := string(out[wire.OutHeaderSize:n]); text != c.text {
				t.Errorf("%s: %q, want %q", c.what, text, c.text)
			}
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
