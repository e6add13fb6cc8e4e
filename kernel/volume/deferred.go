package volume

import "slices"

// deferred holds data that has a place on the disk but is not there yet, by block.
// An fsync after a small write puts the data in its record of the log, and so is one
// write; what comes to its place with the next commit are many blocks together.
//
// It is guarded by Volume.mu; it changes only with write held, too.
type deferred map[uint64]*[BlockSize]byte

const (
	deferredWrite  = 4   // blocks: larger writes are not deferred
	maxDeferred    = 256 // blocks
	deferredInSync = 32  // blocks: that a record of the log has at most
)

// row returns how many of n blocks from addr on are on the disk; or 1 and the data, if
// the first of them is here.
func (d deferred) row(addr, n uint64) (uint64, *[BlockSize]byte) {
	if len(d) == 0 {
		return n, nil
	}
	if b := d[addr]; b != nil {
		return 1, b
	}
	for i := uint64(1); i < n; i++ {
		if d[addr+i] != nil {
			return i, nil
		}
	}
	return n, nil
}

// put adds the data of blocks from addr on.
func (d deferred) put(addr uint64, data []byte) {
	for ; len(data) > 0; addr++ {
		b := new([BlockSize]byte)
		data = data[copy(b[:], data):]
		d[addr] = b
	}
}

// drop forgets the data of n blocks from addr on, which nobody needs any more.
func (d deferred) drop(addr, n uint64) {
	for i := uint64(0); i < n && len(d) > 0; i++ {
		delete(d, addr+i)
	}
}

// addDeferred adds deferred data to what is to be written.
func (v *Volume) addDeferred(w *batch, blocks []uint64) error {
	slices.Sort(blocks)
	for _, addr := range blocks {
		if err := w.add(addr, v.deferred[addr][:]); err != nil {
			return err
		}
	}
	return nil
}

// fitDeferred writes deferred data that the next record of the log would have to its
// place, if it is too much for that. It is called with write held.
func (v *Volume) fitDeferred() error {
	var fresh []uint64
	for _, row := range v.log.rows {
		for i := range row.n {
			if row.use&rowWritten != 0 && v.deferred[row.start+i] != nil {
				fresh = append(fresh, row.start+i)
			}
		}
	}
	if len(fresh) <= deferredInSync {
		return nil
	}
	w := batch{v: v}
	if err := v.addDeferred(&w, fresh); err != nil {
		return err
	}
	if err := w.write(false); err != nil {
		return err
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, addr := range fresh {
		delete(v.deferred, addr)
	}
	return nil
}

// readExtent fills b with whole blocks of an extent from a block of the file on. It is
// called with write held, or with the volume to itself.
func (v *Volume) readExtent(b []byte, e *extent, block, ino uint64) error {
	for len(b) > 0 {
		n, data := v.deferred.row(e.addr+block-e.start, uint64(len(b)/BlockSize))
		part := b[:n*BlockSize]
		if data != nil {
			copy(part, data[:])
		} else if err := v.readData(part, e, block, ino); err != nil {
			return err
		}
		b, block = b[len(part):], block+n
	}
	return nil
}
