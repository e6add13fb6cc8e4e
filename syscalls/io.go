package syscalls

import (
	"syscall"

	"ringo.dev/ringo/kernel"
)

func sysRead(t *task) (uintptr, Errno) {
	p, err := t.buf(1, 2, true)
	if err != 0 {
		return 0, err
	}
	return result(t.k.Read(t.int(0), p))
}

func sysWrite(t *task) (uintptr, Errno) {
	p, err := t.buf(1, 2, false)
	if err != 0 {
		return 0, err
	}
	return result(t.k.Write(t.int(0), p))
}

func sysPread(t *task) (uintptr, Errno) {
	p, err := t.buf(1, 2, true)
	if err != 0 {
		return 0, err
	}
	return result(t.k.Pread(t.int(0), p, t.int64(3)))
}

func sysPwrite(t *task) (uintptr, Errno) {
	p, err := t.buf(1, 2, false)
	if err != 0 {
		return 0, err
	}
	return result(t.k.Pwrite(t.int(0), p, t.int64(3)))
}

func sysReadv(t *task) (uintptr, Errno) {
	bufs, err := t.vector(1, 2, true)
	if err != 0 {
		return 0, err
	}
	return result(t.k.Readv(t.int(0), bufs))
}

func sysWritev(t *task) (uintptr, Errno) {
	bufs, err := t.vector(1, 2, false)
	if err != 0 {
		return 0, err
	}
	return result(t.k.Writev(t.int(0), bufs))
}

func sysPreadv(t *task) (uintptr, Errno) {
	bufs, err := t.vector(1, 2, true)
	if err != 0 {
		return 0, err
	}
	return result(t.k.Preadv(t.int(0), bufs, t.int64(3)))
}

func sysPwritev(t *task) (uintptr, Errno) {
	bufs, err := t.vector(1, 2, false)
	if err != 0 {
		return 0, err
	}
	return result(t.k.Pwritev(t.int(0), bufs, t.int64(3)))
}

// Flags of preadv2 and pwritev2 (RWF_*). RWF_HIPRI is a wish about speed.
const (
	rwfHighPriority = 1
	rwfDataSync     = 2
	rwfSync         = 4
	rwfKnown        = rwfHighPriority | rwfDataSync | rwfSync
)

func sysPreadv2(t *task) (uintptr, Errno) {
	if t.uint32(5)&^rwfKnown != 0 {
		return 0, syscall.EOPNOTSUPP
	}
	if t.int64(3) == -1 {
		return sysReadv(t)
	}
	return sysPreadv(t)
}

func sysPwritev2(t *task) (n uintptr, err Errno) {
	if t.uint32(5)&^rwfKnown != 0 {
		return 0, syscall.EOPNOTSUPP
	}
	if t.int64(3) == -1 {
		n, err = sysWritev(t)
	} else {
		n, err = sysPwritev(t)
	}
	if err == 0 && t.uint32(5)&(rwfDataSync|rwfSync) != 0 {
		err = t.k.Fsync(t.int(0))
	}
	return n, err
}

func sysClose(t *task) (uintptr, Errno) { return done(t.k.Close(t.int(0))) }

func sysCloseRange(t *task) (uintptr, Errno) {
	return done(t.k.CloseRange(uint(t.uint32(0)), uint(t.uint32(1)), t.int(2)))
}

func sysLseek(t *task) (uintptr, Errno) {
	return result64(t.k.Seek(t.int(0), t.int64(1), t.int(2)))
}

func sysDup(t *task) (uintptr, Errno)  { return result(t.k.Dup(t.int(0))) }
func sysDup2(t *task) (uintptr, Errno) { return result(t.k.Dup2(t.int(0), t.int(1))) }
func sysDup3(t *task) (uintptr, Errno) { return result(t.k.Dup3(t.int(0), t.int(1), t.int(2))) }

func sysFcntl(t *task) (uintptr, Errno) {
	cmd := t.int(1)
	if kernel.IsRecordLock(cmd) {
		l, err := need[syscall.Flock_t](t, 2, true)
		if err != 0 {
			return 0, err
		}
		return done(t.k.RecordLock(t.int(0), cmd, l))
	}
	return result(t.k.Fcntl(t.int(0), cmd, int(t.a[2])))
}

func sysFlock(t *task) (uintptr, Errno) { return done(t.k.Flock(t.int(0), t.int(1))) }
func sysIoctl(t *task) (uintptr, Errno) { return t.k.Ioctl(t.int(0), uintptr(t.uint32(1)), t.a[2]) }
func sysFsync(t *task) (uintptr, Errno) { return done(t.k.Fsync(t.int(0))) }

func sysSync(t *task) (uintptr, Errno) {
	t.k.Sync()
	return 0, 0
}

func sysSyncfs(t *task) (uintptr, Errno) {
	if t.k.Descriptor(t.int(0)) == nil {
		return 0, syscall.EBADF
	}
	return sysSync(t)
}

func sysFtruncate(t *task) (uintptr, Errno) {
	return done(t.k.Ftruncate(t.int(0), t.int64(1)))
}

func sysFallocate(t *task) (uintptr, Errno) {
	return done(t.k.Fallocate(t.int(0), t.int(1), t.int64(2), t.int64(3)))
}

// sysFadvise accepts any advice. What files are read ahead or dropped is decided
// without it.
func sysFadvise(t *task) (uintptr, Errno) {
	if t.k.Descriptor(t.int(0)) == nil {
		return 0, syscall.EBADF
	}
	return 0, 0
}

func sysSendfile(t *task) (uintptr, Errno) {
	off, err := value[int64](t, 2, true)
	if err != 0 {
		return 0, err
	}
	return result64(t.k.Sendfile(t.int(0), t.int(1), off, int64(t.size(3))))
}

func sysCopyFileRange(t *task) (uintptr, Errno) {
	inOff, err := value[int64](t, 1, true)
	if err != 0 {
		return 0, err
	}
	outOff, err := value[int64](t, 3, true)
	if err != 0 {
		return 0, err
	}
	if t.uint32(5) != 0 {
		return 0, syscall.EINVAL
	}
	return result64(t.k.CopyRange(t.int(0), inOff, t.int(2), outOff, int64(t.size(4))))
}

// sysSplice answers EINVAL, which is what Linux says of files that cannot be
// spliced. Callers then copy.
func sysSplice(t *task) (uintptr, Errno) { return 0, syscall.EINVAL }

func sysPipe(t *task) (uintptr, Errno) { return t.pipe(0) }

func sysPipe2(t *task) (uintptr, Errno) { return t.pipe(t.int(1)) }

func (t *task) pipe(flags int) (uintptr, Errno) {
	out, err := need[[2]int32](t, 0, true)
	if err != 0 {
		return 0, err
	}
	fds, err := t.k.Pipe(flags)
	if err == 0 {
		*out = [2]int32{int32(fds[0]), int32(fds[1])}
	}
	return 0, err
}
