package disk

import (
	"errors"
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

// direct is what a File needs to know, and to have, in order to go past the
// host's page cache (open(2), O_DIRECT).
type direct struct {
	memory int // addresses of memory are multiples of it
	unit   int // offsets, and the lengths of pieces, are multiples of it

	// buffers are for requests that are not: a fixed number, nil until the
	// first use.
	buffers chan []byte
}

const (
	maxBuffers = 4
	bufferSize = 256 << 10

	// safeAlignment suits every file system that does not say what it wants.
	safeAlignment = 4096
)

// OpenDirect is Open, but nothing of the disk is in the host's page cache. Its
// sectors are as large as the host's file system wants what is transferred.
// Memory may lie anywhere: what does not suit that is copied.
func OpenDirect(name string, readOnly bool) (*File, error) {
	return openWith(unix.O_DIRECT, name, readOnly)
}

// ErrNotDirect says that a file cannot be opened with O_DIRECT, or not used then.
var ErrNotDirect = errors.New("its file system cannot go past the host's page cache (O_DIRECT); leave out :direct")

// useDirect asks how the file wants to be used (statx(2), STATX_DIOALIGN), and
// makes its sectors large enough. Without an answer, unit is assumed.
func (d *File) useDirect(unit int) error {
	var st unix.Statx_t
	if err := unix.Statx(d.fd, "", unix.AT_EMPTY_PATH, unix.STATX_DIOALIGN, &st); err != nil {
		return fmt.Errorf("asking how it wants to be read: %w", err)
	}
	memory := safeAlignment
	if st.Mask&unix.STATX_DIOALIGN != 0 {
		memory, unit = int(st.Dio_mem_align), int(st.Dio_offset_align)
	}
	switch {
	case memory == 0 || unit == 0:
		return ErrNotDirect
	case unit > maxSector:
		return fmt.Errorf("past the host's page cache (O_DIRECT) its file system transfers units of %d bytes, which are too large for a disk's sectors; leave out :direct", unit)
	}
	d.sector = max(d.sector, unit)
	d.direct = newDirect(memory, unit)
	return nil
}

func newDirect(memory, unit int) *direct {
	d := &direct{memory: memory, unit: unit, buffers: make(chan []byte, maxBuffers)}
	for range maxBuffers {
		d.buffers <- nil
	}
	return d
}

// takes reports whether pieces can be transferred as they are. If d is nil, the
// page cache takes everything.
func (d *direct) takes(pieces [][]byte) bool {
	if d == nil {
		return true
	}
	for _, p := range pieces {
		if address(p)%uintptr(d.memory) != 0 || len(p)%d.unit != 0 {
			return false
		}
	}
	return true
}

func address(p []byte) uintptr { return uintptr(unsafe.Pointer(unsafe.SliceData(p))) }

// take returns a buffer that suits, as soon as one is free. It is given back with
// give.
func (d *direct) take() []byte {
	b := <-d.buffers
	if b == nil {
		b = make([]byte, bufferSize+d.memory)
		if beyond := int(address(b) % uintptr(d.memory)); beyond > 0 {
			b = b[d.memory-beyond:]
		}
	}
	return b[:bufferSize]
}

func (d *direct) give(b []byte) { d.buffers <- b }

// bounce transfers pieces by a buffer: step transfers as many bytes of them as p
// has.
func (d *File) bounce(verb string, pieces [][]byte, off int64, step func(p []byte, pieces [][]byte, off int64) error) error {
	rest := length(pieces)
	if err := d.check(verb, off, rest); err != nil {
		return err
	}
	b := d.direct.take()
	defer d.direct.give(b)
	for rest > 0 {
		n := int(min(rest, bufferSize))
		if err := step(b[:n], pieces, off); err != nil {
			return err
		}
		pieces = advance(pieces, n)
		off, rest = off+int64(n), rest-int64(n)
	}
	return nil
}

// scatter fills pieces from p, as far as that goes.
func scatter(pieces [][]byte, p []byte) {
	for _, piece := range pieces {
		p = p[copy(piece, p):]
	}
}

// gather fills p from pieces.
func gather(p []byte, pieces [][]byte) {
	for _, piece := range pieces {
		p = p[copy(p, piece):]
	}
}
