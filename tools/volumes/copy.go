package volumes

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"ringo.dev/ringo/kernel"
)

// names returns the names in a directory, sorted.
func (v *Volume) names(dir string) ([]string, error) {
	fd, err := v.kernel.Open(kernel.FDCWD, dir, syscall.O_RDONLY|syscall.O_DIRECTORY, 0)
	if err != 0 {
		return nil, v.wrap(dir, err)
	}
	defer v.kernel.Close(fd)
	var names []string
	buf := make([]byte, 64<<10)
	for {
		n, err := v.kernel.Getdents(fd, buf)
		if err != 0 {
			return nil, v.wrap(dir, err)
		}
		if n == 0 {
			slices.Sort(names)
			return names, nil
		}
		_, _, names = syscall.ParseDirent(buf[:n], -1, names)
	}
}

// file is an open file of a volume, for package io.
type file struct {
	v    *Volume
	path string
	fd   int
}

func (v *Volume) open(path string, flags int, mode fs.FileMode) (*file, error) {
	fd, err := v.kernel.Open(kernel.FDCWD, path, flags, uint32(mode.Perm()))
	if err != 0 {
		return nil, v.wrap(path, err)
	}
	return &file{v, path, fd}, nil
}

func (f *file) Read(p []byte) (int, error) {
	n, err := f.v.kernel.Read(f.fd, p)
	switch {
	case err != 0:
		return max(n, 0), f.v.wrap(f.path, err)
	case n == 0 && len(p) > 0:
		return 0, io.EOF
	}
	return n, nil
}

func (f *file) Write(p []byte) (int, error) {
	done := 0
	for done < len(p) {
		n, err := f.v.kernel.Write(f.fd, p[done:])
		if err != 0 {
			return done, f.v.wrap(f.path, err)
		}
		done += n
	}
	return done, nil
}

func (f *file) Seek(off int64, whence int) (int64, error) {
	n, err := f.v.kernel.Seek(f.fd, off, whence)
	if err != 0 {
		return n, f.v.wrap(f.path, err)
	}
	return n, nil
}

func (f *file) Truncate(size int64) error {
	if err := f.v.kernel.Ftruncate(f.fd, size); err != 0 {
		return f.v.wrap(f.path, err)
	}
	return nil
}

func (f *file) Close() error {
	if err := f.v.kernel.Close(f.fd); err != 0 {
		return f.v.wrap(f.path, err)
	}
	return nil
}

// Read copies a file's data to w.
func (v *Volume) Read(w io.Writer, path string) error {
	f, err := v.open(path, syscall.O_RDONLY, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = io.Copy(w, f)
	return err
}

// target is a file that data is copied to.
type target interface {
	io.WriteSeeker
	io.Closer
	Truncate(size int64) error
}

// copyData copies what is in from, and closes to. Rows of zeroes become holes.
func copyData(to target, from io.Reader) error {
	if err := copySparse(to, from); err != nil {
		to.Close()
		return err
	}
	return to.Close()
}

func copySparse(to target, from io.Reader) error {
	buf := make([]byte, 64<<10)
	size := int64(0)
	for {
		n, err := io.ReadFull(from, buf)
		size += int64(n)
		if slices.ContainsFunc(buf[:n], func(b byte) bool { return b != 0 }) {
			if _, err := to.Write(buf[:n]); err != nil {
				return err
			}
		} else if _, err := to.Seek(int64(n), io.SeekCurrent); err != nil {
			return err
		}
		if err == io.EOF || err == io.ErrUnexpectedEOF {
			return to.Truncate(size)
		}
		if err != nil {
			return err
		}
	}
}

// CopyOut copies a file, or a directory with all that is in it, from the volume to
// the host. If to is a directory, it is put in there. Symbolic links are copied as
// such, and times and permissions are kept; devices, FIFOs and sockets are left out,
// and skip is called for them.
func (v *Volume) CopyOut(from, to string, skip func(path string)) error {
	i, err := v.Stat(from, true)
	if err != nil {
		return err
	}
	if st, err := os.Stat(to); err == nil && st.IsDir() {
		to = filepath.Join(to, path.Base(path.Clean("/"+from)))
	}
	return v.copyOut(i, from, to, skip)
}

func (v *Volume) copyOut(i Info, from, to string, skip func(path string)) error {
	switch i.Mode.Type() {
	case fs.ModeSymlink:
		return os.Symlink(i.Target, to)
	case fs.ModeDir:
		if err := os.Mkdir(to, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
		list, err := v.List(from)
		if err != nil {
			return err
		}
		for _, sub := range list {
			if !filepath.IsLocal(sub.Name) {
				return fmt.Errorf("%s:%s: a name that cannot be on the host: %q", v.name, from, sub.Name)
			}
			if err := v.copyOut(sub, strings.TrimSuffix(from, "/")+"/"+sub.Name, filepath.Join(to, sub.Name), skip); err != nil {
				return err
			}
		}
	case 0:
		if err := v.copyFileOut(i, from, to); err != nil {
			return err
		}
	default:
		skip(from)
		return nil
	}
	if err := os.Chmod(to, i.Mode.Perm()); err != nil {
		return err
	}
	return os.Chtimes(to, time.Time{}, i.Time)
}

func (v *Volume) copyFileOut(i Info, from, to string) error {
	src, err := v.open(from, syscall.O_RDONLY, 0)
	if err != nil {
		return err
	}
	defer src.Close()
	dst, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, i.Mode.Perm()|0o200)
	if err != nil {
		return err
	}
	return copyData(dst, src)
}

// CopyIn is CopyOut in the other direction.
func (v *Volume) CopyIn(from, to string, skip func(path string)) error {
	st, err := os.Stat(from)
	if err != nil {
		return err
	}
	if i, err := v.Stat(to, true); err == nil && i.Mode.IsDir() {
		abs, err := filepath.Abs(from)
		if err != nil {
			return err
		}
		if base := filepath.Base(abs); base != "/" {
			to = path.Join(to, base)
		}
	}
	return v.copyIn(st, from, to, skip)
}

func (v *Volume) copyIn(st fs.FileInfo, from, to string, skip func(path string)) error {
	k := v.kernel
	switch st.Mode().Type() {
	case fs.ModeSymlink:
		target, err := os.Readlink(from)
		if err != nil {
			return err
		}
		if err := k.Symlink(target, kernel.FDCWD, to); err != 0 {
			return v.wrap(to, err)
		}
		return nil
	case fs.ModeDir:
		if err := k.Mkdir(kernel.FDCWD, to, 0o700); err != 0 && err != syscall.EEXIST {
			return v.wrap(to, err)
		}
		list, err := os.ReadDir(from)
		if err != nil {
			return err
		}
		for _, e := range list {
			sub, err := e.Info()
			if err != nil {
				return err
			}
			if err := v.copyIn(sub, filepath.Join(from, e.Name()), path.Join(to, e.Name()), skip); err != nil {
				return err
			}
		}
	case 0:
		if err := v.copyFileIn(st, from, to); err != nil {
			return err
		}
	default:
		skip(from)
		return nil
	}
	if err := k.Chmod(kernel.FDCWD, to, uint32(st.Mode().Perm()), 0); err != 0 {
		return v.wrap(to, err)
	}
	ts := syscall.NsecToTimespec(st.ModTime().UnixNano())
	if err := k.SetTimes(kernel.FDCWD, to, &[2]syscall.Timespec{ts, ts}, 0); err != 0 {
		return v.wrap(to, err)
	}
	return nil
}

func (v *Volume) copyFileIn(st fs.FileInfo, from, to string) error {
	src, err := os.Open(from)
	if err != nil {
		return err
	}
	defer src.Close()
	dst, err := v.open(to, syscall.O_WRONLY|syscall.O_CREAT|syscall.O_TRUNC, st.Mode())
	if err != nil {
		return err
	}
	return copyData(dst, src)
}
