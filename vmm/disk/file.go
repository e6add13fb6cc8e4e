package disk

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"

	"ringo.dev/ringo/kernel/block"
)

// ErrInUse says that another process, most likely another virtual machine, has
// the disk open.
var ErrInUse = errors.New("the disk is in use by another virtual machine or tool")

// sectorSize is the unit of regular files.
const sectorSize = 512

// File is a disk in a raw file, or a block device of the host. What is written
// goes to the host's page cache, and with Flush to the medium. One of OpenDirect
// goes past that cache.
type File struct {
	f        *os.File
	fd       int
	name     string
	size     int64
	sector   int
	readOnly bool
	direct   *direct // nil: by the page cache
}

var (
	_ Disk         = (*File)(nil)
	_ block.Device = (*File)(nil)
)

// Open opens a disk. It is locked until Close: against everybody else, or if
// readOnly is set against those who write. The lock is one of its open file
// description on the whole file, so that it goes with the process, and meets
// those that QEMU takes.
func Open(name string, readOnly bool) (*File, error) { return openWith(0, name, readOnly) }

// openWith opens a disk with more flags of open(2).
func openWith(flags int, name string, readOnly bool) (*File, error) {
	mode, lock := os.O_RDWR, int16(unix.F_WRLCK)
	if readOnly {
		mode, lock = os.O_RDONLY, unix.F_RDLCK
	}
	isDirect := flags&unix.O_DIRECT != 0
	f, err := os.OpenFile(name, mode|flags, 0)
	if isDirect && errors.Is(err, unix.EINVAL) {
		return nil, fmt.Errorf("disk %s: %w", name, ErrNotDirect)
	}
	if err != nil {
		return nil, explain(name, err)
	}
	d := &File{f: f, fd: int(f.Fd()), name: name, readOnly: readOnly}
	if err := d.setUp(lock, isDirect); err != nil {
		f.Close()
		return nil, fmt.Errorf("disk %s: %w", name, err)
	}
	return d, nil
}

// explain returns the error of opening a disk with what to do about it.
func explain(name string, err error) error {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("disk %s does not exist; make one with: ringo volume create --size 1G %s", name, name)
	case errors.Is(err, unix.EISDIR):
		return fmt.Errorf("disk %s is a directory; a disk is a file, as ringo volume create makes it", name)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("disk %s: %w; with :ro at its end, the right to read is enough", name, err)
	}
	return fmt.Errorf("disk %s: %w", name, err)
}

// setUp locks the file, and finds out its size and its sectors'.
func (d *File) setUp(lock int16, isDirect bool) error {
	info, err := d.f.Stat()
	if err != nil {
		return err
	}
	err = unix.FcntlFlock(d.f.Fd(), unix.F_OFD_SETLK, &unix.Flock_t{Type: lock})
	if err == unix.EAGAIN || err == unix.EACCES {
		return ErrInUse
	}
	if err != nil {
		return fmt.Errorf("locking it: %w", err)
	}
	d.sector = sectorSize
	unit := safeAlignment
	switch mode := info.Mode(); {
	case mode.IsRegular():
		d.size = info.Size()
	case mode&fs.ModeDevice != 0 && mode&fs.ModeCharDevice == 0:
		if d.size, err = d.f.Seek(0, 2); err != nil {
			return err
		}
		if d.sector, err = unix.IoctlGetInt(d.fd, unix.BLKSSZGET); err != nil {
			return err
		}
		unit = d.sector
	default:
		return errors.New("it is neither a regular file nor a block device")
	}
	if isDirect {
		if err := d.useDirect(unit); err != nil {
			return err
		}
	}
	if d.sector < sectorSize || d.sector > maxSector || d.sector&(d.sector-1) != 0 {
		return fmt.Errorf("its sectors of %d bytes are not supported", d.sector)
	}
	if d.size -= d.size % int64(d.sector); d.size == 0 {
		return fmt.Errorf("it is too small: a disk has at least one sector of %d bytes", d.sector)
	}
	return nil
}

// maxSector is the largest size of a sector that block.Device allows.
const maxSector = 4096

// Name is the file's, as given to Open.
func (d *File) Name() string { return d.name }

// Close unlocks the disk. It does not flush.
func (d *File) Close() error { return d.f.Close() }

// Size is what the file held when it was opened.
func (d *File) Size() int64 { return d.size }

// SectorSize is that of the block device, or 512 of a file. One of OpenDirect may
// have larger ones.
func (d *File) SectorSize() int { return d.sector }

// ReadOnly implements block.Device.
func (d *File) ReadOnly() bool { return d.readOnly }

// ReadAt implements block.Device.
func (d *File) ReadAt(p []byte, off int64) error { return d.ReadV([][]byte{p}, off) }

// WriteAt implements block.Device.
func (d *File) WriteAt(p []byte, off int64) error { return d.WriteV([][]byte{p}, off) }

// ReadV implements Disk. Bytes that a file lost since it was opened are an error.
func (d *File) ReadV(pieces [][]byte, off int64) error {
	if d.direct.takes(pieces) {
		return d.transfer("read", pieces, off, unix.Preadv)
	}
	return d.bounce("read", pieces, off, func(p []byte, pieces [][]byte, off int64) error {
		if err := d.ReadAt(p, off); err != nil {
			return err
		}
		scatter(pieces, p)
		return nil
	})
}

// WriteV implements Disk.
func (d *File) WriteV(pieces [][]byte, off int64) error {
	if d.readOnly {
		return d.failed("write", off, length(pieces), unix.EROFS)
	}
	if d.direct.takes(pieces) {
		return d.transfer("write", pieces, off, unix.Pwritev)
	}
	return d.bounce("write", pieces, off, func(p []byte, pieces [][]byte, off int64) error {
		gather(p, pieces)
		return d.WriteAt(p, off)
	})
}

// maxPieces is how many pieces one system call takes (IOV_MAX).
const maxPieces = 1024

// transfer calls move until all pieces were transferred.
func (d *File) transfer(verb string, pieces [][]byte, off int64, move func(fd int, iovs [][]byte, off int64) (int, error)) error {
	if err := d.check(verb, off, length(pieces)); err != nil {
		return err
	}
	for len(pieces) > 0 {
		n, err := move(d.fd, pieces[:min(len(pieces), maxPieces)], off)
		if err == unix.EINTR {
			continue
		}
		if err == nil && n == 0 {
			err = errShort
		}
		if err != nil {
			return d.failed(verb, off, length(pieces), err)
		}
		off += int64(n)
		pieces = advance(pieces, n)
	}
	return nil
}

var errShort = errors.New("the file is shorter than it was")

// advance returns what of pieces follows the first n bytes. It copies pieces
// where it would otherwise change them.
func advance(pieces [][]byte, n int) [][]byte {
	for len(pieces) > 0 && n >= len(pieces[0]) {
		n -= len(pieces[0])
		pieces = pieces[1:]
	}
	if n > 0 {
		pieces = append([][]byte{pieces[0][n:]}, pieces[1:]...)
	}
	return pieces
}

func length(pieces [][]byte) int64 {
	n := int64(0)
	for _, p := range pieces {
		n += int64(len(p))
	}
	return n
}

// check checks that the n bytes at off are on the disk and whole sectors.
func (d *File) check(verb string, off, n int64) error {
	if off < 0 || n < 0 || off > d.size || n > d.size-off || (off|n)%int64(d.sector) != 0 {
		return d.failed(verb, off, n, unix.EINVAL)
	}
	return nil
}

// failed says what failed.
func (d *File) failed(verb string, off, n int64, err error) error {
	return fmt.Errorf("disk %s: %s of %d bytes at %d: %w", d.name, verb, n, off, err)
}

// TryReadV implements Disk.
func (d *File) TryReadV(pieces [][]byte, off int64) (bool, error) {
	n := length(pieces)
	if err := d.check("read", off, n); err != nil {
		return false, err
	}
	if d.direct != nil || len(pieces) > maxPieces {
		return false, nil // past the page cache, RWF_NOWAIT waits for the medium all the same
	}
	// What goes wrong here, ReadV will find as well, and report.
	got, err := unix.Preadv2(d.fd, pieces, off, unix.RWF_NOWAIT)
	return err == nil && int64(got) == n, nil
}

// Flush implements block.Device.
func (d *File) Flush() error {
	if d.readOnly {
		return nil
	}
	for {
		err := unix.Fdatasync(d.fd)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return fmt.Errorf("disk %s: flush: %w", d.name, err)
		}
		return nil
	}
}

// Discard gives the space back to the host's file system, where that can take it.
func (d *File) Discard(off, n int64) error {
	const mode = unix.FALLOC_FL_PUNCH_HOLE | unix.FALLOC_FL_KEEP_SIZE
	err := d.allocate("discard", mode, off, n)
	if errors.Is(err, unix.EOPNOTSUPP) {
		return nil
	}
	return err
}

// Zero implements block.Device, where the host's file system can do it.
func (d *File) Zero(off, n int64, discard bool) error {
	mode := uint32(unix.FALLOC_FL_ZERO_RANGE)
	if discard {
		mode = unix.FALLOC_FL_PUNCH_HOLE
	}
	return d.allocate("write of zeroes", mode|unix.FALLOC_FL_KEEP_SIZE, off, n)
}

// allocate is fallocate(2).
func (d *File) allocate(verb string, mode uint32, off, n int64) error {
	if err := d.check(verb, off, n); err != nil || n == 0 {
		return err
	}
	if d.readOnly {
		return d.failed(verb, off, n, unix.EROFS)
	}
	for {
		err := unix.Fallocate(d.fd, mode, off, n)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return d.failed(verb, off, n, err)
		}
		return nil
	}
}
