package syscalls

import (
	"syscall"
	"time"

	"ringo.dev/ringo/kernel"
)

// Errno is a Linux error number; 0 means success.
type Errno = syscall.Errno

// task is a system call being answered: the kernel and the raw arguments. Its
// methods read argument i as what it is. The low 32 bits count where Linux
// takes an int, whatever the caller left above them.
type task struct {
	k *kernel.Kernel
	a [6]uintptr
}

func (t *task) int(i int) int              { return int(int32(t.a[i])) }
func (t *task) uint32(i int) uint32        { return uint32(t.a[i]) }
func (t *task) int64(i int) int64          { return int64(t.a[i]) }
func (t *task) size(i int) int             { return int(min(t.a[i], maxTransfer)) }
func (t *task) isNil(i int) bool           { return t.a[i] == 0 }
func (t *task) path(i int) (string, Errno) { return kernel.UserPath(t.a[i]) }

// maxTransfer is the most that one call transfers (MAX_RW_COUNT).
const maxTransfer = 0x7ffff000

// buf returns the buffer at argument i whose length is argument n. The kernel
// stores into it if write is set.
func (t *task) buf(i, n int, write bool) ([]byte, Errno) {
	return kernel.User(t.a[i], uintptr(t.size(n)), write)
}

// vector returns the buffers of the n struct iovec at argument i.
func (t *task) vector(i, n int, write bool) ([][]byte, Errno) {
	return vector(t.a[i], t.a[n], write)
}

// maxVector is the most struct iovec that a call takes (UIO_MAXIOV).
const maxVector = 1024

// iovec is struct iovec with its address not yet checked.
type iovec struct{ base, len uintptr }

func vector(addr, n uintptr, write bool) ([][]byte, Errno) {
	if n > maxVector {
		return nil, syscall.EINVAL
	}
	list, err := kernel.UserSlice[iovec](addr, n, false)
	if err != 0 {
		return nil, err
	}
	bufs := make([][]byte, 0, len(list))
	room := uintptr(maxTransfer)
	for _, v := range list {
		if int(v.len) < 0 {
			return nil, syscall.EINVAL
		}
		size := min(v.len, room)
		b, err := kernel.User(v.base, size, write)
		if err != 0 {
			return nil, err
		}
		room -= size
		bufs = append(bufs, b)
	}
	return bufs, 0
}

// value returns the T at argument i; a null pointer gives nil.
func value[T any](t *task, i int, write bool) (*T, Errno) {
	if t.isNil(i) {
		return nil, 0
	}
	return kernel.UserValue[T](t.a[i], write)
}

// need is value for an argument that may not be null.
func need[T any](t *task, i int, write bool) (*T, Errno) {
	return kernel.UserValue[T](t.a[i], write)
}

// duration converts a timeout; nil gives -1, which means none.
func duration(ts *syscall.Timespec) (time.Duration, Errno) {
	const most = 1 << 33 // seconds: longer than any machine runs
	switch {
	case ts == nil:
		return -1, 0
	case ts.Sec < 0 || ts.Nsec < 0 || ts.Nsec >= 1e9:
		return 0, syscall.EINVAL
	case ts.Sec > most:
		return -1, 0
	}
	return time.Duration(ts.Nano()), 0
}

// milliseconds converts a timeout in milliseconds; a negative one means none.
func milliseconds(ms int) time.Duration {
	if ms < 0 {
		return -1
	}
	return time.Duration(ms) * time.Millisecond
}

// The results of handlers.

func done(err Errno) (uintptr, Errno)          { return 0, err }
func result(n int, err Errno) (uintptr, Errno) { return uintptr(n), err }
func result64(n int64, err Errno) (uintptr, Errno) {
	return uintptr(n), err
}
