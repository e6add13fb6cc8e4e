package volume

import "syscall"

// tree is a B+tree of items, copied on write: changing a node gives it a new
// place on the disk, and so its parents up to the root. What the last commit left
// stays as it is. Nodes of the generation in progress are changed in memory, where
// they are until the next commit (Volume.dirty); their pointers have no checksum yet.
//
// Methods that change the tree are called with Volume.mu held, those that read with
// that or its read lock. Slices that they return are parts of nodes: they are
// valid until the lock is released, or the tree changed.
type tree struct {
	v    *Volume
	id   uint8
	root treeRoot
}

// The trees of a volume.
const (
	filesTree = 1
	metaTree  = 2
)

// item is a key with its value.
type item struct {
	key
	value []byte
}

// plant makes an empty tree.
func (t *tree) plant() error {
	n, err := t.newNode(0)
	if err == nil {
		t.root = treeRoot{t.v.pointerTo(n), 0}
	}
	return err
}

// load returns the node to which p points.
func (t *tree) load(p pointer, level uint8) (*node, error) {
	v := t.v
	n := v.dirty[p.addr]
	if n == nil {
		n = v.cache.get(p.addr)
	}
	if n == nil {
		n = &node{}
		if err := v.readBlock(n.data[:], p, "tree node"); err != nil {
			return nil, err
		}
		if wrong := n.check(t.id, level, p); wrong != "" {
			return nil, v.damage(wrong, p.addr)
		}
		v.cache.put(n)
		return n, nil
	}
	if n.birth() != p.birth || n.level() != level || n.data[5] != t.id {
		return nil, v.damage("two pointers to one tree node differ", p.addr)
	}
	return n, nil
}

// seek returns the first item whose key is k or more; ok is false if there is none.
func (t *tree) seek(k key) (it item, ok bool, err error) { return t.seekBelow(t.root, k) }

func (t *tree) seekBelow(r treeRoot, k key) (item, bool, error) {
	n, err := t.load(r.pointer, r.level)
	if err != nil {
		return item{}, false, err
	}
	if r.level == 0 {
		i, _ := n.find(k)
		if i == n.count() {
			return item{}, false, nil
		}
		return item{n.key(i), n.value(i)}, true, nil
	}
	for i := n.branch(k); i < n.count(); i++ {
		it, ok, err := t.seekBelow(treeRoot{n.child(i), r.level - 1}, k)
		if ok || err != nil {
			return it, ok, err
		}
	}
	return item{}, false, nil
}

// floor returns the last item whose key is k or less; ok is false if there is none.
func (t *tree) floor(k key) (it item, ok bool, err error) { return t.floorBelow(t.root, k) }

func (t *tree) floorBelow(r treeRoot, k key) (item, bool, error) {
	n, err := t.load(r.pointer, r.level)
	if err != nil {
		return item{}, false, err
	}
	if r.level == 0 {
		i, exact := n.find(k)
		if !exact {
			i--
		}
		if i < 0 {
			return item{}, false, nil
		}
		return item{n.key(i), n.value(i)}, true, nil
	}
	for i := min(n.branch(k), n.count()-1); i >= 0; i-- {
		it, ok, err := t.floorBelow(treeRoot{n.child(i), r.level - 1}, k)
		if ok || err != nil {
			return it, ok, err
		}
	}
	return item{}, false, nil
}

// get returns the value of a key, or ENOENT.
func (t *tree) get(k key) ([]byte, error) {
	it, ok, err := t.seek(k)
	if err == nil && (!ok || it.key != k) {
		err = syscall.ENOENT
	}
	return it.value, err
}

// newNode makes an empty node of the generation in progress.
func (t *tree) newNode(level uint8) (*node, error) {
	addr, err := t.v.space.takeNode()
	if err != nil {
		return nil, err
	}
	n := newNode(t.id, level, pointer{addr: addr, birth: t.v.generation()})
	t.v.dirty[addr] = n
	return n, nil
}

// own returns the node at p for changing, and where it is then.
func (t *tree) own(p pointer, level uint8) (*node, pointer, error) {
	v := t.v
	old, err := t.load(p, level)
	if err != nil || p.birth == v.generation() {
		return old, p, err
	}
	addr, err := v.space.takeNode()
	if err != nil {
		return nil, p, err
	}
	n := &node{data: old.data}
	n.place(pointer{addr: addr, birth: v.generation()})
	v.dirty[addr] = n
	if err = t.discard(p); err != nil {
		v.touched = true // the old node is the tree's, and given back perhaps
	}
	return n, v.pointerTo(n), err
}

// discard gives back the block of a node that is not part of the tree any more.
func (t *tree) discard(p pointer) error {
	v := t.v
	if p.birth == v.generation() { // neither the disk nor the log knows it
		delete(v.dirty, p.addr)
		return v.space.giveNow(p.addr, 1)
	}
	v.cache.drop(p.addr)
	if t.id == filesTree {
		return v.bury(p.addr, 1, p.birth)
	}
	return v.space.give(p.addr, 1)
}

// put sets the value of a key.
func (t *tree) put(k key, value []byte) error {
	root, at, err := t.own(t.root.pointer, t.root.level)
	if err != nil {
		return err
	}
	t.root.pointer = at
	if t.id == filesTree {
		t.v.log.note(k)
	}
	right, err := t.insert(root, k, value)
	if err != nil || right == nil {
		return err
	}
	if t.root.level+1 >= maxLevel {
		return syscall.EFBIG
	}
	top, err := t.newNode(t.root.level + 1)
	if err != nil {
		return err
	}
	var b [2 * pointerSize]byte
	top.insert(0, key{}, record(b[:0]).pointer(at))
	top.insert(1, right.key(0), record(b[:0]).pointer(t.v.pointerTo(right)))
	t.root = treeRoot{t.v.pointerTo(top), t.root.level + 1}
	return nil
}

// insert sets the value of a key below n, which is owned. If n had to be split, it
// returns the right half.
func (t *tree) insert(n *node, k key, value []byte) (*node, error) {
	if n.level() == 0 {
		i, exact := n.find(k)
		if exact {
			t.v.touched = true
			if old := n.value(i); len(old) == len(value) {
				copy(old, value)
				return nil, nil
			}
			n.remove(i)
		}
		return t.add(n, i, k, value)
	}
	i := n.branch(k)
	child, at, err := t.own(n.child(i), n.level()-1)
	if err != nil {
		return nil, err
	}
	n.setChild(i, at)
	right, err := t.insert(child, k, value)
	if err != nil || right == nil {
		return nil, err
	}
	var b [pointerSize]byte
	return t.add(n, i+1, right.key(0), record(b[:0]).pointer(t.v.pointerTo(right)))
}

// add inserts a slot in n, which it splits if there is no room. A slot at the end
// gets a node of its own then: items often come in order, and so nodes become full.
func (t *tree) add(n *node, i int, k key, value []byte) (right *node, err error) {
	if n.room() >= len(value)+slotSize {
		t.v.touched = true
		n.insert(i, k, value)
		return nil, nil
	}
	if right, err = t.newNode(n.level()); err != nil {
		return nil, err
	}
	t.v.touched = true
	if i == n.count() {
		right.insert(0, k, value)
		return right, nil
	}
	at, size := 0, 0
	for size < nodeRoom/2 {
		size += slotSize + len(n.value(at))
		at++
	}
	at = min(at, n.count()-1)
	n.moveTo(right, at)
	if i <= at {
		n.insert(i, k, value)
	} else {
		right.insert(i-at, k, value)
	}
	return right, nil
}

// remove removes a key, and reports whether it was there.
func (t *tree) remove(k key) (bool, error) {
	if _, err := t.get(k); err == syscall.ENOENT {
		return false, nil
	} else if err != nil {
		return false, err
	}
	root, at, err := t.own(t.root.pointer, t.root.level)
	if err != nil {
		return false, err
	}
	t.root.pointer = at
	if t.id == filesTree {
		t.v.log.note(k)
	}
	if err := t.cut(root, k); err != nil {
		return false, err
	}
	for t.root.level > 0 && root.count() == 1 { // the only child becomes the root
		child := treeRoot{root.child(0), t.root.level - 1}
		if err := t.discard(t.root.pointer); err != nil {
			return false, err
		}
		t.root = child
		if child.level == 0 {
			break
		}
		if root, err = t.load(child.pointer, child.level); err != nil {
			return false, err
		}
	}
	return true, nil
}

// cut removes a key that is below n, which is owned.
func (t *tree) cut(n *node, k key) error {
	if n.level() == 0 {
		i, exact := n.find(k)
		if !exact {
			return t.v.damage("a tree changed while it was locked", n.addr())
		}
		t.v.touched = true
		n.remove(i)
		return nil
	}
	i := n.branch(k)
	child, at, err := t.own(n.child(i), n.level()-1)
	if err != nil {
		return err
	}
	n.setChild(i, at)
	if err := t.cut(child, k); err != nil {
		return err
	}
	const sparse = nodeRoom * 3 / 4
	switch {
	case child.count() == 0 && n.count() > 1:
		n.remove(i)
		return t.discard(at)
	case child.room() < sparse:
		return nil
	case i+1 < n.count():
		return t.merge(n, i)
	case i > 0:
		return t.merge(n, i-1)
	}
	return nil
}

// merge makes one node of the children i and i+1 of n, if that leaves some room in it.
func (t *tree) merge(n *node, i int) error {
	level := n.level() - 1
	left, err := t.load(n.child(i), level)
	if err != nil {
		return nil // a damaged neighbour keeps nobody from changing this one
	}
	right, err := t.load(n.child(i+1), level)
	if err != nil {
		return nil
	}
	const slack = nodeRoom / 4
	if left.room() < nodeRoom-right.room()+slack {
		return nil
	}
	left, at, err := t.own(n.child(i), level)
	if err != nil {
		return err
	}
	n.setChild(i, at)
	first := left.count()
	for j := range right.count() {
		left.insert(left.count(), right.key(j), right.value(j))
	}
	if level > 0 { // below its first child there may be lesser keys
		left.setKey(first, n.key(i+1))
	}
	gone := n.child(i + 1)
	n.remove(i + 1)
	return t.discard(gone)
}

// seal computes the checksums of the nodes of the generation in progress, from
// the leaves up.
func (t *tree) seal() {
	t.sealBelow(&t.root.pointer)
}

func (t *tree) sealBelow(p *pointer) {
	n := t.v.dirty[p.addr]
	if n == nil {
		return
	}
	if n.level() > 0 {
		for i := range n.count() {
			if child := n.child(i); child.birth == t.v.generation() {
				t.sealBelow(&child)
				n.setChild(i, child)
			}
		}
	}
	p.sum = checksum(n.data[:])
}
