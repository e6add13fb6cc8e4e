package image

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
)

// SectorSize is the size of a disk's sectors in bytes.
const SectorSize = 512

// Disk is what is on a disk or a CD: some data, and zeros everywhere else.
// Writers of file formats read it with Extents, or by the block with ReadAt.
type Disk struct {
	size    int64
	extents []Extent
}

// Extent is a piece of a disk.
type Extent struct {
	Offset int64 // in bytes, from the disk's beginning
	Data   []byte
}

// end returns where the extent ends.
func (e *Extent) end() int64 { return e.Offset + int64(len(e.Data)) }

// NewDisk returns an empty disk of a size in bytes, a multiple of SectorSize.
func NewDisk(size int64) *Disk { return &Disk{size: size} }

// Size returns the disk's size in bytes, a multiple of SectorSize.
func (d *Disk) Size() int64 { return d.size }

// Extents returns what is on the disk, in ascending order and without overlap.
// The caller must not change it.
func (d *Disk) Extents() []Extent { return d.extents }

// Put puts data on the disk, which keeps it. It is an error if something is
// there already, or if the disk ends before.
func (d *Disk) Put(offset int64, data []byte) error {
	e := Extent{offset, data}
	if len(data) == 0 {
		return nil
	}
	if offset < 0 || e.end() > d.size {
		return fmt.Errorf("%d bytes at %d are not on a disk of %d bytes", len(data), offset, d.size)
	}
	i, _ := slices.BinarySearchFunc(d.extents, offset, func(have Extent, at int64) int { return cmp.Compare(have.Offset, at) })
	if i > 0 && d.extents[i-1].end() > offset || i < len(d.extents) && d.extents[i].Offset < e.end() {
		return fmt.Errorf("there is something already on the disk in the %d bytes at %d", len(data), offset)
	}
	d.extents = slices.Insert(d.extents, i, e)
	return nil
}

// ReadAt reads from the disk (io.ReaderAt).
func (d *Disk) ReadAt(p []byte, off int64) (n int, err error) {
	if off < 0 {
		return 0, fmt.Errorf("reading at the offset %d", off)
	}
	if rest := max(d.size-off, 0); int64(len(p)) > rest {
		p, err = p[:rest], io.EOF
	}
	clear(p)
	for _, e := range d.extents {
		if e.end() <= off {
			continue
		}
		if e.Offset >= off+int64(len(p)) {
			break
		}
		copy(p[max(e.Offset-off, 0):], e.Data[max(off-e.Offset, 0):])
	}
	return len(p), err
}

// WriteTo writes the disk as it is, byte by byte (io.WriterTo).
func (d *Disk) WriteTo(w io.Writer) (int64, error) {
	return io.Copy(w, io.NewSectionReader(d, 0, d.size))
}

// WriteFile writes the disk to the named file. In a file of its own it leaves
// holes where there are zeros; none is left if that fails.
func (d *Disk) WriteFile(name string) (err error) {
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	info, err := f.Stat()
	if err == nil && info.Mode().IsRegular() {
		err = d.writeExtents(f)
	} else if err == nil {
		_, err = d.WriteTo(f)
	}
	err = errors.Join(err, f.Close())
	if err != nil && info != nil && info.Mode().IsRegular() {
		os.Remove(name)
	}
	return err
}

// writeExtents writes the disk to an empty file.
func (d *Disk) writeExtents(f *os.File) error {
	if err := f.Truncate(d.size); err != nil {
		return err
	}
	const hole = 64 << 10 // the least that is worth leaving out
	for p := range d.pieces(hole) {
		if _, err := f.WriteAt(p.data, p.block*hole+p.at); err != nil {
			return err
		}
	}
	return nil
}
