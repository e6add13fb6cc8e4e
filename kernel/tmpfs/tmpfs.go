// Package tmpfs is a file system in memory: the root of a guest, /tmp, /dev
// and the files of memfd_create.
//
// The namespace (directories and what names refer to) is guarded by one lock
// for the whole file system, each file's data by its own (file.go). Data lies
// in pages outside the Go heap (package pages).
package tmpfs

import (
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"ringo.dev/ringo/kernel"
	"ringo.dev/ringo/kernel/pages"
)

// FS is a file system in memory. Create it with New.
type FS struct {
	mu    sync.RWMutex // guards all directories
	store *pages.Store
	root  *Dir
	last  atomic.Uint64 // inode number
}

// New returns an empty file system whose data counts against store. mode are
// the permissions of its root directory.
func New(store *pages.Store, mode uint32) *FS {
	fs := &FS{store: store}
	fs.root = fs.newDir(nil, "", mode)
	return fs
}

// Root returns the top directory.
func (fs *FS) Root() kernel.Directory { return fs.root }

// Type is "tmpfs".
func (fs *FS) Type() string { return "tmpfs" }

// Sync has nothing to do.
func (fs *FS) Sync() kernel.Errno { return 0 }

// Statfs tells how much room the store has.
func (fs *FS) Statfs(st *syscall.Statfs_t) kernel.Errno {
	const tmpfsMagic, nameMax = 0x01021994, 255
	used, limit := fs.store.Usage()
	free := uint64(max(limit-used, 0) / pageSize)
	*st = syscall.Statfs_t{
		Type:    tmpfsMagic,
		Bsize:   pageSize,
		Frsize:  pageSize,
		Blocks:  uint64(limit / pageSize),
		Bfree:   free,
		Bavail:  free,
		Files:   fs.last.Load() + free,
		Ffree:   free,
		Namelen: nameMax,
	}
	return 0
}

// inode holds what all kinds of inodes have.
type inode struct {
	fs   *FS
	ino  uint64
	rdev uint64

	mu    sync.RWMutex
	mode  uint32
	nlink uint32
	uid   uint32
	gid   uint32
	atime int64 // nanoseconds since 1970, like the others
	mtime int64
	ctime int64
	attrs map[string][]byte // extended attributes
}

// inodeCost is what an inode with its name counts against the store: about what
// they take of the Go heap.
const inodeCost = 512

// room reports whether there is anything left for one more inode.
func (fs *FS) room() bool {
	used, limit := fs.store.Usage()
	return used+inodeCost <= limit
}

// node is any of the inodes of this package.
type node interface {
	kernel.Inode
	base() *inode
}

func (n *inode) base() *inode { return n }

func (n *inode) init(fs *FS, mode uint32, nlink uint32) {
	fs.store.Charge(inodeCost)
	now := time.Now().UnixNano()
	n.fs, n.ino, n.mode, n.nlink = fs, fs.last.Add(1), mode, nlink
	n.atime, n.mtime, n.ctime = now, now, now
}

// Stat fills st but for size and blocks.
func (n *inode) Stat(st *syscall.Stat_t) kernel.Errno {
	n.mu.RLock()
	defer n.mu.RUnlock()
	n.stat(st)
	return 0
}

// stat is Stat with n.mu held.
func (n *inode) stat(st *syscall.Stat_t) {
	st.Ino = n.ino
	st.Mode = n.mode
	st.Nlink = uint64(n.nlink)
	st.Uid, st.Gid = n.uid, n.gid
	st.Rdev = n.rdev
	st.Blksize = pageSize
	st.Atim = syscall.NsecToTimespec(n.atime)
	st.Mtim = syscall.NsecToTimespec(n.mtime)
	st.Ctim = syscall.NsecToTimespec(n.ctime)
}

// SetAttr changes everything but the size, which only files have.
func (n *inode) SetAttr(a *kernel.Attr) kernel.Errno {
	if a.Set&kernel.SetSize != 0 {
		return syscall.EINVAL
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.setAttr(a)
	return 0
}

// setAttr is SetAttr with n.mu held.
func (n *inode) setAttr(a *kernel.Attr) {
	a.Change(&n.mode, &n.uid, &n.gid, &n.atime, &n.mtime)
	n.ctime = time.Now().UnixNano()
}

// link changes the number of names by delta and returns the new one.
func (n *inode) link(delta int) uint32 {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.nlink += uint32(delta)
	n.ctime = time.Now().UnixNano()
	return n.nlink
}

// free gives back what the inode itself counted.
func (n *inode) free() {
	n.mu.Lock()
	defer n.mu.Unlock()
	cost := int64(inodeCost)
	for name, value := range n.attrs {
		cost += attrCost(name, value)
	}
	n.attrs = nil
	n.fs.store.Charge(-cost)
}

func attrCost(name string, value []byte) int64 { return int64(len(name) + len(value)) }

// touch notes that the content changed.
func (n *inode) touch() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.mtime = time.Now().UnixNano()
	n.ctime = n.mtime
}

// Limits of extended attributes (xattr(7)).
const (
	maxAttrName  = 255
	maxAttrValue = 64 << 10
	maxAttrs     = 128
)

// Xattr returns the value of an extended attribute.
func (n *inode) Xattr(name string) ([]byte, kernel.Errno) {
	n.mu.RLock()
	defer n.mu.RUnlock()
	v, ok := n.attrs[name]
	if !ok {
		return nil, syscall.ENODATA
	}
	return v, 0
}

// SetXattr sets, or with a nil value removes, an extended attribute.
func (n *inode) SetXattr(name string, value []byte, flags int) kernel.Errno {
	const create, replace = 1, 2
	if len(name) > maxAttrName || len(value) > maxAttrValue {
		return syscall.ERANGE
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	_, exists := n.attrs[name]
	switch {
	case value == nil && !exists, flags == replace && !exists:
		return syscall.ENODATA
	case flags == create && exists:
		return syscall.EEXIST
	case value == nil:
		n.fs.store.Charge(-attrCost(name, n.attrs[name]))
		delete(n.attrs, name)
	case !exists && len(n.attrs) >= maxAttrs:
		return syscall.ENOSPC
	default:
		if !n.fs.store.Reserve(attrCost(name, value)) {
			return syscall.ENOSPC
		}
		if exists {
			n.fs.store.Charge(-attrCost(name, n.attrs[name]))
		}
		if n.attrs == nil {
			n.attrs = map[string][]byte{}
		}
		n.attrs[name] = append([]byte{}, value...)
	}
	n.ctime = time.Now().UnixNano()
	return 0
}

// ListXattr returns the names of the extended attributes.
func (n *inode) ListXattr() ([]string, kernel.Errno) {
	n.mu.RLock()
	defer n.mu.RUnlock()
	var names []string
	for name := range n.attrs {
		names = append(names, name)
	}
	return names, 0
}

// special is a FIFO, a socket or a device. The kernel opens it.
type special struct{ inode }

// symlink is a symbolic link.
type symlink struct {
	inode
	target string
}

func (l *symlink) Readlink() (string, kernel.Errno) { return l.target, 0 }

func (l *symlink) Stat(st *syscall.Stat_t) kernel.Errno {
	st.Size = int64(len(l.target))
	return l.inode.Stat(st)
}
