package volume

import (
	"syscall"
	"time"

	"ringo.dev/ringo/kernel"
	"ringo.dev/ringo/kernel/pagecache"
)

// FS is the files of a volume, or of a snapshot, as package kernel mounts them.
// Inodes are values with the inode's number, so they need no table; only regular
// files that are in use have something in memory.
type FS struct {
	v     *Volume
	tree  *tree
	open  *inodeTable
	cache *pagecache.Volume
	snap  uint64 // generation of the snapshot; 0: the files as they are now
}

// Files returns the volume's files, with their data in a cache. There must be only one.
func (v *Volume) Files(cache *pagecache.Cache) *FS {
	fs := &FS{v: v, tree: &v.files, open: &v.open}
	fs.cache = cache.NewVolume(fs)
	return fs
}

// SnapshotFiles returns the files as they were when a snapshot was made. The snapshot
// cannot be removed until Close.
func (v *Volume) SnapshotFiles(name string, cache *pagecache.Cache) (*FS, error) {
	v.write.Lock()
	defer v.write.Unlock()
	v.mu.RLock()
	s, err := v.named(name)
	v.mu.RUnlock()
	if err != nil {
		return nil, err
	}
	v.views[s.generation]++
	fs := &FS{v: v, tree: &tree{v, filesTree, s.root}, open: &inodeTable{}, snap: s.generation}
	fs.cache = cache.NewVolume(fs)
	return fs, nil
}

// Close ends the use of the files, after Sync. The volume stays open.
func (fs *FS) Close() kernel.Errno {
	err := fs.cache.Close()
	if fs.snap != 0 {
		fs.v.write.Lock()
		fs.v.views[fs.snap]--
		fs.v.write.Unlock()
	}
	return err
}

// Root returns the top directory.
func (fs *FS) Root() kernel.Directory { return directory{object{fs, RootInode}} }

// Type is "volume".
func (fs *FS) Type() string { return "volume" }

// Sync makes everything durable.
func (fs *FS) Sync() kernel.Errno {
	if err := fs.cache.Sync(); err != 0 {
		return err
	}
	return fs.Commit()
}

// Commit makes everything durable that the page cache has written.
func (fs *FS) Commit() kernel.Errno { return errno(fs.v.Sync()) }

// changed lets Commit be called some time after a change.
func (fs *FS) changed() { fs.cache.Changed() }

// Statfs tells how much room there is.
func (fs *FS) Statfs(st *syscall.Statfs_t) kernel.Errno {
	const magic, nameMax = 0x6f676e72, 255
	v := fs.v
	frame := (v.super.blocks+regionBlocks-1)/regionBlocks*regionHead + v.super.logBlocks + superCopies
	free := max(v.space.free.Load()-v.promised.Load(), 0)
	avail := uint64(max(free-v.floor.Load(), 0))
	*st = syscall.Statfs_t{
		Type:    magic,
		Bsize:   BlockSize,
		Frsize:  BlockSize,
		Blocks:  v.super.blocks - frame,
		Bfree:   uint64(free),
		Bavail:  avail,
		Files:   maxInode,
		Ffree:   maxInode,
		Namelen: nameMax,
	}
	return 0
}

// errno is the error as programs see it.
func errno(err error) kernel.Errno {
	switch e := err.(type) {
	case nil:
		return 0
	case syscall.Errno:
		return e
	}
	return syscall.EIO
}

// object is an inode of any kind.
type object struct {
	fs  *FS
	ino uint64
}

// The kinds of inodes.
type (
	directory struct{ object }
	regular   struct{ object }
	symlink   struct{ object }
	special   struct{ object } // a FIFO, socket or device: the kernel opens it
)

func (fs *FS) object(ino uint64, kind uint32) kernel.Inode {
	o := object{fs, ino}
	switch kind {
	case syscall.S_IFDIR:
		return directory{o}
	case syscall.S_IFREG:
		return regular{o}
	case syscall.S_IFLNK:
		return symlink{o}
	}
	return special{o}
}

// read reads the inode.
func (o object) inode() (inode, error) {
	o.fs.v.mu.RLock()
	defer o.fs.v.mu.RUnlock()
	return o.fs.tree.inode(o.ino)
}

// Stat fills st.
func (o object) Stat(st *syscall.Stat_t) kernel.Errno {
	in, err := o.inode()
	if err != nil {
		return errno(err)
	}
	*st = syscall.Stat_t{
		Ino: o.ino, Mode: in.mode, Nlink: uint64(in.nlink), Uid: in.uid, Gid: in.gid, Rdev: in.rdev,
		Size: int64(in.size), Blksize: BlockSize, Blocks: int64(in.blocks * (BlockSize / 512)),
	}
	switch in.kind() {
	case syscall.S_IFREG:
		if f := o.fs.open.get(o.ino); f != nil {
			st.Size = f.cached.Size()
			if m := f.modified.Load(); m != 0 {
				in.mtime, in.ctime = m, m
			}
		}
	case syscall.S_IFDIR:
		const nameSize = 32
		st.Size = int64(in.size+2) * nameSize
	}
	st.Atim = syscall.NsecToTimespec(in.atime)
	st.Mtim = syscall.NsecToTimespec(in.mtime)
	st.Ctim = syscall.NsecToTimespec(in.ctime)
	return 0
}

// SetAttr changes attributes.
func (o object) SetAttr(a *kernel.Attr) kernel.Errno {
	if o.fs.readOnly() {
		return syscall.EROFS
	}
	if a.Set&kernel.SetSize != 0 {
		if err := o.fs.use(o.ino, func(f *file) kernel.Errno { return f.cached.Truncate(a.Size) }); err != 0 {
			return err
		}
	}
	if a.Set&^kernel.SetSize == 0 {
		return 0
	}
	v := o.fs.v
	err := v.change(shrink, 0, 1, nil, func() error {
		in, err := v.files.inode(o.ino)
		if err != nil {
			return err
		}
		f := v.open.get(o.ino)
		if f != nil {
			if m := f.modified.Swap(0); m != 0 {
				in.mtime = m
			}
		}
		in.set(a)
		return v.putInode(o.ino, &in)
	})
	o.fs.changed()
	return errno(err)
}

// set changes everything but the size.
func (in *inode) set(a *kernel.Attr) {
	a.Change(&in.mode, &in.uid, &in.gid, &in.atime, &in.mtime)
	in.ctime = time.Now().UnixNano()
}

func (fs *FS) readOnly() bool { return fs.snap != 0 || fs.v.readOnly }

// Xattr returns the value of an extended attribute.
func (o object) Xattr(name string) ([]byte, kernel.Errno) {
	o.fs.v.mu.RLock()
	defer o.fs.v.mu.RUnlock()
	value, err := o.fs.tree.xattr(o.ino, name)
	return value, errno(err)
}

// SetXattr sets an extended attribute, or with a nil value removes it.
func (o object) SetXattr(name string, value []byte, flags int) kernel.Errno {
	if o.fs.readOnly() {
		return syscall.EROFS
	}
	err := o.fs.v.setXattr(o.ino, name, value, flags)
	o.fs.changed()
	return errno(err)
}

// ListXattr returns the names of the extended attributes.
func (o object) ListXattr() ([]string, kernel.Errno) {
	o.fs.v.mu.RLock()
	defer o.fs.v.mu.RUnlock()
	names, err := o.fs.tree.listXattr(o.ino)
	return names, errno(err)
}

// Open opens the file.
func (r regular) Open(flags int) (opened kernel.File, err kernel.Errno) {
	err = r.fs.use(r.ino, func(f *file) kernel.Errno {
		opened = f.cached.Open(r, flags, f.unused)
		return 0
	})
	return opened, err
}

// Readlink returns the target.
func (l symlink) Readlink() (string, kernel.Errno) {
	l.fs.v.mu.RLock()
	defer l.fs.v.mu.RUnlock()
	target, err := l.fs.tree.readlink(l.ino)
	return target, errno(err)
}

// Lookup returns what name refers to.
func (d directory) Lookup(name string) (kernel.Inode, kernel.Errno) {
	d.fs.v.mu.RLock()
	defer d.fs.v.mu.RUnlock()
	e, err := d.fs.tree.find(d.ino, name)
	kind := uint32(e.kind) << dtShift
	if err == nil && kind == syscall.S_IFDIR { // so that the way up is the way down
		var in inode
		if in, err = d.fs.tree.inode(e.ino); err == nil && (in.parent != d.ino || in.place != e.place) {
			err = d.fs.tree.wrong(e.ino, "where it says that it is")
		}
	}
	if err != nil {
		return nil, errno(err)
	}
	return d.fs.object(e.ino, kind), 0
}

// Parent returns the directory that holds this one, and its name there.
func (d directory) Parent() (kernel.Directory, string) {
	if d.ino == RootInode {
		return nil, ""
	}
	d.fs.v.mu.RLock()
	defer d.fs.v.mu.RUnlock()
	in, err := d.fs.tree.inode(d.ino)
	if err != nil {
		return nil, "" // removed
	}
	e, ok, err := d.fs.tree.nextEntry(in.parent, in.place)
	if err != nil || !ok || e.place != in.place {
		return nil, ""
	}
	return directory{object{d.fs, in.parent}}, e.name
}

// add makes a new name for a new inode.
func (d directory) add(name string, mode uint32, rdev uint64, target string) (kernel.Inode, kernel.Errno) {
	if d.fs.readOnly() {
		return nil, syscall.EROFS
	}
	ino, err := d.fs.v.create(d.ino, name, mode, rdev, target)
	if err != nil {
		return nil, errno(err)
	}
	d.fs.changed()
	return d.fs.object(ino, mode&syscall.S_IFMT), 0
}

// Create makes a regular file, FIFO, socket or device.
func (d directory) Create(name string, mode uint32, rdev uint64) (kernel.Inode, kernel.Errno) {
	return d.add(name, mode, rdev, "")
}

// Mkdir makes a directory.
func (d directory) Mkdir(name string, mode uint32) (kernel.Inode, kernel.Errno) {
	return d.add(name, syscall.S_IFDIR|mode, 0, "")
}

// Symlink makes a symbolic link.
func (d directory) Symlink(name, target string) (kernel.Inode, kernel.Errno) {
	return d.add(name, syscall.S_IFLNK|0o777, 0, target)
}

// Temp makes a regular file without a name.
func (d directory) Temp(mode uint32) (kernel.Inode, kernel.Errno) {
	if d.fs.readOnly() {
		return nil, syscall.EROFS
	}
	v, ino := d.fs.v, uint64(0)
	err := v.change(grow, 0, createPlaces, nil, func() (err error) {
		now := time.Now().UnixNano()
		in := inode{mode: mode, atime: now, mtime: now, ctime: now}
		if ino, err = v.newInode(&in); err != nil {
			return err
		}
		return v.addOrphan(ino)
	})
	if err != nil {
		return nil, errno(err)
	}
	d.fs.changed()
	return regular{object{d.fs, ino}}, 0
}

// changes runs a change of names, which may remove an inode.
func (d directory) changes(change func(v *Volume) (gone uint64, err error)) kernel.Errno {
	if d.fs.readOnly() {
		return syscall.EROFS
	}
	gone, err := change(d.fs.v)
	if f := d.fs.open.get(gone); f != nil && d.fs.open.forget(f) {
		f.cached.Drop()
	}
	d.fs.changed()
	return errno(err)
}

// Link adds a name for a node.
func (d directory) Link(name string, node kernel.Inode) kernel.Errno {
	ino, ok := d.fs.number(node)
	if !ok {
		return syscall.EXDEV
	}
	return d.changes(func(v *Volume) (uint64, error) { return 0, v.link(d.ino, name, ino) })
}

// number returns the number of an inode, if it is of this file system.
func (fs *FS) number(node kernel.Inode) (ino uint64, ok bool) {
	n, ok := node.(interface{ base() object })
	if !ok || n.base().fs != fs {
		return 0, false
	}
	return n.base().ino, true
}

func (o object) base() object { return o }

// Unlink removes a name that is no directory.
func (d directory) Unlink(name string) kernel.Errno {
	return d.changes(func(v *Volume) (uint64, error) { return v.unlink(d.ino, name, false) })
}

// Rmdir removes an empty directory.
func (d directory) Rmdir(name string) kernel.Errno {
	return d.changes(func(v *Volume) (uint64, error) { return v.unlink(d.ino, name, true) })
}

// Rename moves oldName to newName in dir.
func (d directory) Rename(oldName string, dir kernel.Directory, newName string, flags int) kernel.Errno {
	to, ok := d.fs.number(dir)
	if !ok {
		return syscall.EXDEV
	}
	if err := d.flushBefore(oldName, to, newName); err != nil {
		return errno(err)
	}
	return d.changes(func(v *Volume) (uint64, error) { return v.rename(d.ino, oldName, to, newName, flags) })
}

// flushBefore writes the data of a file that is about to take the place of another one.
// So, even if nobody syncs it, a crash leaves the old content or the new one.
func (d directory) flushBefore(oldName string, to uint64, newName string) error {
	v := d.fs.v
	v.mu.RLock()
	src, err := d.fs.tree.find(d.ino, oldName)
	if err == nil {
		_, err = d.fs.tree.find(to, newName)
	}
	v.mu.RUnlock()
	switch err {
	case nil:
	case syscall.ENOENT:
		return nil
	default:
		return err
	}
	if f := d.fs.open.get(src.ino); f != nil {
		if err := f.cached.Flush(); err != 0 {
			return err
		}
	}
	return nil
}

// ReadDir calls emit for the entries after cookie.
func (d directory) ReadDir(cookie int64, emit func(kernel.DirEntry) bool) kernel.Errno {
	if cookie < 0 || cookie >= 1<<62 {
		return 0
	}
	for next := uint64(cookie) + 1; ; {
		// emit is the kernel's, and may block: no lock is held then.
		d.fs.v.mu.RLock()
		e, ok, err := d.fs.tree.nextEntry(d.ino, next)
		d.fs.v.mu.RUnlock()
		if err != nil || !ok {
			return errno(err)
		}
		if !emit(kernel.DirEntry{Name: e.name, Ino: e.ino, Type: e.kind, Cookie: int64(e.place)}) {
			return 0
		}
		next = e.place + 1
	}
}
