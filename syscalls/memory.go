package syscalls

import (
	"syscall"

	"ringo.dev/ringo/kernel"
)

// sysMmap maps a file; anonymous memory is rt's. The mapping is a copy of the
// file as it is now, which is as much as MAP_PRIVATE promises (whether later
// changes of the file are seen is unspecified, mmap(2)).
func sysMmap(t *task) (uintptr, Errno) {
	const kinds = syscall.MAP_SHARED | syscall.MAP_PRIVATE
	addr, length, prot, flags := t.a[0], t.a[1], t.a[2], t.a[3]
	off := t.int64(5)
	if length == 0 || off < 0 || off%pageSize != 0 {
		return 0, syscall.EINVAL
	}
	if err := t.k.Mappable(t.int(4)); err != 0 {
		return 0, err
	}
	if flags&kinds != syscall.MAP_PRIVATE {
		return 0, syscall.ENODEV
	}
	flags |= syscall.MAP_ANONYMOUS
	// A call of the kernel's own: rt answers it.
	addr, _, err := syscall.Syscall6(syscall.SYS_MMAP, addr, length,
		syscall.PROT_READ|syscall.PROT_WRITE, flags, ^uintptr(0), 0)
	if err != 0 {
		return 0, err
	}
	mem, err := kernel.User(addr, length, true)
	for err == 0 && len(mem) > 0 {
		var n int
		if n, err = t.k.Pread(t.int(4), mem, off); n <= 0 {
			break // what lies beyond the end reads as zeroes
		}
		mem, off = mem[n:], off+int64(n)
	}
	if err == 0 && prot != syscall.PROT_READ|syscall.PROT_WRITE {
		_, _, err = syscall.Syscall(syscall.SYS_MPROTECT, addr, length, prot)
	}
	if err != 0 {
		syscall.Syscall(syscall.SYS_MUNMAP, addr, length, 0)
		return 0, err
	}
	return addr, 0
}

const pageSize = 4096
