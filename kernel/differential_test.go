package kernel_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"unsafe"

	"ringo.dev/ringo/kernel"
	"ringo.dev/ringo/kernel/block/blocktest"
	"ringo.dev/ringo/kernel/fuse"
	"ringo.dev/ringo/kernel/pagecache"
	"ringo.dev/ringo/kernel/volume"
	"ringo.dev/ringo/vmm/share"
)

// The tests in this file run the same calls on the kernel and on the host's
// Linux and compare the answers.

// api are the calls that are compared. Results are those of the call, or -1.
type api interface {
	open(path string, flags int) (int, kernel.Errno)
	close(fd int) kernel.Errno
	read(fd int, p []byte) (int, kernel.Errno)
	write(fd int, p []byte) (int, kernel.Errno)
	seek(fd int, off int64, whence int) (int64, kernel.Errno)
	ftruncate(fd int, n int64) kernel.Errno
	mkdir(path string) kernel.Errno
	unlink(path string, flags int) kernel.Errno
	rename(a, b string, flags int) kernel.Errno
	link(a, b string, flags int) kernel.Errno
	symlink(target, path string) kernel.Errno
	readlink(path string, p []byte) (int, kernel.Errno)
	stat(path string, flags int, st *syscall.Stat_t) kernel.Errno
	truncate(path string, n int64) kernel.Errno
	fallocate(fd, mode int, off, n int64) kernel.Errno
}

// ours is the kernel; base is its directory for the test.
type ours struct {
	k    *kernel.Kernel
	base int
}

func (o ours) open(path string, flags int) (int, kernel.Errno) {
	return o.k.Open(o.base, path, flags, 0o644)
}
func (o ours) close(fd int) kernel.Errno                           { return o.k.Close(fd) }
func (o ours) read(fd int, p []byte) (int, kernel.Errno)           { return o.k.Read(fd, p) }
func (o ours) write(fd int, p []byte) (int, kernel.Errno)          { return o.k.Write(fd, p) }
func (o ours) ftruncate(fd int, n int64) kernel.Errno              { return o.k.Ftruncate(fd, n) }
func (o ours) mkdir(path string) kernel.Errno                      { return o.k.Mkdir(o.base, path, 0o755) }
func (o ours) unlink(path string, flags int) kernel.Errno          { return o.k.Unlink(o.base, path, flags) }
func (o ours) symlink(target, path string) kernel.Errno            { return o.k.Symlink(target, o.base, path) }
func (o ours) seek(fd int, off int64, w int) (int64, kernel.Errno) { return o.k.Seek(fd, off, w) }
func (o ours) rename(a, b string, flags int) kernel.Errno {
	return o.k.Rename(o.base, a, o.base, b, flags)
}
func (o ours) link(a, b string, flags int) kernel.Errno {
	return o.k.Link(o.base, a, o.base, b, flags)
}
func (o ours) readlink(path string, p []byte) (int, kernel.Errno) {
	return o.k.Readlink(o.base, path, p)
}
func (o ours) stat(path string, flags int, st *syscall.Stat_t) kernel.Errno {
	return o.k.Stat(o.base, path, st, flags)
}
func (o ours) truncate(path string, n int64) kernel.Errno {
	fd, err := o.k.Open(o.base, path, syscall.O_WRONLY, 0)
	if err != 0 {
		return err
	}
	defer o.k.Close(fd)
	return o.k.Ftruncate(fd, n)
}
func (o ours) fallocate(fd, mode int, off, n int64) kernel.Errno {
	return o.k.Fallocate(fd, mode, off, n)
}

// linux is the host's kernel.
type linux struct{ base int }

func errno(err error) kernel.Errno {
	if err == nil {
		return 0
	}
	return err.(syscall.Errno)
}

// at makes a call whose paths are relative to the base.
func (l linux) at(num uintptr, args ...any) (int, kernel.Errno) {
	var raw [6]uintptr
	var keep []*byte
	for i, a := range args {
		switch v := a.(type) {
		case int:
			raw[i] = uintptr(v)
		case string:
			p, err := syscall.BytePtrFromString(v)
			if err != nil {
				return -1, syscall.EINVAL
			}
			keep = append(keep, p)
			raw[i] = uintptr(unsafe.Pointer(p))
		}
	}
	n, _, err := syscall.Syscall6(num, raw[0], raw[1], raw[2], raw[3], raw[4], raw[5])
	_ = keep
	return int(n), err
}

func (l linux) open(path string, flags int) (int, kernel.Errno) {
	return l.at(syscall.SYS_OPENAT, l.base, path, flags|syscall.O_CLOEXEC, 0o644)
}
func (l linux) close(fd int) kernel.Errno { return errno(syscall.Close(fd)) }
func (l linux) read(fd int, p []byte) (int, kernel.Errno) {
	n, err := syscall.Read(fd, p)
	return n, errno(err)
}
func (l linux) write(fd int, p []byte) (int, kernel.Errno) {
	n, err := syscall.Write(fd, p)
	return n, errno(err)
}
func (l linux) seek(fd int, off int64, w int) (int64, kernel.Errno) {
	n, err := syscall.Seek(fd, off, w)
	return n, errno(err)
}
func (l linux) ftruncate(fd int, n int64) kernel.Errno { return errno(syscall.Ftruncate(fd, n)) }
func (l linux) mkdir(path string) kernel.Errno         { return errno(syscall.Mkdirat(l.base, path, 0o755)) }
func (l linux) unlink(path string, flags int) kernel.Errno {
	_, err := l.at(syscall.SYS_UNLINKAT, l.base, path, flags)
	return err
}
func (l linux) rename(a, b string, flags int) kernel.Errno {
	const renameat2 = 316
	_, err := l.at(renameat2, l.base, a, l.base, b, flags)
	return err
}
func (l linux) link(a, b string, flags int) kernel.Errno {
	_, err := l.at(syscall.SYS_LINKAT, l.base, a, l.base, b, flags)
	return err
}
func (l linux) symlink(target, path string) kernel.Errno {
	_, err := l.at(syscall.SYS_SYMLINKAT, target, l.base, path)
	return err
}
func (l linux) readlink(path string, p []byte) (int, kernel.Errno) {
	n, err := l.at(syscall.SYS_READLINKAT, l.base, path, int(uintptr(unsafe.Pointer(&p[0]))), len(p))
	return n, err
}
func (l linux) stat(path string, flags int, st *syscall.Stat_t) kernel.Errno {
	_, err := l.at(syscall.SYS_NEWFSTATAT, l.base, path, int(uintptr(unsafe.Pointer(st))), flags)
	return err
}
func (l linux) truncate(path string, n int64) kernel.Errno {
	fd, err := l.open(path, syscall.O_WRONLY)
	if err != 0 {
		return err
	}
	defer l.close(fd)
	return l.ftruncate(fd, n)
}
func (l linux) fallocate(fd, mode int, off, n int64) kernel.Errno {
	return errno(syscall.Fallocate(fd, uint32(mode), off, n))
}

// tape gives the decisions of a run.
type tape interface{ next(n int) int }

type randomTape struct{ *rand.Rand }

func (r randomTape) next(n int) int { return r.IntN(n) }

type fuzzTape struct{ data []byte }

func (f *fuzzTape) next(n int) int {
	if len(f.data) == 0 {
		return 0
	}
	b := f.data[0]
	f.data = f.data[1:]
	return int(b) % n
}

// paths has few names, so that they meet. At most one ".." is in a path, and
// none in the target of a link, so that the host's files outside the test's
// directory are out of reach.
var pathNames = []string{"a", "b", "c", "d", "e"}

func somePath(t tape) string {
	name := func() string { return pathNames[t.next(len(pathNames))] }
	switch t.next(12) {
	case 0:
		return name() + "/" + name() + "/" + name()
	case 1:
		return name() + "/"
	case 2:
		return name() + "/../" + name()
	case 3:
		return "./" + name()
	case 4:
		return name() + "/."
	case 5:
		return name() + "//" + name() + "//"
	case 6:
		if t.next(4) == 0 {
			return []string{".", "", "./", name() + "/..", "./."}[t.next(5)]
		}
		fallthrough
	case 7, 8:
		return name() + "/" + name()
	}
	return name()
}

// someTarget is the target of a symbolic link.
func someTarget(t tape) string {
	return []string{"a", "b", "c/d", "./e", "a/b", ".", "d/", "nothing"}[t.next(8)]
}

// step makes one call and describes it with its answer.
func step(t tape, a api, fds map[int]int) string {
	const noFollow, symlinkFollow, removeDir = 0x100, 0x400, 0x200
	describe := func(what string, args ...any) string { return fmt.Sprintf(what, args...) }
	fd := func() (slot, fd int) {
		slot = t.next(4)
		if fd, ok := fds[slot]; ok {
			return slot, fd
		}
		return slot, -1
	}
	switch t.next(18) {
	case 0, 1:
		flags := []int{0, syscall.O_RDWR, syscall.O_RDWR | syscall.O_CREAT, syscall.O_WRONLY | syscall.O_CREAT | syscall.O_EXCL,
			syscall.O_RDWR | syscall.O_TRUNC, syscall.O_RDWR | syscall.O_CREAT | syscall.O_APPEND, syscall.O_DIRECTORY,
			syscall.O_NOFOLLOW, syscall.O_RDONLY | syscall.O_CREAT, syscall.O_CREAT | syscall.O_NOFOLLOW | syscall.O_RDWR}[t.next(10)]
		path, slot := somePath(t), t.next(4)
		n, err := a.open(path, flags)
		if err == 0 {
			if old, ok := fds[slot]; ok {
				a.close(old)
			}
			fds[slot] = n
		}
		return describe("open(%q, %#x) %s", path, flags, text(err))
	case 2:
		path := somePath(t)
		return describe("mkdir(%q) %s", path, text(a.mkdir(path)))
	case 3:
		path := somePath(t)
		return describe("unlink(%q) %s", path, text(a.unlink(path, 0)))
	case 4:
		path := somePath(t)
		return describe("rmdir(%q) %s", path, text(a.unlink(path, removeDir)))
	case 5, 6:
		from, to, flags := somePath(t), somePath(t), []int{0, 0, 0, 1, 2}[t.next(5)]
		return describe("rename(%q, %q, %d) %s", from, to, flags, text(a.rename(from, to, flags)))
	case 7:
		from, to, flags := somePath(t), somePath(t), []int{0, symlinkFollow}[t.next(2)]
		return describe("link(%q, %q, %#x) %s", from, to, flags, text(a.link(from, to, flags)))
	case 8:
		target, path := someTarget(t), somePath(t)
		return describe("symlink(%q, %q) %s", target, path, text(a.symlink(target, path)))
	case 9:
		path, buf := somePath(t), make([]byte, 3+t.next(20))
		n, err := a.readlink(path, buf)
		if err != 0 {
			n = 0
		}
		return describe("readlink(%q) %q %s", path, buf[:n], text(err))
	case 10, 11:
		path, flags := somePath(t), []int{0, noFollow}[t.next(2)]
		var st syscall.Stat_t
		err := a.stat(path, flags, &st)
		if err != 0 {
			return describe("stat(%q) %s", path, text(err))
		}
		if st.Mode&syscall.S_IFMT == syscall.S_IFDIR {
			st.Size, st.Nlink = 0, 0 // every file system counts these in its own way
		}
		return describe("stat(%q) mode %o, %d links, %d bytes", path, st.Mode, st.Nlink, st.Size)
	case 12:
		path, n := somePath(t), int64(t.next(3)*5000)
		return describe("truncate(%q, %d) %s", path, n, text(a.truncate(path, n)))
	case 13:
		slot, f := fd()
		p := []byte(strings.Repeat(string(rune('A'+t.next(26))), []int{1, 100, 4096, 9000}[t.next(4)]))
		n, err := a.write(f, p)
		return describe("write(%d, %d bytes) %d %s", slot, len(p), max(n, 0), text(err))
	case 14:
		slot, f := fd()
		p := make([]byte, []int{1, 200, 20000}[t.next(3)])
		n, err := a.read(f, p)
		return describe("read(%d, %d) %s %s", slot, len(p), brief(p[:max(n, 0)]), text(err))
	case 15:
		slot, f := fd()
		off, whence := int64(t.next(5)*3000-3000), t.next(3)
		if _, err := a.read(f, nil); err == syscall.EISDIR {
			return "lseek in a directory" // every file system counts in its own way
		}
		n, err := a.seek(f, off, whence)
		return describe("lseek(%d, %d, %d) %d %s", slot, off, whence, max(n, 0), text(err))
	case 16:
		slot, f := fd()
		n := int64(t.next(4) * 3000)
		return describe("ftruncate(%d, %d) %s", slot, n, text(a.ftruncate(f, n)))
	default:
		slot, f := fd()
		mode, off, n := []int{0, 1, 3}[t.next(3)], int64(t.next(4)*3000), int64(1+t.next(3)*5000)
		return describe("fallocate(%d, %d, %d, %d) %s", slot, mode, off, n, text(a.fallocate(f, mode, off, n)))
	}
}

// brief describes data by its runs.
func brief(p []byte) string {
	var s strings.Builder
	for i := 0; i < len(p); {
		j := i
		for j < len(p) && p[j] == p[i] {
			j++
		}
		fmt.Fprintf(&s, "%q×%d ", p[i], j-i)
		i = j
	}
	return s.String()
}

// replay gives the decisions of another tape again.
type replay struct {
	made []int
	at   int
}

func (r *replay) next(int) int {
	v := r.made[r.at]
	r.at++
	return v
}

type recorder struct {
	tape
	made []int
}

func (r *recorder) next(n int) int {
	v := r.tape.next(n)
	r.made = append(r.made, v)
	return v
}

// newOurs makes a kernel, whose /tmp is on a file system. used returns the bytes
// that are in use there, and finish is called at the end.
type newOurs func(t *testing.T) (k *kernel.Kernel, used func() int64, finish func())

func onTmpfs(t *testing.T) (*kernel.Kernel, func() int64, func()) {
	k, store := newKernelStore(t)
	used := func() int64 {
		n, _ := store.Usage()
		return n
	}
	return k, used, func() {}
}

// onVolume has /tmp on a disk, which is to be in order at the end.
func onVolume(t *testing.T) (*kernel.Kernel, func() int64, func()) {
	disk := blocktest.New(8 << 20)
	if err := volume.Format(disk, [16]byte{1}); err != nil {
		t.Fatal(err)
	}
	v, err := volume.Open(disk, volume.Options{Report: func(err error) { t.Error(err) }})
	if err != nil {
		t.Fatal(err)
	}
	fs := v.Files(pagecache.New(256 << 10))
	k := newKernel(t)
	ok(t, k.Mount(fs, "/tmp", "disk", false))
	used := func() int64 {
		ok(t, fs.Sync())
		if err := v.Commit(); err != nil {
			t.Fatal(err)
		}
		var st syscall.Statfs_t
		ok(t, fs.Statfs(&st))
		return int64(st.Blocks-st.Bfree) * st.Bsize
	}
	return k, used, func() {
		ok(t, fs.Close())
		if err := v.Close(); err != nil {
			t.Error(err)
		}
		if _, err := volume.Check(disk, func(err error) { t.Error(err) }); err != nil {
			t.Error(err)
		}
	}
}

// onShared has /tmp in a directory of the host.
func onShared(t *testing.T) (*kernel.Kernel, func() int64, func()) {
	dir, err := share.Open(t.TempDir(), false)
	if err != nil {
		t.Fatal(err)
	}
	fs, errno := fuse.New(shared{dir}, func(err error) { t.Error(err) })
	ok(t, errno)
	k := newKernel(t)
	ok(t, k.Mount(fs, "/tmp", "host", false))
	return k, func() int64 { return 0 }, func() { ok(t, fs.Sync()) }
}

// shared is a fuse.Transport without a machine around it.
type shared struct{ dir *share.Dir }

func (s shared) Call(in, out [][]byte) (int, error) { return s.dir.Handle(in, out), nil }

// compare runs steps on both kernels until they differ.
func compare(t *testing.T, source tape, steps int, place newOurs) {
	dir := filepath.Join(t.TempDir(), "1", "2", "3", "base")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	host, err := syscall.Open(dir, syscall.O_RDONLY|syscall.O_DIRECTORY|syscall.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer syscall.Close(host)
	defer syscall.Umask(syscall.Umask(0o022))
	k, usage, finish := place(t)
	ok(t, k.Mkdir(cwd, "/tmp/1", 0o755))
	used := usage()
	for _, d := range []string{"/tmp/1/2", "/tmp/1/2/3", "/tmp/1/2/3/base"} {
		ok(t, k.Mkdir(cwd, d, 0o755))
	}
	base := open(t, k, "/tmp/1/2/3/base", syscall.O_RDONLY)
	theirs := linux{host}
	own := ours{k, base}
	ourFDs, theirFDs := map[int]int{}, map[int]int{}
	defer func() {
		for _, fd := range theirFDs {
			theirs.close(fd)
		}
	}()
	var log []string
	for range steps {
		rec := &recorder{tape: source}
		got := step(rec, own, ourFDs)
		expected := step(&replay{made: rec.made}, theirs, theirFDs)
		log = append(log, expected)
		if got != expected {
			t.Fatalf("kernel: %s\nLinux:  %s\nafter\n%s", got, expected, strings.Join(log[max(0, len(log)-40):len(log)-1], "\n"))
		}
	}
	// When everything is gone, no space may be in use.
	for _, fd := range ourFDs {
		own.close(fd)
	}
	removeAll(t, own, "/tmp/1")
	if now := usage(); now != used {
		t.Errorf("%d bytes are still in use", now-used)
	}
	finish()
}

// removeAll removes what is in a directory.
func removeAll(t *testing.T, o ours, dir string) {
	for _, e := range list(t, o.k, o.base, dir) {
		path := dir + "/" + e
		if o.unlink(path, 0) == syscall.EISDIR {
			removeAll(t, o, path)
			o.unlink(path, 0x200)
		}
	}
}

// TestAgainstLinux makes random calls.
func TestAgainstLinux(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("the kernel's process is root: needs root to compare")
	}
	for seed := range uint64(30) {
		compare(t, randomTape{rand.New(rand.NewPCG(seed, 1))}, 600, onTmpfs)
	}
}

// TestVolumeAgainstLinux makes random calls with files on a disk.
func TestVolumeAgainstLinux(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("the kernel's process is root: needs root to compare")
	}
	for seed := range uint64(30) {
		compare(t, randomTape{rand.New(rand.NewPCG(seed, 2))}, 600, onVolume)
	}
}

// FuzzAgainstLinux makes the calls that the fuzzer chooses.
func FuzzAgainstLinux(f *testing.F) {
	if os.Getuid() != 0 {
		f.Skip("the kernel's process is root: needs root to compare")
	}
	f.Add([]byte("some steps"))
	f.Fuzz(func(t *testing.T, data []byte) {
		compare(t, &fuzzTape{data}, min(len(data)/3+1, 200), onTmpfs)
	})
}

// TestSharedAgainstLinux makes random calls with files in a directory of the host.
func TestSharedAgainstLinux(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("the kernel's process is root: needs root to compare")
	}
	for seed := range uint64(30) {
		compare(t, randomTape{rand.New(rand.NewPCG(seed, 3))}, 600, onShared)
	}
}
