// Command files shows the file system as package os sees it.
package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing/fstest"
	"time"

	"ringo.dev/ringo/tests/guests/check"
)

func main() {
	check.Main(check.Properties{
		"readwrite":   inTemp(readWrite),
		"large":       inTemp(large),
		"sparse":      inTemp(sparse),
		"append":      inTemp(appendOnly),
		"exclusive":   inTemp(exclusive),
		"rename":      inTemp(rename),
		"remove":      inTemp(remove),
		"directories": inTemp(directories),
		"links":       inTemp(links),
		"loops":       inTemp(loops),
		"permissions": inTemp(permissions),
		"times":       inTemp(times),
		"truncate":    inTemp(truncate),
		"deleted":     inTemp(deleted),
		"cwd":         inTemp(workingDirectory),
		"readdir":     inTemp(readDir),
		"root":        inTemp(root),
		"fstest":      inTemp(conform),
		"recordlocks": inTemp(recordLocks),
		"devices":     devices,
		"proc":        proc,
		"sys":         sys,
		"etc":         etc,
		"executable":  executable,
		"home":        home,
		"path":        path,
		"standard":    standard,
	})
}

// inTemp gives a property a new directory.
func inTemp(show func(dir string) error) func() error {
	return func() error {
		dir, err := os.MkdirTemp("", "files-")
		if err != nil {
			return err
		}
		defer os.RemoveAll(dir)
		return show(dir)
	}
}

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

func devices() error {
	for name, want := range map[string]string{"/dev/zero": "\x00\x00\x00\x00", "/dev/null": "", "/dev/full": "\x00\x00\x00\x00"} {
		f, err := os.OpenFile(name, os.O_RDWR, 0)
		if err != nil {
			return err
		}
		b := make([]byte, 4)
		n, err := f.Read(b)
		if err != nil && err != io.EOF {
			return err
		}
		if err := check.Equal("contents of "+name, string(b[:n]), want); err != nil {
			return err
		}
		_, err = f.WriteString("data")
		if name != "/dev/full" && err != nil {
			return err
		}
		if name == "/dev/full" && !errors.Is(err, syscall.ENOSPC) {
			return fmt.Errorf("write to %s: %v", name, err)
		}
		if err := f.Close(); err != nil {
			return err
		}
	}
	for _, name := range []string{"/dev/random", "/dev/urandom"} {
		f, err := os.Open(name)
		if err != nil {
			return err
		}
		a, b := make([]byte, 32), make([]byte, 32)
		if _, err := io.ReadFull(f, a); err != nil {
			return err
		}
		if _, err := io.ReadFull(f, b); err != nil {
			return err
		}
		if bytes.Equal(a, b) {
			return fmt.Errorf("%s repeats itself", name)
		}
		if err := f.Close(); err != nil {
			return err
		}
	}
	st, err := os.Stat("/dev/null")
	if err != nil {
		return err
	}
	return check.Equal("type of /dev/null", st.Mode().Type(), fs.ModeDevice|fs.ModeCharDevice)
}

// proc looks for what programs read in /proc.
func proc() error {
	for name, want := range map[string]string{
		"/proc/self/maps":      "r-xp",
		"/proc/self/status":    "VmRSS:",
		"/proc/self/stat":      fmt.Sprintf("%d (", os.Getpid()),
		"/proc/self/mountinfo": " / ",
		"/proc/self/cgroup":    "0::/",
		"/proc/cpuinfo":        "processor\t: 0",
		"/proc/meminfo":        "MemTotal:",
		"/proc/stat":           "cpu0 ",
		"/proc/uptime":         ".",
		"/proc/loadavg":        "/",
		"/proc/vmstat":         "\npswpin ",
		"/proc/sys/fs/file-nr": "\t0\t",

		"/proc/sys/kernel/random/entropy_avail": "\n",
	} {
		b, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		if !strings.Contains(string(b), want) {
			return fmt.Errorf("no %q in %s:\n%s", want, name, b)
		}
	}
	b, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return err
	}
	if n := bytes.Count(b, []byte("processor\t:")); n < runtime.NumCPU() {
		return fmt.Errorf("%d processors in /proc/cpuinfo, %d CPUs", n, runtime.NumCPU())
	}
	return nil
}

// sys looks for what programs read of the processors in /sys.
func sys() error {
	dirs, err := filepath.Glob("/sys/devices/system/cpu/cpu[0-9]*")
	if err != nil {
		return err
	}
	if len(dirs) < runtime.NumCPU() {
		return fmt.Errorf("%d processors in /sys, %d CPUs", len(dirs), runtime.NumCPU())
	}
	for _, name := range []string{"cpu0/topology/core_id", "cpu0/topology/physical_package_id", "offline", "online"} {
		b, err := os.ReadFile(filepath.Join("/sys/devices/system/cpu", name))
		if err != nil {
			return err
		}
		if !bytes.HasSuffix(b, []byte("\n")) {
			return fmt.Errorf("%s is %q", name, b)
		}
	}
	return nil
}

func etc() error {
	for _, name := range []string{"/etc/hosts", "/etc/passwd", "/etc/group"} {
		b, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		if len(b) == 0 {
			return fmt.Errorf("%s is empty", name)
		}
	}
	return nil
}

func executable() error {
	path, err := os.Executable()
	if err != nil {
		return err
	}
	if !filepath.IsAbs(path) || filepath.Base(path) == "exe" {
		return fmt.Errorf("the program is %q", path)
	}
	return nil
}

// standard wants the standard descriptors to have names and states.
func standard() error {
	for _, f := range []*os.File{os.Stdin, os.Stdout, os.Stderr} {
		if _, err := f.Stat(); err != nil {
			return err
		}
	}
	for _, name := range []string{"/dev/stdout", "/dev/stderr"} {
		f, err := os.OpenFile(name, os.O_WRONLY, 0)
		if err != nil {
			return err
		}
		if _, err := fmt.Fprintln(f, "written to", name); err != nil {
			return err
		}
		if err := f.Close(); err != nil {
			return err
		}
	}
	return nil
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
