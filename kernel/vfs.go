package kernel

import (
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
)

// FileSystem is a tree of inodes that can be mounted.
type FileSystem interface {
	// Root returns the top directory, always the same one.
	Root() Directory
	// Type is the name that /proc/mounts shows, such as "tmpfs".
	Type() string
	Statfs(st *syscall.Statfs_t) Errno
	// Sync makes all that was written durable.
	Sync() Errno
}

// Inode is an object in a file system. For as long as anyone holds an Inode,
// its file system returns the same (comparable) value for the same object:
// mounts, locks and FIFOs are attached to it. Methods may be called from
// several goroutines.
//
// What an inode is follows from its type in Stat's mode and from the interface
// that it implements beyond this one: Regular, Directory or Symlink. FIFOs,
// sockets and devices implement none; the kernel opens them.
type Inode interface {
	// Stat fills st, except for Dev, which belongs to the mount.
	Stat(st *syscall.Stat_t) Errno
	// SetAttr changes the attributes that a.Set names.
	SetAttr(a *Attr) Errno
}

// Attr holds attributes to be changed.
type Attr struct {
	Set      AttrMask
	Mode     uint32 // permission bits, 07777
	UID, GID uint32
	Size     int64 // regular files only
	Atime    syscall.Timespec
	Mtime    syscall.Timespec
}

// AttrMask names fields of Attr.
type AttrMask uint32

const (
	SetMode AttrMask = 1 << iota
	SetUID
	SetGID
	SetSize
	SetAtime
	SetMtime
)

// Change makes the changes but that of the size, in the attributes of an inode: its mode
// with its type, its owners, and times in nanoseconds since 1970.
func (a *Attr) Change(mode, uid, gid *uint32, atime, mtime *int64) {
	if a.Set&SetMode != 0 {
		*mode = *mode&syscall.S_IFMT | a.Mode&0o7777
	}
	if a.Set&SetUID != 0 {
		*uid = a.UID
	}
	if a.Set&SetGID != 0 {
		*gid = a.GID
	}
	if a.Set&SetAtime != 0 {
		*atime = a.Atime.Nano()
	}
	if a.Set&SetMtime != 0 {
		*mtime = a.Mtime.Nano()
	}
}

// Regular is the inode of a regular file, or of anything else that opens itself.
type Regular interface {
	Inode
	// Open returns a file for it; flags are those of open(2), of which the
	// kernel has dealt with O_CREAT, O_EXCL and O_TRUNC. A file system whose
	// data is addressed by offset returns NewRegularFile.
	Open(flags int) (File, Errno)
}

// Directory is the inode of a directory. Names are single components, neither
// empty nor "." nor "..", of at most 255 bytes.
type Directory interface {
	Inode
	// Lookup returns what name refers to, or ENOENT.
	Lookup(name string) (Inode, Errno)
	// Parent returns the directory that holds this one, and its name there.
	// The root of a file system has none (nil, ""), nor has a removed directory.
	Parent() (Directory, string)
	// Create makes a regular file, FIFO, socket or device, by the type in mode;
	// rdev is the number of a device. EEXIST if there is something.
	Create(name string, mode uint32, rdev uint64) (Inode, Errno)
	Mkdir(name string, mode uint32) (Inode, Errno)
	Symlink(name, target string) (Inode, Errno)
	// Link adds a name for node, which is of the same file system and no directory.
	Link(name string, node Inode) Errno
	// Unlink removes a name that is no directory, Rmdir an empty directory.
	Unlink(name string) Errno
	Rmdir(name string) Errno
	// Rename moves oldName to newName in dir, a directory of the same file
	// system; flags are those of renameat2(2).
	Rename(oldName string, dir Directory, newName string, flags int) Errno
	// ReadDir calls emit for the entries after cookie (0: from the first) in
	// a fixed order, until emit returns false. An entry that exists all the
	// time is seen exactly once, whatever else is added or removed meanwhile.
	// "." and ".." are the kernel's.
	ReadDir(cookie int64, emit func(DirEntry) bool) Errno
}

// DirEntry is what ReadDir tells of a name.
type DirEntry struct {
	Name   string
	Ino    uint64
	Type   uint8 // DT_*
	Cookie int64 // continues after this entry; greater than 0
}

// Symlink is the inode of a symbolic link.
type Symlink interface {
	Inode
	Readlink() (string, Errno)
}

// Reopener is a File that is its own Inode, without a name in a file system, and
// opens anew by its name in /proc/self/fd.
type Reopener interface {
	Inode
	Reopen(flags int) (File, Errno)
}

// Jumper is a Symlink that leads to a place and not to a path, as those in
// /proc/self/fd do.
type Jumper interface {
	Symlink
	Jump() (Location, Errno)
}

// TempDirectory is a Directory that can make files without a name.
type TempDirectory interface {
	Directory
	Temp(mode uint32) (Inode, Errno)
}

// Attributed is an Inode with extended attributes. SetXattr's flags are those
// of setxattr(2); a nil value removes the attribute.
type Attributed interface {
	Inode
	Xattr(name string) ([]byte, Errno)
	SetXattr(name string, value []byte, flags int) Errno
	ListXattr() ([]string, Errno)
}

// Location is an inode and the mount through which it was reached.
type Location struct {
	Mount *Mount
	Node  Inode
}

// Mount is a file system at its place.
type Mount struct {
	FS     FileSystem
	Source string // what /proc/mounts shows
	ID     int

	readOnly atomic.Bool
	dev      uint64   // st_dev of all its inodes
	over     Location // the directory that it covers; none for the root
}

// ReadOnly reports whether changes are refused with EROFS.
func (m *Mount) ReadOnly() bool { return m.readOnly.Load() }

// Over returns the directory that the mount covers; it has no Node for the root.
func (m *Mount) Over() Location { return m.over }

// Dev returns the device number of the mount's inodes.
func (m *Mount) Dev() uint64 { return m.dev }

// writable answers EROFS for a location on a read-only mount.
func (l Location) writable() Errno {
	if l.Mount != nil && l.Mount.readOnly.Load() {
		return syscall.EROFS
	}
	return 0
}

// namespace is the tree of mounts, with the process's root and working directory.
type namespace struct {
	mu     sync.RWMutex
	mounts []*Mount
	root   Location
	cwd    Location
	lastID int

	umask atomic.Uint32
	fifos fifoTable
}

func (ns *namespace) init(fs FileSystem) {
	m := &Mount{FS: fs, Source: fs.Type()}
	ns.add(m)
	ns.root = Location{m, fs.Root()}
	ns.cwd = ns.root
	ns.umask.Store(0o022)
}

// add numbers m and enters it. ns.mu is held, or ns not yet shared.
func (ns *namespace) add(m *Mount) {
	ns.lastID++
	m.ID = ns.lastID
	m.dev = uint64(0x10 + ns.lastID) // 0:17 and on, an anonymous device each
	ns.mounts = append(ns.mounts, m)
}

// covering returns the mount that covers a directory, or nil. There are so few mounts
// that a look at all of them takes less than one into a map. ns.mu is held.
func (ns *namespace) covering(l Location) *Mount {
	for _, m := range ns.mounts {
		if m.over == l {
			return m
		}
	}
	return nil
}

// up follows mounts from a directory to what covers it.
func (ns *namespace) up(l Location) Location {
	if _, ok := l.Node.(Directory); !ok {
		return l
	}
	ns.mu.RLock()
	for m := ns.covering(l); m != nil; m = ns.covering(l) {
		l = Location{m, m.FS.Root()}
	}
	ns.mu.RUnlock()
	return l
}

func (ns *namespace) places() (root, cwd Location) {
	ns.mu.RLock()
	root, cwd = ns.root, ns.cwd
	ns.mu.RUnlock()
	return root, cwd
}

// Mount mounts fs at a directory.
func (k *Kernel) Mount(fs FileSystem, path, source string, readOnly bool) Errno {
	at, err := k.lookup(atFDCWD, path, follow)
	if err != 0 {
		return err
	}
	if _, ok := at.Node.(Directory); !ok {
		return syscall.ENOTDIR
	}
	m := &Mount{FS: fs, Source: source, over: at}
	m.readOnly.Store(readOnly)
	k.vfs.mu.Lock()
	if k.vfs.covering(at) != nil {
		err = syscall.EBUSY
	} else {
		k.vfs.add(m)
	}
	k.vfs.mu.Unlock()
	return err
}

// MakeFileSystem makes the file system that mount(2) asks for.
func (k *Kernel) MakeFileSystem(typ, source string) (FileSystem, Errno) {
	named := func(t fileSystemType) bool { return t.name == typ }
	types := k.fileSystemTypes()
	i := slices.IndexFunc(types, named)
	if i < 0 {
		k.BlockDevices() // with which come the types that are for disks
		types = k.fileSystemTypes()
		if i = slices.IndexFunc(types, named); i < 0 {
			return nil, syscall.ENODEV
		}
	}
	return types[i].open(source)
}

// mountAt returns the mount whose root a path names.
func (k *Kernel) mountAt(path string) (*Mount, Errno) {
	at, err := k.lookup(atFDCWD, path, follow)
	if err != 0 {
		return nil, err
	}
	if at.Mount == nil || at.Node != Inode(at.Mount.FS.Root()) {
		return nil, syscall.EINVAL
	}
	return at.Mount, 0
}

// Remount makes a mount read-only, or writable. Files that are open for
// writing stay so.
func (k *Kernel) Remount(path string, readOnly bool) Errno {
	m, err := k.mountAt(path)
	if err == 0 {
		m.readOnly.Store(readOnly)
	}
	return err
}

// Unmount undoes Mount. It does not look for files that are still open: they
// stay usable.
func (k *Kernel) Unmount(path string) Errno {
	m, err := k.mountAt(path)
	if err != 0 {
		return err
	}
	if m.over.Node == nil {
		return syscall.EBUSY // the root
	}
	if err := m.FS.Sync(); err != 0 {
		return err
	}
	k.vfs.mu.Lock()
	defer k.vfs.mu.Unlock()
	for _, other := range k.vfs.mounts {
		if other.over.Mount == m {
			return syscall.EBUSY
		}
	}
	for i, other := range k.vfs.mounts {
		if other == m {
			k.vfs.mounts = append(k.vfs.mounts[:i:i], k.vfs.mounts[i+1:]...)
			break
		}
	}
	return 0
}

// Mounts returns the mounts in the order in which they were made.
func (k *Kernel) Mounts() []*Mount {
	k.vfs.mu.RLock()
	defer k.vfs.mu.RUnlock()
	return append([]*Mount(nil), k.vfs.mounts...)
}

// Sync is sync(2).
func (k *Kernel) Sync() {
	for _, m := range k.Mounts() {
		m.FS.Sync() // sync(2) has no way to tell of an error
	}
}
