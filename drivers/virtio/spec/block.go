package spec

// Feature bits of the block device (5.2.3), as masks.
const (
	BlockSegMax      = 1 << 2  // BlockConfigSegMax is valid
	BlockReadOnly    = 1 << 5  // writing fails
	BlockSize        = 1 << 6  // BlockConfigBlockSize is valid
	BlockFlush       = 1 << 9  // writes stay in a cache until a flush
	BlockQueues      = 1 << 12 // BlockConfigQueues is valid
	BlockDiscard     = 1 << 13 // BlockTypeDiscard is understood
	BlockWriteZeroes = 1 << 14 // BlockTypeWriteZeroes is understood
)

// Offsets in the block device's configuration space (5.2.4), and its length up
// to the last field that is used here. The first field has 64 bits, the others 32 unless
// something else is said.
const (
	BlockConfigCapacity      = 0  // in sectors
	BlockConfigSegMax        = 12 // segments of data in a request
	BlockConfigBlockSize     = 20 // bytes
	BlockConfigQueues        = 34 // 16 bits
	BlockConfigMaxDiscard    = 36 // sectors of one discard
	BlockConfigDiscardSegs   = 40 // segments of one discard
	BlockConfigDiscardAlign  = 44 // sectors
	BlockConfigMaxZeroes     = 48 // as for discard
	BlockConfigZeroesSegs    = 52
	BlockConfigZeroesDiscard = 56 // 8 bits: writing zeroes may discard
	BlockConfigLen           = 60
)

// BlockSector is the unit of positions and capacities, whatever the size of the
// device's blocks.
const BlockSector = 512

// BlockRequest is the header of a request (5.2.6). Data follows, and one byte
// of status for the device to write.
type BlockRequest struct {
	Type   uint32
	Sector uint64
}

// BlockRequestLen is the length of an encoded BlockRequest.
const BlockRequestLen = 16

// Types of requests.
const (
	BlockTypeRead        = 0
	BlockTypeWrite       = 1
	BlockTypeFlush       = 4
	BlockTypeDiscard     = 11
	BlockTypeWriteZeroes = 13
)

// Values of a request's status.
const (
	BlockOK          = 0
	BlockIOError     = 1
	BlockUnsupported = 2
)

// Encode writes r to the first BlockRequestLen bytes of b.
func (r *BlockRequest) Encode(b []byte) {
	_ = b[BlockRequestLen-1]
	put32(b, r.Type)
	put32(b[4:], 0)
	put64(b[8:], r.Sector)
}

// Decode reads r from the first BlockRequestLen bytes of b.
func (r *BlockRequest) Decode(b []byte) {
	_ = b[BlockRequestLen-1]
	r.Type, r.Sector = get32(b), get64(b[8:])
}

// BlockRange is what a discard, or a writing of zeroes, has as its data, once or
// several times.
type BlockRange struct {
	Sector  uint64
	Sectors uint32
	Flags   uint32
}

// BlockRangeLen is the length of an encoded BlockRange, BlockRangeUnmap the one
// flag: zeroes may be made by discarding.
const (
	BlockRangeLen   = 16
	BlockRangeUnmap = 1
)

// Encode writes r to the first BlockRangeLen bytes of b.
func (r *BlockRange) Encode(b []byte) {
	_ = b[BlockRangeLen-1]
	put64(b, r.Sector)
	put32(b[8:], r.Sectors)
	put32(b[12:], r.Flags)
}

// Decode reads r from the first BlockRangeLen bytes of b.
func (r *BlockRange) Decode(b []byte) {
	_ = b[BlockRangeLen-1]
	r.Sector, r.Sectors, r.Flags = get64(b), get32(b[8:]), get32(b[12:])
}

func get32(b []byte) uint32    { return uint32(get16(b)) | uint32(get16(b[2:]))<<16 }
func put32(b []byte, v uint32) { put16(b, uint16(v)); put16(b[2:], uint16(v>>16)) }
func get64(b []byte) uint64    { return uint64(get32(b)) | uint64(get32(b[4:]))<<32 }
func put64(b []byte, v uint64) { put32(b, uint32(v)); put32(b[4:], uint32(v>>32)) }
