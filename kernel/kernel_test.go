package kernel_test

import (
	"syscall"
	"testing"
	"time"

	"ringo.dev/ringo/kernel"
	"ringo.dev/ringo/kernel/dev"
	"ringo.dev/ringo/kernel/pages"
	"ringo.dev/ringo/kernel/procfs"
	"ringo.dev/ringo/kernel/tmpfs"
)

const cwd = kernel.FDCWD

// storeLimit is what the files of a test kernel may take.
const storeLimit = 4 << 20

// newKernel returns a kernel with a tmpfs, devices and /proc.
func newKernel(t testing.TB) *kernel.Kernel {
	t.Helper()
	k, _ := newKernelStore(t)
	return k
}

func newKernelStore(t testing.TB) (*kernel.Kernel, *pages.Store) {
	t.Helper()
	store := pages.NewStore(storeLimit)
	fs := tmpfs.New(store, 0o755)
	top := fs.Root().(*tmpfs.Dir)
	k := kernel.New(fs)
	dev.Register(k, dev.NewConsole(dev.Device, dev.Device, func() dev.Port { return nil }))
	top.AddDir("dev", 0o755).Later(dev.Fill)
	top.AddDir("proc", 0o555)
	tmp := top.AddDir("tmp", 0o1777)
	k.SetTemp(tmp)
	if err := k.Mount(procfs.New(k), "/proc", "proc", false); err != 0 {
		t.Fatal(err)
	}
	return k, store
}

// ok fails the test if err is an error.
func ok(t testing.TB, err kernel.Errno) {
	t.Helper()
	if err != 0 {
		t.Fatal(err)
	}
}

// want fails the test if err is not the one that was expected.
func want(t testing.TB, err, expected kernel.Errno) {
	t.Helper()
	if err != expected {
		t.Fatalf("got %q, want %q", text(err), text(expected))
	}
}

func text(err kernel.Errno) string {
	if err == 0 {
		return "success"
	}
	return err.Error()
}

func open(t testing.TB, k *kernel.Kernel, path string, flags int) int {
	t.Helper()
	fd, err := k.Open(cwd, path, flags, 0o666)
	if err != 0 {
		t.Fatalf("open %s: %v", path, err)
	}
	return fd
}

func writeString(t testing.TB, k *kernel.Kernel, fd int, s string) {
	t.Helper()
	n, err := k.Write(fd, []byte(s))
	if n != len(s) || err != 0 {
		t.Fatalf("wrote %d bytes of %d: %v", n, len(s), err)
	}
}

func readString(t testing.TB, k *kernel.Kernel, fd, size int) string {
	t.Helper()
	buf := make([]byte, size)
	n, err := k.Read(fd, buf)
	if err != 0 {
		t.Fatalf("read: %v", err)
	}
	return string(buf[:n])
}

// stays fails the test unless c stays empty for a while.
func stays[T any](t testing.TB, c <-chan T, what string) {
	t.Helper()
	select {
	case <-c:
		t.Fatalf("%s did not wait", what)
	case <-time.After(20 * time.Millisecond):
	}
}

// comes returns what c brings, which must be soon.
func comes[T any](t testing.TB, c <-chan T, what string) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(10 * time.Second):
		t.Fatalf("%s hangs", what)
		panic("unreachable")
	}
}

func stat(t testing.TB, k *kernel.Kernel, path string) (st syscall.Stat_t) {
	t.Helper()
	if err := k.Stat(cwd, path, &st, 0); err != 0 {
		t.Fatalf("stat %s: %v", path, err)
	}
	return st
}
