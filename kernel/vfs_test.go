package kernel_test

import (
	"bytes"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"ringo.dev/ringo/kernel"
	"ringo.dev/ringo/kernel/tmpfs"
)

func TestWalkLimits(t *testing.T) {
	k := newKernel(t)
	_, err := k.Open(cwd, "/tmp/"+strings.Repeat("n", 255), syscall.O_CREAT, 0)
	ok(t, err)
	_, err = k.Open(cwd, "/tmp/"+strings.Repeat("n", 256), syscall.O_CREAT, 0)
	want(t, err, syscall.ENAMETOOLONG)
	_, err = k.Open(cwd, strings.Repeat("/.", 2048), 0, 0)
	want(t, err, syscall.ENAMETOOLONG)
	_, err = k.Open(cwd, strings.Repeat("/.", 2047), 0, 0)
	ok(t, err)
	ok(t, k.Symlink("b", cwd, "/tmp/a"))
	ok(t, k.Symlink("a", cwd, "/tmp/b"))
	_, err = k.Open(cwd, "/tmp/a", 0, 0)
	want(t, err, syscall.ELOOP)
	_, err = k.Open(cwd, "/tmp/a", syscall.O_NOFOLLOW, 0)
	want(t, err, syscall.ELOOP)
	ok(t, k.Symlink(strings.Repeat("x/", 2000), cwd, "/tmp/long"))
	_, err = k.Open(cwd, "/tmp/long/"+strings.Repeat("y/", 100), 0, 0)
	want(t, err, syscall.ENAMETOOLONG)
	_, err = k.Open(0, "x", 0, 0)
	ok(t, k.Close(0))
	want(t, err, syscall.ENOTDIR)
}

// FuzzWalk resolves any path in a tree with links of all kinds.
func FuzzWalk(f *testing.F) {
	for _, path := range []string{"/proc/self/fd/0", "../../tmp/l/../x/", "//dev/stdin/..", "/proc/self/cwd/l/l/f"} {
		f.Add(path)
	}
	k := newKernel(f)
	ok(f, k.Mkdir(cwd, "/tmp/d", 0o755))
	ok(f, k.WriteFile("/tmp/d/f", []byte("x"), 0o644))
	ok(f, k.Symlink("d", cwd, "/tmp/l"))
	ok(f, k.Symlink("../l/..", cwd, "/tmp/d/up"))
	ok(f, k.Symlink("/proc/self/root/tmp", cwd, "/tmp/d/l"))
	ok(f, k.Chdir("/tmp"))
	f.Fuzz(func(t *testing.T, path string) {
		var st syscall.Stat_t
		err := k.Stat(cwd, path, &st, 0)
		fd, openErr := k.Open(cwd, path, 0x200000 /* O_PATH */, 0)
		if (err == 0) != (openErr == 0) {
			t.Fatalf("stat %q: %v, open: %v", path, text(err), text(openErr))
		}
		if err != 0 {
			return
		}
		defer k.Close(fd)
		var again syscall.Stat_t
		ok(t, k.Fstat(fd, &again))
		if st.Ino != again.Ino || st.Dev != again.Dev || st.Ino == 0 {
			t.Errorf("%q: inode %d:%d by path, %d:%d by descriptor", path, st.Dev, st.Ino, again.Dev, again.Ino)
		}
	})
}

func TestAttributes(t *testing.T) {
	k := newKernel(t)
	k.Umask(0o027)
	fd, err := k.Open(cwd, "/tmp/f", syscall.O_CREAT|syscall.O_RDWR, 0o6777)
	ok(t, err)
	if st := stat(t, k, "/tmp/f"); st.Mode != syscall.S_IFREG|0o6750 {
		t.Errorf("mode %o", st.Mode)
	}
	ok(t, k.Mkdir(cwd, "/tmp/d", 0o777))
	if st := stat(t, k, "/tmp/d"); st.Mode != syscall.S_IFDIR|0o750 {
		t.Errorf("mode %o", st.Mode)
	}
	ok(t, k.Chmod(cwd, "/tmp/f", 0, 0))
	fd2 := open(t, k, "/tmp/f", syscall.O_RDWR) // root may
	ok(t, k.Close(fd2))
	ok(t, k.Chown(fd, "", 5, ^uint32(0), 0x1000))
	st := stat(t, k, "/tmp/f")
	if st.Uid != 5 || st.Gid != 0 || st.Mode != syscall.S_IFREG {
		t.Errorf("owner %d:%d mode %o", st.Uid, st.Gid, st.Mode)
	}
	ok(t, k.SetTimes(cwd, "/tmp/f", &[2]syscall.Timespec{{Sec: 1, Nsec: 2}, {Nsec: 0x3ffffffe}}, 0))
	after := stat(t, k, "/tmp/f")
	if after.Atim != (syscall.Timespec{Sec: 1, Nsec: 2}) || after.Mtim != st.Mtim {
		t.Errorf("times %v %v", after.Atim, after.Mtim)
	}
	want(t, k.SetTimes(cwd, "/tmp/f", &[2]syscall.Timespec{{Nsec: -1}, {}}, 0), syscall.EINVAL)
	want(t, k.Access(cwd, "/tmp/f", 1, 0), syscall.EACCES) // nobody may execute it
	ok(t, k.Access(cwd, "/tmp/f", 6, 0))
	ok(t, k.Access(cwd, "/tmp", 7, 0))
	want(t, k.Access(cwd, "/tmp/missing", 0, 0), syscall.ENOENT)
	want(t, k.Access(cwd, "/tmp/f", 8, 0), syscall.EINVAL)

	ok(t, k.SetXattr(cwd, "/tmp/f", "user.a", []byte("1"), 1, 0))
	want(t, k.SetXattr(cwd, "/tmp/f", "user.a", []byte("2"), 1, 0), syscall.EEXIST)
	want(t, k.SetXattr(cwd, "/tmp/f", "user.b", []byte("2"), 2, 0), syscall.ENODATA)
	v, err := k.Xattr(cwd, "/tmp/f", "user.a", 0)
	if err != 0 || string(v) != "1" {
		t.Errorf("attribute %q, %v", v, err)
	}
	ok(t, k.SetXattr(cwd, "/tmp/f", "user.a", nil, 0, 0))
	_, err = k.Xattr(cwd, "/tmp/f", "user.a", 0)
	want(t, err, syscall.ENODATA)
	_, err = k.Xattr(cwd, "/proc/version", "user.a", 0)
	want(t, err, syscall.EOPNOTSUPP)
}

func TestUnnamedFiles(t *testing.T) {
	k, store := newKernelStore(t)
	const oTmpFile = 0x410000
	fd, err := k.Open(cwd, "/tmp", oTmpFile|syscall.O_RDWR, 0o600)
	ok(t, err)
	writeString(t, k, fd, "first nameless")
	if names := list(t, k, cwd, "/tmp"); len(names) != 0 {
		t.Errorf("names %q", names)
	}
	ok(t, k.Link(cwd, "/proc/self/fd/0", cwd, "/tmp/named", 0x400))
	if st := stat(t, k, "/tmp/named"); st.Size != 14 || st.Nlink != 1 {
		t.Errorf("size %d, %d links", st.Size, st.Nlink)
	}
	_, err = k.Open(cwd, "/tmp", oTmpFile, 0)
	want(t, err, syscall.EINVAL)
	empty, _ := store.Usage()
	mem, err := k.MemfdCreate("label", 1)
	ok(t, err)
	writeString(t, k, mem, strings.Repeat("x", 10_000))
	if got := k.Path(k.Descriptor(mem)); got != "/memfd:label (deleted)" {
		t.Errorf("path %q", got)
	}
	ok(t, k.Close(mem))
	if used, _ := store.Usage(); used != empty {
		t.Errorf("closing left %d bytes in use", used-empty)
	}
}

func TestUnlinkWhileOpen(t *testing.T) {
	k, store := newKernelStore(t)
	used, _ := store.Usage()
	fd := open(t, k, "/tmp/f", syscall.O_CREAT|syscall.O_RDWR)
	writeString(t, k, fd, strings.Repeat("x", 20_000))
	ok(t, k.Unlink(cwd, "/tmp/f", 0))
	_, err := k.Seek(fd, 0, 0)
	ok(t, err)
	if got := readString(t, k, fd, 30_000); len(got) != 20_000 {
		t.Errorf("read %d bytes", len(got))
	}
	again := open(t, k, "/proc/self/fd/0", syscall.O_RDWR)
	ok(t, k.Close(fd))
	if got := readString(t, k, again, 30_000); len(got) != 20_000 {
		t.Errorf("read %d bytes by the other descriptor", len(got))
	}
	ok(t, k.Close(again))
	if now, _ := store.Usage(); now != used {
		t.Errorf("%d bytes are still in use", now-used)
	}
}

// TestNoSpace fills the file system: writing stops with ENOSPC, and what was
// written stays readable.
func TestNoSpace(t *testing.T) {
	k, store := newKernelStore(t)
	fd := open(t, k, "/tmp/f", syscall.O_CREAT|syscall.O_RDWR)
	chunk := bytes.Repeat([]byte("x"), 100_000)
	total := 0
	for {
		n, err := k.Write(fd, chunk)
		total += max(n, 0)
		if err == syscall.ENOSPC {
			break
		}
		ok(t, err)
	}
	used, limit := store.Usage()
	if used > limit || used < limit-4096 || total < storeLimit-100_000 {
		t.Errorf("%d bytes written, %d of %d used", total, used, limit)
	}
	want(t, k.Fallocate(fd, 0, 0, 1<<40), syscall.ENOSPC)
	var st syscall.Statfs_t
	ok(t, k.Statfs("/tmp", &st))
	if st.Bfree > 1 || st.Blocks != storeLimit/4096 {
		t.Errorf("%d blocks of %d are free", st.Bfree, st.Blocks)
	}
	for i := 0; ; i++ { // names take room too
		err := k.Symlink("target", cwd, "/tmp/l"+strconv.Itoa(i))
		if err == syscall.ENOSPC {
			break
		}
		ok(t, err)
		if i > 100 {
			t.Fatal("there is no end to symbolic links")
		}
		defer k.Unlink(cwd, "/tmp/l"+strconv.Itoa(i), 0)
	}
	full, _ := store.Usage()
	ok(t, k.Ftruncate(fd, 0))
	if now, _ := store.Usage(); full-now < int64(total) {
		t.Errorf("truncating gave %d bytes of %d back", full-now, total)
	}
}

func TestSparse(t *testing.T) {
	k, store := newKernelStore(t)
	fd := open(t, k, "/tmp/f", syscall.O_CREAT|syscall.O_RDWR)
	empty, _ := store.Usage()
	const far = 1 << 50
	n, err := k.Pwrite(fd, []byte("far"), far)
	if n != 3 || err != 0 {
		t.Fatal(n, err)
	}
	if used, _ := store.Usage(); used != empty+4096 {
		t.Errorf("%d bytes used", used-empty)
	}
	buf := make([]byte, 8)
	if n, err := k.Pread(fd, buf, far-5); n != 8 || err != 0 || string(buf) != "\x00\x00\x00\x00\x00far" {
		t.Errorf("read %q, %v", buf[:n], err)
	}
	const seekData, seekHole = 3, 4
	if off, err := k.Seek(fd, 100, seekData); off != far || err != 0 {
		t.Errorf("data at %d, %v", off, err)
	}
	if off, err := k.Seek(fd, 100, seekHole); off != 100 || err != 0 {
		t.Errorf("hole at %d, %v", off, err)
	}
	if off, err := k.Seek(fd, far, seekHole); off != far+3 || err != 0 {
		t.Errorf("hole at %d, %v", off, err)
	}
	_, err = k.Seek(fd, far+3, seekData)
	want(t, err, syscall.ENXIO)
	ok(t, k.Fallocate(fd, 3 /* punch a hole, keep the size */, far-4096, 8192))
	if used, _ := store.Usage(); used != empty {
		t.Errorf("%d bytes used after punching", used-empty)
	}
	_, err = k.Pwrite(fd, []byte("x"), 1<<63-1)
	want(t, err, syscall.EFBIG)
	_, err = k.Seek(fd, 1<<62, 1)
	ok(t, err)
	_, err = k.Seek(fd, 1<<62, 1)
	want(t, err, syscall.EOVERFLOW)
}

func TestFlock(t *testing.T) {
	k := newKernel(t)
	const shared, exclusive, unlock, now = syscall.LOCK_SH, syscall.LOCK_EX, syscall.LOCK_UN, syscall.LOCK_NB
	a := open(t, k, "/tmp/f", syscall.O_CREAT|syscall.O_RDWR)
	b := open(t, k, "/tmp/f", syscall.O_RDWR)
	ok(t, k.Flock(a, shared))
	ok(t, k.Flock(b, shared))
	want(t, k.Flock(b, exclusive|now), syscall.EWOULDBLOCK)
	ok(t, k.Flock(a, unlock))
	ok(t, k.Flock(b, exclusive|now))
	want(t, k.Flock(a, shared|now), syscall.EWOULDBLOCK)
	got := make(chan kernel.Errno, 1)
	go func() { got <- k.Flock(a, exclusive) }()
	stays(t, got, "flock")
	ok(t, k.Close(b)) // closing unlocks
	ok(t, comes(t, got, "flock"))
	r, _ := pipe(t, k, 0)
	want(t, k.Flock(r, shared), syscall.EBADF)
	var l syscall.Flock_t
	l.Type = syscall.F_WRLCK
	ok(t, k.RecordLock(a, syscall.F_GETLK, &l))
	if l.Type != syscall.F_UNLCK {
		t.Errorf("F_GETLK says %d", l.Type)
	}
}

func TestMounts(t *testing.T) {
	k, store := newKernelStore(t)
	ok(t, k.Mkdir(cwd, "/tmp/m", 0o755))
	ok(t, k.WriteFile("/tmp/m/covered", nil, 0o644))
	fs := tmpfs.New(store, 0o755)
	ok(t, k.Mount(fs, "/tmp/m", "tmpfs", false))
	ok(t, k.WriteFile("/tmp/m/inside", []byte("x"), 0o644))
	if names := list(t, k, cwd, "/tmp/m"); len(names) != 1 || names[0] != "inside" {
		t.Errorf("names %q", names)
	}
	if stat(t, k, "/tmp/m").Dev == stat(t, k, "/tmp").Dev {
		t.Error("both file systems have one device number")
	}
	if stat(t, k, "/tmp/m/..").Ino != stat(t, k, "/tmp").Ino {
		t.Error("/tmp/m/.. is not /tmp")
	}
	want(t, k.Rename(cwd, "/tmp/m/inside", cwd, "/tmp/outside", 0), syscall.EXDEV)
	want(t, k.Link(cwd, "/tmp/m/inside", cwd, "/tmp/outside", 0), syscall.EXDEV)
	want(t, k.Unlink(cwd, "/tmp/m", 0x200), syscall.EBUSY)
	want(t, k.Rename(cwd, "/tmp/m", cwd, "/tmp/n", 0), syscall.EBUSY)
	ok(t, k.Chdir("/tmp/m"))
	if path, err := k.Getcwd(); path != "/tmp/m" || err != 0 {
		t.Errorf("working directory %q, %v", path, err)
	}
	ok(t, k.Remount("/tmp/m", true))
	_, err := k.Open(cwd, "new", syscall.O_CREAT, 0)
	want(t, err, syscall.EROFS)
	_, err = k.Open(cwd, "inside", syscall.O_RDWR, 0)
	want(t, err, syscall.EROFS)
	want(t, k.Chmod(cwd, "inside", 0, 0), syscall.EROFS)
	want(t, k.Unlink(cwd, "inside", 0), syscall.EROFS)
	want(t, k.Access(cwd, "inside", 2, 0), syscall.EROFS)
	want(t, k.Unmount("/tmp"), syscall.EINVAL)
	want(t, k.Unmount("/"), syscall.EBUSY)
	ok(t, k.Unmount("/tmp/m"))
	if names := list(t, k, cwd, "/tmp/m"); len(names) != 1 || names[0] != "covered" {
		t.Errorf("names %q", names)
	}
}

func TestChroot(t *testing.T) {
	k := newKernel(t)
	ok(t, k.Mkdir(cwd, "/tmp/jail", 0o755))
	ok(t, k.WriteFile("/tmp/jail/f", nil, 0o644))
	ok(t, k.WriteFile("/tmp/out", nil, 0o644))
	ok(t, k.Symlink("/f", cwd, "/tmp/jail/l"))
	ok(t, k.Chroot("/tmp/jail"))
	ok(t, k.Chdir("/"))
	stat(t, k, "/l")
	var st syscall.Stat_t
	want(t, k.Stat(cwd, "../../tmp/out", &st, 0), syscall.ENOENT)
	stat(t, k, "../../f")
	if path, err := k.Getcwd(); path != "/" || err != 0 {
		t.Errorf("working directory %q, %v", path, err)
	}
}

func TestCopyRange(t *testing.T) {
	k := newKernel(t)
	data := bytes.Repeat([]byte("0123456789"), 20_000)
	ok(t, k.WriteFile("/tmp/a", data, 0o644))
	a, b := open(t, k, "/tmp/a", 0), open(t, k, "/tmp/b", syscall.O_CREAT|syscall.O_RDWR)
	from := int64(5)
	n, err := k.CopyRange(a, &from, b, nil, 1<<30)
	if n != int64(len(data)-5) || err != 0 || from != int64(len(data)) {
		t.Fatalf("copied %d to %d, %v", n, from, err)
	}
	got := make([]byte, len(data))
	if m, err := k.Pread(b, got, 0); m != len(data)-5 || err != 0 || !bytes.Equal(got[:m], data[5:]) {
		t.Errorf("read %d, %v", m, err)
	}
	r, w := pipe(t, k, syscall.O_NONBLOCK)
	_, err = k.CopyRange(r, nil, b, nil, 10)
	want(t, err, syscall.EINVAL)
	_, err = k.CopyRange(b, new(int64), b, new(int64), 10) // onto itself
	want(t, err, syscall.EINVAL)
	_, err = k.CopyRange(b, nil, a, nil, 10)
	want(t, err, syscall.EBADF)
	sent, err := k.Sendfile(w, a, nil, 1<<30)
	if sent != 65536 || err != 0 {
		t.Errorf("sent %d, %v", sent, err)
	}
	if off, _ := k.Seek(a, 0, 1); off != sent {
		t.Errorf("position %d after sending %d", off, sent)
	}
	_, err = k.Sendfile(w, a, nil, 1)
	want(t, err, syscall.EAGAIN)
	_, err = k.Sendfile(b, r, nil, 10)
	want(t, err, syscall.EINVAL)
}

func TestDevices(t *testing.T) {
	k := newKernel(t)
	zero := open(t, k, "/dev/zero", syscall.O_RDWR)
	if got := readString(t, k, zero, 3); got != "\x00\x00\x00" {
		t.Errorf("/dev/zero gave %q", got)
	}
	null := open(t, k, "/dev/null", syscall.O_RDWR)
	writeString(t, k, null, "gone")
	if got := readString(t, k, null, 3); got != "" {
		t.Errorf("/dev/null gave %q", got)
	}
	full := open(t, k, "/dev/full", syscall.O_RDWR)
	_, err := k.Write(full, []byte("x"))
	want(t, err, syscall.ENOSPC)
	random := open(t, k, "/dev/urandom", 0)
	a, b := readString(t, k, random, 16), readString(t, k, random, 16)
	if a == b || len(a) != 16 {
		t.Errorf("/dev/urandom gave %q and %q", a, b)
	}
	console := open(t, k, "/dev/console", syscall.O_RDWR)
	if got := readString(t, k, console, 10); got != "" {
		t.Errorf("the console gave %q", got)
	}
	_, err = k.Ioctl(console, syscall.TCGETS, 0)
	want(t, err, syscall.ENOTTY)
	if st := stat(t, k, "/dev/null"); st.Mode != syscall.S_IFCHR|0o666 || st.Rdev != 0x103 {
		t.Errorf("mode %o, number %#x", st.Mode, st.Rdev)
	}
	ok(t, k.Mknod(cwd, "/tmp/null", syscall.S_IFCHR|0o600, 0x103))
	writeString(t, k, open(t, k, "/tmp/null", syscall.O_WRONLY), "gone")
	ok(t, k.Mknod(cwd, "/tmp/none", syscall.S_IFCHR|0o600, 0x9999))
	_, err = k.Open(cwd, "/tmp/none", 0, 0)
	want(t, err, syscall.ENXIO)
}

func TestProc(t *testing.T) {
	k := newKernel(t)
	kernel.Install(k)
	kernel.RegisterProc("net/dev", func() []byte { return []byte("generated") })
	for _, path := range []string{"/proc/net/dev", "/proc/self/net/dev"} {
		fd := open(t, k, path, 0)
		if got := readString(t, k, fd, 100); got != "generated" {
			t.Errorf("%s holds %q", path, got)
		}
	}
	_, err := k.Open(cwd, "/proc/version", syscall.O_RDWR, 0)
	want(t, err, syscall.EACCES)
	_, err = k.Open(cwd, "/proc/new", syscall.O_RDWR|syscall.O_CREAT, 0)
	want(t, err, syscall.ENOENT)
	buf := make([]byte, 100)
	ok(t, k.Chdir("/tmp"))
	n, err := k.Readlink(cwd, "/proc/self/cwd", buf)
	if err != 0 || string(buf[:n]) != "/tmp" {
		t.Errorf("/proc/self/cwd is %q, %v", buf[:n], err)
	}
	if stat(t, k, "/proc/self/cwd").Ino != stat(t, k, "/tmp").Ino {
		t.Error("/proc/self/cwd does not lead to the working directory")
	}
	s := socket(t, k, syscall.SOCK_STREAM)
	_, err = k.Open(cwd, "/proc/self/fd/"+strconv.Itoa(s), 0, 0)
	want(t, err, syscall.ENXIO)
	for _, name := range list(t, k, cwd, "/proc/self/fd") {
		if _, err := k.Readlink(cwd, "/proc/self/fd/"+name, buf); err != 0 && name != "3" {
			t.Errorf("descriptor %s: %v", name, err)
		}
	}
}

func BenchmarkStat(b *testing.B) {
	k := newKernel(b)
	ok(b, k.WriteFile("/tmp/f", nil, 0o644))
	b.ReportAllocs()
	var st syscall.Stat_t
	for b.Loop() {
		if err := k.Stat(cwd, "/tmp/f", &st, 0); err != 0 {
			b.Fatal(err)
		}
	}
}

func BenchmarkOpenReadClose(b *testing.B) {
	k := newKernel(b)
	ok(b, k.WriteFile("/tmp/f", make([]byte, 1000), 0o644))
	b.ReportAllocs()
	buf := make([]byte, 2000)
	for b.Loop() {
		fd, err := k.Open(cwd, "/tmp/f", 0, 0)
		if err != 0 {
			b.Fatal(err)
		}
		if n, err := k.Read(fd, buf); n != 1000 || err != 0 {
			b.Fatal(n, err)
		}
		k.Close(fd)
	}
}

// syncCounter is the content of a file that counts how often it was made durable.
type syncCounter struct {
	kernel.Inode
	syncs int
}

func (c *syncCounter) ReadAt(p []byte, off int64) (int, kernel.Errno)  { return 0, 0 }
func (c *syncCounter) WriteAt(p []byte, off int64) (int, kernel.Errno) { return len(p), 0 }
func (c *syncCounter) Append(p []byte) (int64, int, kernel.Errno)      { return 0, len(p), 0 }
func (c *syncCounter) Release()                                        {}
func (c *syncCounter) Sync() kernel.Errno {
	c.syncs++
	return 0
}

// TestSynchronous: with O_SYNC or O_DSYNC a write is durable when it returns.
func TestSynchronous(t *testing.T) {
	for flags, want := range map[int]int{0: 0, syscall.O_SYNC: 3, syscall.O_DSYNC: 3, syscall.O_DSYNC | syscall.O_APPEND: 3} {
		c := &syncCounter{}
		f := kernel.NewRegularFile(c, flags)
		f.Write([]byte("x"))
		f.Write([]byte("x"))
		f.(kernel.WriterAt).WriteAt([]byte("x"), 0)
		f.Write(nil)
		if c.syncs != want {
			t.Errorf("flags %#x: %d of 3 writes were made durable, want %d", flags, c.syncs, want)
		}
	}
}
