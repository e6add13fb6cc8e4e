package image

import "fmt"

// VMware's format in its kind monolithicSparse ("Virtual Disk Format 5.0"): one
// file that grows, which VMware's desktop products, VirtualBox and QEMU read and
// write. All numbers are little endian, and offsets are in sectors. The file is
// made of grains; a directory leads to tables, which say where each grain is.
// Directory and tables are there twice.
const (
	vmdkGrain        = 64 << 10
	vmdkGrainSectors = vmdkGrain / SectorSize
	vmdkEntries      = 512 // of a table
	vmdkTable        = vmdkEntries * 4
	vmdkDescriptorAt = 1
	vmdkDescriptor   = 20 // sectors

	vmdkNewLines  = 1 << 0 // the header's line ends can be looked at
	vmdkRedundant = 1 << 1 // there is a second directory
)

// vmdkHeader is the file's beginning.
type vmdkHeader struct {
	Magic                            [4]byte
	Version, Flags                   uint32
	Capacity, Grain                  uint64
	DescriptorOffset, DescriptorSize uint64
	Entries                          uint32
	RedundantOffset, Offset          uint64 // of the directories
	Overhead                         uint64 // what is in front of the grains
	Unclean                          uint8
	LineEnds                         [4]byte // shows whether a transfer as text has changed them
	Compression                      uint16
	_                                [433]byte
}

// vmdkText is the descriptor. VirtualBox and VMware want the geometry of the
// disk's last century, which has no meaning.
const vmdkText = `# Disk DescriptorFile
version=1
CID=%08x
parentCID=ffffffff
createType="monolithicSparse"

# Extent description
RW %d SPARSE "ringo.vmdk"

# The Disk Data Base
#DDB

ddb.virtualHWVersion = "4"
ddb.geometry.cylinders = "%d"
ddb.geometry.heads = "16"
ddb.geometry.sectors = "63"
ddb.adapterType = "ide"
`

// vmdk returns the contents of a VMDK file with the disk.
func vmdk(d *Disk) (*Disk, error) {
	if d.Size()%vmdkGrain != 0 {
		return nil, fmt.Errorf("a VMDK disk cannot have %d bytes, which is no multiple of %d", d.Size(), vmdkGrain)
	}
	blocks := d.blocks(vmdkGrain)
	tables := roundUp(d.Size(), vmdkGrain*vmdkEntries) / (vmdkGrain * vmdkEntries)
	directorySize := roundUp(tables*4, SectorSize)
	// Each directory has its tables behind it.
	redundantAt := int64(vmdkDescriptorAt+vmdkDescriptor) * SectorSize
	at := redundantAt + directorySize + tables*vmdkTable
	grainsAt := roundUp(at+directorySize+tables*vmdkTable, vmdkGrain)

	sectors := d.Size() / SectorSize
	header := vmdkHeader{
		Magic:            [4]byte{'K', 'D', 'M', 'V'},
		Version:          1,
		Flags:            vmdkNewLines | vmdkRedundant,
		Capacity:         uint64(sectors),
		Grain:            vmdkGrainSectors,
		DescriptorOffset: vmdkDescriptorAt,
		DescriptorSize:   vmdkDescriptor,
		Entries:          vmdkEntries,
		RedundantOffset:  uint64(redundantAt / SectorSize),
		Offset:           uint64(at / SectorSize),
		Overhead:         uint64(grainsAt / SectorSize),
		LineEnds:         [4]byte{'\n', ' ', '\r', '\n'},
	}
	grains := make([]uint32, tables*vmdkEntries)
	for i, b := range blocks {
		grains[b] = uint32(grainsAt/SectorSize + int64(i)*vmdkGrainSectors)
	}
	content := contentID(d, "vmdk")
	id := le.Uint32(content[:])
	const none, changed = 0xffffffff, 0xfffffffe // values with a meaning
	if id == none || id == changed {
		id = 1
	}
	const heads, track = 16, 63
	file := &parts{Disk: NewDisk(grainsAt + int64(len(blocks))*vmdkGrain)}
	file.putLittle(0, &header)
	file.put(vmdkDescriptorAt*SectorSize, fmt.Appendf(nil, vmdkText, id, sectors, min(sectors/(heads*track), 16383)))
	for _, directoryAt := range []int64{redundantAt, at} {
		directory := make([]uint32, tables)
		for i := range directory {
			directory[i] = uint32((directoryAt + directorySize + int64(i)*vmdkTable) / SectorSize)
		}
		file.putLittle(directoryAt, directory)
		file.putLittle(directoryAt+directorySize, grains)
	}
	file.putBlocks(d, vmdkGrain, grainsAt)
	return file.Disk, file.err
}
