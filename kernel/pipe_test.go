package kernel_test

import (
	"bytes"
	"crypto/rand"
	"syscall"
	"testing"

	"ringo.dev/ringo/kernel"
)

func pipe(t testing.TB, k *kernel.Kernel, flags int) (r, w int) {
	t.Helper()
	p, err := k.Pipe(flags)
	ok(t, err)
	return p[0], p[1]
}

func TestPipe(t *testing.T) {
	k := newKernel(t)
	r, w := pipe(t, k, syscall.O_NONBLOCK|syscall.O_CLOEXEC)
	_, err := k.Read(r, make([]byte, 1))
	want(t, err, syscall.EAGAIN)
	writeString(t, k, w, "hello ")
	writeString(t, k, w, "world")
	if got := readString(t, k, r, 100); got != "hello world" {
		t.Errorf("read %q", got)
	}
	_, err = k.Seek(r, 0, 0)
	want(t, err, syscall.ESPIPE)
	_, err = k.Pread(r, make([]byte, 1), 0)
	want(t, err, syscall.ESPIPE)
	_, err = k.Write(r, []byte("x"))
	want(t, err, syscall.EBADF)
	writeString(t, k, w, "rest")
	ok(t, k.Close(w))
	if got := readString(t, k, r, 100); got != "rest" {
		t.Errorf("read %q", got)
	}
	if got := readString(t, k, r, 100); got != "" {
		t.Errorf("read %q at the end", got)
	}
}

func TestPipeBroken(t *testing.T) {
	k := newKernel(t)
	r, w := pipe(t, k, 0)
	ok(t, k.Close(r))
	_, err := k.Write(w, []byte("x"))
	want(t, err, syscall.EPIPE)
}

// TestPipeFull looks at what fits: writes of up to PIPE_BUF bytes go in whole or
// not at all, others as far as there is room.
func TestPipeFull(t *testing.T) {
	k := newKernel(t)
	r, w := pipe(t, k, syscall.O_NONBLOCK)
	n, err := k.Write(w, make([]byte, 100_000))
	if n != 65536 || err != 0 {
		t.Fatalf("wrote %d, %v", n, err)
	}
	_, err = k.Write(w, []byte("x"))
	want(t, err, syscall.EAGAIN)
	readString(t, k, r, 4000)
	_, err = k.Write(w, make([]byte, 4096))
	want(t, err, syscall.EAGAIN)
	n, err = k.Write(w, make([]byte, 5000))
	if n != 4000 || err != 0 {
		t.Fatalf("wrote %d, %v", n, err)
	}
	size, err := k.Fcntl(w, 1031, 100_000) // F_SETPIPE_SZ
	if size != 131072 || err != 0 {
		t.Errorf("F_SETPIPE_SZ: %d, %v", size, err)
	}
	_, err = k.Fcntl(w, 1031, 4096)
	want(t, err, syscall.EBUSY)
}

// TestPipeStream pumps data through a blocking pipe in pieces of odd sizes.
func TestPipeStream(t *testing.T) {
	k := newKernel(t)
	r, w := pipe(t, k, 0)
	data := make([]byte, 1<<20)
	rand.Read(data)
	go func() {
		for rest := data; len(rest) > 0; {
			n := min(len(rest), 7001+len(rest)%13000)
			if m, err := k.Write(w, rest[:n]); m != n || err != 0 {
				t.Errorf("wrote %d of %d: %v", m, n, err)
			}
			rest = rest[n:]
		}
		k.Close(w)
	}()
	var got []byte
	buf := make([]byte, 9001)
	for {
		n, err := k.Read(r, buf)
		ok(t, err)
		if n == 0 {
			break
		}
		got = append(got, buf[:n]...)
	}
	if !bytes.Equal(got, data) {
		t.Error("the data was changed on its way")
	}
}

func TestPipeReaderWaits(t *testing.T) {
	k := newKernel(t)
	r, w := pipe(t, k, 0)
	got := make(chan string, 1)
	go func() { got <- readString(t, k, r, 10) }()
	stays(t, got, "read")
	writeString(t, k, w, "x")
	if s := comes(t, got, "read"); s != "x" {
		t.Errorf("read %q", s)
	}
	go func() { got <- readString(t, k, r, 10) }()
	stays(t, got, "read")
	ok(t, k.Close(w))
	if s := comes(t, got, "read"); s != "" {
		t.Errorf("read %q", s)
	}
}

func TestFIFO(t *testing.T) {
	k := newKernel(t)
	ok(t, k.Mknod(cwd, "/tmp/p", syscall.S_IFIFO|0o600, 0))
	_, err := k.Open(cwd, "/tmp/p", syscall.O_WRONLY|syscall.O_NONBLOCK, 0)
	want(t, err, syscall.ENXIO)
	opened := make(chan int, 1)
	go func() { opened <- open(t, k, "/tmp/p", syscall.O_RDONLY) }()
	stays(t, opened, "open for reading")
	w := open(t, k, "/tmp/p", syscall.O_WRONLY)
	r := comes(t, opened, "open for reading")
	writeString(t, k, w, "through a name")
	if got := readString(t, k, r, 100); got != "through a name" {
		t.Errorf("read %q", got)
	}
	var st syscall.Stat_t
	ok(t, k.Fstat(r, &st))
	if st.Mode != syscall.S_IFIFO|0o600 {
		t.Errorf("mode %o", st.Mode)
	}
	ok(t, k.Close(w))
	if got := readString(t, k, r, 1); got != "" {
		t.Errorf("read %q after the writer left", got)
	}
	both := open(t, k, "/tmp/p", syscall.O_RDWR) // never waits
	writeString(t, k, both, "x")
	if got := readString(t, k, r, 1); got != "x" {
		t.Errorf("read %q", got)
	}
}

func TestReopenPipe(t *testing.T) {
	k := newKernel(t)
	r, w := pipe(t, k, 0)
	again := open(t, k, "/proc/self/fd/1", syscall.O_WRONLY)
	ok(t, k.Close(w))
	writeString(t, k, again, "x")
	if got := readString(t, k, r, 2); got != "x" {
		t.Errorf("read %q", got)
	}
}

// BenchmarkPipe writes and reads as os.Pipe's users do, without waiting.
func BenchmarkPipe(b *testing.B) {
	k := newKernel(b)
	r, w := pipe(b, k, syscall.O_NONBLOCK)
	p := make([]byte, 512)
	b.SetBytes(int64(len(p)))
	b.ReportAllocs()
	for b.Loop() {
		if n, err := k.Write(w, p); n != len(p) || err != 0 {
			b.Fatal(n, err)
		}
		if n, err := k.Read(r, p); n != len(p) || err != 0 {
			b.Fatal(n, err)
		}
	}
}
