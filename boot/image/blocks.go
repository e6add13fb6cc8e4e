package image

import (
	"bytes"
	"iter"
)

// File formats of virtual disks give room in the file only to those blocks of a
// disk that hold something. The functions here find these blocks; the formats
// say where a block goes.

// piece is data within one block of a disk.
type piece struct {
	block int64 // the block's number
	at    int64 // where in the block the data are
	data  []byte
}

// pieces returns what is on the disk, in ascending order, cut at the limits of
// blocks of size bytes, without pieces that are all zero.
func (d *Disk) pieces(size int64) iter.Seq[piece] {
	return func(yield func(piece) bool) {
		for _, e := range d.extents {
			for off, rest := e.Offset, e.Data; len(rest) > 0; {
				n := min(size-off%size, int64(len(rest)))
				if !isZero(rest[:n]) && !yield(piece{off / size, off % size, rest[:n]}) {
					return
				}
				off, rest = off+n, rest[n:]
			}
		}
	}
}

// zeros is what isZero compares with.
var zeros [4096]byte

// isZero reports whether all of b is zero.
func isZero(b []byte) bool {
	for len(b) > len(zeros) {
		if !bytes.Equal(b[:len(zeros)], zeros[:]) {
			return false
		}
		b = b[len(zeros):]
	}
	return bytes.Equal(b, zeros[:len(b)])
}

// blocks returns the numbers of the blocks of size bytes that hold something, in
// ascending order.
func (d *Disk) blocks(size int64) []int64 {
	var numbers []int64
	for p := range d.pieces(size) {
		if n := len(numbers); n == 0 || numbers[n-1] != p.block {
			numbers = append(numbers, p.block)
		}
	}
	return numbers
}

// putBlocks puts the blocks of size bytes of d that hold something on the file,
// one behind the other from offset at on.
func (file *parts) putBlocks(d *Disk, size, at int64) {
	last := int64(-1)
	at -= size
	for p := range d.pieces(size) {
		if p.block != last {
			last = p.block
			at += size
		}
		file.put(at+p.at, p.data)
	}
}
