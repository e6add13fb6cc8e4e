package volume

import "time"

// extent is a row of blocks with data of a file, at most extentBlocks. The tree holds
//
//	addr, birth uint64; n, flags uint32; then n checksums, uint32 each
//
// under the first block's number in the file. Blocks that have space but no data
// yet (fallocate) have no checksums and read as zeroes; data goes right into them.
type extent struct {
	start     uint64 // block of the file
	n         uint64
	addr      uint64
	birth     uint64
	unwritten bool
	sums      []byte
}

const (
	extentHead    = 8 + 8 + 4 + 4
	extentBlocks  = 128
	unwrittenFlag = 1

	// maxFileBlocks bounds files to 2^63 - 1 bytes.
	maxFileBlocks = 1 << (63 - 12)
)

// decodeExtent takes an item apart. The sums are part of its value.
func decodeExtent(it item) (extent, bool) {
	f := fields{rest: it.value}
	e := extent{start: it.lo, addr: f.u64(), birth: f.u64(), n: uint64(f.u32())}
	flags := f.u32()
	e.unwritten, e.sums = flags&unwrittenFlag != 0, f.rest
	sums := 4 * e.n
	if e.unwritten {
		sums = 0
	}
	return e, !f.short && flags&^unwrittenFlag == 0 && e.n > 0 && e.n <= regionBlocks &&
		uint64(len(e.sums)) == sums && e.start < maxFileBlocks
}

func (e *extent) end() uint64 { return e.start + e.n }

// sum returns the checksum of a block, counted from the extent's first.
func (e *extent) sum(i uint64) uint32 { return get32(e.sums[4*i:]) }

// part returns the blocks [from, to) of the file, which the extent has.
func (e *extent) part(from, to uint64) extent {
	p := *e
	p.start, p.n, p.addr = from, to-from, e.addr+from-e.start
	if !e.unwritten {
		p.sums = e.sums[4*(from-e.start) : 4*(to-e.start)]
	}
	return p
}

// extentAt returns the extent of a file that has a block, or else the first after it;
// ok is false if there is none.
func (t *tree) extentAt(ino, block uint64) (e extent, ok bool, err error) {
	k := inodeKey(ino, kindExtent, block)
	it, ok, err := t.floor(k)
	if err != nil {
		return e, false, err
	}
	if ok && it.hi == k.hi {
		if e, err = t.extent(it); err != nil || e.end() > block {
			return e, err == nil, err
		}
	}
	if it, ok, err = t.seek(k); err != nil || !ok || it.hi != k.hi {
		return e, false, err
	}
	e, err = t.extent(it)
	return e, err == nil, err
}

func (t *tree) extent(it item) (extent, error) {
	e, ok := decodeExtent(it)
	if !ok || !t.v.usable(e.addr, e.n) || e.birth > t.v.generation() {
		return e, t.wrong(it.inode(), "where its data is")
	}
	return e, nil
}

func (v *Volume) putExtent(ino uint64, e *extent) error {
	b := make(record, 0, extentHead+len(e.sums)).u64(e.addr).u64(e.birth).u32(uint32(e.n))
	if e.unwritten {
		b = b.u32(unwrittenFlag)
	} else {
		b = append(b.u32(0), e.sums...)
	}
	return v.files.put(inodeKey(ino, kindExtent, e.start), b)
}

// removeExtents gives back the blocks [from, to) of a file, but ends after a
// number of extents; left says that there are more.
func (v *Volume) removeExtents(ino, from, to uint64, extents int) (freed uint64, left bool, err error) {
	for {
		e, ok, err := v.files.extentAt(ino, from)
		if err != nil || !ok || e.start >= to {
			return freed, false, err
		}
		if extents == 0 {
			return freed, true, nil
		}
		extents--
		gone, err := v.carve(ino, e, max(e.start, from), min(e.end(), to))
		if err != nil {
			return freed, false, err
		}
		if err := v.giveData(gone); err != nil {
			return freed, false, err
		}
		freed += gone.n
	}
}

// carve takes the blocks [from, to) out of an extent, and returns them.
func (v *Volume) carve(ino uint64, e extent, from, to uint64) (extent, error) {
	e.sums = append([]byte(nil), e.sums...) // the tree changes
	if from > e.start {
		before := e.part(e.start, from)
		if err := v.putExtent(ino, &before); err != nil {
			return e, err
		}
	} else if _, err := v.files.remove(inodeKey(ino, kindExtent, e.start)); err != nil {
		return e, err
	}
	if to < e.end() {
		after := e.part(to, e.end())
		if err := v.putExtent(ino, &after); err != nil {
			return e, err
		}
	}
	return e.part(from, to), nil
}

// addExtent stores a new extent, where the file has none, together with the one
// before it if they make one row.
func (v *Volume) addExtent(ino uint64, e extent) error {
	if e.start > 0 {
		b, ok, err := v.files.extentAt(ino, e.start-1)
		if err != nil {
			return err
		}
		if ok && b.end() == e.start && b.addr+b.n == e.addr && b.birth == e.birth &&
			!b.unwritten && !e.unwritten && b.n+e.n <= extentBlocks {
			b.sums = append(append([]byte(nil), b.sums...), e.sums...)
			b.n += e.n
			e = b
		}
	}
	return v.putExtent(ino, &e)
}

// giveData gives back the blocks of an extent that is not in the tree any more.
func (v *Volume) giveData(e extent) error {
	v.log.row(e.addr, e.n, rowGiven, e.birth)
	return v.bury(e.addr, e.n, e.birth)
}

// stored is a part of a store: a row of blocks of the file that one row on the disk takes.
type stored struct {
	extent
	inPlace bool // in blocks that the file had already (unwritten)
}

// store is the writing of consecutive blocks of a file: at once or, if it is little,
// later.
type store struct {
	v     *Volume
	ino   uint64
	first uint64
	data  []byte // whole blocks
	parts []stored
	later bool // the data is deferred
}

// write finds places for the data, and writes it there or leaves that for later. It is called with write
// held and mu not, and changes nothing that anybody sees. What follows is enter, or undo.
func (s *store) write() error {
	err := s.writeParts()
	if err != nil {
		s.undo()
	}
	return err
}

// undo gives the places back.
func (s *store) undo() {
	for _, p := range s.parts {
		if !p.inPlace {
			s.v.space.giveNow(p.addr, p.n) // an error would be that the map is damaged, which others will find
		}
	}
}

func (s *store) writeParts() error {
	near := uint64(0)
	if s.first > 0 {
		e, ok, err := s.v.files.extentAt(s.ino, s.first-1)
		if err != nil {
			return err
		}
		if ok && e.end() == s.first {
			near = e.addr + e.n
		}
	}
	at, end := s.first, s.first+uint64(len(s.data)/BlockSize)
	s.later = end-at <= deferredWrite && len(s.v.deferred) < maxDeferred
	for at < end {
		p, err := s.place(at, end, near)
		if err != nil {
			return err
		}
		s.parts = append(s.parts, p)
		b := s.data[(at-s.first)*BlockSize:][:p.n*BlockSize]
		if !s.later {
			if err := s.v.writeBlocks(b, p.addr, "data"); err != nil {
				return err
			}
		}
		last := &s.parts[len(s.parts)-1]
		sums := make(record, 0, 4*p.n)
		for i := range int(p.n) {
			sums = sums.u32(checksum(b[i*BlockSize:][:BlockSize]))
		}
		last.sums = sums
		at += p.n
		near = p.addr + p.n
	}
	return nil
}

// place finds where the blocks [at, end) of the file, or the first of them, go.
func (s *store) place(at, end, near uint64) (stored, error) {
	v := s.v
	end = min(end, at+extentBlocks)
	for next := at; next < end; { // unwritten blocks are used where they begin
		e, ok, err := v.files.extentAt(s.ino, next)
		if err != nil {
			return stored{}, err
		}
		if !ok || e.start >= end {
			break
		}
		if e.unwritten && e.start <= at {
			n := min(end, e.end()) - at
			return stored{extent{start: at, n: n, addr: e.addr + at - e.start, birth: e.birth}, true}, nil
		}
		if e.unwritten {
			end = e.start
			break
		}
		next = e.end()
	}
	addr, n, err := v.space.takeRow(forData, near, end-at)
	return stored{extent{start: at, n: n, addr: addr, birth: v.generation()}, false}, err
}

// enter makes the data that was written that of the file, and gives back what it had
// there before. The caller stores the inode.
func (s *store) enter(in *inode) error {
	v := s.v
	v.touched = true
	for _, p := range s.parts {
		use := rowTaken | rowWritten
		if p.inPlace {
			use = rowWritten
			e, _, err := v.files.extentAt(s.ino, p.start)
			if err != nil {
				return err
			}
			if _, err := v.carve(s.ino, e, p.start, p.end()); err != nil {
				return err
			}
		} else {
			freed, _, err := v.removeExtents(s.ino, p.start, p.end(), extentBlocks)
			if err != nil {
				return err
			}
			in.blocks += p.n - min(freed, in.blocks+p.n)
		}
		v.log.row(p.addr, p.n, use, 0)
		if s.later {
			v.deferred.put(p.addr, s.data[(p.start-s.first)*BlockSize:][:p.n*BlockSize])
		}
		if err := v.addExtent(s.ino, p.extent); err != nil {
			return err
		}
	}
	return nil
}

// storeBlocks bounds a store, and so the change that it makes.
func (v *Volume) storeBlocks() uint64 {
	const most, share = 256, 16
	return min(v.super.blocks/share, most)
}

// storePlaces is the number of places of the tree that a store of n blocks changes.
func storePlaces(n uint64) int { return 4 + int(n)/16 }

// storeAll writes whole blocks of a file from block first on. The file's size on
// the disk becomes at least that of what is stored, but no more than size.
func (v *Volume) storeAll(why purpose, ino, first uint64, data []byte, size uint64, mtime int64) error {
	for len(data) > 0 {
		n := min(uint64(len(data)/BlockSize), v.storeBlocks())
		s := &store{v: v, ino: ino, first: first, data: data[:n*BlockSize]}
		err := v.change(why, int64(n), storePlaces(n), s.write, func() error {
			in, err := v.files.inode(ino)
			if err != nil {
				s.undo()
				return err
			}
			if err := s.enter(&in); err != nil {
				return err
			}
			in.size = max(in.size, min(size, (first+n)*BlockSize))
			if mtime != 0 {
				in.mtime, in.ctime = mtime, mtime
			}
			return v.putInode(ino, &in)
		})
		if err != nil {
			return err
		}
		data, first = data[n*BlockSize:], first+n
	}
	return nil
}

// setSize sets the size of a file on the disk, and gives back what lies beyond.
func (v *Volume) setSize(ino, size uint64) error {
	var tail *store
	done := true
	err := v.change(shrink, 1, v.shrinkPlaces()+storePlaces(1), func() (err error) {
		tail, err = v.zeroTail(ino, size)
		return err
	}, func() error {
		in, err := v.files.inode(ino)
		if err != nil {
			if tail != nil {
				tail.undo()
			}
			return err
		}
		cut := size < in.size
		in.size = size
		in.mtime = time.Now().UnixNano()
		in.ctime = in.mtime
		if tail != nil {
			if err := tail.enter(&in); err != nil {
				return err
			}
		}
		if !cut {
			return v.putInode(ino, &in)
		}
		done, err = v.reduce(ino, &in, false)
		return err
	})
	if err == nil && !done {
		err = v.finish(ino)
	}
	return err
}

// zeroTail writes the block that holds a file's new end anew, with zeroes behind
// the end. It returns nil if there is no such data.
func (v *Volume) zeroTail(ino, size uint64) (*store, error) {
	in, err := v.files.inode(ino)
	if err != nil || size >= in.size || size%BlockSize == 0 {
		return nil, err
	}
	block := size / BlockSize
	e, ok, err := v.files.extentAt(ino, block)
	if err != nil || !ok || e.start > block || e.unwritten {
		return nil, err
	}
	b := make([]byte, BlockSize)
	if err := v.readExtent(b, &e, block, ino); err != nil {
		return nil, err
	}
	clear(b[size%BlockSize:])
	s := &store{v: v, ino: ino, first: block, data: b}
	return s, s.write()
}

// readData fills b from the disk with whole blocks of an extent, from a block of the
// file on.
func (v *Volume) readData(b []byte, e *extent, block, ino uint64) error {
	addr := e.addr + block - e.start
	if err := v.dev.ReadAt(b, int64(addr)*BlockSize); err != nil {
		return v.deviceError("reading", addr, err)
	}
	return v.verify(b, e, block, ino)
}

// verify checks what readData has read.
func (v *Volume) verify(b []byte, e *extent, block, ino uint64) error {
	addr := e.addr + block - e.start
	for i := range uint64(len(b)) / BlockSize {
		if checksum(b[i*BlockSize:][:BlockSize]) != e.sum(block-e.start+i) {
			return v.damage("wrong checksum: block "+decimal(block+i)+" of inode "+decimal(ino), addr+i)
		}
	}
	return nil
}
