package kernel

import "syscall"

// OpenDevice opens the character device with a number, ENXIO if there is none.
type OpenDevice func(rdev uint64) (File, Errno)

// MakeDev returns the number of a device as st_rdev holds it.
func MakeDev(major, minor uint64) uint64 {
	return (major&0xfff)<<8 | minor&0xff | (minor&^0xff)<<12 | (major&^0xfff)<<32
}

// SplitDev undoes MakeDev.
func SplitDev(rdev uint64) (major, minor uint64) {
	return rdev>>8&0xfff | rdev>>32&^0xfff, rdev&0xff | rdev>>12&0xfffff00
}

// SetDevices says how character devices are opened, before k is used. Nodes for them
// may stand in any file system.
func (k *Kernel) SetDevices(open OpenDevice) { k.openDevice = open }

// Open is openat(2).
func (k *Kernel) Open(dirfd int, path string, flags int, mode uint32) (int, Errno) {
	if flags&oPath != 0 {
		flags &= oPath | syscall.O_CLOEXEC | syscall.O_DIRECTORY | syscall.O_NOFOLLOW
	}
	if flags&oTmpFile != 0 {
		return k.openTemp(dirfd, path, flags, mode)
	}
	exclusive := flags&(syscall.O_CREAT|syscall.O_EXCL) == syscall.O_CREAT|syscall.O_EXCL
	step := follow
	if flags&syscall.O_NOFOLLOW != 0 || exclusive {
		step = noFollow
	}
	if flags&syscall.O_CREAT != 0 {
		step |= newFile
	}
	for {
		p, err := k.walk(dirfd, path, step)
		if err != 0 {
			return -1, err
		}
		created := false
		if p.at.Node == nil {
			if flags&syscall.O_CREAT == 0 {
				return -1, syscall.ENOENT
			}
			if flags&syscall.O_DIRECTORY != 0 {
				return -1, syscall.EINVAL
			}
			if err := p.dir.writable(); err != 0 {
				return -1, err
			}
			node, err := p.dir.Node.(Directory).Create(p.name, syscall.S_IFREG|k.masked(mode), 0)
			if err == syscall.EEXIST {
				continue // somebody was faster
			}
			if err != 0 {
				return -1, err
			}
			p.at, created = Location{p.dir.Mount, node}, true
			k.tell(p.dir, p.name, node, syscall.IN_CREATE, false)
		} else if exclusive {
			return -1, syscall.EEXIST
		}
		return k.openPlace(p, flags, created)
	}
}

// openPlace opens what is at a place, and was created for that or not, and returns its
// descriptor.
func (k *Kernel) openPlace(p place, flags int, created bool) (int, Errno) {
	d, err := k.openAt(p, flags, created)
	if err != 0 {
		return -1, err
	}
	fd, err := k.install(d, flags&syscall.O_CLOEXEC != 0)
	if err != 0 {
		d.File.Close()
	}
	return fd, err
}

// masked returns the permission bits of mode that the umask leaves.
func (k *Kernel) masked(mode uint32) uint32 { return mode & 0o7777 &^ k.vfs.umask.Load() }

// openAt opens what a path led to.
func (k *Kernel) openAt(p place, flags int, created bool) (*Description, Errno) {
	var st syscall.Stat_t
	if err := p.at.Node.Stat(&st); err != 0 {
		return nil, err
	}
	kind := st.Mode & syscall.S_IFMT
	writes := flags&oAccMode != syscall.O_RDONLY
	switch {
	case flags&oPath != 0:
	case kind == syscall.S_IFLNK:
		return nil, syscall.ELOOP
	case kind == syscall.S_IFDIR && (writes || flags&syscall.O_CREAT != 0):
		return nil, syscall.EISDIR
	}
	if flags&syscall.O_DIRECTORY != 0 && kind != syscall.S_IFDIR {
		return nil, syscall.ENOTDIR
	}
	if (writes || flags&syscall.O_TRUNC != 0) && kind == syscall.S_IFREG {
		if err := p.at.writable(); err != 0 {
			return nil, err
		}
		if flags&syscall.O_TRUNC != 0 && !created && flags&oPath == 0 {
			if err := p.at.Node.SetAttr(&Attr{Set: SetSize}); err != 0 {
				return nil, err
			}
			k.tell(p.dir, p.name, p.at.Node, syscall.IN_MODIFY, true)
		}
	}
	f, err := k.openNode(p.at, kind, &st, flags)
	if err != 0 {
		return nil, err
	}
	d := newDescription(f, flags)
	d.origin = origin{Location: p.at, name: p.name}
	if kind != syscall.S_IFDIR {
		d.origin.dir = p.dir
	}
	if flags&oPath == 0 {
		k.tell(p.dir, p.name, p.at.Node, syscall.IN_OPEN, true)
	}
	return d, 0
}

// openNode makes the File for an inode of a kind (S_IF*) and attributes.
func (k *Kernel) openNode(at Location, kind uint32, st *syscall.Stat_t, flags int) (File, Errno) {
	if flags&oPath != 0 {
		if dir, ok := at.Node.(Directory); ok {
			return &directoryFile{kernel: k, at: at, dir: dir}, 0
		}
		return pathFile{node: at.Node}, 0
	}
	switch n := at.Node.(type) {
	case Directory:
		return &directoryFile{kernel: k, at: at, dir: n}, 0
	case Regular:
		return n.Open(flags)
	case Reopener:
		return n.Reopen(flags)
	}
	switch kind {
	case syscall.S_IFIFO:
		return k.openFIFO(at.Node, flags)
	case syscall.S_IFCHR:
		if k.openDevice != nil {
			f, err := k.openDevice(uint64(st.Rdev))
			if err == 0 {
				f = deviceNode{f, at.Node}
			}
			return f, err
		}
	case syscall.S_IFBLK:
		return k.openBlock(at.Node, uint64(st.Rdev), flags)
	}
	return nil, syscall.ENXIO
}

// deviceNode is an open device that shows the attributes of its node.
type deviceNode struct {
	File
	node Inode
}

func (f deviceNode) Stat(st *syscall.Stat_t) Errno { return f.node.Stat(st) }

func (f deviceNode) Ioctl(request, arg uintptr) (uintptr, Errno) {
	if i, ok := f.File.(Ioctler); ok {
		return i.Ioctl(request, arg)
	}
	return 0, syscall.ENOTTY
}

func (f deviceNode) ReadAt(p []byte, off int64) (int, Errno) {
	if r, ok := f.File.(ReaderAt); ok {
		return r.ReadAt(p, off)
	}
	return 0, syscall.ESPIPE
}

func (f deviceNode) WriteAt(p []byte, off int64) (int, Errno) {
	if w, ok := f.File.(WriterAt); ok {
		return w.WriteAt(p, off)
	}
	return 0, syscall.ESPIPE
}

func (f deviceNode) SeekTo(off int64, whence int) (int64, Errno) {
	if s, ok := f.File.(Seeker); ok {
		return s.SeekTo(off, whence)
	}
	return 0, syscall.ESPIPE
}

// pathFile is what O_PATH opens when it is no directory: a place, not its data.
type pathFile struct {
	noTransfer
	node Inode
}

func (f pathFile) Read(p []byte) (int, Errno)    { return 0, syscall.EBADF }
func (f pathFile) Stat(st *syscall.Stat_t) Errno { return f.node.Stat(st) }

// openTemp is open(2) with O_TMPFILE: a file without a name.
func (k *Kernel) openTemp(dirfd int, path string, flags int, mode uint32) (int, Errno) {
	if flags&syscall.O_DIRECTORY == 0 || flags&oAccMode == syscall.O_RDONLY {
		return -1, syscall.EINVAL
	}
	at, err := k.lookup(dirfd, path, follow)
	if err != 0 {
		return -1, err
	}
	if _, ok := at.Node.(Directory); !ok {
		return -1, syscall.ENOTDIR
	}
	if err := at.writable(); err != 0 {
		return -1, err
	}
	dir, ok := at.Node.(TempDirectory)
	if !ok {
		return -1, syscall.EOPNOTSUPP
	}
	return k.openUnnamed(dir, at, "", flags&^(oTmpFile|syscall.O_DIRECTORY), mode)
}

// openUnnamed opens a new file of dir that has no name but, for /proc, label.
func (k *Kernel) openUnnamed(dir TempDirectory, at Location, label string, flags int, mode uint32) (int, Errno) {
	node, err := dir.Temp(syscall.S_IFREG | k.masked(mode))
	if err != 0 {
		return -1, err
	}
	p := place{at: Location{at.Mount, node}, dir: at, name: label}
	return k.openPlace(p, flags, true)
}

// MemfdCreate is memfd_create(2), without sealing.
func (k *Kernel) MemfdCreate(name string, flags int) (int, Errno) {
	const mfdCloexec, mfdAllowSealing, mfdNoexecSeal, mfdExec = 1, 2, 8, 16
	if flags&^(mfdCloexec|mfdAllowSealing|mfdNoexecSeal|mfdExec) != 0 || len(name) > 249 {
		return -1, syscall.EINVAL
	}
	dir := k.temp.Load()
	if dir == nil {
		return -1, syscall.ENOSYS
	}
	openFlags := syscall.O_RDWR
	if flags&mfdCloexec != 0 {
		openFlags |= syscall.O_CLOEXEC
	}
	return k.openUnnamed(*dir, Location{}, "memfd:"+name, openFlags, 0o777)
}

// WriteFile replaces the content of a file; see the function of that name.
func (k *Kernel) WriteFile(name string, data []byte, perm uint32) Errno {
	fd, err := k.Open(atFDCWD, name, syscall.O_WRONLY|syscall.O_CREAT|syscall.O_TRUNC|syscall.O_CLOEXEC, perm)
	if err != 0 {
		return err
	}
	defer k.Close(fd)
	for len(data) > 0 {
		n, err := k.Write(fd, data)
		if err != 0 {
			return err
		}
		data = data[n:]
	}
	return 0
}
