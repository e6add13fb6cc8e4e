// Package block is what a disk is to the rest of the kernel: numbered bytes that
// can be read, written and made durable. Drivers implement Device for the disks of
// the virtual machine; on a host a file can be one, so that the tools which make
// and check volumes run the same code as the guest.
package block

import "errors"

// ErrBeyond is the error of a transfer beyond a device's end.
var ErrBeyond = errors.New("beyond the end of the disk")

// A Device is a disk. Its methods may be called by several goroutines at once;
// what two overlapping writes at the same time leave behind is not defined.
//
// Offsets and lengths are in bytes and multiples of SectorSize. A transfer beyond
// Size is an error and changes nothing. Memory that is passed is the device's
// until the method returns.
type Device interface {
	// Size is the capacity in bytes.
	Size() int64
	// SectorSize is the unit of transfers and of what a power cut leaves whole:
	// a power of two, from 512 to 4096.
	SectorSize() int
	// ReadOnly says that writing fails.
	ReadOnly() bool

	// ReadAt fills p from the bytes at off. p is undefined after an error.
	ReadAt(p []byte, off int64) error
	// WriteAt writes p at off. The data may stay in a volatile cache, and reach
	// the medium in any order with other writes, until Flush returns.
	WriteAt(p []byte, off int64) error
	// Flush makes every write that returned before it was called durable.
	Flush() error
	// Discard says that the n bytes at off are not needed any more; reading
	// them gives anything until they are written. A device that has no use for
	// that returns nil, or errors.ErrUnsupported if it never has.
	Discard(off, n int64) error
	// Zero makes the n bytes at off zeroes, which is durable as what WriteAt
	// writes is. With discard their space may be given back. A device that has
	// no better way than to write them returns errors.ErrUnsupported and changes
	// nothing; the function Zero then does that.
	Zero(off, n int64, discard bool) error
}

// within checks that the n bytes at off are on d.
func within(d Device, off, n int64) error {
	if size := d.Size(); off < 0 || n < 0 || n > size || off > size-n {
		return ErrBeyond
	}
	return nil
}

// Zero makes the n bytes at off zeroes: by d.Zero, or if d does not have that by
// writing them.
func Zero(d Device, off, n int64, discard bool) error {
	err := d.Zero(off, n, discard)
	if !errors.Is(err, errors.ErrUnsupported) {
		return err
	}
	if err := within(d, off, n); err != nil {
		return err
	}
	const atOnce = 256 << 10
	zeroes := make([]byte, min(n, atOnce))
	for n > 0 {
		step := min(n, atOnce)
		if err := d.WriteAt(zeroes[:step], off); err != nil {
			return err
		}
		off, n = off+step, n-step
	}
	return nil
}

// Transfer is a read or a write of the bytes at Off: one of several.
type Transfer struct {
	Data []byte
	Off  int64
}

// A Batcher is a Device that takes several transfers at once, which is less work than
// one after the other.
type Batcher interface {
	Device
	// ReadAll is ReadAt for each of list. After an error all of them are undefined.
	ReadAll(list []Transfer) error
	// WriteAll is WriteAt for each of list, in any order, and then, if flush is set,
	// Flush.
	WriteAll(list []Transfer, flush bool) error
}

// ReadAll reads everything of list from d.
func ReadAll(d Device, list []Transfer) error {
	if b, ok := d.(Batcher); ok {
		return b.ReadAll(list)
	}
	for _, r := range list {
		if err := d.ReadAt(r.Data, r.Off); err != nil {
			return err
		}
	}
	return nil
}

// WriteAll writes everything of list to d. With flush it makes that, and every write that
// returned before, durable.
func WriteAll(d Device, list []Transfer, flush bool) error {
	if b, ok := d.(Batcher); ok {
		return b.WriteAll(list, flush)
	}
	for _, w := range list {
		if err := d.WriteAt(w.Data, w.Off); err != nil {
			return err
		}
	}
	if flush {
		return d.Flush()
	}
	return nil
}
