package syscalls

import (
	"encoding/binary"
	"strings"
	"syscall"
	"testing"
	"unsafe"

	"ringo.dev/ringo/kernel"
	"ringo.dev/ringo/rt"
)

// Numbers that package syscall does not have.
const (
	sysNrStatx        = 332
	sysNrMemfdCreate  = 319
	sysNrPreadv2      = 327
	sysNrCloseRange   = 436
	sysNrEpollPwait2  = 441
	sysNrPidfdOpen    = 434
	sysNrRecvmmsg     = 299
	sysNrSendmmsg     = 307
	sysNrRenameat2    = 316
	sysNrCopyRange    = 326
	sysNrFaccessat2   = 439
	sysNrMembarrier   = 324
	sysNrPrlimit64    = 302
	sysNrFchmodat2    = 452
	sysNrClockGetres  = 229
	sysNrClockSleep   = 230
	sysNrGetcpu       = 309
	sysNrSyncfs       = 306
	sysNrPwritev      = 296
	sysNrUtimensat    = 280
	sysNrEventfd2     = 290
	sysNrTimerfdMake  = 283
	sysNrTimerfdSet   = 286
	sysNrEpollCreate1 = 291
)

func pointer[T any](v *T) unsafe.Pointer { return unsafe.Pointer(v) }

// bad is an address at which nothing is mapped.
const bad = 8

// TestFault passes bad addresses wherever a call takes one: the answer must be
// EFAULT, before anything was done.
func TestFault(t *testing.T) {
	m := boot(t)
	file := m.must(syscall.SYS_OPEN, "/tmp/f", syscall.O_CREAT|syscall.O_RDWR, 0o600)
	m.must(syscall.SYS_WRITE, file, []byte("content"), 7)
	var pair [2]int32
	m.must(syscall.SYS_SOCKETPAIR, syscall.AF_UNIX, syscall.SOCK_STREAM, 0, pointer(&pair))
	sock := int(pair[0])
	epoll := m.must(sysNrEpollCreate1, 0)
	event := m.must(sysNrEventfd2, 1, 0)
	iov := [2]uintptr{bad, 10}
	msg := msghdr{iov: uintptr(unsafe.Pointer(&iov)), iovLen: 1}
	for _, c := range []struct {
		num  uintptr
		args []any
	}{
		{syscall.SYS_READ, []any{file, bad, 1}},
		{syscall.SYS_WRITE, []any{file, bad, 1}},
		{syscall.SYS_WRITE, []any{file, bad, -1}},
		{syscall.SYS_PREAD64, []any{file, bad, 1, 0}},
		{syscall.SYS_READV, []any{file, bad, 1}},
		{syscall.SYS_READV, []any{file, pointer(&iov), 1}},
		{syscall.SYS_WRITEV, []any{file, pointer(&iov), 1}},
		{syscall.SYS_OPEN, []any{bad, 0, 0}},
		{syscall.SYS_STAT, []any{bad, bad}},
		{syscall.SYS_STAT, []any{"/tmp", bad}},
		{syscall.SYS_FSTAT, []any{file, bad}},
		{syscall.SYS_STATFS, []any{"/tmp", bad}},
		{sysNrStatx, []any{kernel.FDCWD, "/tmp", 0, 0, bad}},
		{syscall.SYS_RENAME, []any{"/tmp/f", bad}},
		{syscall.SYS_READLINK, []any{"/proc/self", bad, 10}},
		{syscall.SYS_GETCWD, []any{bad, 100}},
		{syscall.SYS_GETDENTS64, []any{file, bad, 100}},
		{syscall.SYS_PIPE2, []any{bad, 0}},
		{syscall.SYS_FCNTL, []any{file, syscall.F_SETLK, bad}},
		{syscall.SYS_UNAME, []any{bad}},
		{syscall.SYS_SYSINFO, []any{bad}},
		{syscall.SYS_GETRLIMIT, []any{7, bad}},
		{sysNrPrlimit64, []any{0, 7, bad, 0}},
		{syscall.SYS_GETRUSAGE, []any{0, bad}},
		{syscall.SYS_POLL, []any{bad, 1, 0}},
		{syscall.SYS_SELECT, []any{64, bad, 0, 0, 0}},
		{syscall.SYS_EPOLL_CTL, []any{epoll, syscall.EPOLL_CTL_ADD, event, bad}},
		{syscall.SYS_EPOLL_WAIT, []any{epoll, bad, 1, 0}},
		{syscall.SYS_BIND, []any{sock, bad, 10}},
		{syscall.SYS_GETSOCKNAME, []any{sock, 0, 0}},
		{syscall.SYS_GETSOCKOPT, []any{sock, 1, syscall.SO_TYPE, bad, bad}},
		{syscall.SYS_SETSOCKOPT, []any{sock, 1, syscall.SO_PASSCRED, bad, 4}},
		{syscall.SYS_SENDMSG, []any{sock, bad, 0}},
		{syscall.SYS_SENDMSG, []any{sock, pointer(&msg), 0}},
		{syscall.SYS_RECVMSG, []any{sock, pointer(&msg), syscall.MSG_DONTWAIT}},
		{syscall.SYS_SENDTO, []any{sock, bad, 1, 0, 0, 0}},
		{sysNrSendmmsg, []any{sock, bad, 1, 0}},
		{syscall.SYS_SETHOSTNAME, []any{bad, 10}},
		{syscall.SYS_GETXATTR, []any{"/tmp/f", bad, bad, 10}},
		{sysNrTimerfdSet, []any{event, 0, bad, 0}},
	} {
		if _, err := m.call(c.num, c.args...); err != syscall.EFAULT {
			t.Errorf("%s%v: %v, want EFAULT", find(c.num).name, c.args, err)
		}
	}
	if got := m.readFile("/tmp/f"); got != "content" {
		t.Errorf("the file holds %q", got)
	}
}

func TestVectors(t *testing.T) {
	m := boot(t)
	fd := m.must(syscall.SYS_OPEN, "/tmp/f", syscall.O_CREAT|syscall.O_RDWR, 0o600)
	a, b := []byte("first "), []byte("second")
	iov := []syscall.Iovec{{Base: &a[0], Len: 6}, {}, {Base: &b[0], Len: 6}}
	if n := m.must(syscall.SYS_WRITEV, fd, pointer(&iov[0]), 3); n != 12 {
		t.Errorf("wrote %d", n)
	}
	m.must(syscall.SYS_LSEEK, fd, 0, 0)
	clear(a)
	clear(b)
	if n := m.must(syscall.SYS_READV, fd, pointer(&iov[0]), 3); n != 12 || string(a)+string(b) != "first second" {
		t.Errorf("read %d bytes %q %q", n, a, b)
	}
	m.must(sysNrPwritev, fd, pointer(&iov[0]), 3, 100)
	if n := m.must(sysNrPreadv2, fd, pointer(&iov[0]), 3, 100, 0, 0); n != 12 {
		t.Errorf("read %d", n)
	}
	if _, err := m.call(sysNrPreadv2, fd, pointer(&iov[0]), 3, 100, 0, 0x80); err != syscall.EOPNOTSUPP {
		t.Errorf("unknown flag: %v", err)
	}
	if _, err := m.call(syscall.SYS_READV, fd, pointer(&iov[0]), 2000); err != syscall.EINVAL {
		t.Errorf("2000 buffers: %v", err)
	}
}

func TestSocketCalls(t *testing.T) {
	m := boot(t)
	var pair [2]int32
	m.must(syscall.SYS_SOCKETPAIR, syscall.AF_UNIX, syscall.SOCK_DGRAM|syscall.SOCK_NONBLOCK, 0, pointer(&pair))
	a, b := int(pair[0]), int(pair[1])
	data := [][]byte{[]byte("one"), []byte("two"), []byte("three")}
	iov := make([]syscall.Iovec, 3)
	msgs := make([]mmsghdr, 3)
	for i := range msgs {
		iov[i] = syscall.Iovec{Base: &data[i][0], Len: uint64(len(data[i]))}
		msgs[i].iov, msgs[i].iovLen = uintptr(unsafe.Pointer(&iov[i])), 1
	}
	if n := m.must(sysNrSendmmsg, a, pointer(&msgs[0]), 3, 0); n != 3 || msgs[2].len != 5 {
		t.Fatalf("sent %d, lengths %d", n, msgs[2].len)
	}
	bufs := make([]mmsghdr, 5)
	var in [5][10]byte
	inv := make([]syscall.Iovec, 5)
	for i := range bufs {
		inv[i] = syscall.Iovec{Base: &in[i][0], Len: 10}
		bufs[i].iov, bufs[i].iovLen = uintptr(unsafe.Pointer(&inv[i])), 1
	}
	if n := m.must(sysNrRecvmmsg, b, pointer(&bufs[0]), 5, 0, 0); n != 3 || string(in[2][:bufs[2].len]) != "three" {
		t.Fatalf("received %d, last %q", n, in[2])
	}
	if _, err := m.call(sysNrRecvmmsg, b, pointer(&bufs[0]), 5, 0, 0); err != syscall.EAGAIN {
		t.Errorf("nothing to receive: %v", err)
	}
	var v, n uint32 = 0, 4
	m.must(syscall.SYS_GETSOCKOPT, a, syscall.SOL_SOCKET, syscall.SO_TYPE, pointer(&v), pointer(&n))
	if v != syscall.SOCK_DGRAM || n != 4 {
		t.Errorf("SO_TYPE %d of %d bytes", v, n)
	}

	// The typed calls are the same by another way.
	typed := NewTyped(m.k)
	payload := []byte("typed")
	hdr := syscall.Msghdr{Iov: &syscall.Iovec{Base: &payload[0], Len: 5}, Iovlen: 1}
	if n, err := typed.Sendmsg(a, &hdr, 0); n != 5 || err != 0 {
		t.Errorf("sent %d, %v", n, err)
	}
	got := make([]byte, 10)
	var from syscall.RawSockaddrAny
	fromLen := uint32(syscall.SizeofSockaddrAny)
	if n, err := typed.Recvfrom(b, got, 0, &from, &fromLen); err != 0 || string(got[:n]) != "typed" || fromLen != 0 {
		t.Errorf("received %q, a name of %d bytes, %v", got[:n], fromLen, err)
	}
	if _, err := typed.Openat(kernel.FDCWD, "/tmp/\x00", syscall.O_CREAT, 0); err != syscall.EINVAL {
		t.Errorf("NUL in a path: %v", err)
	}
}

func TestPollingCalls(t *testing.T) {
	m := boot(t)
	epoll := m.must(sysNrEpollCreate1, syscall.O_CLOEXEC)
	event := m.must(sysNrEventfd2, 1, 0)
	ev := syscall.EpollEvent{Events: syscall.EPOLLIN, Fd: 123}
	m.must(syscall.SYS_EPOLL_CTL, epoll, syscall.EPOLL_CTL_ADD, event, pointer(&ev))
	var out [4]syscall.EpollEvent
	if n := m.must(syscall.SYS_EPOLL_WAIT, epoll, pointer(&out), 4, -1); n != 1 || out[0] != ev {
		t.Errorf("%d events, %v", n, out[0])
	}
	m.must(syscall.SYS_EPOLL_CTL, epoll, syscall.EPOLL_CTL_DEL, event, 0)
	ts := syscall.Timespec{Nsec: 1e6}
	if n := m.must(sysNrEpollPwait2, epoll, pointer(&out), 4, pointer(&ts), 0, 0); n != 0 {
		t.Errorf("%d events", n)
	}
	fds := []kernel.PollFD{{FD: int32(event), Events: 1}}
	if n := m.must(syscall.SYS_POLL, pointer(&fds[0]), 1, -1); n != 1 || fds[0].Revents != 1 {
		t.Errorf("poll: %d, %#x", n, fds[0].Revents)
	}
	set := [16]uint64{1 << event}
	tv := syscall.Timeval{}
	if n := m.must(syscall.SYS_SELECT, 1024, pointer(&set), 0, 0, pointer(&tv)); n != 1 || set[0] != 1<<event {
		t.Errorf("select: %d, %b", n, set[0])
	}
	ts.Nsec = -1
	if _, err := m.call(syscall.SYS_PPOLL, pointer(&fds[0]), 1, pointer(&ts), 0, 0); err != syscall.EINVAL {
		t.Errorf("ppoll with a bad timeout: %v", err)
	}
}

func TestIdentityCalls(t *testing.T) {
	m := boot(t)
	var u syscall.Utsname
	m.must(syscall.SYS_UNAME, pointer(&u))
	field := func(f [65]int8) string {
		var s strings.Builder
		for _, c := range f {
			if c == 0 {
				break
			}
			s.WriteByte(byte(c))
		}
		return s.String()
	}
	if field(u.Sysname) != "Linux" || field(u.Nodename) != "box" || field(u.Machine) != "x86_64" {
		t.Errorf("uname: %s %s %s", field(u.Sysname), field(u.Nodename), field(u.Machine))
	}
	m.must(syscall.SYS_SETHOSTNAME, "other", 5)
	if got := m.readFile("/proc/sys/kernel/hostname"); got != "other\n" {
		t.Errorf("host name %q", got)
	}
	if _, err := m.call(syscall.SYS_SETHOSTNAME, strings.Repeat("x", 65), 65); err != syscall.EINVAL {
		t.Errorf("long host name: %v", err)
	}
	groups := []uint32{7, 8}
	m.must(syscall.SYS_SETGROUPS, 2, pointer(&groups[0]))
	if n := m.must(syscall.SYS_GETGROUPS, 0, 0); n != 2 {
		t.Errorf("%d groups", n)
	}
	ids := func() [3]uint32 {
		var ids [3]uint32
		m.must(syscall.SYS_GETRESUID, pointer(&ids[0]), pointer(&ids[1]), pointer(&ids[2]))
		return ids
	}
	for _, c := range []struct {
		num  uintptr
		args []any
		err  Errno
		want [3]uint32
	}{
		{syscall.SYS_SETRESUID, []any{5, 0, -1}, 0, [3]uint32{5, 0, 0}},
		{syscall.SYS_SETREUID, []any{-1, 7}, 0, [3]uint32{5, 7, 7}}, // no longer privileged
		{syscall.SYS_SETUID, []any{0}, syscall.EPERM, [3]uint32{5, 7, 7}},
		{syscall.SYS_SETUID, []any{5}, 0, [3]uint32{5, 5, 7}},
		{syscall.SYS_SETREUID, []any{7, -1}, syscall.EPERM, [3]uint32{5, 5, 7}},
		{syscall.SYS_SETRESUID, []any{7, 7, 5}, 0, [3]uint32{7, 7, 5}},
		{syscall.SYS_SETRESUID, []any{0, -1, -1}, syscall.EPERM, [3]uint32{7, 7, 5}},
		{syscall.SYS_SETGROUPS, []any{0, 0}, syscall.EPERM, [3]uint32{7, 7, 5}},
	} {
		if _, err := m.call(c.num, c.args...); err != c.err || ids() != c.want {
			t.Errorf("%s%v: %v, user ids %v, want %v", find(c.num).name, c.args, err, ids(), c.want)
		}
	}
	lim := syscall.Rlimit{Cur: 100, Max: 200}
	var old syscall.Rlimit
	m.must(sysNrPrlimit64, 0, syscall.RLIMIT_NOFILE, pointer(&lim), pointer(&old))
	if old.Max != 1<<20 {
		t.Errorf("RLIMIT_NOFILE was %v", old)
	}
	buf := make([]byte, 10)
	if n := m.must(syscall.SYS_GETCWD, buf, 10); string(buf[:n]) != "/\x00" {
		t.Errorf("working directory %q", buf[:n])
	}
	if _, err := m.call(syscall.SYS_GETCWD, buf, 1); err != syscall.ERANGE {
		t.Errorf("getcwd into one byte: %v", err)
	}
	for _, num := range []uintptr{syscall.SYS_SYNC, sysNrGetcpu, syscall.SYS_GETPPID, syscall.SYS_GETPGRP} {
		m.must(num, 0, 0, 0)
	}
	if _, err := m.call(syscall.SYS_WAIT4, -1, 0, 0, 0); err != syscall.ECHILD {
		t.Errorf("wait4: %v", err)
	}
}

func TestFileCalls(t *testing.T) {
	m := boot(t)
	fd := m.must(syscall.SYS_CREAT, "/tmp/f", 0o644)
	m.must(syscall.SYS_FALLOCATE, fd, 0, 0, 10_000)
	var st statx
	m.must(sysNrStatx, kernel.FDCWD, "/tmp/f", 0, 0x7ff, pointer(&st))
	if st.size != 10_000 || st.mode != syscall.S_IFREG|0o644 || st.nlink != 1 || unsafe.Sizeof(st) != 256 {
		t.Errorf("statx: size %d, mode %o, %d links", st.size, st.mode, st.nlink)
	}
	times := [2]syscall.Timespec{{Sec: 1}, {Sec: 2}}
	m.must(sysNrUtimensat, fd, 0, pointer(&times), 0)
	var old syscall.Stat_t
	m.must(syscall.SYS_STAT, "/tmp/f", pointer(&old))
	if old.Atim.Sec != 1 || old.Mtim.Sec != 2 {
		t.Errorf("times %v %v", old.Atim, old.Mtim)
	}
	m.must(sysNrRenameat2, kernel.FDCWD, "/tmp/f", kernel.FDCWD, "/tmp/g", 1)
	m.must(sysNrFchmodat2, kernel.FDCWD, "/tmp/g", 0o400, 0)
	m.must(sysNrFaccessat2, kernel.FDCWD, "/tmp/g", 4, 0)
	m.must(syscall.SYS_LINK, "/tmp/g", "/tmp/h")
	m.must(syscall.SYS_SYMLINK, "h", "/tmp/l")
	m.must(syscall.SYS_TRUNCATE, "/tmp/l", 3)
	m.must(syscall.SYS_UNLINK, "/tmp/g")
	m.must(syscall.SYS_MKDIR, "/tmp/d", 0o700)
	m.must(syscall.SYS_CHDIR, "/tmp/d")
	m.must(syscall.SYS_RMDIR, "/tmp/d")
	m.must(syscall.SYS_FCHDIR, m.must(syscall.SYS_OPEN, "/", syscall.O_DIRECTORY, 0))
	m.must(syscall.SYS_SETXATTR, "/tmp/h", "user.x", []byte("value"), 5, 0)
	buf := make([]byte, 20)
	if n := m.must(syscall.SYS_LISTXATTR, "/tmp/h", buf, 20); string(buf[:n]) != "user.x\x00" {
		t.Errorf("attributes %q", buf[:n])
	}
	if _, err := m.call(syscall.SYS_GETXATTR, "/tmp/h", "user.x", buf, 2); err != syscall.ERANGE {
		t.Errorf("short buffer: %v", err)
	}
	m.must(syscall.SYS_MKDIR, "/tmp/m", 0o755)
	m.must(syscall.SYS_MOUNT, "tmpfs", "/tmp/m", "tmpfs", 1, 0)
	if _, err := m.call(syscall.SYS_CREAT, "/tmp/m/f", 0o644); err != syscall.EROFS {
		t.Errorf("creating on a read-only mount: %v", err)
	}
	m.must(syscall.SYS_MOUNT, "tmpfs", "/tmp/m", 0, 32, 0)
	m.must(syscall.SYS_CREAT, "/tmp/m/f", 0o644)
	m.must(syscall.SYS_UMOUNT2, "/tmp/m", 0)
	if _, err := m.call(syscall.SYS_MOUNT, "none", "/tmp/m", "nothing", 0, 0); err != syscall.ENODEV {
		t.Errorf("mounting an unknown type: %v", err)
	}
	m.must(sysNrCloseRange, 0, -1, 0)
	if _, err := m.call(syscall.SYS_FSTAT, fd, pointer(&old)); err != syscall.EBADF {
		t.Errorf("after closing everything: %v", err)
	}
}

func TestMmapFile(t *testing.T) {
	m := boot(t)
	fd := m.must(syscall.SYS_OPEN, "/tmp/f", syscall.O_CREAT|syscall.O_RDWR, 0o600)
	m.must(syscall.SYS_WRITE, fd, []byte(strings.Repeat("page one", 512)+"two"), 4099)
	addr := m.must(syscall.SYS_MMAP, 0, 8192, syscall.PROT_READ, syscall.MAP_PRIVATE, fd, 4096)
	mem, err := kernel.User(uintptr(addr), 8192, false)
	if err != 0 || string(mem[:5]) != "two\x00\x00" {
		t.Errorf("the mapping holds %q, %v", mem[:5], err)
	}
	syscall.Syscall(syscall.SYS_MUNMAP, uintptr(addr), 8192, 0)
	for _, c := range []struct {
		flags, fd, off int
		want           Errno
	}{
		{syscall.MAP_SHARED, fd, 1, syscall.EINVAL},
		{syscall.MAP_SHARED, 0, 0, syscall.ENODEV},
		{0, fd, 0, syscall.EINVAL},
		{syscall.MAP_PRIVATE, 99, 0, syscall.EBADF},
		{syscall.MAP_PRIVATE, 0, 0, syscall.ENODEV},
		{syscall.MAP_PRIVATE, fd, 1, syscall.EINVAL},
	} {
		if _, err := m.call(syscall.SYS_MMAP, 0, 4096, syscall.PROT_READ, c.flags, c.fd, c.off); err != c.want {
			t.Errorf("mmap %+v: %v", c, err)
		}
	}
}

func TestTimeCalls(t *testing.T) {
	m := boot(t)
	var ts syscall.Timespec
	m.must(sysNrClockGetres, 1, pointer(&ts))
	if ts.Nsec != 1 {
		t.Errorf("resolution %v", ts)
	}
	ts = syscall.Timespec{Nsec: 1e6}
	m.must(sysNrClockSleep, 1, 0, pointer(&ts), 0)
	ts = syscall.NsecToTimespec(kernel.Monotonic())
	m.must(sysNrClockSleep, 1, 1, pointer(&ts), 0)
	fd := m.must(sysNrTimerfdMake, 1, 0)
	its := kernel.Itimerspec{Value: syscall.Timespec{Nsec: 1e6}}
	m.must(sysNrTimerfdSet, fd, 0, pointer(&its), 0)
	buf := make([]byte, 8)
	m.must(syscall.SYS_READ, fd, buf, 8)
	if n := binary.LittleEndian.Uint64(buf); n != 1 {
		t.Errorf("%d expirations", n)
	}
}

func TestQuietProbe(t *testing.T) {
	m := boot(t)
	if _, err := m.call(sysNrPidfdOpen, 1, 0); err != syscall.ENOSYS {
		t.Errorf("pidfd_open: %v", err)
	}
	if n := m.table.Missed(sysNrPidfdOpen); n != 0 {
		t.Errorf("a probe was counted %d times", n)
	}
}

func TestTrace(t *testing.T) {
	path, data := []byte("/etc/hosts\x00"), []byte("0123456789012345678901234567890123456789")
	addr := func(b []byte) uintptr { return uintptr(unsafe.Pointer(&b[0])) }
	for _, c := range []struct {
		call rt.Call
		want string
	}{
		{rt.Call{Num: syscall.SYS_OPENAT, Arg: [6]uintptr{^uintptr(99), addr(path), 0x80000, 0}, Ret: 3},
			`openat(AT_FDCWD, "/etc/hosts", 0x80000, 00) = 3`},
		{rt.Call{Num: syscall.SYS_OPENAT, Arg: [6]uintptr{3, bad, 0, 0o644}, Errno: uintptr(syscall.EFAULT), Ret: ^uintptr(0)},
			`openat(3, 0x8, 0x0, 0644) = -1 EFAULT`},
		{rt.Call{Num: syscall.SYS_READ, Arg: [6]uintptr{3, addr(data), 40}, Ret: 5}, `read(3, "01234", 40) = 5`},
		{rt.Call{Num: syscall.SYS_WRITE, Arg: [6]uintptr{1, addr(data), 40}, Ret: 40}, `write(1, "01234567890123456789012345678901"..., 40) = 40`},
		{rt.Call{Num: syscall.SYS_FSTAT, Arg: [6]uintptr{9, 0}, Errno: uintptr(syscall.EBADF)}, `fstat(9, NULL) = -1 EBADF`},
		{rt.Call{Num: 9999, Errno: uintptr(syscall.ENOSYS)}, `syscall_9999() = -1 ENOSYS`},
	} {
		if got := string(traceLine(find(c.call.Num), &c.call)); got != c.want+"\n" {
			t.Errorf("got  %swant %s", got, c.want)
		}
	}
}

// FuzzCalls makes any call with good and bad addresses and any numbers:
// whatever a program does, the kernel must answer. On the host every address
// counts as mapped, so those in the program's memory are left out.
func FuzzCalls(f *testing.F) {
	f.Add(uint16(0), []byte{1, 200, 3})
	f.Fuzz(func(t *testing.T, number uint16, args []byte) {
		c := find(uintptr(number % maxCalls))
		if c == nil || c.handler == nil || unfit[c.name] {
			return
		}
		m := boot(t)
		m.must(syscall.SYS_PIPE2, pointer(new([2]int32)), syscall.O_NONBLOCK)
		m.must(syscall.SYS_SOCKETPAIR, syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_NONBLOCK, 0, pointer(new([2]int32)))
		m.must(sysNrEpollCreate1, 0)
		memory := make([]byte, 1<<18)
		copy(memory, "/tmp/file\x00/proc/self/fd/3\x00")
		raw := make([]any, len(c.args))
		for i, kind := range c.args {
			b := 0
			if i < len(args) {
				b = int(args[i])
			}
			switch kind {
			case path, ptr, in, out:
				raw[i] = memory[b%32:]
				if b > 240 {
					raw[i] = bad * (b % 2)
				}
			case size:
				raw[i] = b * 16
			default:
				raw[i] = []int{b % 8, b - 128, 1 << (b % 31), -1 << (b % 31)}[b%4]
			}
		}
		m.call(uintptr(c.num), raw...)
	})
}

// unfit are calls that wait, that end the test, or whose structures hold
// addresses.
var unfit = map[string]bool{
	"poll": true, "ppoll": true, "select": true, "pselect6": true, "epoll_wait": true, "epoll_pwait": true,
	"epoll_pwait2": true, "clock_nanosleep": true, "flock": true, "reboot": true, "mmap": true,
	"sendmsg": true, "recvmsg": true, "sendmmsg": true, "recvmmsg": true,
	"readv": true, "writev": true, "preadv": true, "pwritev": true, "preadv2": true, "pwritev2": true,
}
