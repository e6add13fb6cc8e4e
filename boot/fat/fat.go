// Package fat makes FAT volumes with a few files on them, for firmware to read
// (Microsoft's FAT Specification 1.03, "FATGEN"). They are FAT16, which holds
// anything from 2 MiB to 2 GiB. Equal files make equal volumes.
package fat

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"strings"
)

// File is a file of a volume.
type File struct {
	// Name is its path, such as EFI/BOOT/BOOTX64.EFI. Each part is a short name:
	// up to 8 capital letters and digits, and up to 3 more after a dot.
	Name string
	Data []byte
}

// Align is what the offset in the volume of every file's contents is a multiple
// of. The contents are in one piece.
const Align = 4096

const (
	sectorSize  = 512
	entrySize   = 32 // of a directory's entry
	rootEntries = 512
	rootSize    = rootEntries * entrySize

	// The number of clusters is what tells FAT16 from the others; some count a
	// little wrong, so these keep away from the limits.
	minClusters = 4085 + 16
	maxClusters = 65524 - 16
	maxCluster  = 32 << 10
	firstNumber = 2      // the first cluster's
	endOfChain  = 0xffff // in the table, of a file's last cluster
	media       = 0xf8   // a disk
)

var le = binary.LittleEndian

// Volume returns a volume with the files, and where in it the contents of each
// begin. The label has up to 11 capital letters and digits.
func Volume(label string, files []File) (volume []byte, offsets []int64, err error) {
	if !isWord(label, 11) {
		return nil, nil, fmt.Errorf("%q is no label of a FAT volume; want up to 11 capital letters and digits", label)
	}
	root := &node{dir: true}
	var all []*node // the files
	for _, f := range files {
		n, err := root.add(f)
		if err != nil {
			return nil, nil, err
		}
		all = append(all, n)
	}
	if len(root.entries) >= rootEntries {
		return nil, nil, fmt.Errorf("there are more than %d files in a FAT volume's root", rootEntries-1)
	}
	l := layout{cluster: sectorSize}
	for ; ; l.cluster *= 2 {
		l.next = firstNumber
		l.place(root)
		if l.next-firstNumber <= maxClusters {
			break
		}
		if l.cluster == maxCluster {
			return nil, nil, fmt.Errorf("the files are too large for a FAT16 volume, which has at most %d MiB", maxCluster*maxClusters>>20)
		}
	}
	l.size(label, files)
	volume = l.write(root)
	for _, n := range all {
		offsets = append(offsets, int64(l.offset(n.first)))
	}
	return volume, offsets, nil
}

// node is a file or a directory.
type node struct {
	name    string
	dir     bool
	entries []*node // of a directory
	data    []byte  // of a file
	first   int     // the number of its first cluster; 0 for the root and for empty files
	count   int     // how many clusters it has
}

// Names as all readers of FAT take them; there are more.
// isShortName reports whether a file's entry can have this name.
func isShortName(s string) bool {
	base, extension, dot := strings.Cut(s, ".")
	return isWord(base, 8) && (!dot || isWord(extension, 3))
}

// isWord reports whether s has 1 to most of the characters that names here are made of.
func isWord(s string, most int) bool {
	const capitals, others = "ABCDEFGHIJKLMNOPQRSTUVWXYZ", "0123456789_-"
	return s != "" && len(s) <= most && strings.Trim(s, capitals+others) == ""
}

// add adds a file below a directory.
func (n *node) add(f File) (*node, error) {
	parts := strings.Split(f.Name, "/")
	for i, name := range parts {
		if !isShortName(name) {
			return nil, fmt.Errorf("%s: %q is no short name, such as NAME.EXT", f.Name, name)
		}
		last := i == len(parts)-1
		child := n.find(name)
		switch {
		case child == nil:
			child = &node{name: name, dir: !last}
			n.entries = append(n.entries, child)
		case last || !child.dir:
			return nil, fmt.Errorf("%s: there is a file or directory %s already", f.Name, strings.Join(parts[:i+1], "/"))
		}
		n = child
	}
	n.data = f.Data
	return n, nil
}

func (n *node) find(name string) *node {
	for _, e := range n.entries {
		if e.name == name {
			return e
		}
	}
	return nil
}

// bytes returns how long the contents are.
func (n *node) bytes() int {
	if n.dir {
		return (len(n.entries) + 2) * entrySize // "." and ".." besides
	}
	return len(n.data)
}

// layout says where on a volume things are.
type layout struct {
	cluster  int // bytes of a cluster
	next     int // number of the first cluster that is not in use
	clusters int // how many there are
	reserved int // sectors in front of the tables
	table    int // sectors of each of the two tables
	dataAt   int // offset of the first cluster, a multiple of Align
	label    [11]byte
	serial   uint32
}

// place gives clusters to everything below a directory.
func (l *layout) place(dir *node) {
	for _, n := range dir.entries {
		if !n.dir {
			for (l.next-firstNumber)*l.cluster%Align != 0 {
				l.next++
			}
		}
		n.first, n.count = 0, (n.bytes()+l.cluster-1)/l.cluster
		if n.count > 0 {
			n.first = l.next
		}
		l.next += n.count
		l.place(n)
	}
}

// size decides on the rest of the layout.
func (l *layout) size(label string, files []File) {
	l.clusters = max(l.next-firstNumber, minClusters)
	l.table = ((l.clusters+firstNumber)*2 + sectorSize - 1) / sectorSize
	l.dataAt = (sectorSize + 2*l.table*sectorSize + rootSize + Align - 1) / Align * Align
	l.reserved = (l.dataAt-rootSize)/sectorSize - 2*l.table
	copy(l.label[:], "           ")
	copy(l.label[:], label)
	h := sha256.New()
	for _, f := range files {
		fmt.Fprintf(h, "%q %d\n", f.Name, len(f.Data))
		h.Write(f.Data)
	}
	l.serial = le.Uint32(h.Sum(nil))
}

// offset returns where a cluster is in the volume.
func (l *layout) offset(number int) int { return l.dataAt + (number-firstNumber)*l.cluster }

// bootSector is a volume's first sector up to its code ("BPB").
type bootSector struct {
	Jump           [3]byte
	System         [8]byte
	SectorSize     uint16
	ClusterSectors uint8
	Reserved       uint16
	Tables         uint8
	RootEntries    uint16
	Sectors16      uint16 // 0 if there are more than 16 bits tell
	Media          uint8
	TableSectors   uint16
	TrackSectors   uint16
	Heads          uint16
	Hidden         uint32
	Sectors32      uint32
	Drive          uint8
	_              uint8
	Extended       uint8 // the fields from here on are there
	Serial         uint32
	Label          [11]byte
	Kind           [8]byte
}

// write returns the volume.
func (l *layout) write(root *node) []byte {
	volume := make([]byte, l.dataAt+l.clusters*l.cluster)
	s := bootSector{
		Jump:           [3]byte{0xeb, 0x3c, 0x90},
		SectorSize:     sectorSize,
		ClusterSectors: uint8(l.cluster / sectorSize),
		Reserved:       uint16(l.reserved),
		Tables:         2,
		RootEntries:    rootEntries,
		Media:          media,
		TableSectors:   uint16(l.table),
		TrackSectors:   63,
		Heads:          255,
		Drive:          0x80,
		Extended:       0x29,
		Serial:         l.serial,
		Label:          l.label,
	}
	copy(s.System[:], "RINGO   ")
	copy(s.Kind[:], "FAT16   ")
	if sectors := len(volume) / sectorSize; sectors < 1<<16 {
		s.Sectors16 = uint16(sectors)
	} else {
		s.Sectors32 = uint32(sectors)
	}
	if _, err := binary.Encode(volume, le, &s); err != nil {
		panic(err) // it is shorter than a sector
	}
	// Who starts it finds nothing to start: JMP 0(PC) where Jump leads.
	copy(volume[2+int(s.Jump[1]):], "\xeb\xfe")
	le.PutUint16(volume[sectorSize-2:], 0xaa55)

	table := volume[l.reserved*sectorSize:]
	le.PutUint16(table, 0xff00|media)
	le.PutUint16(table[2:], endOfChain)
	label := entry{Name: s.Label, Attributes: isLabel, Written: firstDay}
	rootAt := volume[l.dataAt-rootSize:]
	label.put(rootAt)
	l.writeDir(volume, table, root, rootAt[entrySize:])
	copy(table[l.table*sectorSize:], table[:l.table*sectorSize])
	return volume
}

// writeDir writes a directory's entries at, and everything below it.
func (l *layout) writeDir(volume, table []byte, dir *node, at []byte) {
	for _, n := range dir.entries {
		e := entry{Name: shortNameOf(n.name), Written: firstDay, First: uint16(n.first)}
		for i := range n.count {
			next := n.first + i + 1
			if i == n.count-1 {
				next = endOfChain
			}
			le.PutUint16(table[2*(n.first+i):], uint16(next))
		}
		switch {
		case n.dir:
			e.Attributes = isDirectory
			below := volume[l.offset(n.first):]
			self, parent := e, e
			copy(self.Name[:], ".          ")
			copy(parent.Name[:], "..         ")
			parent.First = uint16(dir.first)
			self.put(below)
			parent.put(below[entrySize:])
			l.writeDir(volume, table, n, below[2*entrySize:])
		case n.count > 0:
			e.Size = uint32(len(n.data))
			copy(volume[l.offset(n.first):], n.data)
		}
		e.put(at)
		at = at[entrySize:]
	}
}

// entry is a directory's entry.
type entry struct {
	Name       [11]byte
	Attributes uint8
	_          [10]byte // times, which are optional
	_          uint16   // time of day
	Written    uint16   // day
	First      uint16
	Size       uint32
}

const (
	isLabel     = 0x08
	isDirectory = 0x10
	firstDay    = 1<<5 | 1 // 1 January 1980, since there is no earlier one
)

func (e *entry) put(at []byte) {
	if _, err := binary.Encode(at, le, e); err != nil {
		panic(err) // place has made room
	}
}

// shortNameOf returns a name as entries have it: without the dot, with blanks.
func shortNameOf(name string) (b [11]byte) {
	base, ext, _ := strings.Cut(name, ".")
	copy(b[:], "           ")
	copy(b[:8], base)
	copy(b[8:], ext)
	return b
}
