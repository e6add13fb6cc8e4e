package disks

import (
	"bytes"
	"errors"
	"syscall"
	"testing"
	"unsafe"

	"ringo.dev/ringo/kernel"
	"ringo.dev/ringo/kernel/block"
	"ringo.dev/ringo/kernel/pages"
	"ringo.dev/ringo/kernel/tmpfs"
)

// memory is a disk in memory.
type memory struct {
	b        []byte
	readOnly bool
	plain    bool // it cannot discard or make zeroes
	err      error
	flushes  int
}

func (m *memory) Size() int64                       { return int64(len(m.b)) }
func (m *memory) SectorSize() int                   { return 512 }
func (m *memory) ReadOnly() bool                    { return m.readOnly }
func (m *memory) Flush() error                      { m.flushes++; return m.err }
func (m *memory) ReadAt(p []byte, off int64) error  { copy(p, m.b[off:][:len(p)]); return m.err }
func (m *memory) WriteAt(p []byte, off int64) error { copy(m.b[off:][:len(p)], p); return m.err }

func (m *memory) Discard(off, n int64) error { return m.fill(off, n, '!') }

func (m *memory) Zero(off, n int64, _ bool) error { return m.fill(off, n, 0) }

func (m *memory) fill(off, n int64, with byte) error {
	if m.plain {
		return errors.ErrUnsupported
	}
	copy(m.b[off:][:n], bytes.Repeat([]byte{with}, int(n)))
	return m.err
}

// newKernel returns a kernel with disks, and nodes for them in its root.
func newKernel(devices ...block.Device) *kernel.Kernel {
	fs := tmpfs.New(pages.NewStore(1<<20), 0o755)
	k := kernel.New(fs)
	k.SetDisks(func(k *kernel.Kernel) { attach(k, devices) })
	for _, d := range k.BlockDevices() {
		fs.Root().(*tmpfs.Dir).AddDevice(d.Name, syscall.S_IFBLK|0o660, d.Rdev)
	}
	return k
}

func open(t *testing.T, k *kernel.Kernel, name string, flags int) int {
	t.Helper()
	fd, err := k.Open(kernel.FDCWD, name, flags, 0)
	if err != 0 {
		t.Fatalf("opening %s: %v", name, err)
	}
	return fd
}

func TestTransfers(t *testing.T) {
	m := &memory{b: bytes.Repeat([]byte("."), 8192)}
	k := newKernel(m)
	fd := open(t, k, "/vda", syscall.O_RDWR)
	want := bytes.Clone(m.b)
	for _, c := range []struct{ off, n int }{{0, 512}, {100, 3}, {510, 4}, {511, 2000}, {1024, 1024}, {8191, 1}} {
		p := bytes.Repeat([]byte{byte('a' + c.off%26)}, c.n)
		copy(want[c.off:], p)
		if n, err := k.Pwrite(fd, p, int64(c.off)); n != c.n || err != 0 {
			t.Errorf("writing %d at %d: %d, %v", c.n, c.off, n, err)
		}
		got := make([]byte, c.n+1)
		if n, err := k.Pread(fd, got, int64(c.off)); n != min(c.n+1, 8192-c.off) || err != 0 || !bytes.Equal(got[:c.n], p) {
			t.Errorf("reading %d at %d: %d, %v, %q", c.n, c.off, n, err, got)
		}
	}
	if !bytes.Equal(m.b, want) {
		t.Error("the disk does not hold what was written")
	}
	if end, err := k.Seek(fd, -2, 2); end != 8190 || err != 0 {
		t.Errorf("seeking: %d, %v", end, err)
	}
	if n, err := k.Write(fd, []byte("abc")); n != 2 || err != 0 {
		t.Errorf("writing over the end: %d, %v", n, err)
	}
	if _, err := k.Write(fd, []byte("abc")); err != syscall.ENOSPC {
		t.Errorf("writing at the end: %v", err)
	}
	if n, err := k.Read(fd, make([]byte, 3)); n != 0 || err != 0 {
		t.Errorf("reading at the end: %d, %v", n, err)
	}
	if err := k.Fsync(fd); err != 0 || m.flushes != 1 {
		t.Errorf("fsync: %v, %d flushes", err, m.flushes)
	}
	sync := open(t, k, "/vda", syscall.O_WRONLY|syscall.O_DSYNC)
	if _, err := k.Write(sync, []byte("x")); err != 0 || m.flushes != 2 {
		t.Errorf("synchronous write: %v, %d flushes", err, m.flushes)
	}
	m.err = errors.New("broken")
	if _, err := k.Pread(fd, make([]byte, 512), 0); err != syscall.EIO {
		t.Errorf("reading a broken disk: %v", err)
	}
	if _, err := k.Pwrite(fd, make([]byte, 512), 0); err != syscall.EIO {
		t.Errorf("writing a broken disk: %v", err)
	}
	if err := k.Fsync(fd); err != syscall.EIO {
		t.Errorf("fsync of a broken disk: %v", err)
	}
}

// change asks for the n bytes at off to be changed, by one of the calls for that.
type change func(k *kernel.Kernel, fd int, off, n int64) kernel.Errno

func byIoctl(request uintptr) change {
	return func(k *kernel.Kernel, fd int, off, n int64) kernel.Errno {
		span := [2]int64{off, n}
		_, err := k.Ioctl(fd, request, uintptr(unsafe.Pointer(&span)))
		return err
	}
}

func byFallocate(mode int) change {
	return func(k *kernel.Kernel, fd int, off, n int64) kernel.Errno { return k.Fallocate(fd, mode, off, n) }
}

// TestChange makes zeroes and discards by each of the calls for that, on a disk that
// can do it and on one that cannot.
func TestChange(t *testing.T) {
	const keepSize, size = 1, 8192
	for _, c := range []struct {
		name   string
		do     change
		with   byte         // what is there afterwards
		plain  kernel.Errno // of a disk that has no such request
		beyond kernel.Errno // of a range that goes beyond the disk's end
	}{
		{"BLKZEROOUT", byIoctl(blkZeroOut), 0, 0, syscall.EINVAL},
		{"BLKDISCARD", byIoctl(blkDiscard), '!', syscall.EOPNOTSUPP, syscall.EINVAL},
		{"zero range", byFallocate(16), 0, 0, syscall.EINVAL},
		{"zero range, keep size", byFallocate(16 | keepSize), 0, 0, 0},
		{"punch hole", byFallocate(2 | keepSize), 0, syscall.EOPNOTSUPP, 0},
		{"no hide stale", byFallocate(2 | 4 | keepSize), '!', syscall.EOPNOTSUPP, 0},
	} {
		for _, plain := range []bool{false, true} {
			m := &memory{b: bytes.Repeat([]byte("."), size), plain: plain}
			k := newKernel(m)
			fd := open(t, k, "/vda", syscall.O_RDWR)
			want, wantErr := bytes.Clone(m.b), kernel.Errno(0)
			if wantErr = c.plain; !plain || c.plain == 0 {
				wantErr = 0
				copy(want[512:][:1024], bytes.Repeat([]byte{c.with}, 1024))
			}
			if err := c.do(k, fd, 512, 1024); err != wantErr || !bytes.Equal(m.b, want) {
				t.Errorf("%s, plain %v: %v, or the disk does not hold what it should", c.name, plain, err)
			}
			for _, r := range [][2]int64{{100, 512}, {512, 100}, {size, 512}, {0, 0}, {-512, 512}, {0, -512}, {1 << 62, 512}} {
				if err := c.do(k, fd, r[0], r[1]); err != syscall.EINVAL {
					t.Errorf("%s, plain %v: %d bytes at %d: %v", c.name, plain, r[1], r[0], err)
				}
			}
			if err := c.do(k, open(t, k, "/vda", syscall.O_RDONLY), 0, 512); err != syscall.EBADF {
				t.Errorf("%s, open for reading: %v", c.name, err)
			}
			if !bytes.Equal(m.b, want) {
				t.Errorf("%s, plain %v: a call that fails changes something", c.name, plain)
			}
			if plain {
				continue
			}
			if err := c.do(k, fd, size-512, 1024); err != c.beyond {
				t.Errorf("%s, beyond the end: %v", c.name, err)
			}
			m.err = errors.New("broken")
			if err := c.do(k, fd, 0, 512); err != syscall.EIO {
				t.Errorf("%s, a broken disk: %v", c.name, err)
			}
		}
	}
	k := newKernel(&memory{b: make([]byte, size)})
	fd := open(t, k, "/vda", syscall.O_RDWR)
	for _, mode := range []int{0, keepSize, 2, 2 | 16 | keepSize, 8, 32} {
		if err := k.Fallocate(fd, mode, 0, 512); err != syscall.EOPNOTSUPP {
			t.Errorf("mode %d: %v", mode, err)
		}
	}
	if _, err := k.Ioctl(fd, blkZeroOut, 0); err != syscall.EFAULT {
		t.Errorf("BLKZEROOUT of nothing: %v", err)
	}
}

func TestReadOnly(t *testing.T) {
	k := newKernel(&memory{b: make([]byte, 512), readOnly: true})
	if _, err := k.Open(kernel.FDCWD, "/vda", syscall.O_RDWR, 0); err != syscall.EROFS {
		t.Errorf("for writing: %v", err)
	}
	open(t, k, "/vda", syscall.O_RDONLY)
}

// TestMount checks that a disk is mounted or written, not both.
func TestMount(t *testing.T) {
	devices := []block.Device{&memory{b: make([]byte, 512)}, &memory{b: make([]byte, 1024)}}
	k := kernel.New(tmpfs.New(pages.NewStore(1<<20), 0o755))
	opened := 0
	k.SetDisks(func(k *kernel.Kernel) {
		k.RegisterFileSystem("test", mounter(attach(k, devices), func(name string, d block.Device) (kernel.FileSystem, kernel.Errno) {
			if opened++; d.Size() != devices[1].Size() || name != "vdb" {
				t.Error("it is not the second disk")
			}
			return tmpfs.New(pages.NewStore(1<<20), 0o755), 0
		}))
	})
	for _, source := range []string{"/dev/vdc", "vdb", ""} {
		if _, err := k.MakeFileSystem("test", source); err != syscall.ENOENT {
			t.Errorf("%q: %v", source, err)
		}
	}
	b := k.BlockDevices()[1]
	f, err := b.Open(syscall.O_RDWR)
	if err != 0 {
		t.Fatal(err)
	}
	if _, err := k.MakeFileSystem("test", "/dev/vdb"); err != syscall.EBUSY {
		t.Errorf("mounting what is being written: %v", err)
	}
	f.Close()
	for range 2 {
		if _, err := k.MakeFileSystem("test", "/dev/vdb"); err != 0 || opened != 1 {
			t.Errorf("mounting: %v, opened %d times", err, opened)
		}
	}
	if _, err := b.Open(syscall.O_RDWR); err != syscall.EBUSY {
		t.Errorf("writing what is mounted: %v", err)
	}
	if _, err := b.Open(syscall.O_RDONLY); err != 0 {
		t.Errorf("reading what is mounted: %v", err)
	}
}
