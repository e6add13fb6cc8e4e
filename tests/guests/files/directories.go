package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing/fstest"

	"ringo.dev/ringo/tests/guests/check"
)

func rename(dir string) error {
	a, b, sub := filepath.Join(dir, "a"), filepath.Join(dir, "b"), filepath.Join(dir, "sub")
	if err := errors.Join(write(a, "A"), write(b, "B"), os.Mkdir(sub, 0o755)); err != nil {
		return err
	}
	if err := os.Rename(a, b); err != nil {
		return err
	}
	if err := contents(b, "A"); err != nil {
		return err
	}
	_, err := os.Stat(a)
	if err := check.Is("stat of the old name", err, fs.ErrNotExist); err != nil {
		return err
	}
	if err := os.Rename(b, filepath.Join(sub, "c")); err != nil {
		return err
	}
	if err := contents(filepath.Join(sub, "c"), "A"); err != nil {
		return err
	}
	if err := os.Rename(sub, filepath.Join(dir, "moved")); err != nil {
		return err
	}
	if err := contents(filepath.Join(dir, "moved", "c"), "A"); err != nil {
		return err
	}
	err = os.Rename(filepath.Join(dir, "moved"), filepath.Join(dir, "moved", "into"))
	return check.Is("rename of a directory into itself", err, syscall.EINVAL)
}

func remove(dir string) error {
	sub := filepath.Join(dir, "sub")
	f := filepath.Join(sub, "f")
	if err := errors.Join(os.Mkdir(sub, 0o755), write(f, "")); err != nil {
		return err
	}
	if err := check.Is("removal of a full directory", os.Remove(sub), syscall.ENOTEMPTY); err != nil {
		return err
	}
	if err := os.Remove(f); err != nil {
		return err
	}
	if err := check.Is("second removal", os.Remove(f), fs.ErrNotExist); err != nil {
		return err
	}
	if err := os.Remove(sub); err != nil {
		return err
	}
	return check.Is("rmdir", syscall.Rmdir(sub), syscall.ENOENT)
}

func directories(dir string) error {
	deep := filepath.Join(dir, "a", "b", "c", "d")
	if err := os.MkdirAll(deep, 0o755); err != nil {
		return err
	}
	if err := check.Is("mkdir of what is there", os.Mkdir(deep, 0o755), fs.ErrExist); err != nil {
		return err
	}
	var seen []string
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		seen = append(seen, d.Name())
		return err
	})
	if err != nil {
		return err
	}
	if !slices.Equal(seen[1:], []string{"a", "b", "c", "d"}) {
		return fmt.Errorf("walked %v", seen)
	}
	up := filepath.Join(deep) + "/../.."
	st, err := os.Stat(up)
	if err != nil {
		return err
	}
	want, err := os.Stat(filepath.Join(dir, "a", "b"))
	if err != nil {
		return err
	}
	if !os.SameFile(st, want) {
		return errors.New(".. leads elsewhere")
	}
	return os.RemoveAll(filepath.Join(dir, "a"))
}

func links(dir string) error {
	path := func(name string) string { return filepath.Join(dir, name) }
	if err := write(path("f"), "contents"); err != nil {
		return err
	}
	if err := errors.Join(os.Symlink("f", path("soft")), os.Link(path("f"), path("hard"))); err != nil {
		return err
	}
	for _, name := range []string{"soft", "hard"} {
		if err := contents(path(name), "contents"); err != nil {
			return err
		}
	}
	to, err := os.Readlink(path("soft"))
	if err != nil {
		return err
	}
	if err := check.Equal("target", to, "f"); err != nil {
		return err
	}
	st, err := os.Lstat(path("soft"))
	if err != nil {
		return err
	}
	if err := check.Equal("type", st.Mode().Type(), fs.ModeSymlink); err != nil {
		return err
	}
	hard, err := os.Stat(path("hard"))
	if err != nil {
		return err
	}
	if err := check.Equal("links", hard.Sys().(*syscall.Stat_t).Nlink, 2); err != nil {
		return err
	}
	if err := os.Remove(path("f")); err != nil {
		return err
	}
	if err := contents(path("hard"), "contents"); err != nil {
		return err
	}
	_, err = os.Stat(path("soft"))
	return check.Is("stat of a dangling link", err, fs.ErrNotExist)
}

// loops wants links in a circle to be an error.
func loops(dir string) error {
	a, b := filepath.Join(dir, "a"), filepath.Join(dir, "b")
	if err := errors.Join(os.Symlink("b", a), os.Symlink("a", b)); err != nil {
		return err
	}
	_, err := os.Open(a)
	return check.Is("open of a circle", err, syscall.ELOOP)
}

func workingDirectory(dir string) error {
	if err := os.Chdir(dir); err != nil {
		return err
	}
	defer os.Chdir("/")
	got, err := os.Getwd()
	if err != nil {
		return err
	}
	if err := check.Equal("working directory", got, dir); err != nil {
		return err
	}
	if err := write("relative", "r"); err != nil {
		return err
	}
	return contents(filepath.Join(dir, "relative"), "r")
}

func readDir(dir string) error {
	const n = 1000
	for i := range n {
		if err := write(filepath.Join(dir, fmt.Sprintf("file-%04d", i)), ""); err != nil {
			return err
		}
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	if err := check.Equal("entries", len(entries), n); err != nil {
		return err
	}
	for i, e := range entries {
		if err := check.Equal("name", e.Name(), fmt.Sprintf("file-%04d", i)); err != nil {
			return err
		}
	}
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer f.Close()
	seen := 0
	for {
		part, err := f.ReadDir(7)
		seen += len(part)
		if err == io.EOF {
			return check.Equal("entries in parts", seen, n)
		}
		if err != nil {
			return err
		}
	}
}

// root keeps to a directory by os.Root.
func root(dir string) error {
	r, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer r.Close()
	if err := r.WriteFile("f", []byte("in"), 0o600); err != nil {
		return err
	}
	if err := contents(filepath.Join(dir, "f"), "in"); err != nil {
		return err
	}
	if err := os.Symlink("/etc/hosts", filepath.Join(dir, "out")); err != nil {
		return err
	}
	if _, err := r.Open("out"); err == nil {
		return errors.New("a link led out of the root")
	}
	return nil
}

func conform(dir string) error {
	if err := os.MkdirAll(filepath.Join(dir, "d", "e"), 0o755); err != nil {
		return err
	}
	if err := errors.Join(write(filepath.Join(dir, "a"), "1"), write(filepath.Join(dir, "d", "e", "b"), "22")); err != nil {
		return err
	}
	return fstest.TestFS(os.DirFS(dir), "a", "d/e/b")
}
