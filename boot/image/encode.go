package image

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
)

var le = binary.LittleEndian

// putLittle puts a value of fixed size on the disk, little endian.
func (p *parts) putLittle(offset int64, v any) { p.putValue(offset, binary.LittleEndian, v) }

// putBig puts a value of fixed size on the disk, big endian.
func (p *parts) putBig(offset int64, v any) { p.putValue(offset, binary.BigEndian, v) }

func (p *parts) putValue(offset int64, order binary.ByteOrder, v any) {
	b, err := binary.Append(nil, order, v)
	if p.err == nil {
		p.err = err
	}
	p.put(offset, b)
}

// contentID returns a UUID, version 8 (RFC 9562, 5.8), for a file of the named
// format with the disk's contents.
func contentID(d *Disk, format string) (id [16]byte) {
	h := sha256.New()
	fmt.Fprintf(h, "%s %d\n", format, d.Size())
	for p := range d.pieces(SectorSize) {
		fmt.Fprintf(h, "%d %d %d\n", p.block, p.at, len(p.data))
		h.Write(p.data)
	}
	copy(id[:], h.Sum(nil))
	id[6] = id[6]&0xf | 8<<4
	id[8] = id[8]&0x3f | 2<<6
	return id
}
