package volume

import "ringo.dev/ringo/kernel/block"

// intentLog collects what has changed since the last commit or record of the log,
// and knows where the next record goes. A record is one write to the disk, with one flush:
//
//	0   magic       uint64
//	8   checksum    uint32, of all that follows
//	12  size        uint32, of the record, in bytes
//	16  generation  uint64, of the commit that the record comes after
//	24  number      uint32, of the record since that commit
//	28  rows        uint32
//	32  items       uint32
//	36  next inode  uint64
//	44  rows  × { start uint64; n, use uint32; birth uint64 }
//	…   items × { hi, lo uint64; length uint16, 0xffff: removed; value }
//	…   the data of the rows that have it here (rowHere)
//
// Each record begins with a block, and all of them come one after the other. A
// record is written when the one before is durable. So when a volume is opened after
// a crash, at most the last record is not whole; and the data of which it tells may
// not be on the disk either, so that is compared with its checksums.
type intentLog struct {
	keys map[key]struct{} // of the files' tree
	rows []logRow
	full bool // too much for a record: a commit is needed

	next   uint64 // block of the log for the next record
	number uint32
	buf    record // memory of the last record; guarded by Volume.syncing
}

// logRow is a row of blocks of data, and what happened to it.
type logRow struct {
	start, n uint64
	use      rowUse
	birth    uint64 // of what was given
}

type rowUse uint32

const (
	rowTaken   rowUse = 1 << iota // from the free blocks
	rowWritten                    // has new data
	rowGiven                      // is not needed any more
	rowHere                       // has new data that is in the record
)

const (
	logMagic    = 0x676f6c2d6f676e72 // "rngo-log"
	logHead     = 8 + 4 + 4 + 8 + 4 + 4 + 4 + 8
	logRowSize  = 8 + 4 + 4 + 8
	logItemHead = 8 + 8 + 2
	logRemoved  = 0xffff

	maxLogKeys = 8192
	maxLogRows = 4096
)

// reset empties the log after a commit.
func (l *intentLog) reset() { *l = intentLog{keys: map[key]struct{}{}, buf: l.buf} }

// note says that an item of the files' tree has changed.
func (l *intentLog) note(k key) {
	if l.full {
		return
	}
	l.keys[k] = struct{}{}
	if len(l.keys) > maxLogKeys {
		l.overflow()
	}
}

// row says what has happened to blocks.
func (l *intentLog) row(start, n uint64, use rowUse, birth uint64) {
	if l.full {
		return
	}
	if c := len(l.rows); c > 0 {
		last := &l.rows[c-1]
		if last.use == use && last.birth == birth && last.start+last.n == start && last.n+n < regionBlocks {
			last.n += n
			return
		}
	}
	l.rows = append(l.rows, logRow{start, n, use, birth})
	if len(l.rows) > maxLogRows {
		l.overflow()
	}
}

func (l *intentLog) overflow() { l.full, l.keys, l.rows = true, nil, nil }

// Sync makes all changes durable that were made before it was called: by a record
// in the log, or a commit.
func (v *Volume) Sync() error {
	if v.readOnly {
		return nil
	}
	want := v.changes.Load()
	if v.durable.Load() >= want {
		return v.failed()
	}
	v.syncing.Lock()
	defer v.syncing.Unlock()
	if v.durable.Load() >= want { // together with another's
		return v.failed()
	}
	v.write.Lock()
	if err := v.changeable(); err != nil {
		v.write.Unlock()
		return err
	}
	changes := v.changes.Load()
	rec, err := []byte(nil), v.fitDeferred()
	if err == nil {
		rec, err = v.logRecord()
	}
	v.write.Unlock()
	if err != nil {
		return err
	}
	if rec == nil {
		return v.commit()
	}
	at := v.super.logStart + v.log.next
	if err = block.WriteAll(v.dev, []block.Transfer{{Data: rec, Off: int64(at) * BlockSize}}, true); err != nil {
		err = v.deviceError("writing the log", at, err)
		v.fail(err)
		return err
	}
	v.log.next += uint64(len(rec) / BlockSize)
	v.log.number++
	v.durable.Store(changes)
	return nil
}

// logRecord makes the log's next record of what was collected, or nil if it does
// not fit. It is called with syncing and write held.
func (v *Volume) logRecord() ([]byte, error) {
	l := &v.log
	room := int(v.super.logBlocks-l.next) * BlockSize
	if l.full || logHead+len(l.rows)*logRowSize+len(l.keys)*logItemHead > room {
		return nil, nil
	}
	const keep = 64 << 10
	if l.buf == nil || cap(l.buf) > keep {
		l.buf = make(record, 4*BlockSize)
	}
	r := l.buf[:logHead]
	v.mu.RLock()
	defer v.mu.RUnlock()
	rows, data := v.rowsWithData()
	for _, row := range rows {
		r = r.u64(row.start).u32(uint32(row.n)).u32(uint32(row.use)).u64(row.birth)
	}
	for k := range l.keys {
		r = r.u64(k.hi).u64(k.lo)
		it, ok, err := v.files.seek(k)
		if err != nil {
			return nil, err
		}
		if !ok || it.key != k {
			r = r.u16(logRemoved)
			continue
		}
		if r = append(r.u16(uint16(len(it.value))), it.value...); len(r) > room {
			return nil, nil
		}
	}
	for _, b := range data {
		r = append(r, b[:]...)
	}
	size := len(r)
	if size > room {
		return nil, nil
	}
	record(r[:0]).u64(logMagic).u32(0).u32(uint32(size)).u64(v.super.generation).u32(l.number).
		u32(uint32(len(rows))).u32(uint32(len(l.keys))).u64(v.super.nextInode)
	put32(r[8:], checksum(r[12:]))
	l.keys, l.rows = map[key]struct{}{}, nil
	for len(r)%BlockSize != 0 {
		r = append(r, 0)
	}
	l.buf = r
	return r, nil
}

// rowsWithData returns the rows for a record, and the deferred blocks that it is to have.
func (v *Volume) rowsWithData() (rows []logRow, data []*[BlockSize]byte) {
	for _, row := range v.log.rows {
		for row.use&rowWritten != 0 && row.n > 0 {
			part := row
			n, b := v.deferred.row(row.start, row.n)
			if part.n = n; b != nil {
				part.use = part.use&^rowWritten | rowHere
				data = append(data, b)
			}
			rows = append(rows, part)
			row.start, row.n = row.start+n, row.n-n
		}
		if row.n > 0 {
			rows = append(rows, row)
		}
	}
	return rows, data
}

// logged is a record that was read.
type logged struct {
	rows      []logRow
	items     []item // removed if value is nil
	data      []byte // of the rows with rowHere
	nextInode uint64
	blocks    uint64
}

// readRecord reads the record at a block of the log; nil if there is none with the
// number, or it is not whole.
func (v *Volume) readRecord(at uint64, number func(uint32) bool) (*logged, error) {
	left := v.super.logBlocks - at
	b := make([]byte, BlockSize)
	if err := v.dev.ReadAt(b, int64(v.super.logStart+at)*BlockSize); err != nil {
		return nil, v.deviceError("reading the log", v.super.logStart+at, err)
	}
	f := fields{rest: b}
	magic, sum, size, generation := f.u64(), f.u32(), f.u32(), f.u64()
	if magic != logMagic || size < logHead || uint64(size) > left*BlockSize ||
		generation != v.super.generation || !number(f.u32()) {
		return nil, nil
	}
	r := &logged{blocks: (uint64(size) + BlockSize - 1) / BlockSize}
	if r.blocks > 1 {
		b = append(b, make([]byte, (r.blocks-1)*BlockSize)...)
		if err := v.dev.ReadAt(b[BlockSize:], int64(v.super.logStart+at+1)*BlockSize); err != nil {
			return nil, v.deviceError("reading the log", v.super.logStart+at+1, err)
		}
	}
	if checksum(b[12:size]) != sum {
		return nil, nil
	}
	f = fields{rest: b[28:size]}
	rows, items := f.u32(), f.u32()
	r.nextInode = f.u64()
	for range rows {
		row := logRow{f.u64(), uint64(f.u32()), rowUse(f.u32()), f.u64()}
		if f.short || !v.usable(row.start, row.n) {
			return nil, v.damage("a record of the log is wrong", v.super.logStart+at)
		}
		r.rows = append(r.rows, row)
	}
	for range items {
		it := item{key: key{f.u64(), f.u64()}}
		if n := f.u16(); n != logRemoved {
			it.value = f.take(int(n))
		}
		if f.short || len(it.value) > maxValue {
			return nil, v.damage("a record of the log is wrong", v.super.logStart+at)
		}
		r.items = append(r.items, it)
	}
	here := uint64(0)
	for _, row := range r.rows {
		if row.use&rowHere != 0 {
			here += row.n
		}
	}
	if r.data = f.rest; uint64(len(r.data)) != here*BlockSize {
		return nil, v.damage("a record of the log is wrong", v.super.logStart+at)
	}
	return r, nil
}

// replay makes the changes of the log again in memory.
func (v *Volume) replay() error {
	var records []*logged
	at := uint64(0)
	for at < v.super.logBlocks {
		want := uint32(len(records))
		r, err := v.readRecord(at, func(n uint32) bool { return n == want })
		if err != nil {
			return err
		}
		if r == nil {
			break
		}
		records = append(records, r)
		at += r.blocks
	}
	if err := v.checkLogEnd(at, uint32(len(records))); err != nil {
		return err
	}
	if c := len(records); c > 0 {
		if whole, err := v.dataArrived(records[c-1]); err != nil {
			return err
		} else if !whole {
			records = records[:c-1]
		}
	}
	// Where the data is that the log tells of must be known before nodes get
	// places for themselves.
	for _, r := range records {
		for _, row := range r.rows {
			if row.use&rowTaken != 0 {
				if err := v.space.take(row.start, row.n); err != nil {
					return err
				}
			}
		}
	}
	for _, r := range records {
		if err := v.redo(r); err != nil {
			return err
		}
	}
	v.setFloor()
	return nil
}

// checkLogEnd looks behind the log's end: a record there means that the one that
// should come before it was whole once.
func (v *Volume) checkLogEnd(end uint64, number uint32) error {
	const far = 64
	if end+1 >= v.super.logBlocks {
		return nil
	}
	n := min(far, v.super.logBlocks-end-1)
	b := make([]byte, n*BlockSize)
	if err := v.dev.ReadAt(b, int64(v.super.logStart+end+1)*BlockSize); err != nil {
		return v.deviceError("reading the log", v.super.logStart+end+1, err)
	}
	for i := range n {
		if get64(b[i*BlockSize:]) != logMagic {
			continue
		}
		r, err := v.readRecord(end+1+i, func(n uint32) bool { return n > number })
		if err != nil {
			return err
		}
		if r != nil {
			return v.damage("a record of the log is damaged", v.super.logStart+end)
		}
	}
	return nil
}

// dataArrived reports whether the data of the last record is on the disk.
func (v *Volume) dataArrived(r *logged) (bool, error) {
	written := map[uint64]bool{}
	for _, row := range r.rows {
		for i := range row.n {
			if row.use&rowWritten != 0 {
				written[row.start+i] = true
			} else if row.use&rowGiven != 0 {
				delete(written, row.start+i)
			}
		}
	}
	b := make([]byte, extentBlocks*BlockSize)
	for _, it := range r.items {
		if it.value == nil || it.kind() != kindExtent {
			continue
		}
		e, ok := decodeExtent(it)
		if !ok || !v.usable(e.addr, e.n) {
			return false, v.damage("a record of the log is wrong", v.super.logStart)
		}
		if e.unwritten {
			continue
		}
		for i, n := uint64(0), uint64(0); i < e.n; i += max(n, 1) {
			for n = 0; n < min(e.n-i, extentBlocks) && written[e.addr+i+n]; {
				n++
			}
			if ok, err := v.matches(&e, i, b[:n*BlockSize]); err != nil || !ok {
				return false, err
			}
		}
	}
	return true, nil
}

// matches reads blocks of an extent from its i-th on to b, and reports whether they have
// the checksums that the extent says.
func (v *Volume) matches(e *extent, i uint64, b []byte) (bool, error) {
	if len(b) == 0 {
		return true, nil
	}
	if err := v.dev.ReadAt(b, int64(e.addr+i)*BlockSize); err != nil {
		return false, v.deviceError("reading", e.addr+i, err)
	}
	for ; len(b) > 0; i++ {
		if checksum(b[:BlockSize]) != e.sum(i) {
			return false, nil
		}
		b = b[BlockSize:]
	}
	return true, nil
}

// redo makes the changes of one record.
func (v *Volume) redo(r *logged) error {
	v.changes.Add(1)
	v.super.nextInode = max(v.super.nextInode, r.nextInode)
	data := r.data
	for _, row := range r.rows {
		if row.use&rowHere != 0 {
			v.deferred.put(row.start, data[:row.n*BlockSize])
			data = data[row.n*BlockSize:]
		}
	}
	for _, it := range r.items {
		var err error
		if it.value == nil {
			_, err = v.files.remove(it.key)
		} else {
			err = v.files.put(it.key, it.value)
		}
		if err != nil {
			return err
		}
	}
	for _, row := range r.rows {
		if row.use&rowGiven != 0 {
			if err := v.bury(row.start, row.n, row.birth); err != nil {
				return err
			}
		}
	}
	return nil
}
