package fuse

import "unsafe"

// The messages of the FUSE protocol (Linux, include/uapi/linux/fuse.h), version
// 7.31 as far as it is used here. All numbers are little endian.

// opcode says what a request asks for.
type opcode uint32

const (
	opLookup     opcode = 1
	opForget     opcode = 2
	opGetAttr    opcode = 3
	opSetAttr    opcode = 4
	opReadlink   opcode = 5
	opSymlink    opcode = 6
	opMknod      opcode = 8
	opMkdir      opcode = 9
	opUnlink     opcode = 10
	opRmdir      opcode = 11
	opLink       opcode = 13
	opOpen       opcode = 14
	opRead       opcode = 15
	opWrite      opcode = 16
	opStatfs     opcode = 17
	opRelease    opcode = 18
	opFsync      opcode = 20
	opInit       opcode = 26
	opOpenDir    opcode = 27
	opReadDir    opcode = 28
	opReleaseDir opcode = 29
	opFsyncDir   opcode = 30
	opCreate     opcode = 35
	opFallocate  opcode = 43
	opRename2    opcode = 45
	opLseek      opcode = 46
)

const (
	majorVersion = 7
	minorVersion = 31

	rootID = 1 // node of the root

	bigWrites = 1 << 5 // flag of initIn: writes may be larger than a page
)

// inHeader begins a request, outHeader its answer.
type inHeader struct {
	length uint32 // of the request
	op     opcode
	unique uint64
	node   uint64
	uid    uint32
	gid    uint32
	pid    uint32
	_      uint32
}

type outHeader struct {
	length uint32 // of the answer
	errno  int32  // negative
	unique uint64
}

// attr is what an object is.
type attr struct {
	ino, size, blocks               uint64
	atime, mtime, ctime             uint64
	atimeNsec, mtimeNsec, ctimeNsec uint32
	mode, nlink, uid, gid, rdev     uint32
	blksize                         uint32
	_                               uint32
}

// entryOut answers what looks a name up or makes one. How long it stays valid
// is not asked: nothing is kept.
type entryOut struct {
	node uint64
	_    [4]uint64
	attr attr
}

type attrOut struct {
	_    [2]uint64
	attr attr
}

type getAttrIn struct{ _ [2]uint64 }

// Bits of setAttrIn.valid.
const (
	validMode  = 1 << 0
	validUID   = 1 << 1
	validGID   = 1 << 2
	validSize  = 1 << 3
	validAtime = 1 << 4
	validMtime = 1 << 5
	validFile  = 1 << 6
)

type setAttrIn struct {
	valid                uint32
	_                    uint32
	file, size           uint64
	_                    uint64 // owner of locks
	atime, mtime         uint64
	_                    uint64 // ctime
	atimeNsec, mtimeNsec uint32
	_                    uint32
	mode                 uint32
	_                    uint32
	uid, gid             uint32
	_                    uint32
}

type mknodIn struct{ mode, rdev, _, _ uint32 }

type mkdirIn struct{ mode, _ uint32 }

type rename2In struct {
	dir   uint64
	flags uint32
	_     uint32
}

type linkIn struct{ node uint64 }

type openIn struct{ flags, _ uint32 }

type openOut struct {
	file uint64
	_    uint64
}

type createIn struct{ flags, mode, _, _ uint32 }

type createOut struct {
	entry entryOut
	open  openOut
}

// transferIn is for reading and for writing.
type transferIn struct {
	file   uint64
	offset uint64
	size   uint32
	_      uint32
	_      uint64 // owner of locks
	flags  uint32 // those that the file was opened with
	_      uint32
}

type writeOut struct{ size, _ uint32 }

type releaseIn struct {
	file  uint64
	flags uint32
	_     uint32
	_     uint64
}

type fsyncIn struct {
	file uint64
	_    uint64
}

type fallocateIn struct {
	file, offset, length uint64
	mode                 uint32
	_                    uint32
}

type lseekIn struct {
	file, offset uint64
	whence       uint32
	_            uint32
}

type lseekOut struct{ offset uint64 }

type forgetIn struct{ lookups uint64 }

type initIn struct {
	major, minor uint32
	_            uint32 // read-ahead
	flags        uint32
	_            [12]uint32
}

type initOut struct {
	major    uint32
	_        [4]uint32
	maxWrite uint32
	_        [10]uint32
}

type statfsOut struct {
	blocks, free, available uint64
	files, freeFiles        uint64
	blockSize, nameLen      uint32
	fragmentSize            uint32
	_                       [7]uint32
}

// dirent is an entry of a directory, which the name follows, padded to a
// multiple of 8 bytes.
type dirent struct {
	ino, offset uint64
	nameLen     uint32
	kind        uint32 // DT_*
}

// The sizes that the protocol has.
const (
	inHeaderSize  = 40
	outHeaderSize = 16
	direntSize    = 24
)

var (
	_ [inHeaderSize]byte  = [unsafe.Sizeof(inHeader{})]byte{}
	_ [outHeaderSize]byte = [unsafe.Sizeof(outHeader{})]byte{}
	_ [direntSize]byte    = [unsafe.Sizeof(dirent{})]byte{}
	_ [128]byte           = [unsafe.Sizeof(entryOut{})]byte{}
	_ [104]byte           = [unsafe.Sizeof(attrOut{})]byte{}
	_ [88]byte            = [unsafe.Sizeof(setAttrIn{})]byte{}
	_ [40]byte            = [unsafe.Sizeof(transferIn{})]byte{}
	_ [24]byte            = [unsafe.Sizeof(releaseIn{})]byte{}
	_ [64]byte            = [unsafe.Sizeof(initIn{})]byte{}
	_ [64]byte            = [unsafe.Sizeof(initOut{})]byte{}
	_ [80]byte            = [unsafe.Sizeof(statfsOut{})]byte{}
)

// bytesOf returns the memory of a message.
func bytesOf[T any](p *T) []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(p)), unsafe.Sizeof(*p))
}
