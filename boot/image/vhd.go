package image

import (
	"encoding/binary"
	"fmt"
)

// Microsoft's older format ("Virtual Hard Disk Image Format Specification",
// 1.0), in its kind of a fixed size, which is the one that Azure takes: the disk
// as it is, and a footer of one sector. All numbers are big endian.

// vhdUnit is what Azure wants the disk's size to be a multiple of.
const vhdUnit = 1 << 20

// vhdFooter is the footer.
type vhdFooter struct {
	Cookie            [8]byte
	Features, Version uint32
	DataOffset        uint64 // of the header of other kinds
	Time              uint32
	Creator           [4]byte
	CreatorVersion    uint32
	CreatorSystem     [4]byte
	Original, Size    uint64
	Cylinders         uint16
	Heads, Sectors    uint8
	Kind              uint32
	Checksum          uint32
	ID                [16]byte
	Saved             uint8
	_                 [427]byte
}

// vhd returns the contents of a VHD file with the disk.
func vhd(d *Disk) (*Disk, error) {
	if d.Size()%vhdUnit != 0 {
		return nil, fmt.Errorf("a VHD disk cannot have %d bytes, which is no multiple of %d", d.Size(), vhdUnit)
	}
	const reserved, version, fixed = 2, 1 << 16, 2
	f := vhdFooter{
		Cookie:     [8]byte([]byte("conectix")),
		Features:   reserved,
		Version:    version,
		DataOffset: 1<<64 - 1,
		// Of disks with other creators some readers take the size from the
		// geometry, which is rounded.
		Creator:        [4]byte([]byte("win ")),
		CreatorVersion: 10 << 16,
		CreatorSystem:  [4]byte([]byte("Wi2k")),
		Original:       uint64(d.Size()),
		Size:           uint64(d.Size()),
		Kind:           fixed,
		ID:             contentID(d, "vhd"),
	}
	f.Cylinders, f.Heads, f.Sectors = vhdGeometry(d.Size() / SectorSize)
	encoded, err := binary.Append(nil, binary.BigEndian, &f)
	if err != nil {
		return nil, err
	}
	sum := uint32(0)
	for _, b := range encoded {
		sum += uint32(b)
	}
	f.Checksum = ^sum
	file := &parts{Disk: NewDisk(d.Size() + SectorSize)}
	for _, e := range d.Extents() {
		file.put(e.Offset, e.Data)
	}
	file.putBig(d.Size(), &f)
	return file.Disk, file.err
}

// vhdGeometry returns the geometry for a number of sectors as the specification's
// appendix has it.
func vhdGeometry(sectors int64) (cylinders uint16, heads, track uint8) {
	const most = 65535 * 16 * 255
	sectors = min(sectors, most)
	if sectors >= 65535*16*63 {
		return uint16(sectors / 255 / 16), 16, 255
	}
	rows := sectors / 17 // cylinders times heads
	h, t := max((rows+1023)/1024, 4), int64(17)
	if rows >= h*1024 || h > 16 {
		h, t = 16, 31
		rows = sectors / t
	}
	if rows >= h*1024 {
		h, t = 16, 63
		rows = sectors / t
	}
	return uint16(rows / h), uint8(h), uint8(t)
}
