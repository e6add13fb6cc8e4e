package kernel

import (
	"syscall"
	"unsafe"

	"ringo.dev/ringo/rt"
)

// User returns the n bytes of the program's memory at addr, for reading or
// (write) writing, or EFAULT. It is the only way by which an address that the
// program passed is followed. The slice may be used until the system call
// returns. (The compiler's own check of such slices knows Go objects only, while
// these bytes may be anything that is mapped.)
//
//go:nocheckptr
func User(addr, n uintptr, write bool) ([]byte, Errno) {
	if n == 0 {
		return nil, 0
	}
	if int(n) < 0 || !rt.Mapped(addr, n, write) {
		return nil, syscall.EFAULT
	}
	return unsafe.Slice((*byte)(rt.Pointer(addr)), n), 0
}

// UserValue returns the value of type T at addr in the program's memory, or
// EFAULT. A T must not hold pointers.
func UserValue[T any](addr uintptr, write bool) (*T, Errno) {
	var zero T
	if !rt.Mapped(addr, unsafe.Sizeof(zero), write) {
		return nil, syscall.EFAULT
	}
	return (*T)(rt.Pointer(addr)), 0
}

// UserSlice returns the n values of type T at addr in the program's memory, or
// EFAULT. A T must not hold pointers.
func UserSlice[T any](addr, n uintptr, write bool) ([]T, Errno) {
	if n == 0 {
		return nil, 0
	}
	var zero T
	const most = 1 << 40 // elements; keeps the product below from wrapping
	if n > most || !rt.Mapped(addr, n*unsafe.Sizeof(zero), write) {
		return nil, syscall.EFAULT
	}
	return unsafe.Slice((*T)(rt.Pointer(addr)), n), 0
}

// UserString returns a copy of the NUL-terminated string at addr. Without a NUL
// among the first limit bytes it answers ENAMETOOLONG.
func UserString(addr uintptr, limit int) (string, Errno) {
	const page = 4096
	var buf []byte
	for limit > 0 {
		n := min(page-addr%page, uintptr(limit)) // a page is mapped or not as a whole
		chunk, err := User(addr, n, false)
		if err != 0 {
			return "", err
		}
		for i, c := range chunk {
			if c == 0 {
				if buf == nil {
					return string(chunk[:i]), 0
				}
				return string(append(buf, chunk[:i]...)), 0
			}
		}
		buf = append(buf, chunk...)
		addr += n
		limit -= int(n)
	}
	return "", syscall.ENAMETOOLONG
}

// UserPath is UserString for a path.
func UserPath(addr uintptr) (string, Errno) { return UserString(addr, maxPath) }
