package volume

// key orders what a tree holds: by object and kind first, then by what the kind
// counts.
type key struct{ hi, lo uint64 }

func (k key) less(o key) bool { return k.hi < o.hi || k.hi == o.hi && k.lo < o.lo }

// node is a block of a tree: a leaf with items, or above it a node whose items'
// values are pointers. Its bytes are those on the disk:
//
//	0   magic      uint32
//	4   level      uint8, 0 for a leaf
//	5   tree       uint8
//	6   count      uint16
//	8   birth      uint64, the generation that wrote it
//	16  address    uint64, its own
//	32  slots      count × { hi, lo uint64; offset, length uint16 }
//
// Slots are in ascending order of their keys. The values lie at the end of the
// block, the first slot's last, without gaps: every offset is that of the slot
// before, less the length. So there is one right place for everything, which
// check can require.
type node struct {
	data [BlockSize]byte
	used bool // since the cache last looked
}

const (
	nodeMagic = 0x646e7672
	nodeHead  = 32
	slotSize  = 8 + 8 + 2 + 2
	nodeRoom  = BlockSize - nodeHead

	// maxValue is the longest value: with its slot, a quarter of a node, so that
	// one split always makes enough room.
	maxValue = nodeRoom/4 - slotSize

	// maxLevel is more than a tree of 2^36 blocks can have.
	maxLevel = 16
)

func newNode(tree, level uint8, at pointer) *node {
	n := &node{}
	put32(n.data[0:], nodeMagic)
	n.data[4], n.data[5] = level, tree
	n.place(at)
	return n
}

// place sets the node's own address and birth.
func (n *node) place(at pointer) {
	put64(n.data[8:], at.birth)
	put64(n.data[16:], at.addr)
}

func (n *node) level() uint8  { return n.data[4] }
func (n *node) birth() uint64 { return get64(n.data[8:]) }
func (n *node) addr() uint64  { return get64(n.data[16:]) }
func (n *node) count() int    { return int(get16(n.data[6:])) }

func (n *node) setCount(c int) { put16(n.data[6:], uint16(c)) }

func (n *node) slot(i int) []byte { return n.data[nodeHead+i*slotSize:][:slotSize] }

func (n *node) key(i int) key {
	s := n.slot(i)
	return key{get64(s), get64(s[8:])}
}

func (n *node) setKey(i int, k key) {
	s := n.slot(i)
	put64(s, k.hi)
	put64(s[8:], k.lo)
}

// value returns the value of slot i, which is part of the node.
func (n *node) value(i int) []byte {
	s := n.slot(i)
	off, size := int(get16(s[16:])), int(get16(s[18:]))
	return n.data[off : off+size : off+size]
}

// low is where the values begin.
func (n *node) low() int {
	if c := n.count(); c > 0 {
		return int(get16(n.slot(c - 1)[16:]))
	}
	return BlockSize
}

// room is the number of free bytes.
func (n *node) room() int { return n.low() - nodeHead - n.count()*slotSize }

// child returns the pointer in slot i of a node above the leaves.
func (n *node) child(i int) pointer {
	f := fields{rest: n.value(i)}
	return f.pointer()
}

func (n *node) setChild(i int, p pointer) { record(n.value(i)[:0]).pointer(p) }

// check answers what is wrong with a node that was read from the disk as one of
// a tree at a level, or "". After it, all methods are safe to call.
func (n *node) check(tree, level uint8, at pointer) string {
	c := n.count()
	switch {
	case get32(n.data[0:]) != nodeMagic || n.data[5] != tree:
		return "not a node of this tree"
	case n.level() != level:
		return "a node of the wrong level"
	case n.addr() != at.addr || n.birth() != at.birth:
		return "a node that belongs elsewhere"
	case c > nodeRoom/slotSize || c == 0 && level > 0:
		return "a node with a wrong number of items"
	}
	low := BlockSize
	for i := range c {
		s := n.slot(i)
		off, size := int(get16(s[16:])), int(get16(s[18:]))
		if size > maxValue || level > 0 && size != pointerSize || off+size != low || off < nodeHead+c*slotSize {
			return "a node with an item out of place"
		}
		low = off
		if i > 0 && !n.key(i-1).less(n.key(i)) {
			return "a node that is out of order"
		}
	}
	return ""
}

// find returns the slot of the first key that is not less than k, and whether
// that is k itself.
func (n *node) find(k key) (int, bool) {
	lo, hi := 0, n.count()
	for lo < hi {
		mid := int(uint(lo+hi) >> 1)
		if n.key(mid).less(k) {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	return lo, lo < n.count() && n.key(lo) == k
}

// branch returns the slot of the child in which k is, if anywhere.
func (n *node) branch(k key) int {
	i, exact := n.find(k)
	if exact || i == 0 {
		return i
	}
	return i - 1
}

// insert makes a new slot i. There must be room.
func (n *node) insert(i int, k key, value []byte) {
	c, size := n.count(), len(value)
	end := BlockSize // of the new value
	if i > 0 {
		end = int(get16(n.slot(i - 1)[16:]))
	}
	low := n.low()
	copy(n.data[low-size:], n.data[low:end])
	n.moveOffsets(i, -size)
	copy(n.data[nodeHead+(i+1)*slotSize:], n.data[nodeHead+i*slotSize:nodeHead+c*slotSize])
	n.setCount(c + 1)
	n.setKey(i, k)
	s := n.slot(i)
	put16(s[16:], uint16(end-size))
	put16(s[18:], uint16(size))
	copy(n.data[end-size:end], value)
}

// remove removes slot i.
func (n *node) remove(i int) {
	c := n.count()
	size := len(n.value(i))
	off, low := int(get16(n.slot(i)[16:])), n.low()
	copy(n.data[low+size:off+size], n.data[low:off])
	n.moveOffsets(i+1, size)
	copy(n.data[nodeHead+i*slotSize:], n.data[nodeHead+(i+1)*slotSize:nodeHead+c*slotSize])
	n.setCount(c - 1)
}

// moveOffsets adds delta to the offsets of the slots from i on.
func (n *node) moveOffsets(i, delta int) {
	for c := n.count(); i < c; i++ {
		s := n.slot(i)[16:]
		put16(s, uint16(int(get16(s))+delta))
	}
}

// moveTo moves the items from slot i on to the end of another node.
func (n *node) moveTo(to *node, i int) {
	for j, c := i, n.count(); j < c; j++ {
		to.insert(to.count(), n.key(j), n.value(j))
	}
	n.setCount(i)
}
