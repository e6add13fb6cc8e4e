package volume

import (
	"syscall"
	"time"
)

// A directory's names are items of the tree, by the hash of the name. Names with the
// same hash take places one after the other. So a place is a number that a name
// keeps for as long as it is there, and on which readdir can rest.
const (
	hashBits  = 58
	placeBits = 4 // names that may share a hash
)

// entry is a name in a directory.
type entry struct {
	place uint64
	ino   uint64
	kind  uint8 // DT_*
	name  string
}

const dtShift = 12 // S_IF* to DT_*

// entry decodes an item.
func (t *tree) entry(it item) (entry, error) {
	f := fields{rest: it.value}
	e := entry{place: it.lo, ino: f.u64(), kind: f.take(1)[0], name: string(f.rest)}
	if f.short || e.ino == 0 || !validName(e.name) {
		return e, t.wrong(it.inode(), "a name in it")
	}
	return e, nil
}

func validName(name string) bool {
	for i := range len(name) {
		if name[i] == '/' || name[i] == 0 {
			return false
		}
	}
	return name != "" && name != "." && name != ".." && len(name) <= 255
}

// nextEntry returns the first entry of a directory at a place or after it.
func (t *tree) nextEntry(dir, place uint64) (e entry, ok bool, err error) {
	it, ok, err := t.seek(inodeKey(dir, kindEntry, place))
	if err != nil || !ok || it.inode() != dir || it.kind() != kindEntry {
		return e, false, err
	}
	e, err = t.entry(it)
	return e, err == nil, err
}

// find returns the entry with a name, or ENOENT.
func (t *tree) find(dir uint64, name string) (entry, error) {
	first := hashName(t.v.seed(), name) << placeBits
	for place := first; ; {
		e, ok, err := t.nextEntry(dir, place)
		if err != nil {
			return e, err
		}
		if !ok || e.place>>placeBits != first>>placeBits {
			return e, syscall.ENOENT
		}
		if e.name == name {
			return e, nil
		}
		place = e.place + 1
	}
}

func (v *Volume) seed() [2]uint64 { return [2]uint64{get64(v.super.id[:]), get64(v.super.id[8:])} }

// addEntry enters a name that is not there, and returns its place.
func (v *Volume) addEntry(dir uint64, name string, ino uint64, mode uint32) (place uint64, err error) {
	place = hashName(v.seed(), name) << placeBits
	for range 1 << placeBits {
		e, ok, err := v.files.nextEntry(dir, place)
		if err != nil {
			return 0, err
		}
		if !ok || e.place != place {
			return place, v.setEntry(dir, place, name, ino, mode)
		}
		place++
	}
	return 0, syscall.ENOSPC
}

func (v *Volume) setEntry(dir, place uint64, name string, ino uint64, mode uint32) error {
	b := make(record, 0, 8+1+len(name)).u64(ino)
	b = append(append(b, byte(mode&syscall.S_IFMT>>dtShift)), name...)
	return v.files.put(inodeKey(dir, kindEntry, place), b)
}

func (v *Volume) removeEntry(dir uint64, e entry) error {
	_, err := v.files.remove(inodeKey(dir, kindEntry, e.place))
	return err
}

// directory reads the inode of a directory that is to be changed.
func (v *Volume) directory(ino uint64) (inode, error) {
	in, err := v.files.inode(ino)
	if err == nil && in.kind() != syscall.S_IFDIR {
		err = syscall.ENOTDIR
	}
	return in, err
}

// put stores a directory whose names changed by delta.
func (v *Volume) putDirectory(ino uint64, in *inode, delta int) error {
	in.size += uint64(delta)
	in.mtime = time.Now().UnixNano()
	in.ctime = in.mtime
	return v.putInode(ino, in)
}

// The places of the tree that changes of names touch.
const createPlaces = 4

func (v *Volume) unlinkPlaces() int { return v.shrinkPlaces() + 3 }
func (v *Volume) renamePlaces() int { return v.unlinkPlaces() + 6 }

// create makes an inode and its first name. target is what a symbolic link
// leads to.
func (v *Volume) create(dir uint64, name string, mode uint32, rdev uint64, target string) (ino uint64, err error) {
	err = v.change(grow, 0, createPlaces+len(target)/linkPart, nil, func() error {
		parent, err := v.directory(dir)
		if err != nil {
			return err
		}
		if err := v.vacant(dir, name); err != nil {
			return err
		}
		now := time.Now().UnixNano()
		in := inode{mode: mode, nlink: 1, rdev: rdev, size: uint64(len(target)), atime: now, mtime: now, ctime: now}
		if in.kind() == syscall.S_IFDIR {
			if parent.nlink == ^uint32(0) {
				return syscall.EMLINK
			}
			in.nlink = 2
			in.parent = dir
			parent.nlink++
		}
		if ino, err = v.newInode(&in); err != nil {
			return err
		}
		place, err := v.addEntry(dir, name, ino, mode)
		if err != nil {
			return err
		}
		if in.kind() == syscall.S_IFDIR {
			in.place = place
			if err := v.putInode(ino, &in); err != nil {
				return err
			}
		}
		for i := 0; i < len(target); i += linkPart {
			part := target[i:min(i+linkPart, len(target))]
			if err := v.files.put(inodeKey(ino, kindLink, uint64(i/linkPart)), []byte(part)); err != nil {
				return err
			}
		}
		return v.putDirectory(dir, &parent, 1)
	})
	return ino, err
}

// linkPart is how many bytes of a symbolic link's target are in one item.
const linkPart = 900

// readlink returns the target of a symbolic link.
func (t *tree) readlink(ino uint64) (string, error) {
	in, err := t.inode(ino)
	if err != nil {
		return "", err
	}
	var target []byte
	for i := uint64(0); uint64(len(target)) < in.size; i++ {
		part, err := t.get(inodeKey(ino, kindLink, i))
		if err != nil {
			return "", t.wrong(ino, "a symbolic link's target")
		}
		target = append(target, part...)
	}
	return string(target), nil
}

// vacant answers EEXIST if a directory has a name.
func (v *Volume) vacant(dir uint64, name string) error {
	switch _, err := v.files.find(dir, name); err {
	case syscall.ENOENT:
		return nil
	case nil:
		return syscall.EEXIST
	default:
		return err
	}
}

// link adds a name for an inode.
func (v *Volume) link(dir uint64, name string, ino uint64) error {
	return v.change(grow, 0, createPlaces, nil, func() error {
		parent, err := v.directory(dir)
		if err != nil {
			return err
		}
		if err := v.vacant(dir, name); err != nil {
			return err
		}
		in, err := v.files.inode(ino)
		switch {
		case err != nil:
			return err
		case in.kind() == syscall.S_IFDIR:
			return syscall.EPERM
		case in.nlink == ^uint32(0):
			return syscall.EMLINK
		case in.nlink == 0:
			if err := v.dropOrphan(ino); err != nil {
				return err
			}
		}
		in.nlink++
		in.ctime = time.Now().UnixNano()
		if err := v.putInode(ino, &in); err != nil {
			return err
		}
		if _, err := v.addEntry(dir, name, ino, in.mode); err != nil {
			return err
		}
		return v.putDirectory(dir, &parent, 1)
	})
}

// unlink removes a name: of a directory, which must be empty, or of something
// else. It returns the inode if that was removed too, or 0.
func (v *Volume) unlink(dir uint64, name string, directory bool) (gone uint64, err error) {
	done := true
	err = v.change(shrink, 0, v.unlinkPlaces(), nil, func() error {
		parent, err := v.directory(dir)
		if err != nil {
			return err
		}
		e, err := v.files.find(dir, name)
		if err != nil {
			return err
		}
		in, err := v.files.inode(e.ino)
		switch {
		case err == syscall.ENOENT:
			return v.files.wrong(dir, "a name of nothing")
		case err != nil:
			return err
		case directory && in.kind() != syscall.S_IFDIR:
			return syscall.ENOTDIR
		case !directory && in.kind() == syscall.S_IFDIR:
			return syscall.EISDIR
		case directory && in.size > 0:
			return syscall.ENOTEMPTY
		}
		if gone, done, err = v.drop(dir, &parent, e, &in); err != nil {
			return err
		}
		return v.putDirectory(dir, &parent, 0)
	})
	if err == nil && !done {
		err = v.finish(gone)
	}
	return gone, err
}

// drop removes an entry, and the inode with it if that was its last name and nobody
// has it open: then it returns that as gone. If that is too much for one change done
// is false, and finish does the rest. The caller stores parent.
func (v *Volume) drop(dir uint64, parent *inode, e entry, in *inode) (gone uint64, done bool, err error) {
	if err := v.removeEntry(dir, e); err != nil {
		return 0, true, err
	}
	parent.size--
	if in.kind() == syscall.S_IFDIR {
		parent.nlink--
		in.nlink = 0
	} else {
		in.nlink -= min(in.nlink, 1)
	}
	in.ctime = time.Now().UnixNano()
	switch {
	case in.nlink > 0:
		return 0, true, v.putInode(e.ino, in)
	case v.open.has(e.ino):
		if err := v.addOrphan(e.ino); err != nil {
			return 0, true, err
		}
		return 0, true, v.putInode(e.ino, in)
	}
	done, err = v.reduce(e.ino, in, true)
	return e.ino, done, err
}
