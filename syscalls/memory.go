package syscalls

import (
	"syscall"

	"ringo.dev/ringo/kernel"
	"ringo.dev/ringo/rt"
)

// sysMmap maps files; of anonymous memory, which is rt's, come here only the
// calls that may take the place of a file's mapping.
func sysMmap(t *task) (uintptr, Errno) {
	addr, length, prot, flags := t.a[0], t.a[1], t.int(2), t.int(3)
	const kinds = syscall.MAP_SHARED | syscall.MAP_PRIVATE
	switch {
	case flags&syscall.MAP_ANONYMOUS != 0:
		return t.k.MmapAnonymous(addr, length, prot, flags)
	case flags&kinds == syscall.MAP_PRIVATE:
		return t.copyFile(addr, length, prot, flags)
	case flags&kinds == 0:
		return 0, syscall.EINVAL
	}
	return t.k.Mmap(addr, length, prot, flags, t.int(4), t.int64(5))
}

func sysMunmap(t *task) (uintptr, Errno)   { return done(t.k.Munmap(t.a[0], t.a[1])) }
func sysMprotect(t *task) (uintptr, Errno) { return done(t.k.Mprotect(t.a[0], t.a[1], t.int(2))) }
func sysMadvise(t *task) (uintptr, Errno)  { return done(t.k.Madvise(t.a[0], t.a[1], t.int(2))) }
func sysMsync(t *task) (uintptr, Errno)    { return done(t.k.Msync(t.a[0], t.a[1], t.int(2))) }

// copyFile is mmap with MAP_PRIVATE: a copy of the file as it is now, which is as
// much as that promises (whether later changes of the file are seen is
// unspecified, mmap(2)).
func (t *task) copyFile(addr, length uintptr, prot, flags int) (uintptr, Errno) {
	off := t.int64(5)
	if length == 0 || off < 0 || off%pageSize != 0 {
		return 0, syscall.EINVAL
	}
	if err := t.k.Mappable(t.int(4)); err != 0 {
		return 0, err
	}
	addr, err := t.k.MmapAnonymous(addr, length, syscall.PROT_READ|syscall.PROT_WRITE, flags|syscall.MAP_ANONYMOUS)
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
		err = rt.Mprotect(addr, length, prot)
	}
	if err != 0 {
		rt.Unmap(addr, length)
		return 0, err
	}
	return addr, 0
}

const pageSize = 4096
