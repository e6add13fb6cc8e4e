// Package wire is the messages of the FUSE protocol (Linux, include/uapi/linux/fuse.h),
// version 7.31, as far as guests (package fuse) and the monitor (package share) use it.
//
// A request is an InHeader, a structure that depends on the Opcode, then names (each
// with a zero byte) or data. An answer is an OutHeader and, unless that has an error,
// a structure of the opcode, or data. All numbers are little endian.
package wire

import "unsafe"

// Opcode says what a request asks for. Behind each are the structures of the request and
// of its answer.
type Opcode uint32

const (
	OpLookup     Opcode = 1  // name; EntryOut
	OpForget     Opcode = 2  // ForgetIn; no answer
	OpGetAttr    Opcode = 3  // GetAttrIn; AttrOut
	OpSetAttr    Opcode = 4  // SetAttrIn; AttrOut
	OpReadlink   Opcode = 5  // ; the target
	OpSymlink    Opcode = 6  // name, target; EntryOut
	OpMknod      Opcode = 8  // MknodIn, name; EntryOut
	OpMkdir      Opcode = 9  // MkdirIn, name; EntryOut
	OpUnlink     Opcode = 10 // name
	OpRmdir      Opcode = 11 // name
	OpLink       Opcode = 13 // LinkIn, name; EntryOut
	OpOpen       Opcode = 14 // OpenIn; OpenOut
	OpRead       Opcode = 15 // TransferIn; data
	OpWrite      Opcode = 16 // TransferIn, data; WriteOut
	OpStatfs     Opcode = 17 // ; StatfsOut
	OpRelease    Opcode = 18 // ReleaseIn
	OpFsync      Opcode = 20 // FsyncIn
	OpInit       Opcode = 26 // InitIn; InitOut
	OpOpenDir    Opcode = 27 // OpenIn; OpenOut
	OpReadDir    Opcode = 28 // TransferIn; Dirents
	OpReleaseDir Opcode = 29 // ReleaseIn
	OpFsyncDir   Opcode = 30 // FsyncIn
	OpCreate     Opcode = 35 // CreateIn, name; CreateOut
	OpFallocate  Opcode = 43 // FallocateIn
	OpRename2    Opcode = 45 // Rename2In, name, new name
	OpLseek      Opcode = 46 // LseekIn; LseekOut
)

// The version of the protocol.
const (
	MajorVersion = 7
	MinorVersion = 31
)

// RootID is the node of the root.
const RootID = 1

// BigWrites is a flag of InitIn and InitOut: writes may be larger than a page.
const BigWrites = 1 << 5

// InHeader begins a request.
type InHeader struct {
	Length uint32 // of the request
	Op     Opcode
	Unique uint64
	Node   uint64
	UID    uint32
	GID    uint32
	PID    uint32
	_      uint32
}

// OutHeader begins an answer.
type OutHeader struct {
	Length uint32 // of the answer
	Errno  int32  // negative, or 0
	Unique uint64
}

// Attr is what an object is.
type Attr struct {
	Ino, Size, Blocks               uint64
	Atime, Mtime, Ctime             uint64
	AtimeNsec, MtimeNsec, CtimeNsec uint32
	Mode, Nlink, UID, GID, Rdev     uint32
	Blksize                         uint32
	_                               uint32
}

// EntryOut answers what looks a name up or makes one. How long it stays valid
// is not asked: nothing is kept.
type EntryOut struct {
	Node uint64
	_    [4]uint64
	Attr Attr
}

// AttrOut answers questions for attributes, and changes of them.
type AttrOut struct {
	_    [2]uint64
	Attr Attr
}

// GetAttrIn asks for attributes. (It could name an open file.)
type GetAttrIn struct{ _ [2]uint64 }

// Bits of SetAttrIn.Valid.
const (
	ValidMode  = 1 << 0
	ValidUID   = 1 << 1
	ValidGID   = 1 << 2
	ValidSize  = 1 << 3
	ValidAtime = 1 << 4
	ValidMtime = 1 << 5
	ValidFile  = 1 << 6
)

// SetAttrIn changes the attributes whose bits are in Valid.
type SetAttrIn struct {
	Valid                uint32
	_                    uint32
	File, Size           uint64
	_                    uint64 // owner of locks
	Atime, Mtime         uint64
	_                    uint64 // ctime
	AtimeNsec, MtimeNsec uint32
	_                    uint32
	Mode                 uint32
	_                    uint32
	UID, GID             uint32
	_                    uint32
}

// MknodIn makes an object that is no directory.
type MknodIn struct{ Mode, Rdev, _, _ uint32 }

// MkdirIn makes a directory.
type MkdirIn struct{ Mode, _ uint32 }

// Rename2In moves a name to directory Dir.
type Rename2In struct {
	Dir   uint64
	Flags uint32 // RENAME_*
	_     uint32
}

// LinkIn gives a node a further name.
type LinkIn struct{ Node uint64 }

// OpenIn opens a file or directory.
type OpenIn struct{ Flags, _ uint32 }

// OpenOut is the number of what was opened.
type OpenOut struct {
	File uint64
	_    uint64
}

// CreateIn makes a regular file and opens it.
type CreateIn struct{ Flags, Mode, _, _ uint32 }

// CreateOut is the new file.
type CreateOut struct {
	Entry EntryOut
	Open  OpenOut
}

// TransferIn reads, or writes the data that follow.
type TransferIn struct {
	File   uint64
	Offset uint64
	Size   uint32
	_      uint32
	_      uint64 // owner of locks
	Flags  uint32 // those that the file was opened with
	_      uint32
}

// WriteOut is how much was written.
type WriteOut struct{ Size, _ uint32 }

// ReleaseIn closes what was opened.
type ReleaseIn struct {
	File  uint64
	Flags uint32
	_     uint32
	_     uint64
}

// FsyncIn makes data durable; with FsyncData, as fdatasync does.
type FsyncIn struct {
	File  uint64
	Flags uint32
	_     uint32
}

// FsyncData is a flag of FsyncIn.
const FsyncData = 1

// FallocateIn reserves or frees space.
type FallocateIn struct {
	File, Offset, Length uint64
	Mode                 uint32
	_                    uint32
}

// LseekIn looks for data or a hole.
type LseekIn struct {
	File, Offset uint64
	Whence       uint32
	_            uint32
}

// LseekOut is where it was found.
type LseekOut struct{ Offset uint64 }

// ForgetIn takes lookups of a node back.
type ForgetIn struct{ Lookups uint64 }

// InitIn begins the protocol.
type InitIn struct {
	Major, Minor uint32
	_            uint32 // read-ahead
	Flags        uint32
	_            [12]uint32
}

// InitOut is what the other side can do.
type InitOut struct {
	Major, Minor uint32
	_            uint32 // read-ahead
	Flags        uint32
	_            uint32 // requests in the background
	MaxWrite     uint32 // of data, in bytes
	_            [10]uint32
}

// StatfsOut describes a file system, in blocks of FragmentSize.
type StatfsOut struct {
	Blocks, Free, Available uint64
	Files, FreeFiles        uint64
	BlockSize, NameLen      uint32
	FragmentSize            uint32
	_                       [7]uint32
}

// Dirent is an entry of a directory, which the name follows, padded to a
// multiple of 8 bytes.
type Dirent struct {
	Ino, Offset uint64
	NameLen     uint32
	Kind        uint32 // DT_*
}

// The sizes that the protocol has.
const (
	InHeaderSize  = 40
	OutHeaderSize = 16
	DirentSize    = 24
)

var (
	_ [InHeaderSize]byte  = [unsafe.Sizeof(InHeader{})]byte{}
	_ [OutHeaderSize]byte = [unsafe.Sizeof(OutHeader{})]byte{}
	_ [DirentSize]byte    = [unsafe.Sizeof(Dirent{})]byte{}
	_ [128]byte           = [unsafe.Sizeof(EntryOut{})]byte{}
	_ [104]byte           = [unsafe.Sizeof(AttrOut{})]byte{}
	_ [88]byte            = [unsafe.Sizeof(SetAttrIn{})]byte{}
	_ [40]byte            = [unsafe.Sizeof(TransferIn{})]byte{}
	_ [24]byte            = [unsafe.Sizeof(ReleaseIn{})]byte{}
	_ [64]byte            = [unsafe.Sizeof(InitIn{})]byte{}
	_ [64]byte            = [unsafe.Sizeof(InitOut{})]byte{}
	_ [80]byte            = [unsafe.Sizeof(StatfsOut{})]byte{}
)

// BytesOf returns the memory of a message.
func BytesOf[T any](p *T) []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(p)), unsafe.Sizeof(*p))
}
