package block

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
)

// Partition is a part of a disk, as its partition table describes it.
type Partition struct {
	Number int   // from 1 on, as Linux counts: vda1
	Start  int64 // in bytes
	Size   int64
}

// The most partitions that are looked for.
const (
	maxGPT     = 128
	maxLogical = 60
)

// Partitions returns the partitions of a disk, by GPT (UEFI specification 2.10,
// chapter 5) or else by MBR. A disk without a table that is right has none. The
// error is that of reading the disk.
func Partitions(d Device) ([]Partition, error) {
	t := table{d: d, sector: int64(d.SectorSize())}
	mbr, err := t.read(0, 1)
	if err != nil || mbr == nil || !signed(mbr) {
		return nil, err
	}
	for i := range mbrEntries {
		if entry(mbr, i).kind == kindProtective {
			return t.gpt()
		}
	}
	return t.mbr(mbr)
}

// table reads a partition table.
type table struct {
	d      Device
	sector int64
}

// read returns n bytes, rounded up to whole sectors, from a sector on; nil if
// they are not all on the disk.
func (t *table) read(lba uint64, n int64) ([]byte, error) {
	sectors := uint64(t.d.Size() / t.sector)
	count := uint64((n + t.sector - 1) / t.sector)
	if lba >= sectors || count > sectors-lba {
		return nil, nil
	}
	b := make([]byte, int64(count)*t.sector)
	if err := t.d.ReadAt(b, int64(lba)*t.sector); err != nil {
		return nil, err
	}
	return b, nil
}

// partition returns a partition of so many sectors; false if it does not lie on
// the disk, behind its first sector.
func (t *table) partition(number int, first, sectors uint64) (Partition, bool) {
	all := uint64(t.d.Size() / t.sector)
	if first == 0 || first >= all || sectors == 0 || sectors > all-first {
		return Partition{}, false
	}
	return Partition{Number: number, Start: int64(first) * t.sector, Size: int64(sectors) * t.sector}, true
}

// The master boot record: four entries of 16 bytes, and a signature.
const (
	mbrOffset  = 446
	mbrEntry   = 16
	mbrEntries = 4

	kindProtective = 0xee // the table is a GPT
)

// mbrPartition is an entry of an MBR. Positions are in sectors.
type mbrPartition struct {
	status         byte
	kind           byte
	first, sectors uint64
}

// signed reports whether a sector has the signature of an MBR.
func signed(sector []byte) bool { return sector[510] == 0x55 && sector[511] == 0xaa }

func entry(sector []byte, i int) mbrPartition {
	e := sector[mbrOffset+i*mbrEntry:][:mbrEntry]
	return mbrPartition{
		status:  e[0],
		kind:    e[4],
		first:   uint64(binary.LittleEndian.Uint32(e[8:])),
		sectors: uint64(binary.LittleEndian.Uint32(e[12:])),
	}
}

// extended reports whether the entry is for a chain of logical partitions.
func (p *mbrPartition) extended() bool { return p.kind == 0x05 || p.kind == 0x0f || p.kind == 0x85 }

// mbr returns the partitions of an MBR. The boot sector of a file system looks
// like one, but for entries that make no sense.
func (t *table) mbr(sector []byte) ([]Partition, error) {
	var found []Partition
	for i := range mbrEntries {
		e := entry(sector, i)
		if e.kind == 0 {
			continue
		}
		p, ok := t.partition(1+i, e.first, e.sectors)
		if !ok || e.status&0x7f != 0 {
			return nil, nil
		}
		if !e.extended() {
			found = append(found, p)
			continue
		}
		logical, err := t.logical(e.first)
		if err != nil {
			return nil, err
		}
		found = append(found, logical...)
	}
	return found, nil
}

// logical follows the chain of logical partitions, each of which has a boot
// record of its own in front. It ends where that makes no sense.
func (t *table) logical(extended uint64) (found []Partition, err error) {
	at := extended
	for n := range maxLogical {
		b, err := t.read(at, 1)
		if err != nil {
			return nil, err
		}
		if b == nil || !signed(b) {
			break
		}
		e, next := entry(b, 0), entry(b, 1)
		if p, ok := t.partition(mbrEntries+1+n, at+e.first, e.sectors); ok && e.kind != 0 {
			found = append(found, p)
		}
		if next.kind == 0 || next.first == 0 {
			break
		}
		at = extended + next.first
	}
	return found, nil
}

// The header of a GPT.
const (
	gptSignature = "EFI PART"
	gptMinHeader = 92
	gptMinEntry  = 128
	gptMaxEntry  = 4096
)

// gpt returns the partitions of a GPT: of the table at the disk's beginning, or
// if that is damaged of the one at its end.
func (t *table) gpt() ([]Partition, error) {
	for _, lba := range []uint64{1, uint64(t.d.Size()/t.sector) - 1} {
		entries, size, err := t.gptEntries(lba)
		if err != nil {
			return nil, err
		}
		if entries != nil {
			return t.gptPartitions(entries, size), nil
		}
	}
	return nil, nil
}

// gptEntries returns the entries of the table whose header is at lba, and the
// size of each; nil if the table is damaged.
func (t *table) gptEntries(lba uint64) (entries []byte, size int, err error) {
	le := binary.LittleEndian
	h, err := t.read(lba, 1)
	if err != nil || h == nil || string(h[:len(gptSignature)]) != gptSignature {
		return nil, 0, err
	}
	length := le.Uint32(h[12:])
	if length < gptMinHeader || int64(length) > t.sector || le.Uint64(h[24:]) != lba {
		return nil, 0, nil
	}
	sum := le.Uint32(h[16:])
	clear(h[16:20])
	if crc32.ChecksumIEEE(h[:length]) != sum {
		return nil, 0, nil
	}
	at, count, each := le.Uint64(h[72:]), le.Uint32(h[80:]), le.Uint32(h[84:])
	if count == 0 || count > 8*maxGPT || each < gptMinEntry || each > gptMaxEntry || each&(each-1) != 0 {
		return nil, 0, nil
	}
	n := int64(count) * int64(each)
	entries, err = t.read(at, n)
	if err != nil || entries == nil || crc32.ChecksumIEEE(entries[:n]) != le.Uint32(h[88:]) {
		return nil, 0, err
	}
	return entries[:n], int(each), nil
}

// gptPartitions returns the partitions of a table's entries.
func (t *table) gptPartitions(entries []byte, size int) (found []Partition) {
	var unused [16]byte
	for i := range min(len(entries)/size, maxGPT) {
		e := entries[i*size:]
		first, last := binary.LittleEndian.Uint64(e[32:]), binary.LittleEndian.Uint64(e[40:])
		if bytes.Equal(e[:16], unused[:]) || last < first {
			continue
		}
		if p, ok := t.partition(1+i, first, last-first+1); ok {
			found = append(found, p)
		}
	}
	return found
}

// section is a partition as a Device.
type section struct {
	Device
	p Partition
}

// Open returns the partition of d as a Device.
func (p Partition) Open(d Device) Device { return &section{d, p} }

// Size implements Device.
func (s *section) Size() int64 { return s.p.Size }

// ReadAt implements Device.
func (s *section) ReadAt(p []byte, off int64) error {
	if err := within(s, off, int64(len(p))); err != nil {
		return err
	}
	return s.Device.ReadAt(p, s.p.Start+off)
}

// WriteAt implements Device.
func (s *section) WriteAt(p []byte, off int64) error {
	if err := within(s, off, int64(len(p))); err != nil {
		return err
	}
	return s.Device.WriteAt(p, s.p.Start+off)
}

// ReadAll implements Batcher.
func (s *section) ReadAll(list []Transfer) error {
	moved, err := s.moved(list)
	if err != nil {
		return err
	}
	return ReadAll(s.Device, moved)
}

// WriteAll implements Batcher.
func (s *section) WriteAll(list []Transfer, flush bool) error {
	moved, err := s.moved(list)
	if err != nil {
		return err
	}
	return WriteAll(s.Device, moved, flush)
}

// moved returns transfers of the partition as those of the disk.
func (s *section) moved(list []Transfer) ([]Transfer, error) {
	moved := make([]Transfer, len(list))
	for i, t := range list {
		if err := within(s, t.Off, int64(len(t.Data))); err != nil {
			return nil, err
		}
		moved[i] = Transfer{t.Data, s.p.Start + t.Off}
	}
	return moved, nil
}

// Discard implements Device.
func (s *section) Discard(off, n int64) error {
	if err := within(s, off, n); err != nil {
		return err
	}
	return s.Device.Discard(s.p.Start+off, n)
}

// Zero implements Device.
func (s *section) Zero(off, n int64, discard bool) error {
	if err := within(s, off, n); err != nil {
		return err
	}
	return s.Device.Zero(s.p.Start+off, n, discard)
}
