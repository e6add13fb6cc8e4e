package volume

import (
	"math/bits"
	"syscall"

	"ringo.dev/ringo/kernel/block"
)

// Summary is what Check has counted.
type Summary struct {
	Generation  uint64 // of the last commit
	Replayed    bool   // a crash has left changes in the log, which Check has looked at too
	Files       int    // with everything that is no directory
	Directories int
	Snapshots   int
	Used, Free  int64 // bytes
}

// Check reads a whole volume, of which it changes nothing: all nodes, names and data of
// the files and snapshots. It calls report for everything that is not as it should be.
// The error is nil if the volume could be looked at, whatever was found.
func Check(dev block.Device, report func(error)) (Summary, error) {
	v, err := Open(dev, Options{ReadOnly: true})
	if err != nil {
		return Summary{}, err
	}
	c := &checker{
		v: v, report: report,
		live:  newBlockSet(v.super.blocks),
		snaps: newBlockSet(v.super.blocks),
		dead:  newBlockSet(v.super.blocks),
		names: map[uint64]uint32{},
		links: map[uint64]linkCount{},
	}
	c.run()
	return c.sum, nil
}

// checker is the state of Check.
type checker struct {
	v      *Volume
	report func(error)
	sum    Summary
	failed bool // not everything could be read: what is missing is not known

	live  blockSet // blocks that the files have now, or the meta tree, or the frame
	snaps blockSet // blocks that snapshots have
	dead  blockSet // blocks in the lists of snapshots

	tree     *tree // that is walked
	last     key
	at       inodeItems
	removing bool // a snapshot is being removed: its blocks are in the lists only

	names map[uint64]uint32 // how often directories name an inode
	links map[uint64]linkCount
}

// inodeItems is what was seen of the inode whose items come now.
type inodeItems struct {
	ino     uint64
	in      inode
	blocks  uint64 // of its extents
	next    uint64 // block of the file after its last extent
	entries uint64 // names in it
	target  uint64 // length of its target
}

// linkCount is what an inode says of its links.
type linkCount struct {
	nlink          uint32
	dir            bool
	orphan         bool
	parent, place  uint64
	named, namedAt uint64 // the directory that names it, and the place there
}

// blockSet is a set of blocks.
type blockSet []uint64

func newBlockSet(n uint64) blockSet { return make(blockSet, (n+63)/64) }

func (s blockSet) has(i uint64) bool { return s[i/64]&(1<<(i%64)) != 0 }

// add adds a block, and reports whether it was there.
func (s blockSet) add(i uint64) bool {
	had := s.has(i)
	s[i/64] |= 1 << (i % 64)
	return had
}

func (c *checker) wrong(what string, addr uint64) {
	c.report(&DamageError{what, addr})
}

// problem reports an error of reading.
func (c *checker) problem(err error) {
	c.failed = true
	c.report(err)
}

func (c *checker) run() {
	v := c.v
	c.sum.Generation = v.super.generation
	c.sum.Replayed = v.changes.Load() > 0
	for r := range v.space.regions() {
		for i := range min(regionHead, v.super.blocks-r*regionBlocks) {
			c.live.add(r*regionBlocks + i)
		}
	}
	for i := range v.super.logBlocks {
		c.live.add(v.super.logStart + i)
	}
	for i := range uint64(superCopies) {
		c.live.add(v.super.blocks - 1 - i)
	}

	c.tree = &v.files
	c.walk(v.files.root, c.live, c.file)
	c.endInode()
	c.checkLinks()
	c.tree = &v.meta
	c.last = key{}
	c.walk(v.meta.root, c.live, func(item) {})

	snapshots, err := v.allSnapshots()
	if err != nil {
		c.problem(err)
	}
	lists := []uint64{v.super.deadList}
	for _, s := range snapshots {
		c.removing = c.removing || s.removed
		if !s.removed {
			c.sum.Snapshots++
			c.tree = &tree{v, filesTree, s.root}
			c.last = key{}
			c.walk(s.root, c.snaps, c.extentOfSnapshot)
		}
		lists = append(lists, s.dead)
	}
	for _, list := range lists {
		c.walkDead(list)
	}
	for _, d := range v.dead {
		c.addDead(d)
	}
	if !c.failed {
		c.compare()
	}
	const bytes = BlockSize
	c.sum.Free = v.space.free.Load() * bytes
	c.sum.Used = int64(v.super.blocks)*bytes - c.sum.Free
}

// walk visits the nodes below a root and adds them to a set. Those that a set has
// already are left out if that is of snapshots, and damage otherwise.
func (c *checker) walk(r treeRoot, set blockSet, visit func(item)) {
	if c.v.usable(r.addr, 1) && set.add(r.addr) {
		if &set[0] == &c.live[0] {
			c.wrong("a block that is in use twice", r.addr)
		}
		return
	}
	n, err := c.tree.load(r.pointer, r.level)
	if err != nil {
		c.problem(err)
		return
	}
	for i := range n.count() {
		if r.level > 0 {
			c.walk(treeRoot{n.child(i), r.level - 1}, set, visit)
			continue
		}
		if k := n.key(i); !c.last.less(k) && c.last != (key{}) {
			c.wrong("a node whose items are out of order with those before", r.addr)
		}
		c.last = n.key(i)
		visit(item{n.key(i), n.value(i)})
	}
}

// file looks at an item of the files.
func (c *checker) file(it item) {
	ino := it.inode()
	if it.kind() == kindOrphan {
		l := c.links[it.lo]
		l.orphan = true
		c.links[it.lo] = l
		return
	}
	if ino != c.at.ino {
		c.endInode()
		c.at = inodeItems{ino: ino}
		if it.kind() != kindInode {
			c.wrong("inode "+decimal(ino)+" is missing, but something of it is there", 0)
		}
	}
	switch it.kind() {
	case kindInode:
		in, err := c.tree.inode(ino)
		if err != nil {
			c.problem(err)
			return
		}
		c.at.in = in
		l := c.links[ino]
		l.nlink, l.dir, l.parent, l.place = in.nlink, in.kind() == syscall.S_IFDIR, in.parent, in.place
		c.links[ino] = l
		if ino >= c.v.super.nextInode {
			c.wrong("inode "+decimal(ino)+" has a number that was not given yet", 0)
		}
	case kindEntry:
		c.entry(it)
	case kindExtent:
		c.extent(it)
	case kindLink:
		c.at.target += uint64(len(it.value))
	case kindAttr:
		if it.lo&(1<<attrBits-1) == 0 {
			if _, _, err := c.tree.nextAttr(ino, it.lo>>attrBits); err != nil {
				c.problem(err)
			}
		}
	default:
		c.wrong("inode "+decimal(ino)+" has something of an unknown kind", 0)
	}
}

func (c *checker) entry(it item) {
	e, err := c.tree.entry(it)
	if err != nil {
		c.problem(err)
		return
	}
	if hashName(c.v.seed(), e.name) != e.place>>placeBits {
		c.wrong("directory "+decimal(c.at.ino)+" has a name in the wrong place", 0)
	}
	c.at.entries++
	c.names[e.ino]++
	l := c.links[e.ino]
	l.named, l.namedAt = c.at.ino, e.place
	c.links[e.ino] = l
}

func (c *checker) extent(it item) {
	e, err := c.tree.extent(it)
	if err != nil {
		c.problem(err)
		return
	}
	if e.start < c.at.next {
		c.wrong("inode "+decimal(c.at.ino)+" has two blocks for one place", e.addr)
	}
	c.at.next = e.end()
	c.at.blocks += e.n
	for i := range e.n {
		if c.live.add(e.addr + i) {
			c.wrong("a block that is in use twice", e.addr+i)
		}
	}
	c.data(&e)
}

// data reads the data of an extent.
func (c *checker) data(e *extent) {
	if e.unwritten {
		return
	}
	const step = 32
	b := make([]byte, step*BlockSize)
	for at := e.start; at < e.end(); at += step {
		n := min(step, e.end()-at)
		if err := c.v.readExtent(b[:n*BlockSize], e, at, c.at.ino); err != nil {
			c.report(err)
		}
	}
}

// extentOfSnapshot looks at an item of a snapshot, in a node that the snapshots
// before do not have.
func (c *checker) extentOfSnapshot(it item) {
	if it.kind() != kindExtent {
		return
	}
	e, err := c.tree.extent(it)
	if err != nil {
		c.problem(err)
		return
	}
	c.at.ino = it.inode()
	seen := true
	for i := range e.n {
		seen = c.snaps.add(e.addr+i) && seen
	}
	if !seen {
		c.data(&e)
	}
}

// endInode looks at what the items of one inode were together.
func (c *checker) endInode() {
	if c.at.ino == 0 {
		return
	}
	id := "inode " + decimal(c.at.ino)
	kind := c.at.in.kind()
	if kind == syscall.S_IFDIR {
		c.sum.Directories++
	} else {
		c.sum.Files++
	}
	switch {
	case kind == syscall.S_IFDIR && c.at.entries != c.at.in.size:
		c.wrong(id+" says that it has "+decimal(c.at.in.size)+" names, it has "+decimal(c.at.entries), 0)
	case kind != syscall.S_IFDIR && c.at.entries > 0:
		c.wrong(id+" is no directory and has names", 0)
	case c.at.blocks != c.at.in.blocks:
		c.wrong(id+" says that it has "+decimal(c.at.in.blocks)+" blocks, it has "+decimal(c.at.blocks), 0)
	case kind == syscall.S_IFLNK && c.at.target != c.at.in.size:
		c.wrong(id+" has not all of its target", 0)
	}
}

// checkLinks compares the numbers of links with the names.
func (c *checker) checkLinks() {
	for ino, l := range c.links {
		id := "inode " + decimal(ino)
		names := c.names[ino]
		want := names
		if l.dir {
			want = 2
		}
		switch {
		case l.nlink == 0 && names > 0:
			if l == (linkCount{named: l.named, namedAt: l.namedAt}) {
				c.wrong(id+" has a name but is missing", 0)
			} else {
				c.wrong(id+" has a name but no links", 0)
			}
		case l.nlink == 0 && !l.orphan:
			c.wrong(id+" has no name and nobody knows of it", 0)
		case l.dir && ino != RootInode && l.nlink > 0 && names != 1:
			c.wrong(id+" is a directory with "+decimal(uint64(names))+" names", 0)
		case l.dir && ino != RootInode && (l.parent != l.named || l.place != l.namedAt):
			c.wrong(id+" does not know the directory that it is in", 0)
		case !l.dir && l.nlink != want:
			c.wrong(id+" has "+decimal(uint64(l.nlink))+" links, but "+decimal(uint64(names))+" names", 0)
		}
	}
	subdirs := map[uint64]uint32{}
	for ino, l := range c.links {
		if l.dir && ino != RootInode {
			subdirs[l.parent]++
		}
	}
	reached := map[uint64]bool{RootInode: true}
	for ino, l := range c.links {
		if !l.dir {
			continue
		}
		if l.nlink != 2+subdirs[ino] {
			c.wrong("directory "+decimal(ino)+" has "+decimal(uint64(l.nlink))+" links, and "+
				decimal(uint64(subdirs[ino]))+" directories in it", 0)
		}
		var way []uint64
		for at := ino; !reached[at] && len(way) <= len(c.links); at = c.links[at].parent {
			way = append(way, at)
		}
		if len(way) > len(c.links) {
			c.wrong("directory "+decimal(ino)+" is not below the root", 0)
		}
		for _, at := range way {
			reached[at] = true
		}
	}
}

// walkDead looks at a list of dead blocks.
func (c *checker) walkDead(list uint64) {
	for from := uint64(0); ; {
		d, ok, err := c.v.nextDead(list, from)
		if err != nil {
			c.problem(err)
		}
		if err != nil || !ok {
			return
		}
		c.addDead(d)
		from = d.start + 1
	}
}

func (c *checker) addDead(d deadRow) {
	for i := range d.n {
		if c.dead.add(d.start + i) {
			c.wrong("a block that died twice", d.start+i)
		}
	}
}

// compare compares what is in use with the lists of the dead, and with the space map.
func (c *checker) compare() {
	free := int64(0)
	for r := range c.v.space.regions() {
		m, err := c.v.space.leaf(r)
		if err != nil {
			c.problem(err)
			return
		}
		e, _, err := c.v.space.entry(0, r)
		if err != nil {
			c.problem(err)
			return
		}
		zeroes := uint64(0)
		for i, word := range m.bits {
			zeroes += uint64(bits.OnesCount64(^word))
			c.compareBlocks(r*regionBlocks+uint64(i)*64, word)
		}
		if zeroes != e.free {
			c.wrong("the space map counts "+decimal(e.free)+" free blocks in a region that has "+decimal(zeroes), r*regionBlocks)
		}
		free += int64(zeroes)
		if !m.dirty {
			delete(c.v.space.leaves, r)
		}
	}
	if free != c.v.space.free.Load() {
		c.wrong("the space map counts wrong in all", 0)
	}
}

// compareBlocks compares 64 blocks with their bits of the space map.
func (c *checker) compareBlocks(addr, used uint64) {
	i := addr / 64
	if i >= uint64(len(c.live)) {
		return
	}
	live, snap, dead := c.live[i], c.snaps[i], c.dead[i]
	if left := c.v.super.blocks - addr; left < 64 { // beyond the volume's end, bits are set
		used &= 1<<left - 1
	}
	unlisted := dead &^ snap
	if c.removing {
		unlisted = 0
	}
	for _, f := range []struct {
		blocks uint64
		what   string
	}{
		{live & dead, "a block that is dead and in use"},
		{snap &^ (live | dead), "a block of a snapshot that is in no list"},
		{used&^(live|dead) | unlisted, "a block that is lost: used, but by nothing"},
		{(live | dead) &^ used, "a block that is in use and free"},
	} {
		for b := f.blocks; b != 0; b &= b - 1 {
			c.wrong(f.what, addr+uint64(bits.TrailingZeros64(b)))
		}
	}
}
