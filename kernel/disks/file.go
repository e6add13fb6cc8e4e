package disks

import (
	"errors"
	"sync"
	"syscall"

	"ringo.dev/ringo/kernel"
	"ringo.dev/ringo/kernel/block"
)

// diskFile is an open disk. Every transfer goes to the device; one that is not
// in whole sectors takes a sector's detour.
type diskFile struct {
	disk   *disk
	writes bool
	sync   bool // each write is durable when it returns

	mu  sync.Mutex // orders transfers at the position
	off int64
}

var _ kernel.BlockFile = (*diskFile)(nil)

func (f *diskFile) Ready() kernel.Events { return kernel.EventIn | kernel.EventOut }
func (f *diskFile) Queue() *kernel.Queue { return nil }

// Stat leaves everything to the node.
func (f *diskFile) Stat(st *syscall.Stat_t) kernel.Errno { return 0 }

func (f *diskFile) Close() kernel.Errno {
	if f.writes {
		f.disk.mu.Lock()
		f.disk.writers--
		f.disk.mu.Unlock()
	}
	return 0
}

func (f *diskFile) Read(p []byte) (int, kernel.Errno) {
	f.mu.Lock()
	defer f.mu.Unlock()
	n, err := f.ReadAt(p, f.off)
	f.off += int64(n)
	return n, err
}

func (f *diskFile) Write(p []byte) (int, kernel.Errno) {
	f.mu.Lock()
	defer f.mu.Unlock()
	n, err := f.WriteAt(p, f.off)
	f.off += int64(n)
	return n, err
}

// ReadAt reads until the end of the disk.
func (f *diskFile) ReadAt(p []byte, off int64) (int, kernel.Errno) {
	size := f.disk.device.Size()
	if off >= size {
		return 0, 0
	}
	p = p[:min(int64(len(p)), size-off)]
	return f.pieces(p, off, f.disk.device.ReadAt, func(sector, part []byte, at int, _ int64) error {
		copy(part, sector[at:])
		return nil
	})
}

// WriteAt writes until the end of the disk.
func (f *diskFile) WriteAt(p []byte, off int64) (int, kernel.Errno) {
	d := f.disk.device
	if off >= d.Size() {
		return 0, syscall.ENOSPC
	}
	p = p[:min(int64(len(p)), d.Size()-off)]
	n, err := f.pieces(p, off, d.WriteAt, func(sector, part []byte, at int, base int64) error {
		copy(sector[at:], part)
		return d.WriteAt(sector, base)
	})
	if err == 0 && f.sync {
		err = f.Sync()
	}
	return n, err
}

// partFunc transfers a part of a sector: it gets the sector's content, the
// memory for the part, where in the sector the part begins, and where on the
// disk the sector is.
type partFunc func(sector, part []byte, at int, base int64) error

// pieces transfers p at off: whole sectors by whole, and parts of one by part.
func (f *diskFile) pieces(p []byte, off int64, whole func([]byte, int64) error, part partFunc) (int, kernel.Errno) {
	size := f.disk.device.SectorSize()
	done := 0
	for done < len(p) {
		rest, at := p[done:], int((off+int64(done))&int64(size-1))
		var n int
		var err error
		if at == 0 && len(rest) >= size {
			n = len(rest) &^ (size - 1)
			err = whole(rest[:n], off+int64(done))
		} else {
			n = min(len(rest), size-at)
			err = f.partly(rest[:n], off+int64(done)-int64(at), at, part)
		}
		if err != nil {
			return done, f.failed(err)
		}
		done += n
	}
	return done, 0
}

// partly calls part for the sector at base.
func (f *diskFile) partly(p []byte, base int64, at int, part partFunc) error {
	whole := f.disk
	if whole.whole != nil {
		whole = whole.whole
	}
	whole.parts.Lock()
	defer whole.parts.Unlock()
	sector := make([]byte, f.disk.device.SectorSize())
	if err := f.disk.device.ReadAt(sector, base); err != nil {
		return err
	}
	return part(sector, p, at, base)
}

// failed reports an error of the device.
func (f *diskFile) failed(err error) kernel.Errno {
	report("/dev/"+f.disk.name, err)
	return syscall.EIO
}

func (f *diskFile) SeekTo(off int64, whence int) (int64, kernel.Errno) {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch whence {
	case 0:
	case 1:
		off += f.off
	case 2:
		off += f.disk.device.Size()
	default:
		return 0, syscall.EINVAL
	}
	if off < 0 {
		return 0, syscall.EINVAL
	}
	f.off = off
	return off, 0
}

// Sync makes durable what was written, by anybody.
func (f *diskFile) Sync() kernel.Errno {
	if err := f.disk.device.Flush(); err != nil {
		return f.failed(err)
	}
	return 0
}

// Allocate makes zeroes or discards, in whole sectors, as fallocate(2) does on
// Linux's disks: a hole is zeroes that the device makes itself, or else refused.
func (f *diskFile) Allocate(mode int, off, n int64) kernel.Errno {
	const keepSize, punchHole, noHideStale, zeroRange = 1, 2, 4, 16
	do := f.zero
	switch mode {
	case zeroRange, zeroRange | keepSize:
	case punchHole | keepSize:
		do = f.punch
	case punchHole | keepSize | noHideStale:
		do = f.disk.device.Discard
	default:
		return syscall.EOPNOTSUPP
	}
	if mode&keepSize != 0 {
		n = min(n, f.disk.device.Size()-off)
	}
	return f.change(off, n, do)
}

// zero makes zeroes of what the device may have to keep room for.
func (f *diskFile) zero(off, n int64) error { return block.Zero(f.disk.device, off, n, false) }

// punch makes zeroes of what takes no room, if the device has that.
func (f *diskFile) punch(off, n int64) error { return f.disk.device.Zero(off, n, true) }

// change lets do change the n bytes at off, which must be sectors of the disk.
func (f *diskFile) change(off, n int64, do func(off, n int64) error) kernel.Errno {
	d := f.disk.device
	if !f.writes {
		return syscall.EBADF
	}
	if off < 0 || n <= 0 || n > d.Size() || off > d.Size()-n || (off|n)&int64(d.SectorSize()-1) != 0 {
		return syscall.EINVAL
	}
	err := do(off, n)
	switch {
	case errors.Is(err, errors.ErrUnsupported):
		return syscall.EOPNOTSUPP
	case err != nil:
		return f.failed(err)
	}
	return 0
}

// Requests of ioctl(2) to block devices (linux/fs.h).
const (
	blkROGet     = 0x125e
	blkGetSize   = 0x1260
	blkFlushBuf  = 0x1261
	blkSectorGet = 0x1268
	blkDiscard   = 0x1277
	blkPhysGet   = 0x127b
	blkZeroOut   = 0x127f
	blkBlockGet  = 0x80081270
	blkGetSize64 = 0x80081272
)

// Ioctl answers what programs ask of disks.
func (f *diskFile) Ioctl(request, arg uintptr) (uintptr, kernel.Errno) {
	d := f.disk.device
	switch request {
	case blkGetSize64:
		return put(arg, uint64(d.Size()))
	case blkGetSize:
		return put(arg, uint64(d.Size()/512))
	case blkSectorGet, blkPhysGet:
		return put(arg, uint32(d.SectorSize()))
	case blkBlockGet:
		return put(arg, uint64(4096))
	case blkROGet:
		ro := uint32(0)
		if d.ReadOnly() {
			ro = 1
		}
		return put(arg, ro)
	case blkFlushBuf:
		return 0, f.Sync()
	case blkDiscard:
		return 0, f.changeSpan(arg, d.Discard)
	case blkZeroOut:
		return 0, f.changeSpan(arg, f.zero)
	}
	return 0, syscall.ENOTTY
}

// changeSpan is change of the range at arg: offset and length.
func (f *diskFile) changeSpan(arg uintptr, do func(off, n int64) error) kernel.Errno {
	span, err := kernel.UserValue[[2]int64](arg, false)
	if err != 0 {
		return err
	}
	return f.change(span[0], span[1], do)
}

// put stores an ioctl's answer at arg.
func put[T uint32 | uint64](arg uintptr, v T) (uintptr, kernel.Errno) {
	p, err := kernel.UserValue[T](arg, true)
	if err == 0 {
		*p = v
	}
	return 0, err
}
