package volume

import (
	"syscall"
	"time"
)

// Flags of renameat2(2).
const (
	renameNoReplace = 1
	renameExchange  = 2
)

// rename moves the name old in directory from to the name new in directory to. It
// returns the inode that was removed by that, or 0.
func (v *Volume) rename(from uint64, old string, to uint64, new string, flags int) (gone uint64, err error) {
	done := true
	err = v.change(shrink, 0, v.renamePlaces(), nil, func() error {
		gone, done = 0, true
		m, err := v.planMove(from, old, to, new, flags)
		if err != nil || m == nil {
			return err
		}
		gone, done, err = m.carryOut()
		return err
	})
	if err == nil && !done {
		err = v.finish(gone)
	}
	return gone, err
}

// move is what a rename does: the entry src of directory from gets the name new in directory
// to. Who makes and uses it holds mu.
type move struct {
	v        *Volume
	from, to uint64
	fromDir  *inode
	toDir    *inode // fromDir, if the directories are the same
	old, new string
	src, dst entry
	srcNode  inode
	dstNode  inode
	exists   bool // dst and dstNode: what has the name already
	exchange bool // they change places
}

// planMove looks up what a rename is about, and whether it may be. It returns nil if there
// is nothing to do.
func (v *Volume) planMove(from uint64, old string, to uint64, new string, flags int) (*move, error) {
	fromDir, err := v.directory(from)
	if err != nil {
		return nil, err
	}
	m := &move{v: v, from: from, to: to, fromDir: &fromDir, toDir: &fromDir, old: old, new: new, exchange: flags&renameExchange != 0}
	if to != from {
		toDir, err := v.directory(to)
		if err != nil {
			return nil, err
		}
		m.toDir = &toDir
	}
	if m.src, err = v.files.find(from, old); err != nil {
		return nil, err
	}
	m.dst, err = v.files.find(to, new)
	m.exists = err == nil
	switch {
	case err != nil && err != error(syscall.ENOENT):
		return nil, err
	case m.exchange && !m.exists:
		return nil, syscall.ENOENT
	case m.exists && flags&renameNoReplace != 0:
		return nil, syscall.EEXIST
	case m.exists && m.dst.ino == m.src.ino:
		return nil, nil // two names of one file: nothing happens (rename(2))
	}
	if m.srcNode, err = v.files.inode(m.src.ino); err != nil {
		return nil, err
	}
	if m.exists {
		if m.dstNode, err = v.files.inode(m.dst.ino); err != nil {
			return nil, err
		}
	}
	return m, m.check()
}

// check refuses directories that would be below themselves, and what cannot take another's
// place.
func (m *move) check() error {
	if inside, err := m.v.below(m.to, m.src.ino, m.srcNode.kind()); err != nil || inside {
		return orErr(err, syscall.EINVAL)
	}
	if !m.exists {
		return nil
	}
	if inside, err := m.v.below(m.from, m.dst.ino, m.dstNode.kind()); err != nil || inside {
		if m.exchange {
			return orErr(err, syscall.EINVAL)
		}
		return orErr(err, syscall.ENOTEMPTY)
	}
	srcDir, dstDir := m.srcNode.kind() == syscall.S_IFDIR, m.dstNode.kind() == syscall.S_IFDIR
	switch {
	case m.exchange:
		return nil
	case srcDir && !dstDir:
		return syscall.ENOTDIR
	case !srcDir && dstDir:
		return syscall.EISDIR
	case dstDir && m.dstNode.size > 0:
		return syscall.ENOTEMPTY
	}
	return nil
}

// carryOut does it. It returns the inode that is removed by that, or 0; if done is false,
// finish has to be called for it.
func (m *move) carryOut() (gone uint64, done bool, err error) {
	done = true
	if m.exchange {
		err = m.swap()
	} else {
		gone, done, err = m.replace()
	}
	if err != nil {
		return 0, true, err
	}
	if err := m.v.putDirectory(m.from, m.fromDir, 0); err != nil || m.to == m.from {
		return gone, done, err
	}
	return gone, done, m.v.putDirectory(m.to, m.toDir, 0)
}

// swap gives each of the two the other's entry.
func (m *move) swap() error {
	if err := m.v.settle(m.to, m.dst.place, m.new, m.src.ino, &m.srcNode, m.from, m.fromDir, m.toDir); err != nil {
		return err
	}
	return m.v.settle(m.from, m.src.place, m.old, m.dst.ino, &m.dstNode, m.to, m.toDir, m.fromDir)
}

// replace moves the entry, and removes what has the name; for its results see carryOut.
func (m *move) replace() (gone uint64, done bool, err error) {
	v := m.v
	done = true
	if m.exists {
		if gone, done, err = v.drop(m.to, m.toDir, m.dst, &m.dstNode); err != nil {
			return 0, true, err
		}
	}
	if err := v.removeEntry(m.from, m.src); err != nil {
		return 0, true, err
	}
	m.fromDir.size--
	place, err := v.addEntry(m.to, m.new, m.src.ino, m.srcNode.mode)
	if err != nil {
		return 0, true, err
	}
	m.toDir.size++
	return gone, done, v.settle(m.to, place, m.new, m.src.ino, &m.srcNode, m.from, m.fromDir, m.toDir)
}

// settle makes an inode the one that a place of directory to names, after it came from
// another. A directory is told where it is now.
func (v *Volume) settle(to, place uint64, name string, ino uint64, in *inode, from uint64, fromDir, toDir *inode) error {
	if err := v.setEntry(to, place, name, ino, in.mode); err != nil {
		return err
	}
	in.ctime = time.Now().UnixNano()
	if in.kind() == syscall.S_IFDIR {
		in.parent, in.place = to, place
		if from != to {
			fromDir.nlink--
			toDir.nlink++
		}
	}
	return v.putInode(ino, in)
}

// orErr returns err, or if that is nil the other.
func orErr(err error, other syscall.Errno) error {
	if err != nil {
		return err
	}
	return other
}

// below reports whether directory dir is ino, which is of a kind (S_IF*), or lies
// below it.
func (v *Volume) below(dir, ino uint64, kind uint32) (bool, error) {
	if kind != syscall.S_IFDIR {
		return false, nil
	}
	mark, steps, limit := uint64(0), 0, 2
	for dir != mark {
		if dir == ino {
			return true, nil
		}
		if dir == RootInode {
			return false, nil
		}
		in, err := v.files.inode(dir)
		if err != nil {
			return false, err
		}
		if steps++; steps == limit { // to come by here again means that directories contain each other
			mark, limit = dir, 2*limit
		}
		dir = in.parent
	}
	return false, v.files.wrong(ino, "its place in the tree of directories")
}
