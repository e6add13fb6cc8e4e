package image

import (
	"encoding/binary"

	"ringo.dev/ringo/boot"
	"ringo.dev/ringo/boot/bios"
)

// A CD has a file system of ISO 9660 (ECMA-119) with the volume as its only
// file, and a boot catalog (El Torito 1.0) that leads a BIOS to the loader and
// UEFI to the volume. Its first sector is the boot record of a disk, so that it
// also boots where it is written on a USB stick.
const cdSector = 2048

// What is in which sector. The first 16 are not ISO 9660's.
const (
	cdDescriptor = 16 + iota
	cdBootDescriptor
	cdLastDescriptor
	cdPathsLittle // tables of directories
	cdPathsBig
	cdRoot
	cdCatalog
	cdBoot       // first part of the loader
	cdLoader     // its second part
	_            // fills
	_            // four
	_            // sectors
	cdDiskLoader // the same for a disk
	cdVolume     = 48
)

// newCD returns a CD that boots a program.
func newCD(p *boot.Program) (*Disk, error) {
	v, err := newVolume(p)
	if err != nil {
		return nil, err
	}
	size := roundUp(int64(len(v.contents)), cdSector)
	cd := parts{Disk: NewDisk(cdVolume*cdSector + size)}
	put := func(sector int64, data []byte) { cd.put(sector*cdSector, data) }

	program := cdVolume*cdSector + v.data
	boot, loader, err := bios.Make(p, bios.Medium{BlockSize: cdSector, Loader: cdLoader * cdSector, Program: program})
	if err != nil {
		return nil, err
	}
	put(cdBoot, boot)
	put(cdLoader, loader)

	boot, loader, err = bios.Make(p, bios.Medium{BlockSize: SectorSize, Loader: cdDiskLoader * cdSector, Program: program})
	if err != nil {
		return nil, err
	}
	sector := append(boot, make([]byte, SectorSize-len(boot))...)
	const active = 0x80
	err = putMBR(sector, mbrEntry{Active: active, Type: mbrTypeESP, FirstCHS: [3]uint8{0xfe, 0xff, 0xff}, LastCHS: [3]uint8{0xfe, 0xff, 0xff},
		First: cdVolume * cdSector / SectorSize, Count: uint32(size / SectorSize)})
	if err != nil {
		return nil, err
	}
	put(0, sector)
	put(cdDiskLoader, loader)

	put(cdDescriptor, primaryDescriptor(cd.size/cdSector))
	put(cdBootDescriptor, bootDescriptor())
	put(cdLastDescriptor, descriptor(255))
	put(cdPathsLittle, pathTable(binary.LittleEndian))
	put(cdPathsBig, pathTable(binary.BigEndian))
	put(cdRoot, rootDirectory(int64(len(v.contents))))
	put(cdCatalog, bootCatalog(size))
	put(cdVolume, v.contents)
	return cd.Disk, cd.err
}

// descriptor returns the beginning of a volume descriptor (ECMA-119, 8.1).
func descriptor(kind byte) []byte {
	return append([]byte{kind}, "CD001\x01"...)
}

// primaryDescriptor returns the primary volume descriptor (ECMA-119, 8.4) of a
// CD of that many sectors.
func primaryDescriptor(sectors int64) []byte {
	d := make([]byte, cdSector)
	copy(d, descriptor(1))
	const text, textEnd = 8, 72
	fill(d[text:textEnd], "")
	fill(d[40:textEnd], "RINGO")
	both32(d[80:], uint32(sectors))
	both16(d[120:], 1) // volumes
	both16(d[124:], 1) // this one
	both16(d[128:], cdSector)
	both32(d[132:], pathTableSize)
	binary.LittleEndian.PutUint32(d[140:], cdPathsLittle)
	binary.BigEndian.PutUint32(d[148:], cdPathsBig)
	copy(d[156:], directoryRecord("\x00", cdRoot, cdSector, true))
	fill(d[190:813], "") // names
	const dates, dateSize = 813, 17
	for i := range 4 {
		fill(d[dates+i*dateSize:][:dateSize-1], "")
		copy(d[dates+i*dateSize:], "0000000000000000") // not given
	}
	d[881] = 1 // version of the file structure
	return d
}

// fill fills a field of text: s, and blanks behind it.
func fill(field []byte, s string) {
	for i := copy(field, s); i < len(field); i++ {
		field[i] = ' '
	}
}

// both32 and both16 write a number in both byte orders (ECMA-119, 7.2.3, 7.3.3).
func both32(b []byte, v uint32) {
	binary.LittleEndian.PutUint32(b, v)
	binary.BigEndian.PutUint32(b[4:], v)
}

func both16(b []byte, v uint16) {
	binary.LittleEndian.PutUint16(b, v)
	binary.BigEndian.PutUint16(b[2:], v)
}

const pathTableSize = 10

// pathTable returns the table of directories, which has the root (ECMA-119, 9.4).
func pathTable(order binary.AppendByteOrder) []byte {
	t := []byte{1, 0} // length of the name, which is a zero
	t = order.AppendUint32(t, cdRoot)
	t = order.AppendUint16(t, 1) // its parent: itself
	return append(t, 0, 0)
}

// rootDirectory returns the root, which has the volume as a file of that size.
func rootDirectory(size int64) []byte {
	d := directoryRecord("\x00", cdRoot, cdSector, true)              // itself
	d = append(d, directoryRecord("\x01", cdRoot, cdSector, true)...) // its parent
	d = append(d, directoryRecord("EFI.IMG;1", cdVolume, uint32(size), false)...)
	return append(d, make([]byte, cdSector-len(d))...)
}

// directoryRecord returns an entry of a directory (ECMA-119, 9.1), without a
// date.
func directoryRecord(name string, sector, size uint32, directory bool) []byte {
	const fixed = 33
	r := make([]byte, roundUp(int64(fixed+len(name)), 2))
	r[0] = byte(len(r))
	both32(r[2:], sector)
	both32(r[10:], size)
	if directory {
		r[25] = 1 << 1
	}
	both16(r[28:], 1) // volume
	r[32] = byte(len(name))
	copy(r[fixed:], name)
	return r
}

// bootDescriptor returns the boot record volume descriptor (El Torito, figure 7).
func bootDescriptor() []byte {
	d := make([]byte, cdSector)
	copy(d, descriptor(0))
	copy(d[7:], "EL TORITO SPECIFICATION")
	binary.LittleEndian.PutUint32(d[71:], cdCatalog)
	return d
}

// bootCatalog returns the boot catalog (El Torito, 2.0): the loader for BIOSes,
// without emulation of a disk, and the volume, of size bytes, for UEFI.
func bootCatalog(size int64) []byte {
	const (
		platformEFI = 0xef
		bootable    = 0x88
		lastHeader  = 0x91
		// what a BIOS loads of the loader, in sectors of 512 bytes: some can do
		// no less and no more
		loaded = 4
		entry  = 32
	)
	c := make([]byte, cdSector)
	// The validation entry. Its words add up to zero.
	c[0] = 1
	copy(c[4:], "ringo")
	c[30], c[31] = 0x55, 0xaa
	sum := uint16(0)
	for i := 0; i < entry; i += 2 {
		sum += binary.LittleEndian.Uint16(c[i:])
	}
	binary.LittleEndian.PutUint16(c[28:], -sum)

	initial := c[entry:]
	initial[0] = bootable
	binary.LittleEndian.PutUint16(initial[6:], loaded)
	binary.LittleEndian.PutUint32(initial[8:], cdBoot)

	header := c[2*entry:]
	header[0], header[1] = lastHeader, platformEFI
	binary.LittleEndian.PutUint16(header[2:], 1) // entries

	efi := c[3*entry:]
	efi[0] = bootable
	// UEFI takes 0 for "up to the CD's end" (UEFI Specification 2.10, 13.3.2.1).
	if count := size / SectorSize; count < 1<<16 {
		binary.LittleEndian.PutUint16(efi[6:], uint16(count))
	}
	binary.LittleEndian.PutUint32(efi[8:], cdVolume)
	return c
}
