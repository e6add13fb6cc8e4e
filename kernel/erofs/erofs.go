// Package erofs reads file systems in EROFS, Linux's format for images that are
// never written (https://erofs.docs.kernel.org/). An image is memory that stays: data
// is copied from there to the reader, or mapped where it lies, and opening or
// reading a file allocates nothing that grows with its size.
//
// Files are what mkfs.erofs makes without compression: in one piece, with the end
// beside the inode, or in chunks. What is compressed, or lies on other devices, is
// refused when it is mounted.
//
// The image may be damaged or made to do harm. Every access to it goes through
// image.at, and what it says is believed only as far as no loop depends on it.
package erofs

import (
	"encoding/binary"
	"strconv"
	"syscall"

	"ringo.dev/ringo/kernel"
)

// FS is a file system in an image. Create it with New.
type FS struct {
	image     image
	size      int64 // of all blocks
	blockBits uint
	dirBits   uint
	meta      int64 // offset of inode 0
	root      uint64
	inodes    uint64
	buildTime syscall.Timespec // of inodes without a time

	tails tails
}

// Offsets in the superblock, which is at superblockAt.
const (
	superblockAt   = 1024
	superblockSize = 128

	sbMagic     = 0
	sbChecksum  = 4
	sbCompat    = 8
	sbBlockBits = 12
	sbRoot      = 14
	sbInodes    = 16
	sbTime      = 24
	sbTimeNsec  = 32
	sbBlocks    = 36
	sbMeta      = 40
	sbIncompat  = 80
	sbDirBits   = 90
)

const (
	magic = 0xe0f5e1e2

	compatChecksum = 1 << 0

	// Features of which an image may have only those that are known.
	incompatChunks = 1 << 2
	incompatKnown  = incompatChunks | incompatZeroPadding
	// incompatZeroPadding is how compressed data would be stored.
	incompatZeroPadding = 1 << 0
)

var le = binary.LittleEndian

// image is the memory of an image.
type image []byte

// at returns n bytes at an offset, or false if they are not all in the image.
func (m image) at(off, n int64) ([]byte, bool) {
	if off < 0 || n < 0 || off > int64(len(m)) || n > int64(len(m))-off {
		return nil, false
	}
	return m[off : off+n : off+n], true
}

// Error says why an image cannot be mounted.
type Error string

func (e Error) Error() string { return "EROFS image: " + string(e) }

// New returns the file system in an image, which must not change any more.
func New(data []byte) (*FS, error) {
	sb, ok := image(data).at(superblockAt, superblockSize)
	if !ok || le.Uint32(sb[sbMagic:]) != magic {
		return nil, Error("it has no superblock")
	}
	fs := &FS{
		image:     data,
		blockBits: uint(sb[sbBlockBits]),
		root:      uint64(le.Uint16(sb[sbRoot:])),
		inodes:    le.Uint64(sb[sbInodes:]),
		buildTime: syscall.Timespec{Sec: int64(le.Uint64(sb[sbTime:])), Nsec: int64(le.Uint32(sb[sbTimeNsec:]))},
	}
	if fs.blockBits < 9 || fs.blockBits > 16 || sb[sbDirBits] != 0 {
		return nil, Error("blocks of 2^" + strconv.Itoa(int(fs.blockBits)) + " bytes")
	}
	if unknown := le.Uint32(sb[sbIncompat:]) &^ incompatKnown; unknown != 0 {
		return nil, Error("features " + strconv.FormatUint(uint64(unknown), 16) + "; make it without compression")
	}
	fs.dirBits = fs.blockBits
	fs.size = int64(le.Uint32(sb[sbBlocks:])) << fs.blockBits
	if fs.size > int64(len(data)) {
		return nil, Error("it is cut off")
	}
	fs.meta = int64(le.Uint32(sb[sbMeta:])) << fs.blockBits
	if le.Uint32(sb[sbCompat:])&compatChecksum != 0 && !fs.sound(sb) {
		return nil, Error("the superblock is damaged")
	}
	n, err := fs.inode(fs.root)
	if err != 0 || n.mode&syscall.S_IFMT != syscall.S_IFDIR {
		return nil, Error("its root is no directory")
	}
	return fs, nil
}

// sound checks the superblock's checksum: CRC-32C, without the last inversion, of
// the first block from the superblock on, with the checksum itself as zero.
func (fs *FS) sound(sb []byte) bool {
	block, ok := fs.image.at(superblockAt, max(int64(1)<<fs.blockBits, superblockAt+superblockSize)-superblockAt)
	if !ok {
		return false
	}
	c := ^uint32(0)
	c = crc32c(c, block[:sbChecksum])
	c = crc32c(c, make([]byte, 4))
	c = crc32c(c, block[sbChecksum+4:])
	return c == le.Uint32(sb[sbChecksum:])
}

// crc32c is one superblock's worth of CRC-32C, which needs no table.
func crc32c(c uint32, b []byte) uint32 {
	const polynomial = 0x82f63b78
	for _, x := range b {
		c ^= uint32(x)
		for range 8 {
			c = c>>1 ^ polynomial&-(c&1)
		}
	}
	return c
}

// Root returns the top directory.
func (fs *FS) Root() kernel.Directory { return dir{node{fs, fs.root}} }

// Type is "erofs".
func (fs *FS) Type() string { return "erofs" }

// Sync has nothing to do.
func (fs *FS) Sync() kernel.Errno { return 0 }

// Statfs shows a full file system.
func (fs *FS) Statfs(st *syscall.Statfs_t) kernel.Errno {
	const nameMax = 255
	*st = syscall.Statfs_t{
		Type:    magic,
		Bsize:   1 << fs.blockBits,
		Frsize:  1 << fs.blockBits,
		Blocks:  uint64(fs.size >> fs.blockBits),
		Files:   fs.inodes,
		Namelen: nameMax,
	}
	return 0
}
