package volume

import "syscall"

// RootInode is the number of the top directory.
const RootInode = 1

// What the files' tree holds. The upper 56 bits of a key's hi are the number of
// an inode, the others say what of it:
const (
	kindInode  = 1 // lo 0: the inode itself
	kindEntry  = 2 // lo place of the name (dir.go): a name in a directory
	kindExtent = 3 // lo block of the file: where the data is (extent.go)
	kindLink   = 4 // lo number of the part: a symbolic link's target
	kindAttr   = 5 // lo number of the attribute and of the part (xattr.go)
	kindOrphan = 6 // hi has inode 0, lo is an inode that is to be removed or cut
)

func inodeKey(ino uint64, kind uint8, lo uint64) key { return key{ino<<8 | uint64(kind), lo} }

func (k key) inode() uint64 { return k.hi >> 8 }
func (k key) kind() uint8   { return uint8(k.hi) }

// inode is what the tree holds of an inode. Times are nanoseconds since 1970.
type inode struct {
	mode, nlink         uint32
	uid, gid            uint32
	size                uint64 // of a file or link, in bytes; of a directory, the number of names
	blocks              uint64 // of data
	atime, mtime, ctime int64
	rdev                uint64
	parent              uint64 // of a directory: the directory that it is in
	place               uint64 // likewise, and of its name there
}

const inodeSize = 4*4 + 8*8

func (in *inode) kind() uint32 { return in.mode & syscall.S_IFMT }

func (in *inode) encode(b record) record {
	return b.u32(in.mode).u32(in.nlink).u32(in.uid).u32(in.gid).u64(in.size).u64(in.blocks).
		u64(uint64(in.atime)).u64(uint64(in.mtime)).u64(uint64(in.ctime)).
		u64(in.rdev).u64(in.parent).u64(in.place)
}

// inode reads an inode of a tree: that of the files, or a snapshot's.
func (t *tree) inode(ino uint64) (inode, error) {
	b, err := t.get(inodeKey(ino, kindInode, 0))
	if err != nil {
		return inode{}, err
	}
	f := fields{rest: b}
	in := inode{
		mode: f.u32(), nlink: f.u32(), uid: f.u32(), gid: f.u32(),
		size: f.u64(), blocks: f.u64(),
		atime: int64(f.u64()), mtime: int64(f.u64()), ctime: int64(f.u64()),
		rdev: f.u64(), parent: f.u64(), place: f.u64(),
	}
	if f.short || len(f.rest) > 0 || in.size > 1<<63-1 {
		return in, t.wrong(ino, "its inode")
	}
	return in, nil
}

// wrong makes an error of an item that is not what it should be.
func (t *tree) wrong(ino uint64, what string) error {
	return t.v.damage("inode "+decimal(ino)+": "+what+" makes no sense, in the tree with this root", t.root.addr)
}

func (v *Volume) putInode(ino uint64, in *inode) error {
	return v.files.put(inodeKey(ino, kindInode, 0), in.encode(make(record, 0, inodeSize)))
}

// newInode gives a number and stores a new inode.
func (v *Volume) newInode(in *inode) (ino uint64, err error) {
	if v.super.nextInode >= maxInode {
		return 0, syscall.ENOSPC
	}
	ino = v.super.nextInode
	v.super.nextInode++
	return ino, v.putInode(ino, in)
}

// An orphan is an inode without a name that is still open, or one of which not all
// could be removed at once. What a crash leaves of them is removed by Open.

func (v *Volume) addOrphan(ino uint64) error {
	return v.files.put(inodeKey(0, kindOrphan, ino), nil)
}

func (v *Volume) dropOrphan(ino uint64) error {
	_, err := v.files.remove(inodeKey(0, kindOrphan, ino))
	return err
}

func (v *Volume) removeOrphans() error {
	for next := uint64(0); ; {
		v.mu.RLock()
		it, ok, err := v.files.seek(inodeKey(0, kindOrphan, next))
		ino, kind := it.lo, it.kind() // it is part of a node
		v.mu.RUnlock()
		if err != nil || !ok || it.hi != inodeKey(0, kindOrphan, 0).hi || kind != kindOrphan {
			return err
		}
		if err := v.finish(ino); err != nil {
			return err
		}
		next = ino + 1
	}
}

// finish removes what is too much of an inode: everything, if it has no name and
// nobody has it open, else what lies beyond the file's end.
func (v *Volume) finish(ino uint64) error {
	for done := false; !done; {
		err := v.change(shrink, 0, v.shrinkPlaces(), nil, func() (err error) {
			in, err := v.files.inode(ino)
			if err == syscall.ENOENT {
				done = true
				return v.dropOrphan(ino)
			}
			if err != nil {
				return err
			}
			done, err = v.reduce(ino, &in, in.nlink == 0 && !v.open.has(ino))
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// shrinkStep is the number of items that are removed in one change: few where a change
// must not take much room.
func (v *Volume) shrinkStep() int {
	const few, many, small = 8, 64, 64 << 20 / BlockSize
	if v.super.blocks <= small {
		return few
	}
	return many
}

// shrinkPlaces is how many places of the tree reduce changes at most.
func (v *Volume) shrinkPlaces() int { return v.shrinkStep()/8 + 4 }

// reduce removes what is too much of an inode, which is stored then: what lies
// beyond its end, or everything. If that is more than one change should do, done is
// false, and the inode is an orphan until finish has done the rest.
func (v *Volume) reduce(ino uint64, in *inode, everything bool) (done bool, err error) {
	from := (in.size + BlockSize - 1) / BlockSize
	if everything {
		from = 0
	}
	freed, left, err := v.removeExtents(ino, from, maxFileBlocks, v.shrinkStep())
	if err != nil {
		return false, err
	}
	in.blocks -= min(freed, in.blocks)
	if everything && !left {
		if left, err = v.removeItems(ino); err != nil {
			return false, err
		}
	}
	switch {
	case left:
		err = v.addOrphan(ino)
	case everything || in.nlink > 0:
		err = v.dropOrphan(ino)
	}
	if err != nil {
		return false, err
	}
	if everything && !left {
		_, err = v.files.remove(inodeKey(ino, kindInode, 0))
		return true, err
	}
	return !left, v.putInode(ino, in)
}

// removeItems removes what an inode has beside its data.
func (v *Volume) removeItems(ino uint64) (left bool, err error) {
	for range v.shrinkStep() {
		it, ok, err := v.files.seek(inodeKey(ino, kindLink, 0))
		if err != nil || !ok || it.inode() != ino {
			return false, err
		}
		if _, err := v.files.remove(it.key); err != nil {
			return false, err
		}
	}
	return true, nil
}
