package volume

import (
	"cmp"
	"maps"
	"slices"
	"syscall"
)

// purpose says what a change is for, which decides on how much room there must be.
type purpose int

const (
	// grow makes something new. It leaves the reserve alone.
	grow purpose = iota
	// promisedData writes data for which Reserve has found room.
	promisedData
	// shrink removes something, or changes what is there. It may use the reserve:
	// what it takes comes back with the next commit, if no snapshot keeps it.
	shrink
	// forget removes a snapshot. It may use all there is.
	forget
)

// reserve is the number of blocks that only removals may use, so that they work
// on a full disk.
func (v *Volume) reserve() int64 {
	const share, most, spare = 64, 8192, 8
	return max(int64(min(v.super.blocks/share, most)), v.paths(v.renamePlaces())+spare+v.lastReserve())
}

// lastReserve is the part of it that only the removal of snapshots may use.
func (v *Volume) lastReserve() int64 {
	if v.super.lastSnap == 0 {
		return 0
	}
	return 2 * v.paths(forgetPlaces)
}

// paths is the number of blocks that a change of items at n places of the files'
// tree may take: their nodes up to the root, halves of those that are split, and
// what a commit adds for the snapshots.
func (v *Volume) paths(n int) int64 {
	need := n*int(max(v.files.root.level, 1)) + n + 2
	if v.super.lastSnap > 0 {
		need += len(v.dead) + n*(int(v.meta.root.level)+2)
	}
	return int64(need)
}

const (
	// maxDirty is the number of changed nodes after which a commit is due, 4 KiB each.
	maxDirty = 512
	// maxDead likewise is that of rows in Volume.dead.
	maxDead = 256
)

// change makes a change: f runs with mu held. data is the number of blocks that it
// takes for data, places that of places in the tree. prepare, if not nil, runs
// before, with write held and mu not.
//
// An error of f before it has changed anything is its caller's. After that it
// means that the state in memory is in between: there are no more changes then.
func (v *Volume) change(why purpose, data int64, places int, prepare, f func() error) error {
	if err := v.begin(why, data, places); err != nil {
		return err
	}
	defer v.write.Unlock()
	if prepare != nil {
		if err := prepare(); err != nil {
			return err
		}
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.touched = false
	err := f()
	v.setFloor()
	if v.touched {
		v.changes.Add(1)
		if err != nil {
			v.fail(err)
		}
	}
	return err
}

// begin waits for the turn to change something, and makes sure that there is room
// for it. Unless there is an error, write is locked then.
func (v *Volume) begin(why purpose, data int64, places int) error {
	const tries = 4 // others may take what a commit gave
	for i := 0; ; i++ {
		v.write.Lock()
		if err := v.changeable(); err != nil {
			v.write.Unlock()
			return err
		}
		need := data + v.paths(places)
		switch why {
		case grow:
			need += v.reserve() + v.owed()
		case promisedData:
			need = v.paths(places)
		case shrink:
			need += v.lastReserve()
		}
		enough := v.space.available() >= need
		due := len(v.dirty) >= maxDirty || len(v.dead) >= maxDead || v.space.dirty >= maxBitmaps
		if enough && !due {
			return nil
		}
		held := v.space.held.Load()
		v.write.Unlock()
		if !enough && (held == 0 || i == tries) {
			return syscall.ENOSPC
		}
		if err := v.Commit(); err != nil {
			return err
		}
	}
}

func (v *Volume) changeable() error {
	if v.readOnly {
		return syscall.EROFS
	}
	return v.failed()
}

// owed is the number of blocks that data takes for which there is a promise, with
// what the tree needs for it.
func (v *Volume) owed() int64 {
	const perNode = 16
	n := v.promised.Load()
	return n + n/perNode
}

// Commit makes the state in memory the one on the disk.
func (v *Volume) Commit() error {
	v.syncing.Lock()
	defer v.syncing.Unlock()
	return v.commit()
}

// commit is Commit with syncing held.
func (v *Volume) commit() error {
	v.write.Lock()
	defer v.write.Unlock()
	return v.commitChanges()
}

// commitChanges is Commit with syncing and write held.
func (v *Volume) commitChanges() error {
	if err := v.changeable(); err != nil {
		return err
	}
	changes := v.changes.Load()
	if len(v.dirty) == 0 && v.space.dirty == 0 {
		return nil
	}
	next, err := v.writeState()
	if err != nil {
		v.fail(err)
		return err
	}
	v.reading.Lock() // nobody reads what is about to be taken again
	long := v.space.release()
	v.reading.Unlock()
	for _, r := range long {
		// It is advice, which the device may refuse.
		v.dev.Discard(int64(r.start)*BlockSize, int64(r.n)*BlockSize)
	}
	v.mu.Lock()
	v.super.generation = next.generation
	v.super.files, v.super.meta, v.super.space = next.files, next.meta, next.space
	for _, n := range v.dirty {
		v.cache.put(n)
	}
	v.dirty = map[uint64]*node{}
	clear(v.deferred)
	v.mu.Unlock()
	v.log.reset()
	v.setFloor()
	v.durable.Store(changes)
	return nil
}

// setFloor computes what promises must leave. It is called with write held.
func (v *Volume) setFloor() {
	const places = 4 // that data is written to in one go
	v.kept.Store(v.reserve())
	v.floor.Store(v.reserve() + v.paths(places))
}

// writeState writes the generation in progress and returns its superblock.
func (v *Volume) writeState() (superblock, error) {
	v.mu.Lock()
	err := v.listDead()
	if err == nil {
		v.files.seal()
		v.meta.seal()
	}
	v.mu.Unlock()
	if err != nil {
		return superblock{}, err
	}
	w := batch{v: v}
	if err := v.addDeferred(&w, slices.Collect(maps.Keys(v.deferred))); err != nil {
		return superblock{}, err
	}
	if err := v.addNodes(&w); err != nil {
		return superblock{}, err
	}
	if err := v.space.write(&w); err != nil {
		return superblock{}, err
	}
	if err := w.write(true); err != nil {
		return superblock{}, err
	}
	next := v.super
	next.generation++
	next.files, next.meta, next.space = v.files.root, v.meta.root, v.space.top
	b := next.encode()
	for _, at := range superPlaces(next.generation, next.blocks) {
		if err := w.add(at, b); err != nil {
			return superblock{}, err
		}
	}
	return next, w.write(true)
}

// addNodes adds the nodes of the generation in progress to what is to be written.
func (v *Volume) addNodes(w *batch) error {
	nodes := slices.SortedFunc(maps.Values(v.dirty), func(a, b *node) int { return cmp.Compare(a.addr(), b.addr()) })
	for _, n := range nodes {
		if err := w.add(n.addr(), n.data[:]); err != nil {
			return err
		}
	}
	return nil
}
