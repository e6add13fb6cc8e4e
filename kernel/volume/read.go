package volume

import "ringo.dev/ringo/kernel/block"

// reader collects what a read needs from the disk, so that the device gets all of it at
// once: blocks of a file that was changed here and there lie in many places.
type reader struct {
	fs   *FS
	ino  uint64
	rows []extent         // on the disk, with their checksums
	list []block.Transfer // of the rows
}

// read fills pieces with whole blocks of a file, from one on. It may run in parallel with
// changes of other parts of the file.
func (fs *FS) read(ino, first uint64, pieces ...[]byte) error {
	v := fs.v
	v.reading.RLock()
	defer v.reading.RUnlock()
	r := reader{fs: fs, ino: ino}
	for _, b := range pieces {
		for len(b) > 0 {
			n, err := r.row(first, b)
			if err != nil {
				return err
			}
			b, first = b[n*BlockSize:], first+n
		}
	}
	return r.read()
}

// row sees to the first blocks of b, from one of the file on, which are in one row on the
// disk or not there; it returns their number.
func (r *reader) row(first uint64, b []byte) (n uint64, err error) {
	v := r.fs.v
	n = uint64(len(b) / BlockSize)
	v.mu.RLock()
	defer v.mu.RUnlock()
	e, ok, err := r.fs.tree.extentAt(r.ino, first)
	switch {
	case err != nil:
		return 0, err
	case !ok || e.start >= first+n:
		clear(b)
		return n, nil
	case e.start > first:
		n = e.start - first
		clear(b[:n*BlockSize])
		return n, nil
	}
	n = min(n, e.end()-first)
	if e.unwritten {
		clear(b[:n*BlockSize])
		return n, nil
	}
	n, data := v.deferred.row(e.addr+first-e.start, n)
	if data != nil {
		copy(b, data[:])
		return n, nil
	}
	e = e.part(first, first+n)
	e.sums = append([]byte(nil), e.sums...) // they are part of a node
	r.rows = append(r.rows, e)
	r.list = append(r.list, block.Transfer{Data: b[:n*BlockSize], Off: int64(e.addr) * BlockSize})
	return n, nil
}

// read reads the rows and checks them.
func (r *reader) read() error {
	v := r.fs.v
	err := block.ReadAll(v.dev, r.list)
	for i := range r.rows {
		e, b := &r.rows[i], r.list[i].Data
		if err != nil { // of which of them?
			if err := v.readData(b, e, e.start, r.ino); err != nil {
				return err
			}
		} else if err := v.verify(b, e, e.start, r.ino); err != nil {
			return err
		}
	}
	return nil
}
