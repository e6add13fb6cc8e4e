package erofs

import (
	"syscall"

	"ringo.dev/ringo/kernel"
)

// node is an inode to the kernel: a value, so that the same inode is always equal.
type node struct {
	fs  *FS
	nid uint64
}

// inode is one as it is in the image.
type inode struct {
	mode, nlink uint32
	uid, gid    uint32
	size        int64
	ino         uint64
	mtime       syscall.Timespec
	layout      uint16
	data        uint32 // block address, device number or chunk format, by mode and layout
	body        int64  // offset of what follows the inode and its attributes
}

// Layouts of data.
const (
	layoutPlain  = 0
	layoutInline = 2 // the last block's bytes are at body
	layoutChunks = 4 // at body is where the chunks are
)

// slot is the unit in which inodes are numbered.
const slot = 32

// inode reads an inode. EUCLEAN ("structure needs cleaning") if there is none.
func (fs *FS) inode(nid uint64) (n inode, err kernel.Errno) {
	if nid > uint64(len(fs.image))/slot {
		return n, syscall.EUCLEAN
	}
	at := fs.meta + int64(nid)*slot
	b, ok := fs.image.at(at, slot)
	if !ok {
		return n, syscall.EUCLEAN
	}
	format := le.Uint16(b)
	n.layout = format >> 1 & 7
	n.mode = uint32(le.Uint16(b[4:]))
	n.data = le.Uint32(b[16:])
	n.ino = uint64(le.Uint32(b[20:]))
	n.body = at + slot
	if format&1 == 0 { // compact
		n.nlink = uint32(le.Uint16(b[6:]))
		n.size = int64(le.Uint32(b[8:]))
		n.uid, n.gid = uint32(le.Uint16(b[24:])), uint32(le.Uint16(b[26:]))
		n.mtime = fs.buildTime
	} else {
		if b, ok = fs.image.at(at, 2*slot); !ok {
			return n, syscall.EUCLEAN
		}
		n.size = int64(le.Uint64(b[8:]))
		n.uid, n.gid = le.Uint32(b[24:]), le.Uint32(b[28:])
		n.mtime = syscall.Timespec{Sec: int64(le.Uint64(b[32:])), Nsec: int64(le.Uint32(b[40:]))}
		n.nlink = le.Uint32(b[44:])
		n.body += slot
	}
	if count := int64(le.Uint16(b[2:])); count > 0 { // extended attributes, which are not shown
		n.body += 12 + 4*(count-1)
	}
	if n.size < 0 || n.layout != layoutPlain && n.layout != layoutInline && n.layout != layoutChunks {
		return n, syscall.EUCLEAN
	}
	return n, 0
}

// Stat fills st.
func (n node) Stat(st *syscall.Stat_t) kernel.Errno {
	i, err := n.fs.inode(n.nid)
	if err != 0 {
		return err
	}
	st.Ino = n.nid + 1
	st.Mode = i.mode
	st.Nlink = uint64(i.nlink)
	st.Uid, st.Gid = i.uid, i.gid
	st.Size = i.size
	st.Blksize = 1 << n.fs.blockBits
	st.Blocks = (i.size + 511) / 512
	st.Atim, st.Mtim, st.Ctim = i.mtime, i.mtime, i.mtime
	switch i.mode & syscall.S_IFMT {
	case syscall.S_IFCHR, syscall.S_IFBLK:
		st.Rdev = uint64(i.data)
	}
	return 0
}

// SetAttr refuses: nothing can be changed.
func (n node) SetAttr(*kernel.Attr) kernel.Errno { return syscall.EROFS }

// extent returns the memory that holds the file's bytes from off on, as far as they
// lie in one piece, but not beyond the file's end; off is within the file. A hole is
// nil, of size bytes.
func (fs *FS) extent(i *inode, off int64) (b []byte, size int64, err kernel.Errno) {
	block := int64(1) << fs.blockBits
	at, n := int64(0), i.size-off
	switch i.layout {
	case layoutPlain:
		at = int64(i.data)<<fs.blockBits + off
	case layoutInline:
		whole := i.size &^ (block - 1)
		if off < whole {
			at = int64(i.data)<<fs.blockBits + off
			n = whole - off
		} else {
			at = i.body + off - whole
		}
	case layoutChunks:
		start, left, hole, err := fs.chunk(i, off)
		if err != 0 {
			return nil, 0, err
		}
		n = min(n, left)
		if hole {
			return nil, n, 0
		}
		at = start
	}
	b, ok := fs.image.at(at, n)
	if !ok {
		return nil, 0, syscall.EIO
	}
	return b, n, 0
}

// chunk returns where in the image the file's byte at off is, and how many bytes of
// its chunk are left from there; or that it is in a hole.
func (fs *FS) chunk(i *inode, off int64) (start, left int64, hole bool, err kernel.Errno) {
	const (
		sizeBits = 0x1f // log2 of the chunk's size in blocks
		indexes  = 0x20 // entries have 8 bytes, the last 4 of which are the block
		none     = 1<<32 - 1
		maxBits  = 40
	)
	bits := fs.blockBits + uint(i.data&sizeBits)
	if i.data&^(sizeBits|indexes) != 0 || bits > maxBits {
		return 0, 0, false, syscall.EUCLEAN
	}
	entry := int64(4)
	if i.data&indexes != 0 {
		entry = 8
	}
	e, ok := fs.image.at((i.body+entry-1)&^(entry-1)+off>>bits*entry, entry)
	if !ok {
		return 0, 0, false, syscall.EUCLEAN
	}
	if entry == 8 && le.Uint32(e) != 0 { // another device, or blocks beyond 2^32
		return 0, 0, false, syscall.EUCLEAN
	}
	in := off & (1<<bits - 1)
	block := le.Uint32(e[entry-4:])
	return int64(block)<<fs.blockBits + in, 1<<bits - in, block == none, 0
}

// read copies the file's bytes at off to p and returns how many there were.
func (fs *FS) read(i *inode, p []byte, off int64) (int, kernel.Errno) {
	n := 0
	for n < len(p) && off < i.size {
		b, size, err := fs.extent(i, off)
		if err != 0 {
			if n > 0 {
				err = 0 // what was read counts; the error comes with the next call
			}
			return n, err
		}
		k := int(min(size, int64(len(p)-n)))
		if b == nil {
			clear(p[n : n+k])
		} else {
			copy(p[n:n+k], b)
		}
		n += k
		off += int64(k)
	}
	return n, 0
}

// wrap returns the inode as the kernel sees it.
func (fs *FS) wrap(nid uint64) (kernel.Inode, kernel.Errno) {
	i, err := fs.inode(nid)
	if err != 0 {
		return nil, err
	}
	n := node{fs, nid}
	switch i.mode & syscall.S_IFMT {
	case syscall.S_IFDIR:
		return dir{n}, 0
	case syscall.S_IFREG:
		return file{n}, 0
	case syscall.S_IFLNK:
		return symlink{n}, 0
	}
	return n, 0
}

// symlink is a symbolic link.
type symlink struct{ node }

func (l symlink) Readlink() (string, kernel.Errno) {
	const most = 4095 // PATH_MAX
	i, err := l.fs.inode(l.nid)
	if err != 0 {
		return "", err
	}
	if i.size > most {
		return "", syscall.EUCLEAN
	}
	b := make([]byte, i.size)
	n, err := l.fs.read(&i, b, 0)
	return string(b[:n]), err
}
