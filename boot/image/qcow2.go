package image

import "encoding/binary"

// QEMU's format, version 3 (docs/interop/qcow2.txt of QEMU). All numbers are big
// endian. The file is made of clusters. Two levels of tables say which cluster
// holds which of the disk, and two more how often each cluster is in use.
const (
	qcow2ClusterBits = 16
	qcow2Cluster     = 1 << qcow2ClusterBits
	qcow2Entries     = qcow2Cluster / 8 // of a level 2 table, one cluster
	qcow2Counts      = qcow2Cluster / 2 // of a block of reference counts, one cluster
	qcow2CountOrder  = 4                // 2^4 bits each
	qcow2Copied      = 1 << 63          // in the tables' entries: the cluster is in use once
)

// qcow2Header is the file's beginning.
type qcow2Header struct {
	Magic                           [4]byte
	Version                         uint32
	BackingOffset                   uint64
	BackingSize                     uint32
	ClusterBits                     uint32
	Size                            uint64
	Encryption                      uint32
	Level1Size                      uint32
	Level1Offset                    uint64
	CountTableOffset                uint64
	CountTableClusters              uint32
	Snapshots                       uint32
	SnapshotsOffset                 uint64
	Incompatible, Compatible, Clear uint64 // features
	CountOrder                      uint32
	HeaderSize                      uint32
	_                               uint64 // the end of the header's extensions
}

// qcow2 returns the contents of a qcow2 file with the disk.
func qcow2(d *Disk) (*Disk, error) {
	blocks := d.blocks(qcow2Cluster)
	level1 := make([]uint64, roundUp(d.Size(), qcow2Cluster*qcow2Entries)/(qcow2Cluster*qcow2Entries))

	// The header, the level 1 table, level 2 tables, data, and the counts of all
	// these and of their own.
	level1At := int64(qcow2Cluster)
	at := level1At + roundUp(int64(len(level1))*8, qcow2Cluster)
	var level2 []uint64
	for _, b := range blocks {
		if e := &level1[b/qcow2Entries]; *e == 0 {
			*e = uint64(at) + uint64(len(level2))*8 | qcow2Copied
			level2 = append(level2, make([]uint64, qcow2Entries)...)
		}
	}
	level2At := at
	dataAt := level2At + int64(len(level2))*8
	table := -1 // the level 2 table that b is in
	last := int64(-1)
	for i, b := range blocks {
		if b/qcow2Entries != last {
			last = b / qcow2Entries
			table++
		}
		level2[int64(table)*qcow2Entries+b%qcow2Entries] = uint64(dataAt+int64(i)*qcow2Cluster) | qcow2Copied
	}
	countsAt := dataAt + int64(len(blocks))*qcow2Cluster

	clusters := countsAt / qcow2Cluster // in use
	countBlocks, countTable := int64(0), int64(0)
	for total := clusters; ; {
		countBlocks = roundUp(total, qcow2Counts) / qcow2Counts
		countTable = roundUp(countBlocks*8, qcow2Cluster) / qcow2Cluster
		if total == clusters+countBlocks+countTable {
			break
		}
		total = clusters + countBlocks + countTable
	}
	total := clusters + countBlocks + countTable
	countTableAt := countsAt + countBlocks*qcow2Cluster

	header := qcow2Header{
		Magic:              [4]byte{'Q', 'F', 'I', 0xfb},
		Version:            3,
		ClusterBits:        qcow2ClusterBits,
		Size:               uint64(d.Size()),
		Level1Size:         uint32(len(level1)),
		Level1Offset:       uint64(level1At),
		CountTableOffset:   uint64(countTableAt),
		CountTableClusters: uint32(countTable),
		CountOrder:         qcow2CountOrder,
	}
	header.HeaderSize = uint32(binary.Size(&header) - 8)
	counts := make([]uint16, total)
	for i := range counts {
		counts[i] = 1
	}
	offsets := make([]uint64, countBlocks)
	for i := range offsets {
		offsets[i] = uint64(countsAt) + uint64(i)*qcow2Cluster
	}
	file := &parts{Disk: NewDisk(total * qcow2Cluster)}
	file.putBig(0, &header)
	file.putBig(level1At, level1)
	file.putBig(level2At, level2)
	file.putBlocks(d, qcow2Cluster, dataAt)
	file.putBig(countsAt, counts)
	file.putBig(countTableAt, offsets)
	return file.Disk, file.err
}
