package kernel_test

import (
	"sync"
	"syscall"
	"testing"

	"ringo.dev/ringo/kernel"
)

func TestLowestDescriptor(t *testing.T) {
	k := newKernel(t)
	for want := range 200 {
		if fd := open(t, k, "/dev/null", 0); fd != want {
			t.Fatalf("got descriptor %d, want %d", fd, want)
		}
	}
	for _, fd := range []int{150, 3, 70} {
		ok(t, k.Close(fd))
	}
	for _, want := range []int{3, 70, 150, 200} {
		if fd := open(t, k, "/dev/null", 0); fd != want {
			t.Fatalf("got descriptor %d, want %d", fd, want)
		}
	}
	fd, err := k.Fcntl(0, syscall.F_DUPFD, 100)
	ok(t, err)
	if fd != 201 {
		t.Errorf("F_DUPFD from 100 gave %d, want 201", fd)
	}
	want(t, k.Close(1000), syscall.EBADF)
	want(t, k.Close(-1), syscall.EBADF)
}

func TestDescriptorLimit(t *testing.T) {
	k := newKernel(t)
	_, err := k.Limit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{Cur: 3, Max: 3})
	ok(t, err)
	for range 3 {
		open(t, k, "/dev/null", 0)
	}
	_, err = k.Open(cwd, "/dev/null", 0, 0)
	want(t, err, syscall.EMFILE)
	_, err = k.Pipe(0)
	want(t, err, syscall.EMFILE)
	_, err = k.Dup3(0, 3, 0)
	want(t, err, syscall.EBADF)
	ok(t, k.Close(1))
	_, err = k.Pipe(0) // room for one end only
	want(t, err, syscall.EMFILE)
	if fd := open(t, k, "/dev/null", 0); fd != 1 {
		t.Errorf("got descriptor %d: a failed pipe left one behind", fd)
	}
	_, err = k.Limit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{Cur: 1, Max: 1 << 21})
	want(t, err, syscall.EPERM)
}

func TestDup(t *testing.T) {
	k := newKernel(t)
	a := open(t, k, "/tmp/f", syscall.O_RDWR|syscall.O_CREAT)
	b, err := k.Dup(a)
	ok(t, err)
	writeString(t, k, a, "hello")
	_, err = k.Seek(b, 1, 0) // the position is shared
	ok(t, err)
	if got := readString(t, k, a, 10); got != "ello" {
		t.Errorf("read %q", got)
	}
	c, err := k.Dup3(a, 9, syscall.O_CLOEXEC)
	ok(t, err)
	for fd, want := range map[int]int{a: 0, c: syscall.FD_CLOEXEC} {
		if got, _ := k.Fcntl(fd, syscall.F_GETFD, 0); got != want {
			t.Errorf("flags of descriptor %d: %d, want %d", fd, got, want)
		}
	}
	_, err = k.Dup3(a, a, 0)
	want(t, err, syscall.EINVAL)
	if fd, err := k.Dup2(a, a); fd != a || err != 0 {
		t.Errorf("dup2 to itself: %d, %v", fd, err)
	}
	_, err = k.Fcntl(b, syscall.F_SETFL, syscall.O_APPEND|syscall.O_NONBLOCK)
	ok(t, err)
	flags, _ := k.Fcntl(a, syscall.F_GETFL, 0)
	if all := syscall.O_APPEND | syscall.O_NONBLOCK | syscall.O_RDWR; flags&all != all {
		t.Errorf("status flags %#x are not shared", flags)
	}
	writeString(t, k, a, " world")
	if st := stat(t, k, "/tmp/f"); st.Size != 11 {
		t.Errorf("O_APPEND after F_SETFL: size %d", st.Size)
	}
}

func TestCloseRange(t *testing.T) {
	k := newKernel(t)
	for range 10 {
		open(t, k, "/dev/null", 0)
	}
	ok(t, k.CloseRange(3, ^uint(0), 0))
	n := 0
	k.EachDescriptor(func(fd int, _ *kernel.Description) { n++ })
	if n != 3 {
		t.Errorf("%d descriptors are left, want 3", n)
	}
	want(t, k.CloseRange(3, 2, 0), syscall.EINVAL)
}

// TestTableRace uses the table from many goroutines at once.
func TestTableRace(t *testing.T) {
	k := newKernel(t)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for i := range 200 {
				fd, err := k.Open(cwd, "/dev/zero", 0, 0)
				if err != 0 {
					t.Error(err)
					return
				}
				other, _ := k.Dup(fd)
				k.Read(fd, make([]byte, 1))
				k.Dup2(fd, 50+i%10)
				k.Close(other)
				k.Close(fd)
			}
		})
	}
	wg.Wait()
}

func TestModes(t *testing.T) {
	k := newKernel(t)
	r := open(t, k, "/tmp/f", syscall.O_RDONLY|syscall.O_CREAT)
	w := open(t, k, "/tmp/f", syscall.O_WRONLY)
	_, err := k.Write(r, []byte("x"))
	want(t, err, syscall.EBADF)
	_, err = k.Read(w, make([]byte, 1))
	want(t, err, syscall.EBADF)
	_, err = k.Pread(w, make([]byte, 1), 0)
	want(t, err, syscall.EBADF)
	_, err = k.Pwrite(r, []byte("x"), 0)
	want(t, err, syscall.EBADF)
	want(t, k.Ftruncate(r, 1), syscall.EINVAL)
	_, err = k.Pread(r, make([]byte, 1), -1)
	want(t, err, syscall.EINVAL)
}

func TestPath(t *testing.T) {
	k := newKernel(t)
	p, err := k.Open(cwd, "/tmp", 0x200000 /* O_PATH */, 0)
	ok(t, err)
	_, err = k.Read(p, nil)
	want(t, err, syscall.EBADF)
	fd, err := k.Open(p, "f", syscall.O_CREAT|syscall.O_RDWR, 0o600)
	ok(t, err)
	if got := k.Path(k.Descriptor(fd)); got != "/tmp/f" {
		t.Errorf("path is %q", got)
	}
	ok(t, k.Fchdir(p))
	ok(t, k.Rename(cwd, "/tmp", cwd, "/moved", 0))
	if got, err := k.Getcwd(); got != "/moved" || err != 0 {
		t.Errorf("working directory %q, %v", got, err)
	}
	if got := k.Path(k.Descriptor(fd)); got != "/moved/f" {
		t.Errorf("path is %q", got)
	}
	ok(t, k.Unlink(cwd, "f", 0))
	if got := k.Path(k.Descriptor(fd)); got != "/moved/f (deleted)" {
		t.Errorf("path is %q", got)
	}
	ok(t, k.Unlink(cwd, "/moved", 0x200))
	_, err = k.Getcwd()
	want(t, err, syscall.ENOENT)
	_, err = k.Open(cwd, "new", syscall.O_CREAT|syscall.O_RDWR, 0)
	want(t, err, syscall.ENOENT)
}
