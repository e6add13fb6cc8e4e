package volumes

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"ringo.dev/ringo/kernel/volume"
	"ringo.dev/ringo/vmm/disk"
)

// open opens a volume, on which nothing may be wrong.
func open(t *testing.T, name string, o Options) *Volume {
	t.Helper()
	o.Report = func(err error) { t.Error(err) }
	v, err := Open(name, o)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func closeVolume(t *testing.T, v *Volume) {
	t.Helper()
	if err := v.Close(); err != nil {
		t.Fatal(err)
	}
}

func check(t *testing.T, name string) volume.Summary {
	t.Helper()
	sum, err := Check(name, func(err error) { t.Error(err) })
	if err != nil {
		t.Fatal(err)
	}
	return sum
}

func noSkip(t *testing.T) func(string) {
	return func(path string) { t.Errorf("%s was left out", path) }
}

// makeTree makes some files of every kind that is copied.
func makeTree(t *testing.T) string {
	dir := filepath.Join(t.TempDir(), "tree")
	for _, d := range []string{dir, dir + "/sub", dir + "/sub/empty"} {
		if err := os.Mkdir(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for name, content := range map[string][]byte{
		"small": []byte("text\n"), "sub/big": bytes.Repeat([]byte("0123456789abcde\n"), 60_000), "sub/none": nil,
		"holes": append(make([]byte, 1<<20), 1),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o640); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("sub/big", dir+"/link"); err != nil {
		t.Fatal(err)
	}
	old := time.Date(2001, 2, 3, 4, 5, 6, 7, time.UTC)
	if err := os.Chtimes(dir+"/small", old, old); err != nil {
		t.Fatal(err)
	}
	return dir
}

// compare wants two directories to have the same in them.
func compare(t *testing.T, a, b string) {
	t.Helper()
	n := 0
	err := filepath.Walk(a, func(path string, info os.FileInfo, err error) error {
		if err != nil {
			return err
		}
		n++
		other := b + strings.TrimPrefix(path, a)
		st, err := os.Lstat(other)
		if err != nil {
			return err
		}
		if st.Mode() != info.Mode() || !info.IsDir() && st.Size() != info.Size() ||
			info.Mode()&os.ModeSymlink == 0 && !st.ModTime().Equal(info.ModTime()) {
			t.Errorf("%s is %v, %d, %v; want %v, %d, %v", other, st.Mode(), st.Size(), st.ModTime(), info.Mode(), info.Size(), info.ModTime())
		}
		if info.Mode().IsRegular() {
			x, _ := os.ReadFile(path)
			y, _ := os.ReadFile(other)
			if !bytes.Equal(x, y) {
				t.Errorf("%s has other data", other)
			}
		}
		return nil
	})
	if err != nil || n < 8 {
		t.Errorf("%d files: %v", n, err)
	}
}

// TestCopy copies a tree in and out, also from a snapshot after everything changed.
func TestCopy(t *testing.T) {
	tree, name, out := makeTree(t), filepath.Join(t.TempDir(), "disk"), t.TempDir()
	if err := Create(name, 16<<20); err != nil {
		t.Fatal(err)
	}
	v := open(t, name, Options{})
	if err := v.CopyIn(tree, "/", noSkip(t)); err != nil {
		t.Fatal(err)
	}
	if err := v.CopyOut("/tree", out, noSkip(t)); err != nil {
		t.Fatal(err)
	}
	compare(t, tree, out+"/tree")
	if i, err := v.Stat("/tree/holes", true); err != nil || i.Used > 8<<10 {
		t.Errorf("a hole of 1 MiB takes %d bytes: %v", i.Used, err)
	}
	closeVolume(t, v)
	if sum := check(t, name); sum.Files != 5 || sum.Directories != 4 {
		t.Errorf("%+v", sum)
	}

	v = open(t, name, Options{})
	if err := v.CreateSnapshot("before"); err != nil {
		t.Fatal(err)
	}
	if err := v.CopyIn(tree+"/sub/big", "/tree/small", noSkip(t)); err != nil {
		t.Fatal(err)
	}
	closeVolume(t, v)
	check(t, name)
	v = open(t, name, Options{ReadOnly: true, Snapshot: "before"})
	if err := v.CopyOut("/tree", out+"/again", noSkip(t)); err != nil {
		t.Fatal(err)
	}
	compare(t, tree, out+"/again")
	closeVolume(t, v)
	v = open(t, name, Options{})
	if list, err := v.Snapshots(); err != nil || len(list) != 1 || list[0].Name != "before" {
		t.Error(list, err)
	}
	if err := v.RemoveSnapshot("before"); err != nil {
		t.Fatal(err)
	}
	closeVolume(t, v)
	check(t, name)
}

// TestErrors wants clear errors.
func TestErrors(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, "disk")
	if err := Create(name, 2<<20); err != nil {
		t.Fatal(err)
	}
	text := filepath.Join(dir, "text")
	if err := os.WriteFile(text, make([]byte, 2<<20), 0o644); err != nil {
		t.Fatal(err)
	}
	short := filepath.Join(dir, "short")
	b, _ := os.ReadFile(name)
	if err := os.WriteFile(short, b[:1<<20], 0o644); err != nil {
		t.Fatal(err)
	}
	v := open(t, name, Options{})
	defer closeVolume(t, v)
	_, inUse := Open(name, Options{})
	_, noVolume := Open(text, Options{})
	_, tooSmall := Open(short, Options{})
	_, noFile := v.List("/nothing")
	for want, err := range map[string]error{
		"in use":                    inUse,
		"no volume":                 noVolume,
		"too small":                 tooSmall,
		"no such file":              noFile,
		"exists already":            Create(name, 2<<20),
		"disk: snapshot x: no such": v.RemoveSnapshot("x"),
	} {
		if err == nil || !strings.Contains(err.Error(), want) || strings.Count(err.Error(), "\n") > 0 {
			t.Errorf("%v, want something with %q", err, want)
		}
	}
	if !errors.Is(inUse, disk.ErrInUse) {
		t.Error(inUse)
	}
	big := filepath.Join(dir, "big")
	if err := os.WriteFile(big, bytes.Repeat([]byte("x"), 3<<20), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := v.CopyIn(big, "/", noSkip(t)); err == nil || !strings.Contains(err.Error(), "no space") {
		t.Error(err)
	}
}

// TestDamage flips a bit of a file, which is to be an error that says where.
func TestDamage(t *testing.T) {
	name := filepath.Join(t.TempDir(), "disk")
	if err := Create(name, 2<<20); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "file")
	content := bytes.Repeat([]byte("some data that is easy to find\n"), 1000)
	if err := os.WriteFile(file, content, 0o644); err != nil {
		t.Fatal(err)
	}
	v := open(t, name, Options{})
	if err := v.CopyIn(file, "/", noSkip(t)); err != nil {
		t.Fatal(err)
	}
	closeVolume(t, v)
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	b[bytes.Index(b, content[:100])+50] ^= 4
	if err := os.WriteFile(name, b, 0o644); err != nil {
		t.Fatal(err)
	}
	var found []string
	if _, err := Check(name, func(err error) { found = append(found, err.Error()) }); err != nil {
		t.Fatal(err)
	}
	if len(found) != 1 || !strings.Contains(found[0], "checksum: block 0 of inode") {
		t.Error(found)
	}
	found = nil
	v, err = Open(name, Options{ReadOnly: true, Report: func(err error) { found = append(found, err.Error()) }})
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := v.Read(&out, "/file"); err == nil || !strings.Contains(err.Error(), "/file: input/output error") {
		t.Error(err)
	}
	if len(found) == 0 || !strings.HasPrefix(string(content), out.String()) {
		t.Error(found, out.Len())
	}
	v.Close()
}
