package kernel

import (
	"sync"
	"syscall"
	"time"
)

// Read is read(2).
func (k *Kernel) Read(fd int, p []byte) (int, Errno) {
	d := k.files.get(fd)
	if d == nil {
		return -1, syscall.EBADF
	}
	n, err := d.read(p)
	return k.tellTransfer(d, syscall.IN_ACCESS, n, err)
}

// Write is write(2).
func (k *Kernel) Write(fd int, p []byte) (int, Errno) {
	d := k.files.get(fd)
	if d == nil {
		return -1, syscall.EBADF
	}
	n, err := d.write(p)
	return k.tellTransfer(d, syscall.IN_MODIFY, n, err)
}

// tellTransfer tells that n bytes of a file were transferred, and returns that and the
// transfer's error.
func (k *Kernel) tellTransfer(d *Description, mask uint32, n int, err Errno) (int, Errno) {
	if n > 0 {
		k.tellFile(d, mask)
	}
	return n, err
}

// Readv is readv(2).
func (k *Kernel) Readv(fd int, bufs [][]byte) (int, Errno) {
	d, err := k.file(fd)
	if err != 0 {
		return 0, err
	}
	n, err := vector(bufs, d.read)
	return k.tellTransfer(d, syscall.IN_ACCESS, n, err)
}

// Writev is writev(2).
func (k *Kernel) Writev(fd int, bufs [][]byte) (int, Errno) {
	d, err := k.file(fd)
	if err != 0 {
		return 0, err
	}
	if s, ok := d.File.(Socket); ok {
		return k.send(d, s, &Message{Data: bufs}, 0)
	}
	n, err := vector(bufs, d.write)
	return k.tellTransfer(d, syscall.IN_MODIFY, n, err)
}

// vector transfers buffers in order until one is not filled. Once something
// was transferred, an error ends the transfer and is not reported.
func vector(bufs [][]byte, transfer func(p []byte) (int, Errno)) (int, Errno) {
	total := 0
	for _, b := range bufs {
		if len(b) == 0 {
			continue
		}
		n, err := transfer(b)
		total += max(n, 0)
		if err != 0 && total == 0 {
			return 0, err
		}
		if err != 0 || n < len(b) {
			break
		}
	}
	return total, 0
}

// Pread is pread64(2).
func (k *Kernel) Pread(fd int, p []byte, off int64) (int, Errno) {
	d, r, err := positioned[ReaderAt](k, fd, off, (*Description).readable)
	if err != 0 {
		return -1, err
	}
	n, err := r.ReadAt(p, off)
	return k.tellTransfer(d, syscall.IN_ACCESS, n, err)
}

// Pwrite is pwrite64(2).
func (k *Kernel) Pwrite(fd int, p []byte, off int64) (int, Errno) {
	d, w, err := positioned[WriterAt](k, fd, off, (*Description).writable)
	if err != 0 {
		return -1, err
	}
	n, err := w.WriteAt(p, off)
	return k.tellTransfer(d, syscall.IN_MODIFY, n, err)
}

// positioned returns what fd stands for if it is open in a mode that allows the
// transfer, and has offsets.
func positioned[T any](k *Kernel, fd int, off int64, allows func(*Description) bool) (d *Description, at T, err Errno) {
	d, err = k.file(fd)
	switch {
	case err != 0:
		return nil, at, err
	case off < 0:
		return nil, at, syscall.EINVAL
	case !allows(d):
		return nil, at, syscall.EBADF
	}
	at, ok := d.File.(T)
	if !ok {
		return nil, at, notPositioned(d)
	}
	return d, at, 0
}

// notPositioned is the error of a transfer at an offset where there are none.
func notPositioned(d *Description) Errno {
	if _, ok := d.File.(*directoryFile); ok {
		return syscall.EISDIR
	}
	return syscall.ESPIPE
}

// Preadv and Pwritev are preadv(2) and pwritev(2).
func (k *Kernel) Preadv(fd int, bufs [][]byte, off int64) (int, Errno) {
	return vector(bufs, func(p []byte) (int, Errno) {
		n, err := k.Pread(fd, p, off)
		off += int64(max(n, 0))
		return n, err
	})
}

// Pwritev is the counterpart of Preadv.
func (k *Kernel) Pwritev(fd int, bufs [][]byte, off int64) (int, Errno) {
	return vector(bufs, func(p []byte) (int, Errno) {
		n, err := k.Pwrite(fd, p, off)
		off += int64(max(n, 0))
		return n, err
	})
}

// Seek is lseek(2).
func (k *Kernel) Seek(fd int, off int64, whence int) (int64, Errno) {
	d, err := k.file(fd)
	if err != 0 {
		return -1, err
	}
	s, ok := d.File.(Seeker)
	if !ok {
		return -1, syscall.ESPIPE
	}
	return s.SeekTo(off, whence)
}

// Ftruncate is ftruncate(2).
func (k *Kernel) Ftruncate(fd int, size int64) Errno {
	d, err := k.file(fd)
	if err != 0 {
		return err
	}
	t, ok := d.File.(Truncater)
	if !ok || size < 0 || !d.writable() {
		return syscall.EINVAL
	}
	if err := t.Truncate(size); err != 0 {
		return err
	}
	k.tellFile(d, syscall.IN_MODIFY)
	return 0
}

// Fallocate is fallocate(2).
func (k *Kernel) Fallocate(fd, mode int, off, n int64) Errno {
	d, err := k.file(fd)
	switch {
	case err != 0:
		return err
	case off < 0 || n <= 0:
		return syscall.EINVAL
	case off+n < 0:
		return syscall.EFBIG
	case !d.writable():
		return syscall.EBADF
	}
	if a, ok := d.File.(Allocater); ok {
		if err := a.Allocate(mode, off, n); err != 0 {
			return err
		}
		k.tellFile(d, syscall.IN_MODIFY)
		return 0
	}
	if d.File.Queue() != nil {
		return syscall.ESPIPE
	}
	return syscall.ENODEV
}

// Mappable reports whether fd can be mapped for reading (mmap(2)).
func (k *Kernel) Mappable(fd int) Errno {
	d, err := k.file(fd)
	if err != 0 {
		return err
	}
	if _, ok := d.origin.Node.(Regular); !ok {
		return syscall.ENODEV
	}
	if !d.readable() {
		return syscall.EACCES
	}
	return 0
}

// Fsync is fsync(2) and fdatasync(2).
func (k *Kernel) Fsync(fd int) Errno {
	d, err := k.file(fd)
	if err != 0 {
		return err
	}
	if s, ok := d.File.(Syncer); ok {
		return s.Sync()
	}
	return syscall.EINVAL
}

// copyChunk is how much a copy between descriptors holds at a time.
const copyChunk = 64 << 10

var copyBuffers = sync.Pool{New: func() any { return new([copyChunk]byte) }}

// transfer copies up to n bytes by read and write. It ends when read returns 0,
// or write takes nothing. Once something was transferred, an error ends the
// transfer and is not reported.
func transfer(n int64, read, write func(p []byte) (int, Errno)) (total int64, err Errno) {
	buf := copyBuffers.Get().(*[copyChunk]byte)
	defer copyBuffers.Put(buf)
	for total < n {
		m, err := read(buf[:min(n-total, copyChunk)])
		if m <= 0 || err != 0 {
			return finish(total, err)
		}
		for done := 0; done < m; {
			w, err := write(buf[done:m])
			if err != 0 || w <= 0 {
				return finish(total, err)
			}
			done += w
			total += int64(w)
		}
	}
	return total, 0
}

// finish is the result of a transfer that an error may have ended.
func finish(total int64, err Errno) (int64, Errno) {
	if total > 0 {
		err = 0
	}
	return total, err
}

// CopyRange is copy_file_range(2); an offset of nil is the descriptor's own
// position, another one is moved.
func (k *Kernel) CopyRange(in int, inOff *int64, out int, outOff *int64, n int64) (int64, Errno) {
	src, err := k.file(in)
	if err != 0 {
		return -1, err
	}
	dst, err := k.file(out)
	if err != 0 {
		return -1, err
	}
	if _, ok := src.origin.Node.(Directory); ok {
		return -1, syscall.EISDIR
	}
	if _, ok := src.origin.Node.(Regular); !ok {
		return -1, syscall.EINVAL
	}
	if _, ok := dst.origin.Node.(Regular); !ok {
		return -1, syscall.EINVAL
	}
	if !src.readable() || !dst.writable() || dst.Flags()&syscall.O_APPEND != 0 {
		return -1, syscall.EBADF
	}
	if n < 0 {
		return -1, syscall.EOVERFLOW
	}
	from, to, err := int64(0), int64(0), Errno(0)
	if from, err = k.position(in, inOff); err != 0 {
		return -1, err
	}
	if to, err = k.position(out, outOff); err != 0 {
		return -1, err
	}
	if src.origin.Node == dst.origin.Node && from < to+n && to < from+n {
		return -1, syscall.EINVAL
	}
	start := from
	read := func(p []byte) (int, Errno) {
		m, err := k.Pread(in, p, from)
		from += int64(max(m, 0))
		return m, err
	}
	write := func(p []byte) (int, Errno) {
		m, err := k.Pwrite(out, p, to)
		to += int64(max(m, 0))
		return m, err
	}
	total, err := transfer(n, read, write)
	if err == 0 {
		err = k.advance(in, inOff, start+total)
	}
	if err == 0 {
		err = k.advance(out, outOff, to)
	}
	return total, err
}

// position returns *off, or without off the position of fd.
func (k *Kernel) position(fd int, off *int64) (int64, Errno) {
	if off == nil {
		return k.Seek(fd, 0, 1)
	}
	if *off < 0 {
		return 0, syscall.EINVAL
	}
	return *off, 0
}

// advance stores what position will return.
func (k *Kernel) advance(fd int, off *int64, to int64) Errno {
	if off == nil {
		_, err := k.Seek(fd, to, 0)
		return err
	}
	*off = to
	return 0
}

// Sendfile is sendfile(2) from a file with positions; from others it answers
// EINVAL. What the destination does not take stays unread.
func (k *Kernel) Sendfile(out, in int, off *int64, n int64) (int64, Errno) {
	src, err := k.file(in)
	if err != 0 {
		return -1, err
	}
	dst, err := k.file(out)
	if err != 0 {
		return -1, err
	}
	if _, ok := src.origin.Node.(Regular); !ok {
		return -1, syscall.EINVAL
	}
	if !src.readable() || !dst.writable() {
		return -1, syscall.EBADF
	}
	from, err := k.position(in, off)
	if err != 0 {
		return -1, err
	}
	start := from
	total, err := transfer(n, func(p []byte) (int, Errno) {
		m, err := k.Pread(in, p, from)
		from += int64(max(m, 0))
		return m, err
	}, dst.write)
	if err == 0 {
		err = k.advance(in, off, start+total)
	}
	return total, err
}

// Ioctl is ioctl(2).
func (k *Kernel) Ioctl(fd int, request, arg uintptr) (uintptr, Errno) {
	const fioNBIO, fioCLEX, fioNCLEX = 0x5421, 0x5451, 0x5450
	d, err := k.file(fd)
	if err != 0 {
		return 0, err
	}
	switch request {
	case fioNBIO:
		on, err := UserValue[int32](arg, false)
		if err != 0 {
			return 0, err
		}
		if *on != 0 {
			d.setFlags(d.Flags() | syscall.O_NONBLOCK)
		} else {
			d.setFlags(d.Flags() &^ syscall.O_NONBLOCK)
		}
		return 0, 0
	case fioCLEX, fioNCLEX:
		on := 0
		if request == fioCLEX {
			on = syscall.FD_CLOEXEC
		}
		_, err := k.Fcntl(fd, syscall.F_SETFD, on)
		return 0, err
	}
	switch f := d.File.(type) {
	case Socket:
		return f.Ioctl(request, arg)
	case Ioctler:
		return f.Ioctl(request, arg)
	}
	return 0, syscall.ENOTTY
}

// timeout converts the value of SO_RCVTIMEO and SO_SNDTIMEO.
func timeout(tv *syscall.Timeval) (time.Duration, Errno) {
	if tv.Usec < 0 || tv.Usec >= 1e6 {
		return 0, syscall.EDOM
	}
	if tv.Sec < 0 {
		return 0, 0
	}
	if tv.Sec > 1<<33 {
		return 0, 0 // longer than any machine runs: for ever
	}
	return time.Duration(tv.Sec)*time.Second + time.Duration(tv.Usec)*time.Microsecond, 0
}
