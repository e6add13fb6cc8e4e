package syscalls

import (
	"strings"
	"syscall"
	"testing"
	"unsafe"

	"ringo.dev/ringo/kernel"
	"ringo.dev/ringo/kernel/pages"
	"ringo.dev/ringo/kernel/tmpfs"
	"ringo.dev/ringo/rt"
)

// machine is a kernel as Start builds it, called by number.
type machine struct {
	*testing.T
	k     *kernel.Kernel
	table *Table
}

func boot(t *testing.T) *machine {
	t.Helper()
	k, err := Build(&Settings{Hostname: "box"})
	if err != 0 {
		t.Fatal(err)
	}
	return &machine{t, k, NewTable(k, false)}
}

// call makes a system call; arguments are numbers, strings, byte slices or
// pointers.
func (m *machine) call(num uintptr, args ...any) (int, Errno) {
	m.Helper()
	c := rt.Call{Num: num}
	var keep []any
	for i, a := range args {
		switch v := a.(type) {
		case int:
			c.Arg[i] = uintptr(v)
		case string:
			b := append([]byte(v), 0)
			keep = append(keep, b)
			c.Arg[i] = uintptr(unsafe.Pointer(&b[0]))
		case []byte:
			c.Arg[i] = uintptr(unsafe.Pointer(unsafe.SliceData(v)))
		case unsafe.Pointer:
			c.Arg[i] = uintptr(v)
		default:
			m.Fatalf("argument %d is a %T", i, a)
		}
	}
	m.table.Syscall(&c)
	for _, k := range append(keep, args...) {
		_ = k
	}
	return int(c.Ret), Errno(c.Errno)
}

func (m *machine) must(num uintptr, args ...any) int {
	m.Helper()
	n, err := m.call(num, args...)
	if err != 0 {
		m.Fatalf("system call %d: %v", num, err)
	}
	return n
}

func (m *machine) readFile(path string) string {
	m.Helper()
	fd, err := m.k.Open(kernel.FDCWD, path, syscall.O_RDONLY, 0)
	if err != 0 {
		m.Fatalf("open %s: %v", path, err)
	}
	defer m.k.Close(fd)
	var all []byte
	buf := make([]byte, 100)
	for {
		n, err := m.k.Read(fd, buf)
		if err != 0 {
			m.Fatalf("read %s: %v", path, err)
		}
		if n == 0 {
			return string(all)
		}
		all = append(all, buf[:n]...)
	}
}

// TestFilesOfStd reads every file that the standard library opens.
func TestFilesOfStd(t *testing.T) {
	m := boot(t)
	for path, want := range map[string]string{
		"/etc/hosts":                     "localhost",
		"/etc/hostname":                  "box\n",
		"/etc/nsswitch.conf":             "hosts: files dns",
		"/etc/passwd":                    "root:x:0:0",
		"/etc/group":                     "root:x:0:",
		"/etc/services":                  "https 443/tcp",
		"/etc/protocols":                 "tcp\t6",
		"/etc/mime.types":                "font/woff2",
		"/proc/self/cgroup":              "0::/",
		"/proc/self/mountinfo":           " - proc proc rw",
		"/proc/self/mounts":              "proc /proc proc",
		"/proc/mounts":                   "tmpfs / tmpfs",
		"/proc/self/stat":                " R 0 ",
		"/proc/self/statm":               " 0\n",
		"/proc/self/status":              "VmRSS:",
		"/proc/self/limits":              "Max open files            1048575              1048576              files",
		"/proc/self/maps":                "",
		"/proc/self/comm":                "syscalls.test",
		"/proc/self/cmdline":             "syscalls.test\x00",
		"/proc/thread-self/status":       "Threads:",
		"/proc/sys/kernel/hostname":      "box\n",
		"/proc/sys/kernel/osrelease":     kernel.SystemRelease,
		"/proc/sys/net/core/somaxconn":   "4096\n",
		"/proc/sys/vm/overcommit_memory": "0\n",
		"/proc/cpuinfo":                  "processor\t: 0",
		"/proc/meminfo":                  "MemTotal:          65536 kB",
		"/proc/stat":                     "cpu  ",
		"/proc/uptime":                   ".",
		"/proc/loadavg":                  "0.00 0.00 0.00",
		"/proc/version":                  "Linux version ",
		"/proc/filesystems":              "tmpfs",
		"/sys/kernel/mm/transparent_hugepage/hpage_pmd_size": "2097152",
		"/sys/devices/system/cpu/online":                     "0",
		"/dev/null":                                          "",
	} {
		if got := m.readFile(path); !strings.Contains(got, want) {
			t.Errorf("%s holds %q, want %q", path, got, want)
		}
	}
}

func TestProvide(t *testing.T) {
	m := boot(t)
	kernel.Install(m.k)
	kernel.Provide("/etc/ssl/certs/ca-certificates.crt", func() string { return strings.Repeat("certificate\n", 1000) })
	if got := m.readFile("/etc/ssl/certs/ca-certificates.crt"); len(got) != 12_000 {
		t.Errorf("read %d bytes", len(got))
	}
}

func TestReadWrite(t *testing.T) {
	m := boot(t)
	fd := m.must(syscall.SYS_OPEN, "/tmp/a", syscall.O_RDWR|syscall.O_CREAT, 0o644)
	if n := m.must(syscall.SYS_WRITE, fd, []byte("hello"), 5); n != 5 {
		t.Errorf("wrote %d", n)
	}
	m.must(syscall.SYS_LSEEK, fd, 1, 0)
	buf := make([]byte, 10)
	if n := m.must(syscall.SYS_READ, fd, buf, 10); string(buf[:n]) != "ello" {
		t.Errorf("read %q", buf[:n])
	}
	if _, err := m.call(syscall.SYS_READ, fd, 8, 10); err != syscall.EFAULT {
		t.Errorf("read to address 8: %v, want EFAULT", err)
	}
	if _, err := m.call(syscall.SYS_OPEN, "/tmp/"+strings.Repeat("x/", 3000), 0, 0); err != syscall.ENAMETOOLONG {
		t.Errorf("long path: %v, want ENAMETOOLONG", err)
	}
}

func TestMissingCall(t *testing.T) {
	m := boot(t)
	const ioUringSetup = 425
	for range 3 {
		if _, err := m.call(ioUringSetup); err != syscall.ENOSYS {
			t.Errorf("io_uring_setup: %v, want ENOSYS", err)
		}
	}
	if n := m.table.Missed(ioUringSetup); n != 3 {
		t.Errorf("counted %d calls, want 3", n)
	}
	if _, err := m.call(100000); err != syscall.ENOSYS {
		t.Errorf("system call 100000: %v, want ENOSYS", err)
	}
}

// BenchmarkBuild is what the kernel takes of the time to boot.
func BenchmarkBuild(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Build(&Settings{}); err != 0 {
			b.Fatal(err)
		}
	}
}

// TestEtcNames checks that fillsEtc knows all that fillEtc makes.
func TestEtcNames(t *testing.T) {
	top := tmpfs.New(pages.NewStore(1<<20), 0o755).Root().(*tmpfs.Dir)
	m := boot(t)
	fillEtc(top, m.k)
	top.ReadDir(0, func(e kernel.DirEntry) bool {
		if !fillsEtc(e.Name) {
			t.Errorf("%s would not be found", e.Name)
		}
		return true
	})
	if _, err := m.call(syscall.SYS_OPEN, "/etc/localtime", syscall.O_RDONLY, 0); err != syscall.ENOENT {
		t.Errorf("a file that is not there: %v", err)
	}
	m.must(syscall.SYS_CLOSE, m.must(syscall.SYS_OPEN, "/etc/ssl/certs", syscall.O_RDONLY, 0))
}
