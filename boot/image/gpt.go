package image

import (
	"encoding/binary"
	"io"
	"unicode/utf16"

	"github.com/rekby/gpt"
	"ringo.dev/ringo/boot"
	"ringo.dev/ringo/boot/bios"
)

// A disk has a protective master boot record, whose code is the BIOS loader's
// first part, and a GPT (UEFI Specification 2.10, 5) with two partitions: the
// loader's second part, and the volume.
const (
	gptSectors = 1 + 32 // a header, and 128 entries of 128 bytes
	loaderAt   = (1 + gptSectors) * SectorSize
	volumeAt   = 32 << 10
	diskUnit   = 1 << 20 // of sizes: there are formats that know no other
)

// Types of partitions, as they are on the disk.
var (
	// 21686148-6449-6E6F-744E-656564454649
	biosBoot = [16]byte([]byte("Hah!IdontNeedEFI"))
	// C12A7328-F81F-11D2-BA4B-00A0C93EC93B (UEFI Specification 2.10, table 5.7)
	efiSystem = [16]byte{0x28, 0x73, 0x2a, 0xc1, 0x1f, 0xf8, 0xd2, 0x11, 0xba, 0x4b, 0x00, 0xa0, 0xc9, 0x3e, 0xc9, 0x3b}
)

// newDisk returns a disk that boots a program.
func newDisk(p *boot.Program) (*Disk, error) {
	v, err := newVolume(p)
	if err != nil {
		return nil, err
	}
	sector, loader, err := bios.Make(p, bios.Medium{BlockSize: SectorSize, Loader: loaderAt, Program: volumeAt + v.data})
	if err != nil {
		return nil, err
	}
	end := volumeAt + roundUp(int64(len(v.contents)), SectorSize)
	disk := parts{Disk: NewDisk(roundUp(end+gptSectors*SectorSize, diskUnit))}

	table := gpt.NewTable(uint64(disk.size), &gpt.NewTableArgs{SectorSize: SectorSize, DiskGuid: identity(p, "disk")})
	table.Partitions[0] = partition(p, "ringo loader", biosBoot, loaderAt, bios.LoaderSize)
	table.Partitions[1] = partition(p, "ringo program", efiSystem, volumeAt, end-volumeAt)
	first := window{data: make([]byte, loaderAt)}
	copy(first.data, sector)
	protective := mbrEntry{Type: mbrTypeGPT, FirstCHS: [3]uint8{0, 2, 0}, LastCHS: [3]uint8{0xff, 0xff, 0xff}, First: 1, Count: uint32(min(disk.size/SectorSize-1, 1<<32-1))}
	if err := putMBR(first.data, protective); err != nil {
		return nil, err
	}
	last := window{at: disk.size - gptSectors*SectorSize, data: make([]byte, gptSectors*SectorSize)}
	if err := table.Write(first.writer()); err != nil {
		return nil, err
	}
	if err := table.CreateOtherSideTable().Write(last.writer()); err != nil {
		return nil, err
	}

	disk.put(0, first.data)
	disk.put(loaderAt, loader)
	disk.put(volumeAt, v.contents)
	disk.put(last.at, last.data)
	return disk.Disk, disk.err
}

// partition returns the entry of a partition of size bytes at an offset.
func partition(p *boot.Program, name string, kind [16]byte, offset, size int64) gpt.Partition {
	e := gpt.Partition{
		Type:     kind,
		Id:       identity(p, name),
		FirstLBA: uint64(offset / SectorSize),
		LastLBA:  uint64((offset+size)/SectorSize - 1),
	}
	for i, c := range utf16.Encode([]rune(name)) {
		binary.LittleEndian.PutUint16(e.PartNameUTF16[2*i:], c)
	}
	return e
}

// window is a piece of a disk to write in.
type window struct {
	at   int64 // where on the disk
	data []byte
}

// WriteAt writes to the disk at an offset, which has to be in the window
// (io.WriterAt).
func (w *window) WriteAt(p []byte, off int64) (int, error) {
	i := off - w.at
	if i < 0 || i+int64(len(p)) > int64(len(w.data)) {
		return 0, io.ErrShortWrite
	}
	return copy(w.data[i:], p), nil
}

// writer returns a writer that begins at the disk's first byte.
func (w *window) writer() io.WriteSeeker { return io.NewOffsetWriter(w, 0) }

// mbrEntry is an entry of the table of partitions in a master boot record.
type mbrEntry struct {
	Active   uint8
	FirstCHS [3]uint8
	Type     uint8
	LastCHS  [3]uint8
	First    uint32 // sectors
	Count    uint32
}

const (
	mbrTable     = 446 // offset in the boot record
	mbrSignature = 510

	mbrTypeGPT = 0xee
	mbrTypeESP = 0xef
)

// putMBR writes a table with one partition, and the signature.
func putMBR(sector []byte, e mbrEntry) error {
	if _, err := binary.Encode(sector[mbrTable:], binary.LittleEndian, &e); err != nil {
		return err
	}
	sector[mbrSignature], sector[mbrSignature+1] = 0x55, 0xaa
	return nil
}
