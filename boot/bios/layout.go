package bios

import "ringo.dev/ringo/boot"

// Where things are in the first MiB while the loader runs. Below the boot sector
// is the stack.
const (
	sectorAt     = 0x7c00 // as all BIOSes have it
	sectorDataAt = sectorAt + 0x140

	loaderAt      = 0x7e00 // LoaderSize bytes; they begin with the parameters
	codeAt        = loaderAt + 0x80
	informationAt = loaderAt + 0x580
	messagesAt    = loaderAt + 0x600
	lineAt        = loaderEnd - (boot.MaxLine + 1)
	loaderEnd     = loaderAt + LoaderSize

	memoryMapAt  = loaderEnd
	memoryMapEnd = memoryMapAt + 128*24 // room for 128 entries

	bufferAt   = 0x10000
	bufferSize = 32 << 10 // no BIOS refuses to read so much at once
)

const (
	// SectorSize is how many bytes of the first sector belong to the loader.
	// What follows is the table of partitions.
	SectorSize = 440

	// LoaderSize is the size in bytes of the loader's second part.
	LoaderSize = 8 << 10
)

// sectorData is in the boot sector at sectorDataAt.
type sectorData struct {
	Request    request // reads the loader, and then the program
	Sum        uint32  // of the loader
	Drive      uint8   // the BIOS's number; set by the boot sector
	_          [3]uint8
	Unreadable [48]byte // messages
	Damaged    [48]byte
}

// request is the disk address packet of the Enhanced Disk Drive Specification
// 3.0.
type request struct {
	Size, _ uint8
	Count   uint16
	Buffer  uint32 // offset, and 16 bits of segment above
	Block   uint64
}

// parameters are at loaderAt.
type parameters struct {
	Limit uint16 // of the table of segments, and its address: the argument of LGDT
	Table uint32
	_     uint16

	Segments [5]uint64

	Program      uint32 // block with the first byte of the program's data
	Shift        uint32 // a block has 1<<Shift bytes
	BufferBlocks uint32 // as many blocks fit into the buffer

	Base, Size, End uint32 // the program's memory; Size is that of its data, in whole 64-bit words
	Entry           uint32
	Words, Sums     uint64 // boot.Program.Checksum

	To, Left, Blocks, Tries uint32 // written by the loader
}

// message is a text with a zero behind it. The loader's are at messagesAt.
type message [96]byte

// messages are what the loader says.
type messages struct {
	Starting, LoaderName, NoA20, NoMap, NoRoom, NoProgram, BadProgram message
}

// loaderNameAt is where messages.LoaderName is.
const loaderNameAt = messagesAt + 96

// segments is the table of segments that the loader uses.
var segments = [5]uint64{
	1: 0x00cf9b000000ffff, // 32-bit code
	2: 0x00cf93000000ffff, // data of 32-bit code
	3: 0x00009b000000ffff, // 16-bit code
	4: 0x000093000000ffff, // data of 16-bit code
}

// information is what multiboot 1 tells the program (Multiboot Specification
// 0.6.96, 3.3), as far as the loader does. It is at informationAt.
type information struct {
	Flags      uint32
	_          [3]uint32
	Line       uint32
	_          [6]uint32
	MapLength  uint32 // written by the loader
	Map        uint32
	_          [3]uint32
	LoaderName uint32
}
