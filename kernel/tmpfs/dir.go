package tmpfs

import (
	"cmp"
	"slices"
	"syscall"

	"ringo.dev/ringo/kernel"
)

// Dir is a directory. Its fields are guarded by the file system's lock.
type Dir struct {
	inode
	parent  *Dir // nil for the root and once removed
	name    string
	removed bool

	entries map[string]*entry
	order   []*entry // by ascending cookie, with entries that are gone (node nil)
	gone    int      // entries of order that are gone
	last    int64    // the last cookie given

	fill  func(*Dir)        // makes the first entries when the directory is first used
	fills func(string) bool // whether fill makes an entry of a name; nil: maybe
}

// entry is a name in a directory.
type entry struct {
	name   string
	node   node
	cookie int64
}

// dirSize is the size that a directory's Stat shows for each entry.
const dirSize = 20

func (fs *FS) newDir(parent *Dir, name string, mode uint32) *Dir {
	d := &Dir{parent: parent, name: name}
	d.init(fs, syscall.S_IFDIR|mode, 2)
	return d
}

// Later lets fill make the directory's entries when they are first asked for,
// so that a program which never looks pays nothing. fill uses Add and its kin.
func (d *Dir) Later(fill func(*Dir)) *Dir {
	d.fill = fill
	return d
}

// LaterOnly is Later if it is easily told what fill makes: a look for a name that fills
// does not report does not need the others. fills may be nil.
func (d *Dir) LaterOnly(fills func(name string) bool, fill func(*Dir)) *Dir {
	d.fills = fills
	return d.Later(fill)
}

// lock takes the lock for reading the directory, or with change for changing it.
func (d *Dir) lock(change bool) (unlock func()) {
	mu := &d.fs.mu
	if !change {
		mu.RLock()
		if d.fill == nil {
			return mu.RUnlock
		}
		mu.RUnlock()
	}
	mu.Lock()
	if fill := d.fill; fill != nil {
		d.fill = nil
		fill(d)
	}
	return mu.Unlock
}

// The following make entries while a file system is being built: before it is
// mounted, or in a function given to Later.

// AddDir adds a directory.
func (d *Dir) AddDir(name string, mode uint32) *Dir {
	sub := d.fs.newDir(d, name, mode)
	d.put(name, sub)
	d.nlink++
	return sub
}

// AddFile adds a regular file with the given content.
func (d *Dir) AddFile(name, content string, mode uint32) {
	f := d.fs.newFile(mode, 1)
	f.head = []byte(content[:min(len(content), pageSize)])
	d.fs.store.Charge(int64(len(f.head)))
	f.size = int64(len(f.head))
	d.put(name, f)
	if rest := content[len(f.head):]; rest != "" {
		f.WriteAt([]byte(rest), pageSize)
	}
}

// AddLink adds a symbolic link.
func (d *Dir) AddLink(name, target string) { d.put(name, d.fs.newSymlink(target)) }

// AddDevice adds a device: mode is S_IFCHR or S_IFBLK, and permissions.
func (d *Dir) AddDevice(name string, mode uint32, rdev uint64) {
	s := &special{}
	s.init(d.fs, mode, 1)
	s.rdev = rdev
	d.put(name, s)
}

func (fs *FS) newSymlink(target string) *symlink {
	l := &symlink{target: target}
	l.init(fs, syscall.S_IFLNK|0o777, 1)
	return l
}

// put enters a name that is not there.
func (d *Dir) put(name string, n node) {
	if d.entries == nil {
		d.entries = map[string]*entry{}
	}
	d.last++
	e := &entry{name, n, d.last}
	d.entries[name] = e
	d.order = append(d.order, e)
}

// take removes a name that is there.
func (d *Dir) take(name string) {
	d.entries[name].node = nil
	delete(d.entries, name)
	if d.gone++; d.gone > len(d.entries)+16 {
		live := make([]*entry, 0, len(d.entries))
		for _, e := range d.order {
			if e.node != nil {
				live = append(live, e)
			}
		}
		d.order, d.gone = live, 0
	}
}

// Lookup returns what name refers to.
func (d *Dir) Lookup(name string) (kernel.Inode, kernel.Errno) {
	mu := &d.fs.mu
	mu.RLock()
	if d.fill != nil && (d.fills == nil || d.fills(name)) {
		mu.RUnlock()
		d.lock(true)() // which fills it
		mu.RLock()
	}
	var n node
	if e := d.entries[name]; e != nil {
		n = e.node
	}
	mu.RUnlock()
	if n == nil {
		return nil, syscall.ENOENT
	}
	return n, 0
}

// Parent returns the directory that holds this one, and its name there.
func (d *Dir) Parent() (kernel.Directory, string) {
	d.fs.mu.RLock()
	defer d.fs.mu.RUnlock()
	if d.parent == nil {
		return nil, ""
	}
	return d.parent, d.name
}

// Stat fills st.
func (d *Dir) Stat(st *syscall.Stat_t) kernel.Errno {
	d.fs.mu.RLock()
	st.Size = int64(len(d.entries)+2) * dirSize
	d.fs.mu.RUnlock()
	return d.inode.Stat(st)
}

// add enters a new name for what build makes.
func (d *Dir) add(name string, build func() node) (kernel.Inode, kernel.Errno) {
	defer d.lock(true)()
	if d.removed {
		return nil, syscall.ENOENT
	}
	if d.entries[name] != nil {
		return nil, syscall.EEXIST
	}
	if !d.fs.room() {
		return nil, syscall.ENOSPC
	}
	n := build()
	d.put(name, n)
	d.touch()
	return n, 0
}

// Create makes a regular file, FIFO, socket or device.
func (d *Dir) Create(name string, mode uint32, rdev uint64) (kernel.Inode, kernel.Errno) {
	return d.add(name, func() node {
		if mode&syscall.S_IFMT == syscall.S_IFREG {
			return d.fs.newFile(mode, 1)
		}
		s := &special{}
		s.init(d.fs, mode, 1)
		s.rdev = rdev
		return s
	})
}

// Mkdir makes a directory.
func (d *Dir) Mkdir(name string, mode uint32) (kernel.Inode, kernel.Errno) {
	return d.add(name, func() node {
		d.link(1)
		return d.fs.newDir(d, name, mode)
	})
}

// Symlink makes a symbolic link.
func (d *Dir) Symlink(name, target string) (kernel.Inode, kernel.Errno) {
	return d.add(name, func() node { return d.fs.newSymlink(target) })
}

// Temp makes a regular file without a name.
func (d *Dir) Temp(mode uint32) (kernel.Inode, kernel.Errno) {
	if !d.fs.room() {
		return nil, syscall.ENOSPC
	}
	return d.fs.newFile(mode, 0), 0
}

// Link adds a name for a node.
func (d *Dir) Link(name string, target kernel.Inode) kernel.Errno {
	n, ok := target.(node)
	if !ok || n.base().fs != d.fs {
		return syscall.EXDEV
	}
	_, err := d.add(name, func() node {
		n.base().link(1)
		return n
	})
	return err
}

// Unlink removes a name that is no directory.
func (d *Dir) Unlink(name string) kernel.Errno {
	defer d.lock(true)()
	e := d.entries[name]
	if e == nil {
		return syscall.ENOENT
	}
	if _, ok := e.node.(*Dir); ok {
		return syscall.EISDIR
	}
	d.drop(e)
	d.touch()
	return 0
}

// drop removes an entry and what it refers to, if that was the last name.
func (d *Dir) drop(e *entry) {
	n := e.node
	d.take(e.name)
	switch n := n.(type) {
	case *Dir:
		n.removed, n.parent = true, nil
		n.link(-2)
		d.link(-1)
		n.free()
	case *file:
		n.link(-1)
		n.freeIfUnused()
	default:
		if n.base().link(-1) == 0 {
			n.base().free()
		}
	}
}

// Rmdir removes an empty directory.
func (d *Dir) Rmdir(name string) kernel.Errno {
	defer d.lock(true)()
	e := d.entries[name]
	if e == nil {
		return syscall.ENOENT
	}
	sub, ok := e.node.(*Dir)
	if !ok {
		return syscall.ENOTDIR
	}
	if !sub.empty() {
		return syscall.ENOTEMPTY
	}
	d.drop(e)
	d.touch()
	return 0
}

func (d *Dir) empty() bool { return len(d.entries) == 0 && d.fill == nil }

// Rename moves oldName to newName in dir.
func (d *Dir) Rename(oldName string, dir kernel.Directory, newName string, flags int) kernel.Errno {
	to, ok := dir.(*Dir)
	if !ok || to.fs != d.fs {
		return syscall.EXDEV
	}
	defer d.lock(true)()
	if fill := to.fill; fill != nil {
		to.fill = nil
		fill(to)
	}
	src, dst := d.entries[oldName], to.entries[newName]
	const noReplace, exchange = 1, 2
	switch {
	case src == nil || to.removed || flags&exchange != 0 && dst == nil:
		return syscall.ENOENT
	case dst != nil && flags&noReplace != 0:
		return syscall.EEXIST
	case dst != nil && dst.node == src.node:
		return 0 // two names of one file: nothing happens (rename(2))
	case below(to, src.node) || flags&exchange != 0 && below(d, dst.node):
		return syscall.EINVAL
	case flags&exchange == 0 && dst != nil && below(d, dst.node):
		return syscall.ENOTEMPTY
	}
	if flags&exchange != 0 {
		src.node, dst.node = dst.node, src.node
		d.adopt(src, to)
		to.adopt(dst, d)
	} else {
		if dst != nil {
			if err := replaceable(src.node, dst.node); err != 0 {
				return err
			}
			to.drop(dst)
		}
		n := src.node
		d.take(oldName)
		to.put(newName, n)
		to.adopt(to.entries[newName], d)
	}
	d.touch()
	if to != d {
		to.touch()
	}
	return 0
}

// adopt makes d the parent of the directory, if it is one, that came from
// another to be d's entry e.
func (d *Dir) adopt(e *entry, from *Dir) {
	e.node.base().link(0) // the change of name is one of status
	sub, ok := e.node.(*Dir)
	if !ok {
		return
	}
	sub.parent, sub.name = d, e.name
	if from != d {
		from.link(-1)
		d.link(1)
	}
}

// replaceable answers whether a rename of src may replace dst.
func replaceable(src, dst node) kernel.Errno {
	_, srcDir := src.(*Dir)
	sub, dstDir := dst.(*Dir)
	switch {
	case srcDir && !dstDir:
		return syscall.ENOTDIR
	case !srcDir && dstDir:
		return syscall.EISDIR
	case dstDir && !sub.empty():
		return syscall.ENOTEMPTY
	}
	return 0
}

// below reports whether d is n or lies below it.
func below(d *Dir, n node) bool {
	for ; d != nil; d = d.parent {
		if node(d) == n {
			return true
		}
	}
	return false
}

// ReadDir calls emit for the entries after cookie.
func (d *Dir) ReadDir(cookie int64, emit func(kernel.DirEntry) bool) kernel.Errno {
	defer d.lock(false)()
	i, _ := slices.BinarySearchFunc(d.order, cookie+1, func(e *entry, want int64) int {
		return cmp.Compare(e.cookie, want)
	})
	for _, e := range d.order[i:] {
		if e.node == nil {
			continue
		}
		b := e.node.base()
		const typeShift = 12 // S_IF* to DT_*
		if !emit(kernel.DirEntry{
			Name:   e.name,
			Ino:    b.ino,
			Type:   uint8(b.kind() >> typeShift),
			Cookie: e.cookie,
		}) {
			break
		}
	}
	return 0
}

// kind returns the type bits of the mode, which never change.
func (n *inode) kind() uint32 {
	n.mu.RLock()
	defer n.mu.RUnlock()
	return n.mode & syscall.S_IFMT
}
