package erofs

import (
	"bytes"
	"sort"
	"syscall"

	"ringo.dev/ringo/kernel"
)

// dir is a directory. Its data is blocks of entries, sorted by name throughout: an
// array of entries, and behind it their names.
type dir struct{ node }

// entrySize is the size of an entry: inode (8 bytes), offset of the name in the
// block (2), type (1), and a byte that is not used.
const entrySize = 12

// maxName is the length of the longest name.
const maxName = 255

// block is a block of entries.
type block []byte

// block returns block i of the directory d.
func (fs *FS) block(d *inode, i int64) (block, kernel.Errno) {
	off := i << fs.dirBits
	if off >= d.size {
		return nil, syscall.ENOENT
	}
	b, _, err := fs.extent(d, off)
	if err != 0 {
		return nil, err
	}
	b = b[:min(len(b), 1<<fs.dirBits)]
	if len(b) < entrySize || block(b).count() < 1 {
		return nil, syscall.EUCLEAN
	}
	return b, 0
}

// count returns the number of entries: the first name begins where they end.
func (b block) count() int {
	end := int(le.Uint16(b[8:]))
	if end%entrySize != 0 || end > len(b) {
		return 0
	}
	return end / entrySize
}

// entry returns an entry of the block, or false if it is not sound.
func (b block) entry(i int) (name []byte, nid uint64, kind uint8, ok bool) {
	e := b[i*entrySize:]
	start, end := int(le.Uint16(e[8:])), len(b)
	if i+1 < b.count() {
		end = int(le.Uint16(e[entrySize+8:]))
	}
	if start > end || end > len(b) {
		return nil, 0, 0, false
	}
	name = b[start:end]
	if i+1 == b.count() { // the last one ends with the block, or a zero
		if zero := bytes.IndexByte(name, 0); zero >= 0 {
			name = name[:zero]
		}
	}
	if len(name) == 0 || len(name) > maxName || bytes.IndexByte(name, '/') >= 0 || bytes.IndexByte(name, 0) >= 0 {
		return nil, 0, 0, false
	}
	return name, le.Uint64(e), e[10], true
}

// search returns the number of the first entry, of n, whose name is not below
// name. name returns those of entries.
func search(n int, name string, of func(i int) ([]byte, kernel.Errno)) (int, kernel.Errno) {
	var failed kernel.Errno
	i := sort.Search(n, func(i int) bool {
		other, err := of(i)
		if err != 0 {
			failed = err
			return true
		}
		return string(other) >= name
	})
	return i, failed
}

// find returns the inode of a name.
func (fs *FS) find(d *inode, name string) (uint64, kernel.Errno) {
	blocks := int((d.size + 1<<fs.dirBits - 1) >> fs.dirBits)
	// The block is the last one whose first name is not above name.
	i, err := search(blocks, name+"\x00", func(i int) ([]byte, kernel.Errno) {
		b, err := fs.block(d, int64(i))
		if err != 0 {
			return nil, err
		}
		first, _, _, ok := b.entry(0)
		if !ok {
			return nil, syscall.EUCLEAN
		}
		return first, 0
	})
	if err != 0 {
		return 0, err
	}
	if i == 0 {
		return 0, syscall.ENOENT
	}
	b, err := fs.block(d, int64(i-1))
	if err != 0 {
		return 0, err
	}
	j, err := search(b.count(), name, func(j int) ([]byte, kernel.Errno) {
		other, _, _, ok := b.entry(j)
		if !ok {
			return nil, syscall.EUCLEAN
		}
		return other, 0
	})
	if err != 0 {
		return 0, err
	}
	if j < b.count() {
		if other, nid, _, ok := b.entry(j); ok && string(other) == name {
			return nid, 0
		}
	}
	return 0, syscall.ENOENT
}

// Lookup returns what name refers to.
func (d dir) Lookup(name string) (kernel.Inode, kernel.Errno) {
	i, err := d.fs.inode(d.nid)
	if err != 0 {
		return nil, err
	}
	nid, err := d.fs.find(&i, name)
	if err != 0 {
		return nil, err
	}
	return d.fs.wrap(nid)
}

// Parent returns the directory that holds this one, and its name there.
func (d dir) Parent() (kernel.Directory, string) {
	if d.nid == d.fs.root {
		return nil, ""
	}
	i, err := d.fs.inode(d.nid)
	if err != 0 {
		return nil, ""
	}
	nid, err := d.fs.find(&i, "..")
	if err != 0 {
		return nil, ""
	}
	node, err := d.fs.wrap(nid)
	parent, ok := node.(dir)
	if err != 0 || !ok {
		return nil, ""
	}
	name := ""
	parent.ReadDir(0, func(e kernel.DirEntry) bool {
		if e.Ino == d.nid+1 {
			name = e.Name
		}
		return name == ""
	})
	return parent, name
}

// ReadDir calls emit for the entries after cookie: a block's number and an entry's
// in it.
func (d dir) ReadDir(cookie int64, emit func(kernel.DirEntry) bool) kernel.Errno {
	const entryBits = 16
	i, err := d.fs.inode(d.nid)
	if err != 0 {
		return err
	}
	first := int(cookie & (1<<entryBits - 1))
	for n := cookie >> entryBits; n<<d.fs.dirBits < i.size; n++ {
		b, err := d.fs.block(&i, n)
		if err != 0 {
			return err
		}
		for j := first; j < b.count(); j++ {
			name, nid, kind, ok := b.entry(j)
			if !ok {
				return syscall.EUCLEAN
			}
			if s := string(name); s != "." && s != ".." {
				if !emit(kernel.DirEntry{Name: s, Ino: nid + 1, Type: entryType(kind), Cookie: n<<entryBits + int64(j) + 1}) {
					return 0
				}
			}
		}
		first = 0
	}
	return 0
}

// entryType converts the type of an entry (FT_*) to DT_*.
func entryType(kind uint8) uint8 {
	types := [...]uint8{0, syscall.DT_REG, syscall.DT_DIR, syscall.DT_CHR, syscall.DT_BLK, syscall.DT_FIFO, syscall.DT_SOCK, syscall.DT_LNK}
	if int(kind) < len(types) {
		return types[kind]
	}
	return syscall.DT_UNKNOWN
}

// The methods that change directories refuse.

func (dir) Create(string, uint32, uint64) (kernel.Inode, kernel.Errno) { return nil, syscall.EROFS }
func (dir) Mkdir(string, uint32) (kernel.Inode, kernel.Errno)          { return nil, syscall.EROFS }
func (dir) Symlink(string, string) (kernel.Inode, kernel.Errno)        { return nil, syscall.EROFS }
func (dir) Link(string, kernel.Inode) kernel.Errno                     { return syscall.EROFS }
func (dir) Unlink(string) kernel.Errno                                 { return syscall.EROFS }
func (dir) Rmdir(string) kernel.Errno                                  { return syscall.EROFS }
func (dir) Rename(string, kernel.Directory, string, int) kernel.Errno  { return syscall.EROFS }
