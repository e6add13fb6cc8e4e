package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"ringo.dev/ringo/tests/guests/check"
)

// write makes a file with these contents.
func write(path, contents string) error {
	return os.WriteFile(path, []byte(contents), 0o644)
}

// contents fails unless the file at path holds just want.
func contents(path, want string) error {
	b, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	return check.Equal("contents of "+filepath.Base(path), string(b), want)
}

func readWrite(dir string) error {
	f, err := os.Create(filepath.Join(dir, "f"))
	if err != nil {
		return err
	}
	defer f.Close()
	if _, err := f.WriteString("hello, world"); err != nil {
		return err
	}
	if _, err := f.WriteAt([]byte("W"), 7); err != nil {
		return err
	}
	b := make([]byte, 100)
	n, err := f.ReadAt(b, 7)
	if err := check.Is("read at the end", err, io.EOF); err != nil {
		return err
	}
	if err := check.Equal("what was read", string(b[:n]), "World"); err != nil {
		return err
	}
	if pos, err := f.Seek(-5, io.SeekEnd); err != nil || pos != 7 {
		return fmt.Errorf("seek: %d, %v", pos, err)
	}
	rest, err := io.ReadAll(f)
	if err != nil {
		return err
	}
	if err := check.Equal("the rest", string(rest), "World"); err != nil {
		return err
	}
	if _, err := f.Seek(-1, io.SeekStart); err == nil {
		return errors.New("seek to -1 succeeded")
	}
	if err := f.Sync(); err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	return check.Is("second close", f.Close(), os.ErrClosed)
}

func large(dir string) error {
	block := bytes.Repeat([]byte("0123456789abcdef"), 4096)
	path := filepath.Join(dir, "large")
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer f.Close()
	const blocks = 128 // 8 MiB
	for range blocks {
		if _, err := f.Write(block); err != nil {
			return err
		}
	}
	st, err := f.Stat()
	if err != nil {
		return err
	}
	if err := check.Equal("size", st.Size(), int64(blocks*len(block))); err != nil {
		return err
	}
	got := make([]byte, len(block))
	for i := range blocks {
		if _, err := f.ReadAt(got, int64(i*len(block))); err != nil {
			return err
		}
		if !bytes.Equal(got, block) {
			return fmt.Errorf("block %d changed", i)
		}
	}
	return nil
}

// sparse writes far behind the end of a file.
func sparse(dir string) error {
	f, err := os.Create(filepath.Join(dir, "sparse"))
	if err != nil {
		return err
	}
	defer f.Close()
	const at = 1 << 30
	if _, err := f.WriteAt([]byte("end"), at); err != nil {
		return err
	}
	b := make([]byte, 100)
	if _, err := f.ReadAt(b, at/2); err != nil {
		return err
	}
	if !bytes.Equal(b, make([]byte, 100)) {
		return errors.New("the hole is not zero")
	}
	st, err := f.Stat()
	if err != nil {
		return err
	}
	return check.Equal("size", st.Size(), at+3)
}

func appendOnly(dir string) error {
	path := filepath.Join(dir, "log")
	for _, line := range []string{"one\n", "two\n", "three\n"} {
		f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
		if err != nil {
			return err
		}
		if _, err := f.WriteString(line); err != nil {
			return err
		}
		if _, err := f.Read(make([]byte, 1)); !errors.Is(err, syscall.EBADF) {
			return fmt.Errorf("read of a file open for writing: %v", err)
		}
		if err := f.Close(); err != nil {
			return err
		}
	}
	return contents(path, "one\ntwo\nthree\n")
}

func exclusive(dir string) error {
	path := filepath.Join(dir, "f")
	open := func() error {
		f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
		if err != nil {
			return err
		}
		return f.Close()
	}
	if err := open(); err != nil {
		return err
	}
	if err := check.Is("second creation", open(), fs.ErrExist); err != nil {
		return err
	}
	_, err := os.Open(filepath.Join(dir, "missing"))
	if err := check.Is("open of nothing", err, fs.ErrNotExist); err != nil {
		return err
	}
	_, err = os.Open(filepath.Join(path, "below"))
	return check.Is("open below a file", err, syscall.ENOTDIR)
}

func truncate(dir string) error {
	path := filepath.Join(dir, "f")
	if err := write(path, "0123456789"); err != nil {
		return err
	}
	if err := os.Truncate(path, 4); err != nil {
		return err
	}
	if err := contents(path, "0123"); err != nil {
		return err
	}
	if err := os.Truncate(path, 6); err != nil {
		return err
	}
	if err := contents(path, "0123\x00\x00"); err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_TRUNC, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	return contents(path, "")
}

// deleted uses a file that has no name any more.
func deleted(dir string) error {
	f, err := os.CreateTemp(dir, "")
	if err != nil {
		return err
	}
	defer f.Close()
	if err := os.Remove(f.Name()); err != nil {
		return err
	}
	if _, err := f.WriteString("still here"); err != nil {
		return err
	}
	b := make([]byte, 10)
	if _, err := f.ReadAt(b, 0); err != nil {
		return err
	}
	return check.Equal("contents", string(b), "still here")
}
