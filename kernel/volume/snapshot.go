package volume

import (
	"syscall"
	"time"
)

// A snapshot is the root of the files' tree at a commit, kept in the meta tree. A
// block that a snapshot may have (its birth is not after the newest snapshot) is
// not given back when the files do not need it any more, but listed as dead. Every snapshot has
// the list of what died between the one before it and itself, and the volume that
// of what died since. When a snapshot is removed, the blocks in the list of the one
// after it which are younger than the one before it were only its own, and are given
// back; the other rows of its list stay, in the list of the one after it.

// What the meta tree holds: keys have the kind in the upper 8 bits of hi.
const (
	kindSnapshot = 1 // hi its generation, lo 0
	kindDead     = 2 // hi number of the list, lo the first block: n uint32, birth uint64
)

func metaKey(kind uint8, id, lo uint64) key { return key{uint64(kind)<<56 | id, lo} }

// deadRow is a row of blocks that the files do not need any more, but a snapshot.
type deadRow struct{ start, n, birth uint64 }

// Snapshot describes a snapshot.
type Snapshot struct {
	Name string
	Time time.Time

	generation uint64
	root       treeRoot
	dead       uint64 // number of its list
	removed    bool   // it is being removed
}

func (s *Snapshot) encode() []byte {
	b := make(record, 0, 64+len(s.Name)).u64(uint64(s.Time.UnixNano())).pointer(s.root.pointer).
		u32(uint32(s.root.level)).u64(s.dead)
	if s.removed {
		b = append(b, 1)
	} else {
		b = append(b, 0)
	}
	return append(b, s.Name...)
}

// bury gives back blocks that the files do not need any more.
func (v *Volume) bury(start, n, birth uint64) error {
	v.deferred.drop(start, n)
	if birth > v.super.lastSnap {
		return v.space.give(start, n)
	}
	if c := len(v.dead); c > 0 {
		if last := &v.dead[c-1]; last.start+last.n == start && last.birth == birth && last.n+n <= regionBlocks {
			last.n += n
			return nil
		}
	}
	v.dead = append(v.dead, deadRow{start, n, birth})
	return nil
}

// listDead enters what died in the meta tree.
func (v *Volume) listDead() error {
	for _, d := range v.dead {
		if err := v.putDead(v.super.deadList, d); err != nil {
			return err
		}
	}
	v.dead = nil
	return nil
}

func (v *Volume) putDead(list uint64, d deadRow) error {
	return v.meta.put(metaKey(kindDead, list, d.start), make(record, 0, 12).u32(uint32(d.n)).u64(d.birth))
}

// nextDead returns the first row of a list from a block on.
func (v *Volume) nextDead(list, from uint64) (d deadRow, ok bool, err error) {
	k := metaKey(kindDead, list, from)
	it, ok, err := v.meta.seek(k)
	if err != nil || !ok || it.hi != k.hi {
		return d, false, err
	}
	f := fields{rest: it.value}
	d = deadRow{it.lo, uint64(f.u32()), f.u64()}
	if f.short || !v.usable(d.start, d.n) {
		return d, false, v.meta.wrong(0, "a list of a snapshot")
	}
	return d, true, nil
}

// nextSnapshot returns the first snapshot from a generation on.
func (v *Volume) nextSnapshot(generation uint64) (s Snapshot, ok bool, err error) {
	it, ok, err := v.meta.seek(metaKey(kindSnapshot, generation, 0))
	if err != nil || !ok || it.hi>>56 != kindSnapshot {
		return s, false, err
	}
	f := fields{rest: it.value}
	s = Snapshot{Time: time.Unix(0, int64(f.u64())), root: treeRoot{f.pointer(), uint8(f.u32())}, dead: f.u64()}
	s.removed = f.take(1)[0] != 0
	s.Name, s.generation = string(f.rest), it.hi&(1<<56-1)
	if f.short || !validName(s.Name) || s.root.level >= maxLevel {
		return s, false, v.meta.wrong(0, "a snapshot")
	}
	return s, true, nil
}

// allSnapshots returns the snapshots, the oldest first.
func (v *Volume) allSnapshots() (list []Snapshot, err error) {
	for next := uint64(0); ; {
		s, ok, err := v.nextSnapshot(next)
		if err != nil || !ok {
			return list, err
		}
		list = append(list, s)
		next = s.generation + 1
	}
}

// Snapshots returns the snapshots, the oldest first.
func (v *Volume) Snapshots() ([]Snapshot, error) {
	v.mu.RLock()
	defer v.mu.RUnlock()
	all, err := v.allSnapshots()
	list := all[:0]
	for _, s := range all {
		if !s.removed {
			list = append(list, s)
		}
	}
	return list, err
}

// named returns the snapshot with a name, or ENOENT.
func (v *Volume) named(name string) (Snapshot, error) {
	all, err := v.allSnapshots()
	if err != nil {
		return Snapshot{}, err
	}
	for _, s := range all {
		if s.Name == name && !s.removed {
			return s, nil
		}
	}
	return Snapshot{}, syscall.ENOENT
}

// CreateSnapshot keeps the files as they are now, under a name. Data that is still in
// a page cache is not part of it.
func (v *Volume) CreateSnapshot(name string) error {
	if !validName(name) {
		return syscall.EINVAL
	}
	v.syncing.Lock()
	defer v.syncing.Unlock()
	v.write.Lock()
	defer v.write.Unlock()
	if err := v.commitChanges(); err != nil {
		return err
	}
	if v.space.available() < v.reserve()+v.owed()+v.paths(1) {
		return syscall.ENOSPC
	}
	if err := v.addSnapshot(name); err != nil {
		return err
	}
	return v.commitChanges()
}

func (v *Volume) addSnapshot(name string) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	switch _, err := v.named(name); err {
	case nil:
		return syscall.EEXIST
	case syscall.ENOENT:
	default:
		return err
	}
	if _, ok, err := v.nextSnapshot(v.super.generation); err != nil || ok {
		return orErr(err, syscall.EEXIST) // nothing has changed since the last one
	}
	s := Snapshot{
		Name: name, Time: time.Now(), generation: v.super.generation, root: v.super.files, dead: v.super.deadList,
	}
	if err := v.meta.put(metaKey(kindSnapshot, s.generation, 0), s.encode()); err != nil {
		v.fail(err)
		return err
	}
	v.super.lastSnap = s.generation
	v.super.deadList++
	v.changes.Add(1)
	return nil
}

// RemoveSnapshot removes a snapshot. Space that only it needed is free then.
func (v *Volume) RemoveSnapshot(name string) error {
	var s Snapshot
	err := v.change(forget, 0, forgetPlaces, nil, func() (err error) {
		if s, err = v.named(name); err != nil {
			return err
		}
		if v.views[s.generation] > 0 {
			return syscall.EBUSY
		}
		return v.setRemoved(&s)
	})
	if err != nil {
		return err
	}
	if err := v.Commit(); err != nil {
		return err
	}
	return v.finishSnapshot(s)
}

// setRemoved notes that a snapshot is not one any more, so that what is done next can
// be done in parts, and after a crash.
func (v *Volume) setRemoved(s *Snapshot) error {
	v.touched = true
	s.removed = true
	if err := v.meta.put(metaKey(kindSnapshot, s.generation, 0), s.encode()); err != nil {
		return err
	}
	before, _, err := v.neighbours(*s)
	if s.generation == v.super.lastSnap {
		v.super.lastSnap = before
	}
	return err
}

// neighbours returns the generation of the snapshot before one, or 0, and the number of
// the list of the one after it.
func (v *Volume) neighbours(s Snapshot) (before, list uint64, err error) {
	all, err := v.allSnapshots()
	list = v.super.deadList
	for _, o := range all {
		if o.generation < s.generation && !o.removed {
			before = o.generation
		}
		if o.generation > s.generation {
			list = o.dead
			break
		}
	}
	return before, list, err
}

// forgetPlaces is the number of places of the trees that one step of that changes.
const forgetPlaces = 4

// finishSnapshot gives back what a removed snapshot had.
func (v *Volume) finishSnapshot(s Snapshot) error {
	const step = 16 // rows, which are neighbours in their lists
	from, moving := uint64(0), false
	for done := false; !done; {
		err := v.change(forget, 0, forgetPlaces, nil, func() error {
			before, list, err := v.neighbours(s)
			if err != nil {
				return err
			}
			for range step {
				if !moving {
					d, ok, err := v.nextDead(list, from)
					if err != nil {
						return err
					}
					moving, from = !ok, d.start+1
					if ok && d.birth > before {
						if err := v.removeDead(list, d); err != nil {
							return err
						}
						if err := v.space.give(d.start, d.n); err != nil {
							return err
						}
					}
					continue
				}
				d, ok, err := v.nextDead(s.dead, 0)
				if err != nil {
					return err
				}
				if !ok {
					done = true
					_, err := v.meta.remove(metaKey(kindSnapshot, s.generation, 0))
					return err
				}
				if err := v.removeDead(s.dead, d); err != nil {
					return err
				}
				if err := v.putDead(list, d); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return v.Commit()
}

func (v *Volume) removeDead(list uint64, d deadRow) error {
	_, err := v.meta.remove(metaKey(kindDead, list, d.start))
	return err
}

// removeSnapshots finishes what a crash has interrupted.
func (v *Volume) removeSnapshots() error {
	v.mu.RLock()
	all, err := v.allSnapshots()
	v.mu.RUnlock()
	for _, s := range all {
		if err == nil && s.removed {
			err = v.finishSnapshot(s)
		}
	}
	return err
}
