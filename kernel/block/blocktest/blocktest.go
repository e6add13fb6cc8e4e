// Package blocktest has a disk for tests.
package blocktest

import (
	"bytes"
	"errors"
	"fmt"
	"sync"

	"ringo.dev/ringo/kernel/block"
)

// Disk is a disk in memory, of which only what was written takes room. Create it
// with New.
type Disk struct {
	size int64

	mu    sync.Mutex
	pages map[int64]*[pageSize]byte
}

const (
	pageSize   = 4096
	sectorSize = 512
)

var _ block.Device = (*Disk)(nil)

// New returns a disk full of zeroes.
func New(size int64) *Disk { return &Disk{size: size, pages: map[int64]*[pageSize]byte{}} }

// Clone returns a disk with the same contents.
func (d *Disk) Clone() *Disk {
	d.mu.Lock()
	defer d.mu.Unlock()
	c := New(d.size)
	for i, p := range d.pages {
		copied := *p
		c.pages[i] = &copied
	}
	return c
}

// Written returns the bytes that were ever written, in whole pages.
func (d *Disk) Written() int64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	return int64(len(d.pages)) * pageSize
}

// Size is the size.
func (d *Disk) Size() int64 { return d.size }

// SectorSize is 512.
func (d *Disk) SectorSize() int { return sectorSize }

// ReadOnly is false.
func (d *Disk) ReadOnly() bool { return false }

func (d *Disk) check(n int, off int64) error {
	if off%sectorSize != 0 || n%sectorSize != 0 || off < 0 || off > d.size-int64(n) {
		return fmt.Errorf("blocktest: a transfer of %d bytes at %d of %d", n, off, d.size)
	}
	return nil
}

// pieces calls do for each piece of p: what of it is in one page, which page that is,
// and where in it the piece begins. d.mu is held meanwhile.
func (d *Disk) pieces(p []byte, off int64, do func(piece []byte, page, at int64)) error {
	if err := d.check(len(p), off); err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for len(p) > 0 {
		at := off % pageSize
		n := min(len(p), int(pageSize-at))
		do(p[:n], off/pageSize, at)
		p, off = p[n:], off+int64(n)
	}
	return nil
}

// ReadAt fills p.
func (d *Disk) ReadAt(p []byte, off int64) error {
	return d.pieces(p, off, func(piece []byte, page, at int64) {
		if b := d.pages[page]; b != nil {
			copy(piece, b[at:])
		} else {
			clear(piece)
		}
	})
}

// WriteAt writes p.
func (d *Disk) WriteAt(p []byte, off int64) error {
	return d.pieces(p, off, func(piece []byte, page, at int64) {
		if d.pages[page] == nil {
			d.pages[page] = new([pageSize]byte)
		}
		copy(d.pages[page][at:], piece)
	})
}

// Flush has nothing to do.
func (d *Disk) Flush() error { return nil }

// Zero leaves it to block.Zero to write them.
func (d *Disk) Zero(off, n int64, _ bool) error { return errors.ErrUnsupported }

// Discard leaves something else behind where anything was written.
func (d *Disk) Discard(off, n int64) error {
	if err := d.check(int(n), off); err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for at := off / pageSize; at < (off+n)/pageSize; at++ {
		if p := d.pages[at]; p != nil {
			copy(p[:], bytes.Repeat([]byte{0xdd}, pageSize))
		}
	}
	return nil
}
