package volume

import (
	"syscall"
	"time"

	"ringo.dev/ringo/kernel/block"
)

// BlockSize is the unit of allocation and of checksums, in bytes.
const BlockSize = 4096

// MinSize is that of the smallest device for a volume, in bytes.
const MinSize = minBlocks * BlockSize

// The shape of a volume. It is divided into regions, each as large as one block
// of the space map describes; every region begins with regionHead blocks that
// are never allocated. What they are for:
//
//	0, 1  in region 0: the superblock of even and of odd generations
//	2, 3  the two places of the region's block of the space map
//	4, 5  in every 128th region: of a block of the map's next level; and so on
//
// The last two blocks of the volume are copies of the superblocks, and the log
// comes after region 0's head.
const (
	regionBlocks = BlockSize * 8
	regionHead   = 8

	minBlocks = 256       // 1 MiB
	maxBlocks = 1 << 36   // 256 TiB
	maxInode  = 1<<56 - 1 // what a key has room for

	minLogBlocks = 16
	maxLogBlocks = 512
)

const (
	superMagic = 0x6c6f762d6f676e72 // "rngo-vol"
	version    = 1
)

// pointer says where a block is, and what it must hold: a block that was written
// somewhere else, long ago or only in part does not have the checksum.
type pointer struct {
	addr  uint64 // block number
	birth uint64 // the generation that wrote it
	sum   uint32
}

const pointerSize = 8 + 8 + 4

func (f *fields) pointer() pointer { return pointer{f.u64(), f.u64(), f.u32()} }

func (r record) pointer(p pointer) record { return r.u64(p.addr).u64(p.birth).u32(p.sum) }

// superblock is the root of everything: the state that the last commit left.
type superblock struct {
	generation uint64
	id         [16]byte // also the seed of hashName
	blocks     uint64   // of the volume; the device may have more
	logStart   uint64
	logBlocks  uint64
	nextInode  uint64

	files    treeRoot // the files as they are now
	meta     treeRoot // snapshots, and what only they hold
	space    mapEntry // the space map's top
	lastSnap uint64   // generation of the newest snapshot; 0: there is none
	deadList uint64   // number of the list of what died since
}

// treeRoot is the top of a tree.
type treeRoot struct {
	pointer
	level uint8 // 0: it is a leaf
}

func (sb *superblock) encode() []byte {
	b := make(record, 0, BlockSize)
	b = b.u64(superMagic).u32(version).u32(0)
	b = append(b.u64(sb.generation), sb.id[:]...)
	b = b.u64(sb.blocks).u64(sb.logStart).u64(sb.logBlocks).u64(sb.nextInode)
	b = b.pointer(sb.files.pointer).u32(uint32(sb.files.level))
	b = b.pointer(sb.meta.pointer).u32(uint32(sb.meta.level))
	b = b.mapEntry(sb.space).u64(sb.lastSnap).u64(sb.deadList)
	b = b[:BlockSize]
	put32(b[superSum:], checksum(b))
	return b
}

// superSum is the offset of the superblock's own checksum, which is taken with zero there.
const superSum = 12

// decode returns false if b is no superblock, or a damaged one.
func (sb *superblock) decode(b []byte) (ok bool, err error) {
	f := fields{rest: b}
	if f.u64() != superMagic {
		return false, nil
	}
	format, sum := f.u32(), f.u32()
	clean := append([]byte(nil), b...)
	put32(clean[superSum:], 0)
	if checksum(clean) != sum {
		return false, nil
	}
	if format != version {
		return false, &FormatError{"the volume has format " + decimal(uint64(format)) +
			", this program knows format " + decimal(version)}
	}
	sb.generation = f.u64()
	copy(sb.id[:], f.take(len(sb.id)))
	sb.blocks, sb.logStart, sb.logBlocks, sb.nextInode = f.u64(), f.u64(), f.u64(), f.u64()
	sb.files = treeRoot{f.pointer(), uint8(f.u32())}
	sb.meta = treeRoot{f.pointer(), uint8(f.u32())}
	sb.space = f.mapEntry()
	sb.lastSnap, sb.deadList = f.u64(), f.u64()
	return sb.sane(), nil
}

// sane checks what the rest relies on.
func (sb *superblock) sane() bool {
	return sb.blocks >= minBlocks && sb.blocks <= maxBlocks &&
		sb.logBlocks >= minLogBlocks && sb.logBlocks <= maxLogBlocks &&
		sb.logStart == regionHead && sb.logStart+sb.logBlocks < sb.blocks-superCopies &&
		sb.generation > 0 && sb.generation < 1<<62 && sb.lastSnap <= sb.generation &&
		sb.nextInode > RootInode && sb.nextInode <= maxInode &&
		sb.files.level < maxLevel && sb.meta.level < maxLevel
}

// superCopies is the number of blocks at the end of the volume.
const superCopies = 2

// superPlaces returns where the superblock of a generation is written.
func superPlaces(generation, blocks uint64) [2]uint64 {
	return [2]uint64{generation % 2, blocks - superCopies + generation%2}
}

// volumeBlocks returns how many blocks of a device with size bytes a volume uses:
// a last region that would be too small for its head is left out.
func volumeBlocks(size int64) uint64 {
	n := min(uint64(max(size, 0))/BlockSize, maxBlocks)
	if rest := n % regionBlocks; rest < 4*regionHead && n > regionBlocks {
		n -= rest
	}
	return n
}

// Format makes an empty volume on a device. Everything that the device held is
// lost. id should be random: it names the volume, and is the seed of its hashes.
func Format(dev block.Device, id [16]byte) error {
	n := volumeBlocks(dev.Size())
	if n < minBlocks {
		return &FormatError{"a volume needs at least " + decimal(MinSize) + " bytes, the device has " +
			decimal(uint64(max(dev.Size(), 0)))}
	}
	if dev.ReadOnly() {
		return syscall.EROFS
	}
	const logShare = 128 // of the volume, one block in so many
	super := superblock{
		id:        id,
		blocks:    n,
		logStart:  regionHead,
		logBlocks: min(max(n/logShare, minLogBlocks), maxLogBlocks),
		nextInode: RootInode + 1,
	}
	// What an earlier volume left must not be taken for this one's. And where the
	// disk is a sparse file, the log has its space from now on.
	for _, r := range []struct{ start, n uint64 }{{0, super.logStart + super.logBlocks}, {n - superCopies, superCopies}} {
		if err := dev.WriteAt(make([]byte, r.n*BlockSize), int64(r.start)*BlockSize); err != nil {
			return err
		}
	}
	v := newVolume(dev, super)
	if err := v.space.take(v.super.logStart, v.super.logBlocks); err != nil {
		return err
	}
	if err := v.space.take(n-superCopies, superCopies); err != nil {
		return err
	}
	for _, t := range []*tree{&v.files, &v.meta} {
		if err := t.plant(); err != nil {
			return err
		}
	}
	now := time.Now().UnixNano()
	root := inode{mode: syscall.S_IFDIR | 0o755, nlink: 2, atime: now, mtime: now, ctime: now}
	if err := v.putInode(RootInode, &root); err != nil {
		return err
	}
	return v.Commit()
}
