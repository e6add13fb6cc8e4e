// Package procfs is /proc: files whose content is made when they are opened.
// What the files say is in machine.go and process.go.
package procfs

import (
	"strconv"
	"sync"
	"syscall"
	"time"

	"ringo.dev/ringo/kernel"
)

// FS is a proc file system. Create it with New.
type FS struct {
	kernel *kernel.Kernel

	rootOnce sync.Once
	root     *dir
	pid      string

	bootOnce sync.Once
	boot     []byte
}

// New returns a proc file system that shows k.
func New(k *kernel.Kernel) *FS {
	return &FS{kernel: k}
}

// Root returns the top directory, which is made when it is first asked for.
func (fs *FS) Root() kernel.Directory {
	fs.rootOnce.Do(func() {
		fs.pid = strconv.Itoa(syscall.Getpid())
		fs.root = fs.newDir(nil, "", fs.rootEntries)
		fs.root.added = func() []entry { return fs.registered("") }
	})
	return fs.root
}

// Type is "proc".
func (fs *FS) Type() string { return "proc" }

// Sync has nothing to do.
func (fs *FS) Sync() kernel.Errno { return 0 }

// Statfs fills st.
func (fs *FS) Statfs(st *syscall.Statfs_t) kernel.Errno {
	const procMagic, nameMax = 0x9fa0, 255
	*st = syscall.Statfs_t{Type: procMagic, Bsize: 4096, Frsize: 4096, Namelen: nameMax}
	return 0
}

// entry describes a name: it is one of a file, a link or a directory.
type entry struct {
	name     string
	content  func() []byte                          // file
	target   func() string                          // link
	jump     func() (kernel.Location, kernel.Errno) // where a link leads, if that need not have a path
	children func() []entry                         // directory
	cookie   int64                                  // as in kernel.DirEntry; 0 stands for the place in the list
}

func (e *entry) kind() uint32 {
	switch {
	case e.children != nil:
		return syscall.S_IFDIR
	case e.target != nil:
		return syscall.S_IFLNK
	}
	return syscall.S_IFREG
}

// inode is what all inodes have.
type inode struct {
	fs   *FS
	ino  uint64
	mode uint32
}

// newInode numbers an inode by its path, since those of files do not last.
func (fs *FS) newInode(path string, mode uint32) inode {
	const prime, basis = 1099511628211, 14695981039346656037 // FNV-1a
	ino := uint64(basis)
	for i := range len(path) {
		ino = (ino ^ uint64(path[i])) * prime
	}
	return inode{fs, ino >> 1, mode}
}

// Stat fills st. Sizes are 0, as in Linux: contents are not known before they
// are read. Times are the present one: contents may have changed since the last
// look.
func (n *inode) Stat(st *syscall.Stat_t) kernel.Errno {
	st.Ino = n.ino
	st.Mode = n.mode
	st.Nlink = 1
	st.Blksize = 1024
	t := syscall.NsecToTimespec(time.Now().UnixNano())
	st.Atim, st.Mtim, st.Ctim = t, t, t
	return 0
}

// SetAttr is refused.
func (n *inode) SetAttr(a *kernel.Attr) kernel.Errno { return syscall.EPERM }

// dir is a directory. Its children are listed anew at each look. The inodes of
// directories among them stay; others are made afresh, as nothing can be
// attached to them.
type dir struct {
	inode
	parent   *dir
	name     string
	path     string
	children func() []entry
	added    func() []entry // children that come after those, or nil

	mu   sync.Mutex
	dirs map[string]*dir
}

func (fs *FS) newDir(parent *dir, name string, children func() []entry) *dir {
	d := &dir{parent: parent, name: name, children: children}
	if parent != nil {
		d.path = parent.path + "/" + name
	}
	d.inode = fs.newInode(d.path, syscall.S_IFDIR|0o555)
	return d
}

// node returns the inode of one of the children.
func (d *dir) node(e *entry) kernel.Inode {
	switch e.kind() {
	case syscall.S_IFDIR:
		d.mu.Lock()
		defer d.mu.Unlock()
		sub := d.dirs[e.name]
		if sub == nil {
			sub = d.fs.newDir(d, e.name, e.children)
			if d.dirs == nil {
				d.dirs = map[string]*dir{}
			}
			d.dirs[e.name] = sub
		}
		return sub
	case syscall.S_IFLNK:
		l := link{d.fs.newInode(d.path+"/"+e.name, syscall.S_IFLNK|0o777), e.target}
		if e.jump != nil {
			return &jumpLink{l, e.jump}
		}
		return &l
	}
	return &file{d.fs.newInode(d.path+"/"+e.name, syscall.S_IFREG|0o444), e.content}
}

func (d *dir) Lookup(name string) (kernel.Inode, kernel.Errno) {
	for _, list := range []func() []entry{d.children, d.added} {
		if list == nil {
			continue
		}
		for _, e := range list() {
			if e.name == name {
				return d.node(&e), 0
			}
		}
	}
	return nil, syscall.ENOENT
}

func (d *dir) Parent() (kernel.Directory, string) {
	if d.parent == nil {
		return nil, ""
	}
	return d.parent, d.name
}

func (d *dir) ReadDir(cookie int64, emit func(kernel.DirEntry) bool) kernel.Errno {
	list := d.children()
	if d.added != nil {
		list = append(list, d.added()...)
	}
	for i, e := range list {
		if e.cookie == 0 {
			e.cookie = int64(i) + 1
		}
		if e.cookie <= cookie {
			continue
		}
		const typeShift = 12 // S_IF* to DT_*
		ino := d.fs.newInode(d.path+"/"+e.name, 0).ino
		if !emit(kernel.DirEntry{Name: e.name, Ino: ino, Type: uint8(e.kind() >> typeShift), Cookie: e.cookie}) {
			break
		}
	}
	return 0
}

// The tree cannot be changed.

func (d *dir) Create(string, uint32, uint64) (kernel.Inode, kernel.Errno) { return nil, syscall.ENOENT }
func (d *dir) Mkdir(string, uint32) (kernel.Inode, kernel.Errno)          { return nil, syscall.ENOENT }
func (d *dir) Symlink(string, string) (kernel.Inode, kernel.Errno)        { return nil, syscall.ENOENT }
func (d *dir) Link(string, kernel.Inode) kernel.Errno                     { return syscall.ENOENT }
func (d *dir) Unlink(string) kernel.Errno                                 { return syscall.EPERM }
func (d *dir) Rmdir(string) kernel.Errno                                  { return syscall.EPERM }
func (d *dir) Rename(string, kernel.Directory, string, int) kernel.Errno  { return syscall.EPERM }

// file is a regular file with generated content.
type file struct {
	inode
	content func() []byte
}

func (f *file) Open(flags int) (kernel.File, kernel.Errno) {
	if flags&syscall.O_ACCMODE != syscall.O_RDONLY {
		return nil, syscall.EACCES
	}
	return kernel.NewRegularFile(&snapshot{f, f.content()}, flags), 0
}

// snapshot is the content of a file when it was opened.
type snapshot struct {
	*file
	data []byte
}

func (s *snapshot) ReadAt(p []byte, off int64) (int, kernel.Errno) {
	if off >= int64(len(s.data)) {
		return 0, 0
	}
	return copy(p, s.data[off:]), 0
}

func (s *snapshot) WriteAt(p []byte, off int64) (int, kernel.Errno) { return 0, syscall.EBADF }
func (s *snapshot) Append(p []byte) (int64, int, kernel.Errno)      { return 0, 0, syscall.EBADF }
func (s *snapshot) Sync() kernel.Errno                              { return syscall.EINVAL }
func (s *snapshot) Release()                                        {}

// link is a symbolic link.
type link struct {
	inode
	target func() string
}

func (l *link) Readlink() (string, kernel.Errno) { return l.target(), 0 }

// jumpLink is a symbolic link to something that need not have a path.
type jumpLink struct {
	link
	jump func() (kernel.Location, kernel.Errno)
}

func (l *jumpLink) Jump() (kernel.Location, kernel.Errno) { return l.jump() }
