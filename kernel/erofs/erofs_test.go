package erofs_test

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"ringo.dev/ringo/kernel"
	"ringo.dev/ringo/kernel/erofs"
	"ringo.dev/ringo/tools/files"
)

// tree makes a directory with files of many sizes, and returns it.
func tree(t testing.TB) string {
	dir := t.TempDir()
	for _, size := range []int{0, 1, 100, 4000, 4095, 4096, 4097, 8192, 10_000, 100_000, 1 << 20} {
		b := make([]byte, size)
		for i := range b {
			b[i] = byte(i*7 + i>>8)
		}
		name := filepath.Join(dir, fmt.Sprint("size", size))
		if err := os.WriteFile(name, b, 0o640); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(name, time.Time{}, time.Unix(1e9+int64(size), 123456789)); err != nil {
			t.Fatal(err)
		}
	}
	many := filepath.Join(dir, "a", "many")
	if err := os.MkdirAll(many, 0o755); err != nil {
		t.Fatal(err)
	}
	for i := range 1000 {
		os.WriteFile(filepath.Join(many, fmt.Sprintf("file-with-a-longer-name-%d", i)), fmt.Append(nil, i), 0o644)
	}
	os.Mkdir(filepath.Join(dir, "empty"), 0o700)
	os.Symlink("../size100", filepath.Join(dir, "a", "link"))
	os.WriteFile(filepath.Join(dir, strings.Repeat("n", 255)), []byte("long"), 0o644)
	return dir
}

// pack returns dir as an image.
func pack(t testing.TB, dir string) []byte {
	f, err := os.Create(filepath.Join(t.TempDir(), "image"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := files.Pack(f, dir); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(f.Name())
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// summary describes everything below dir, by what walk tells of it.
func summary(t testing.TB, dir string) map[string]string {
	all := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		var st syscall.Stat_t
		if err := syscall.Lstat(path, &st); err != nil {
			return err
		}
		name, _ := filepath.Rel(dir, path)
		s := fmt.Sprintf("%o %d.%09d", st.Mode, st.Mtim.Sec, st.Mtim.Nsec)
		switch {
		case d.Type().IsRegular():
			b, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			s += fmt.Sprintf(" %x", sha256.Sum256(b))
		case d.Type()&fs.ModeSymlink != 0:
			target, err := os.Readlink(path)
			if err != nil {
				return err
			}
			s += " " + target
		}
		all[name] = s
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// walk is summary of a file system in an image.
func walk(t testing.TB, all map[string]string, name string, node kernel.Inode) {
	var st syscall.Stat_t
	if err := node.Stat(&st); err != 0 {
		t.Fatalf("%s: %v", name, err)
	}
	s := fmt.Sprintf("%o %d.%09d", st.Mode, st.Mtim.Sec, st.Mtim.Nsec)
	switch n := node.(type) {
	case kernel.Directory:
		last := int64(0)
		err := n.ReadDir(0, func(e kernel.DirEntry) bool {
			if e.Cookie <= last {
				t.Errorf("%s: cookie %d after %d", e.Name, e.Cookie, last)
			}
			last = e.Cookie
			child, err := n.Lookup(e.Name)
			if err != 0 {
				t.Fatalf("%s in %s: %v", e.Name, name, err)
			}
			if d, ok := child.(kernel.Directory); ok {
				if parent, back := d.Parent(); parent != kernel.Directory(n) || back != e.Name {
					t.Errorf("%s: its parent has it as %q", e.Name, back)
				}
			}
			walk(t, all, filepath.Join(name, e.Name), child)
			return true
		})
		if err != 0 {
			t.Fatalf("%s: %v", name, err)
		}
	case kernel.Symlink:
		target, err := n.Readlink()
		if err != 0 {
			t.Fatal(err)
		}
		s += " " + target
	case kernel.Content:
		b := make([]byte, st.Size+10)
		k, err := n.ReadAt(b, 0)
		if err != 0 || int64(k) != st.Size {
			t.Fatalf("%s: %d bytes, %v", name, k, err)
		}
		s += fmt.Sprintf(" %x", sha256.Sum256(b[:k]))
		for off := int64(0); off < st.Size; off += 3001 { // what is read in pieces is the same
			part := make([]byte, 5000)
			k, err := n.ReadAt(part, off)
			if err != 0 || !bytes.Equal(part[:k], b[off:min(off+5000, st.Size)]) {
				t.Fatalf("%s at %d: %d bytes, %v", name, off, k, err)
			}
		}
	}
	all[name] = s
}

// compare fails unless the image has what dir has.
func compare(t *testing.T, dir string, image []byte) {
	t.Helper()
	fsys, err := erofs.New(image)
	if err != nil {
		t.Fatal(err)
	}
	got, want := map[string]string{}, summary(t, dir)
	walk(t, got, ".", fsys.Root())
	for name, w := range want {
		if got[name] != w {
			t.Errorf("%s is %s, want %s", name, got[name], w)
		}
	}
	if len(got) != len(want) {
		t.Errorf("%d files, want %d", len(got), len(want))
	}
	if _, err := fsys.Root().Lookup("nothing"); err != syscall.ENOENT {
		t.Errorf("a name that is not there: %v", err)
	}
}

func TestRead(t *testing.T) {
	dir := tree(t)
	compare(t, dir, pack(t, dir))
}

// needTool skips the test without a program of Debian's erofs-utils.
func needTool(t *testing.T, name string) {
	if _, err := exec.LookPath(name); err != nil {
		t.Skipf("needs %s of Debian's package erofs-utils", name)
	}
}

// TestLinux: what we write is what Linux's own tool accepts.
func TestLinux(t *testing.T) {
	needTool(t, "fsck.erofs")
	name := filepath.Join(t.TempDir(), "image")
	if err := os.WriteFile(name, pack(t, tree(t)), 0o644); err != nil {
		t.Fatal(err)
	}
	out := filepath.Join(t.TempDir(), "out")
	if b, err := exec.Command("fsck.erofs", "--extract="+out, "--preserve", name).CombinedOutput(); err != nil {
		t.Fatalf("fsck.erofs: %v\n%s", err, b)
	}
	compare(t, out, pack(t, out))
}

// TestMount: Linux mounts what we write.
func TestMount(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root mounts")
	}
	list, err := os.ReadFile("/proc/filesystems")
	if err != nil || !bytes.Contains(list, []byte("\terofs\n")) {
		t.Skip("this kernel has no EROFS")
	}
	dir, at := tree(t), t.TempDir()
	name := filepath.Join(t.TempDir(), "image")
	if err := os.WriteFile(name, pack(t, dir), 0o644); err != nil {
		t.Fatal(err)
	}
	if b, err := exec.Command("mount", "-t", "erofs", "-o", "loop,ro", name, at).CombinedOutput(); err != nil {
		t.Skipf("there are no loop devices: %v: %s", err, b)
	}
	defer exec.Command("umount", at).Run()
	got, want := summary(t, at), summary(t, dir)
	for name, w := range want {
		if got[name] != w {
			t.Errorf("%s is %s, want %s", name, got[name], w)
		}
	}
}

// TestMkfs: images of Linux's own tool are read.
func TestMkfs(t *testing.T) {
	needTool(t, "mkfs.erofs")
	dir := tree(t)
	for _, options := range [][]string{nil, {"--chunksize=8192"}, {"-b512"}, {"--chunksize=4096", "--blobdev=/dev/null"}} {
		name := filepath.Join(t.TempDir(), "image")
		b, err := exec.Command("mkfs.erofs", append(options, name, dir)...).CombinedOutput()
		if err != nil {
			t.Logf("mkfs.erofs %v: %v\n%s", options, err, b)
			continue
		}
		image, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if len(options) == 2 {
			if _, err := erofs.New(image); err == nil {
				t.Error("an image of two devices is mounted")
			}
			continue
		}
		compare(t, dir, image)
	}
}

func TestRefused(t *testing.T) {
	image := pack(t, tree(t))
	for what, damage := range map[string]func(b []byte) []byte{
		"empty":       func(b []byte) []byte { return nil },
		"cut off":     func(b []byte) []byte { return b[:len(b)-4096] },
		"no magic":    func(b []byte) []byte { b[1024]++; return b },
		"block size":  func(b []byte) []byte { b[1024+12] = 60; return b },
		"compression": func(b []byte) []byte { b[1024+80] |= 2; return b },
	} {
		if _, err := erofs.New(damage(bytes.Clone(image))); err == nil {
			t.Errorf("%s: it is mounted", what)
		}
	}
}

// FuzzImage: whatever an image says, reading it ends, and with no more than an error.
func FuzzImage(f *testing.F) {
	dir := f.TempDir()
	os.WriteFile(filepath.Join(dir, "a"), bytes.Repeat([]byte("a"), 5000), 0o644)
	os.MkdirAll(filepath.Join(dir, "d", "e"), 0o755)
	os.Symlink("a", filepath.Join(dir, "l"))
	f.Add(pack(f, dir))
	f.Fuzz(func(t *testing.T, data []byte) {
		fsys, err := erofs.New(data)
		if err != nil {
			return
		}
		left := 1000
		var visit func(node kernel.Inode, depth int)
		visit = func(node kernel.Inode, depth int) {
			var st syscall.Stat_t
			node.Stat(&st)
			if left--; left < 0 || depth > 5 {
				return
			}
			switch n := node.(type) {
			case kernel.Directory:
				n.Parent()
				n.ReadDir(0, func(e kernel.DirEntry) bool {
					if child, err := n.Lookup(e.Name); err == 0 {
						visit(child, depth+1)
					}
					return left > 0
				})
			case kernel.Symlink:
				n.Readlink()
			case kernel.Content:
				b := make([]byte, 10_000)
				n.ReadAt(b, 0)
				n.ReadAt(b, max(st.Size-5000, 0))
			}
		}
		visit(fsys.Root(), 0)
	})
}
