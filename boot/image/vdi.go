package image

import (
	"encoding/binary"
	"fmt"
)

// VirtualBox's format, version 1.1, in its kind that grows. All numbers are
// little endian. A map says which block of the file holds which of the disk.
const (
	vdiBlock     = 1 << 20
	vdiMapAt     = 512
	vdiSignature = 0xbeda107f
	vdiVersion   = 1<<16 | 1
	vdiGrowing   = 1
	vdiNoBlock   = 1<<32 - 1 // in the map
	vdiHeaderRef = 72        // where the part begins whose size HeaderSize is
)

// vdiHeader is the file's beginning.
type vdiHeader struct {
	Text                      [64]byte
	Signature, Version        uint32
	HeaderSize                uint32
	Kind, Flags               uint32
	Comment                   [256]byte
	MapOffset, DataOffset     uint32
	Geometry                  vdiGeometry
	_                         uint32
	Size                      uint64
	BlockSize, BlockExtra     uint32
	Blocks, Allocated         uint32
	ID, Changed               [16]byte // UUIDs: of the disk, and of its last change
	Previous, PreviousChanged [16]byte // of the one that it says the difference from
	LogicalGeometry           vdiGeometry
}

// vdiGeometry is a disk's geometry. VirtualBox finds one itself if it is zero, up
// to the size of sectors.
type vdiGeometry struct{ Cylinders, Heads, Sectors, SectorSize uint32 }

// vdi returns the contents of a VDI file with the disk.
func vdi(d *Disk) (*Disk, error) {
	count := roundUp(d.Size(), vdiBlock) / vdiBlock
	if count >= vdiNoBlock {
		return nil, fmt.Errorf("a VDI disk cannot have %d bytes", d.Size())
	}
	blocks := d.blocks(vdiBlock)
	places := make([]uint32, count)
	for i := range places {
		places[i] = vdiNoBlock
	}
	for i, b := range blocks {
		places[b] = uint32(i)
	}
	dataAt := roundUp(vdiMapAt+count*4, 4096)
	header := vdiHeader{
		Signature:  vdiSignature,
		Version:    vdiVersion,
		Kind:       vdiGrowing,
		MapOffset:  vdiMapAt,
		DataOffset: uint32(dataAt),
		Geometry:   vdiGeometry{SectorSize: SectorSize},
		Size:       uint64(d.Size()),
		BlockSize:  vdiBlock,
		Blocks:     uint32(count),
		Allocated:  uint32(len(blocks)),
		ID:         contentID(d, "vdi"),
		Changed:    contentID(d, "vdi, unchanged"),

		LogicalGeometry: vdiGeometry{SectorSize: SectorSize},
	}
	header.HeaderSize = uint32(binary.Size(&header) - vdiHeaderRef)
	copy(header.Text[:], "<<< Oracle VM VirtualBox Disk Image >>>\n")
	file := &parts{Disk: NewDisk(dataAt + int64(len(blocks))*vdiBlock)}
	file.putLittle(0, &header)
	file.putLittle(vdiMapAt, places)
	file.putBlocks(d, vdiBlock, dataAt)
	return file.Disk, file.err
}
