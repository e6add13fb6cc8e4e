package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"ringo.dev/ringo/tests/guests/check"
)

func permissions(dir string) error {
	path := filepath.Join(dir, "f")
	if err := write(path, ""); err != nil {
		return err
	}
	for _, mode := range []fs.FileMode{0o600, 0o755, 0o400, 0o777} {
		if err := os.Chmod(path, mode); err != nil {
			return err
		}
		st, err := os.Stat(path)
		if err != nil {
			return err
		}
		if err := check.Equal("mode", st.Mode(), mode); err != nil {
			return err
		}
	}
	old := syscall.Umask(0o077)
	defer syscall.Umask(old)
	f, err := os.OpenFile(filepath.Join(dir, "private"), os.O_CREATE, 0o666)
	if err != nil {
		return err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return err
	}
	return check.Equal("mode by the umask", st.Mode(), 0o600)
}

func times(dir string) error {
	path := filepath.Join(dir, "f")
	if err := write(path, ""); err != nil {
		return err
	}
	st, err := os.Stat(path)
	if err != nil {
		return err
	}
	if age := time.Since(st.ModTime()); age < -time.Second || age > 10*time.Second {
		return fmt.Errorf("a new file is %v old", age)
	}
	then := time.Date(2001, 2, 3, 4, 5, 6, 700, time.UTC)
	if err := os.Chtimes(path, then, then); err != nil {
		return err
	}
	if st, err = os.Stat(path); err != nil {
		return err
	}
	return check.Equal("time", st.ModTime().UTC(), then)
}

// recordLocks: ranges that open files have locked (F_OFD_SETLK), and the process.
func recordLocks(dir string) error {
	const get, set, wait = 36, 37, 38 // F_OFD_GETLK and so on
	var fds [3]int
	for i := range fds {
		fd, err := syscall.Open(filepath.Join(dir, "f"), syscall.O_RDWR|syscall.O_CREAT, 0o600)
		if err != nil {
			return err
		}
		defer syscall.Close(fd)
		fds[i] = fd
	}
	lock := func(fd, cmd int, kind int16, start, n int64) (syscall.Flock_t, error) {
		l := syscall.Flock_t{Type: kind, Start: start, Len: n}
		return l, syscall.FcntlFlock(uintptr(fds[fd]), cmd, &l)
	}
	const read, write, none = syscall.F_RDLCK, syscall.F_WRLCK, syscall.F_UNLCK
	for i, step := range []struct {
		fd, cmd  int
		kind     int16
		start, n int64
		want     error
	}{
		{0, set, write, 10, 10, nil},
		{1, set, write, 19, 1, syscall.EAGAIN},
		{1, set, read, 15, 100, syscall.EAGAIN},
		{1, set, write, 20, 10, nil},
		{0, set, none, 12, 3, nil}, // a hole in the first one
		{1, set, write, 12, 3, nil},
		{1, set, read, 11, 1, syscall.EAGAIN},
		{0, set, read, 10, 2, nil}, // weaker
		{1, set, read, 11, 1, nil},
		{2, syscall.F_SETLK, write, 11, 1, syscall.EAGAIN}, // the process, against open files
		{2, syscall.F_SETLK, write, 100, 0, nil},
		{0, set, read, 1 << 40, 1, syscall.EAGAIN},
		{0, syscall.F_SETLK, write, 100, 1, nil}, // the process has it already
		{0, set, 7, 0, 1, syscall.EINVAL},
		{0, set, read, -5, 1, syscall.EINVAL},
	} {
		if _, err := lock(step.fd, step.cmd, step.kind, step.start, step.n); !errors.Is(err, step.want) {
			return fmt.Errorf("step %d: %v, want %v", i, err, step.want)
		}
	}
	l, err := lock(2, get, write, 0, 0)
	if err != nil || l.Type != read || l.Start != 10 || l.Len != 2 || l.Pid != -1 {
		return fmt.Errorf("the first lock is %+v, %v", l, err)
	}
	l, err = lock(0, get, read, 1000, 1)
	if err != nil || l.Type != write || l.Start != 100 || l.Len != 0 {
		return fmt.Errorf("the process's lock is %+v, %v", l, err)
	}

	// Whoever waits gets it when the holder closes its file.
	done := make(chan error)
	go func() {
		_, err := lock(0, wait, write, 20, 5)
		done <- err
	}()
	select {
	case err := <-done:
		return fmt.Errorf("a lock was had that another one holds: %v", err)
	case <-time.After(50 * time.Millisecond):
	}
	syscall.Close(fds[1])
	if err := <-done; err != nil {
		return err
	}
	// With any descriptor of the file the process's locks are gone.
	if _, err := lock(0, set, read, 1<<40, 1); err != nil {
		return fmt.Errorf("a lock of the process has outlived a descriptor: %w", err)
	}
	return nil
}
