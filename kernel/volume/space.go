package volume

import (
	"math/bits"
	"sync/atomic"
	"syscall"
)

// spaceMap says which blocks are in use: a bitmap with one block for each region,
// and above it a tree of fixed shape, which knows where there is room. Every
// block of the map has two fixed places (format.go): a commit writes the one that
// the last commit does not need, so the map itself never has to find room.
// What was never written means that everything is free.
//
// A block that is given back is free for the next commit, but is not taken again
// before that commit is on the disk: until then it is held.
//
// It is guarded by Volume.write; only the sums may be read at any time.
type spaceMap struct {
	v      *Volume
	top    mapEntry
	levels int // above the bitmaps

	nodes  []map[uint64]*mapNode // by level less 1, then by number
	leaves map[uint64]*bitmap    // by region
	dirty  int                   // bitmaps that a commit has to write

	free   atomic.Int64 // blocks, with those that are held
	held   atomic.Int64
	cursor [2]uint64 // where to look next: for nodes, for data
	begin  [2]uint64 // where that begins after a commit
}

// mapEntry is what the map knows of one of its blocks.
type mapEntry struct {
	free uint64 // blocks in all that it covers
	sum  uint32 // the checksum of what is at place
	// place is which of the two places holds it: 1 or 2, or 0 if it was never written.
	place uint32
}

const (
	mapFanout    = 128
	mapEntrySize = BlockSize / mapFanout
)

func (f *fields) mapEntry() mapEntry {
	e := mapEntry{free: f.u64(), sum: f.u32(), place: f.u32()}
	f.take(mapEntrySize - 8 - 4 - 4)
	return e
}

func (r record) mapEntry(e mapEntry) record {
	return r.u64(e.free).u32(e.sum).u32(e.place).u64(0).u64(0)
}

// mapNode is a block of the map above the bitmaps.
type mapNode struct {
	entries [mapFanout]mapEntry
	dirty   bool
}

// bitmap is a region's block of the map: a bit is set for a block in use.
type bitmap struct {
	bits  [regionBlocks / 64]uint64
	held  *[regionBlocks / 64]uint64 // nil: none
	dirty bool
	used  bool // since the map last dropped bitmaps
}

// The two kinds of blocks are kept apart, so that each gets long rows.
const (
	forNodes = iota
	forData
)

func (s *spaceMap) init(v *Volume, top mapEntry) {
	s.v, s.top = v, top
	s.leaves = map[uint64]*bitmap{}
	for n := s.regions(); n > 1; n = (n + mapFanout - 1) / mapFanout {
		s.levels++
		s.nodes = append(s.nodes, map[uint64]*mapNode{})
	}
	if top.place == 0 {
		s.top.free = s.covered(s.levels, 0)
	}
	s.free.Store(int64(s.top.free))
	const nodeShare = 8 // nodes begin with the volume, data after one part in so many
	s.begin[forData] = v.super.blocks / nodeShare
	s.cursor = s.begin
}

func (s *spaceMap) regions() uint64 { return (s.v.super.blocks + regionBlocks - 1) / regionBlocks }

// covered returns how many blocks an untouched block of the map has to give.
func (s *spaceMap) covered(level int, number uint64) uint64 {
	size := uint64(1) // regions
	for range level {
		size *= mapFanout
	}
	first := min(number*size, s.regions())
	last := min(first+size, s.regions())
	n := min(last*regionBlocks, s.v.super.blocks) - min(first*regionBlocks, s.v.super.blocks)
	return n - (last-first)*regionHead
}

// place returns the block at which a block of the map is.
func (s *spaceMap) place(level int, number uint64, which uint32) uint64 {
	for range level {
		number *= mapFanout
	}
	return number*regionBlocks + 2 + 2*uint64(level) + uint64(which-1)
}

// entry returns what is known of a block of the map, with the node that holds it,
// nil for the top.
func (s *spaceMap) entry(level int, number uint64) (*mapEntry, *mapNode, error) {
	if level == s.levels {
		return &s.top, nil, nil
	}
	n, err := s.node(level+1, number/mapFanout)
	if err != nil {
		return nil, nil, err
	}
	return &n.entries[number%mapFanout], n, nil
}

// read reads a block of the map.
func (s *spaceMap) read(level int, number uint64, e *mapEntry) ([]byte, error) {
	if e.place > 2 {
		return nil, s.v.damage("an impossible place in the space map", number*regionBlocks)
	}
	b := make([]byte, BlockSize)
	at := pointer{addr: s.place(level, number, e.place), sum: e.sum}
	return b, s.v.readBlock(b, at, "space map")
}

// node returns a block of the map above the bitmaps.
func (s *spaceMap) node(level int, number uint64) (*mapNode, error) {
	if n := s.nodes[level-1][number]; n != nil {
		return n, nil
	}
	e, _, err := s.entry(level, number)
	if err != nil {
		return nil, err
	}
	n := &mapNode{}
	if e.place == 0 {
		for i := range n.entries {
			n.entries[i].free = s.covered(level-1, number*mapFanout+uint64(i))
		}
	} else {
		b, err := s.read(level, number, e)
		if err != nil {
			return nil, err
		}
		f := fields{rest: b}
		for i := range n.entries {
			n.entries[i] = f.mapEntry()
		}
	}
	s.nodes[level-1][number] = n
	return n, nil
}

// leaf returns the bitmap of a region.
func (s *spaceMap) leaf(region uint64) (*bitmap, error) {
	if m := s.leaves[region]; m != nil {
		m.used = true
		return m, nil
	}
	e, _, err := s.entry(0, region)
	if err != nil {
		return nil, err
	}
	m := &bitmap{used: true}
	if e.place == 0 {
		m.bits[0] = 1<<regionHead - 1
		for i := min(s.v.super.blocks-region*regionBlocks, regionBlocks); i < regionBlocks; i++ {
			m.bits[i/64] |= 1 << (i % 64)
		}
	} else {
		b, err := s.read(0, region, e)
		if err != nil {
			return nil, err
		}
		for i := range m.bits {
			m.bits[i] = get64(b[i*8:])
		}
	}
	if len(s.leaves) >= maxBitmaps {
		for other, old := range s.leaves {
			if !old.dirty && old.held == nil {
				delete(s.leaves, other)
				break
			}
		}
	}
	s.leaves[region] = m
	return m, nil
}

// busy returns which of 64 blocks may not be taken.
func (m *bitmap) busy(word int) uint64 {
	if m.held == nil {
		return m.bits[word]
	}
	return m.bits[word] | m.held[word]
}

// change adds delta to the number of free blocks of a region.
func (s *spaceMap) change(region uint64, delta int) error {
	s.free.Add(int64(delta))
	for level := 0; level <= s.levels; level++ {
		e, holder, err := s.entry(level, region)
		if err != nil {
			return err
		}
		if delta < 0 && e.free < uint64(-delta) {
			return s.v.damage("the space map counts wrong", region*regionBlocks)
		}
		e.free += uint64(delta)
		if holder != nil {
			holder.dirty = true
		}
		region /= mapFanout
	}
	return nil
}

// each calls f for the part of every region that a row of blocks has.
func (s *spaceMap) each(start, n uint64, f func(m *bitmap, region uint64, from, to int) error) error {
	if start >= s.v.super.blocks || n > s.v.super.blocks-start {
		return s.v.damage("a pointer beyond the volume's end", start)
	}
	for n > 0 {
		region, from := start/regionBlocks, start%regionBlocks
		part := min(n, regionBlocks-from)
		m, err := s.leaf(region)
		if err != nil {
			return err
		}
		if !m.dirty {
			m.dirty = true
			s.dirty++
		}
		if err := f(m, region, int(from), int(from+part)); err != nil {
			return err
		}
		start += part
		n -= part
	}
	return nil
}

// take marks free blocks as used.
func (s *spaceMap) take(start, n uint64) error {
	return s.each(start, n, func(m *bitmap, region uint64, from, to int) error {
		for i := from; i < to; i++ {
			if m.busy(i/64)&(1<<(i%64)) != 0 {
				return s.v.damage("it is given away twice", region*regionBlocks+uint64(i))
			}
			m.bits[i/64] |= 1 << (i % 64)
		}
		return s.change(region, from-to)
	})
}

// give marks used blocks as free, and holds them until the next commit.
func (s *spaceMap) give(start, n uint64) error {
	s.held.Add(int64(n))
	return s.clear(start, n, true)
}

// giveNow is give for blocks that may be taken again at once: those of which
// neither the last commit nor the log knows.
func (s *spaceMap) giveNow(start, n uint64) error { return s.clear(start, n, false) }

func (s *spaceMap) clear(start, n uint64, hold bool) error {
	return s.each(start, n, func(m *bitmap, region uint64, from, to int) error {
		if hold && m.held == nil {
			m.held = new([regionBlocks / 64]uint64)
		}
		if from < regionHead {
			return s.v.damage("a pointer into the volume's frame", region*regionBlocks+uint64(from))
		}
		for i := from; i < to; i++ {
			bit := uint64(1) << (i % 64)
			if m.bits[i/64]&bit == 0 {
				return s.v.damage("it is given back twice", region*regionBlocks+uint64(i))
			}
			m.bits[i/64] &^= bit
			if hold {
				m.held[i/64] |= bit
			}
		}
		return s.change(region, to-from)
	})
}

// available is the number of blocks that can be taken now.
func (s *spaceMap) available() int64 { return s.free.Load() - s.held.Load() }

// takeNode takes a block for a node of a tree.
func (s *spaceMap) takeNode() (uint64, error) {
	start, _, err := s.takeRow(forNodes, 0, 1)
	return start, err
}

// takeRow takes up to want blocks in a row, at best from the block near on, if
// that is not 0. It returns fewer if there is no such row.
func (s *spaceMap) takeRow(kind int, near, want uint64) (start, n uint64, err error) {
	if near > 0 && near < s.v.super.blocks {
		m, err := s.leaf(near / regionBlocks)
		if err != nil {
			return 0, 0, err
		}
		if n := m.rowAt(int(near%regionBlocks), int(want)); n > 0 {
			s.cursor[kind] = near + uint64(n)
			return near, uint64(n), s.take(near, uint64(n))
		}
	}
	const goodRow, goodRegions = 32, 64
	if good := min(want, goodRow); good > 1 {
		if start, n, err = s.search(kind, good, want, goodRegions); err != syscall.ENOSPC {
			return start, n, err
		}
	}
	return s.search(kind, 1, want, s.regions()+1)
}

// search looks for a row of at least least blocks, in some regions from the cursor on,
// and takes up to most of it.
func (s *spaceMap) search(kind int, least, most, some uint64) (start, n uint64, err error) {
	cursor := s.cursor[kind] % s.v.super.blocks
	first, regions := cursor/regionBlocks, s.regions()
	for i := uint64(0); i < min(some, regions+1); i++ { // the first region twice: before and after the cursor
		region := (first + i) % regions
		if i > 0 && region%mapFanout == 0 && s.levels > 0 && region+mapFanout <= regions && i+mapFanout <= regions {
			if e, _, err := s.entry(1, region/mapFanout); err != nil {
				return 0, 0, err
			} else if e.free == 0 {
				i += mapFanout - 1
				continue
			}
		}
		if e, _, err := s.entry(0, region); err != nil {
			return 0, 0, err
		} else if e.free < least {
			continue
		}
		m, err := s.leaf(region)
		if err != nil {
			return 0, 0, err
		}
		from := 0
		if i == 0 {
			from = int(cursor % regionBlocks)
		}
		if at, n := m.row(from, int(least), int(most)); uint64(n) >= least {
			start := region*regionBlocks + uint64(at)
			s.cursor[kind] = start + uint64(n)
			return start, uint64(n), s.take(start, uint64(n))
		}
	}
	return 0, 0, syscall.ENOSPC
}

// rowAt returns how many blocks can be taken from block at on, up to want.
func (m *bitmap) rowAt(at, want int) int {
	n := 0
	for n < want && at+n < regionBlocks && m.busy((at+n)/64)&(1<<((at+n)%64)) == 0 {
		n++
	}
	return n
}

// row finds the first row of at least least blocks from block from on, and
// returns up to most of it, or none.
func (m *bitmap) row(from, least, most int) (start, n int) {
	for at := from; at < regionBlocks; {
		free := ^m.busy(at/64) >> (at % 64)
		if free == 0 {
			at = (at/64 + 1) * 64
			continue
		}
		at += bits.TrailingZeros64(free)
		n := m.rowAt(at, most)
		if n >= least {
			return at, n
		}
		at += n
	}
	return 0, 0
}

// write adds what changed to w, for the places that the last commit does not need.
// The top's entry is then what the superblock has to hold.
func (s *spaceMap) write(w *batch) error {
	for region, m := range s.leaves {
		if !m.dirty {
			continue
		}
		b := make(record, 0, BlockSize)
		for _, word := range m.bits {
			b = b.u64(word)
		}
		if err := s.writeBlock(w, 0, region, b); err != nil {
			return err
		}
		m.dirty = false
	}
	s.dirty = 0
	for i, level := range s.nodes {
		for number, n := range level {
			if !n.dirty {
				continue
			}
			b := make(record, 0, BlockSize)
			for _, e := range n.entries {
				b = b.mapEntry(e)
			}
			if err := s.writeBlock(w, i+1, number, b); err != nil {
				return err
			}
			n.dirty = false
		}
	}
	return nil
}

func (s *spaceMap) writeBlock(w *batch, level int, number uint64, b []byte) error {
	e, holder, err := s.entry(level, number)
	if err != nil {
		return err
	}
	e.place = e.place%2 + 1 // 1 after 0 and 2, 2 after 1
	e.sum = checksum(b)
	if holder != nil {
		holder.dirty = true
	}
	return w.add(s.place(level, number, e.place), b)
}

// Bitmaps take 4 KiB of memory each, and as much again if blocks of theirs are held.
const (
	keptBitmaps = 64  // that stay in memory from one commit to the next
	maxBitmaps  = 256 // after which one is dropped for each that is read, or a commit is due
)

// release lets the blocks be taken that were held, after a commit. The search begins
// anew, so that what was just given back is used before the rest: a disk may be a
// sparse file. It returns the long rows among them.
func (s *spaceMap) release() (long []row) {
	s.cursor = s.begin
	s.held.Store(0)
	for region, m := range s.leaves {
		long = m.longRows(long, region*regionBlocks)
		m.held = nil
		if len(s.leaves) > keptBitmaps && !m.used {
			delete(s.leaves, region)
		}
		m.used = false
	}
	return long
}

// row is a row of blocks.
type row struct{ start, n uint64 }

// longRows adds the long rows of blocks that are held to a list; base is the number of
// the bitmap's first.
func (m *bitmap) longRows(list []row, base uint64) []row {
	const long = 64
	if m.held == nil {
		return list
	}
	for at := 0; at < regionBlocks; {
		word := m.held[at/64] >> (at % 64)
		if word == 0 {
			at = (at/64 + 1) * 64
			continue
		}
		at += bits.TrailingZeros64(word)
		first := at
		for at < regionBlocks && m.held[at/64]&(1<<(at%64)) != 0 {
			at++
		}
		if at-first >= long {
			list = append(list, row{base + uint64(first), uint64(at - first)})
		}
	}
	return list
}
