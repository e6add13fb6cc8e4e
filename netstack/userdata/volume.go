package userdata

import (
	"bytes"
	"encoding/binary"
	"strings"
	"unicode/utf16"
)

// volume is the file system of a CD (ECMA-119), as Joliet extends it by names in
// Unicode: all makers of such disks do that.
type volume struct {
	readAt func(p []byte, off int64) error
	label  string
	root   extent
}

// extent is where a file or a directory is.
type extent struct {
	block, size uint32 // size in bytes
	directory   bool
}

const (
	blockSize     = 2048
	descriptorsAt = 16 // block
	maxDescriptor = 16
	maxDirectory  = 64 << 10 // bytes that are looked at
)

// Types of descriptors, and where things are in them.
const (
	descriptorPrimary = 1
	descriptorOther   = 2 // supplementary
	descriptorEnd     = 255

	offLabel     = 40
	labelSize    = 32
	offEscapes   = 88
	offBlockSize = 128
	offRoot      = 156
)

// openVolume reads the descriptors of a volume.
func openVolume(readAt func(p []byte, off int64) error) (*volume, error) {
	v := &volume{readAt: readAt}
	d := make([]byte, blockSize)
	found := false
	for i := range int64(maxDescriptor) {
		if err := readAt(d, (descriptorsAt+i)*blockSize); err != nil {
			return nil, err
		}
		if string(d[1:6]) != "CD001" || d[0] == descriptorEnd {
			break
		}
		switch {
		case binary.LittleEndian.Uint16(d[offBlockSize:]) != blockSize:
		case d[0] == descriptorPrimary:
			v.label = strings.TrimRight(string(d[offLabel:][:labelSize]), " \x00")
		case d[0] == descriptorOther && isJoliet(d[offEscapes:]):
			_, v.root, found = record(d[offRoot:])
		}
	}
	if v.label == "" || !found || !v.root.directory {
		return nil, errNotVolume
	}
	return v, nil
}

// isJoliet reports whether escape sequences say that names are in UCS-2, of any of
// its three levels.
func isJoliet(escapes []byte) bool {
	return escapes[0] == '%' && escapes[1] == '/' && bytes.IndexByte([]byte("@CE"), escapes[2]) >= 0
}

// record reads the directory record that b begins with (9.1).
func record(b []byte) (name string, e extent, ok bool) {
	const head, offBlock, offSize, offFlags, offName, isDirectory = 33, 2, 10, 25, 32, 2
	if len(b) < head || int(b[0]) > len(b) || head+int(b[offName]) > int(b[0]) {
		return "", extent{}, false
	}
	text := b[head:][:b[offName]]
	units := make([]uint16, len(text)/2)
	for i := range units {
		units[i] = binary.BigEndian.Uint16(text[2*i:])
	}
	name, _, _ = strings.Cut(string(utf16.Decode(units)), ";") // what follows is a version
	return name, extent{
		block:     binary.LittleEndian.Uint32(b[offBlock:]),
		size:      binary.LittleEndian.Uint32(b[offSize:]),
		directory: b[offFlags]&isDirectory != 0,
	}, true
}

// readFile returns the contents of a file of up to most bytes.
func (v *volume) readFile(path []string, most uint32) ([]byte, error) {
	at := v.root
	for _, name := range path {
		if !at.directory {
			return nil, errNoFile
		}
		list, err := v.read(at, maxDirectory)
		if err != nil {
			return nil, err
		}
		if at, err = lookUp(list, name); err != nil {
			return nil, err
		}
	}
	if at.directory {
		return nil, errNoFile
	}
	return v.read(at, most)
}

// lookUp finds a name in a directory's contents.
func lookUp(list []byte, name string) (extent, error) {
	for off := 0; off < len(list); {
		n := int(list[off])
		if n == 0 { // records do not go on in the next block
			off = (off/blockSize + 1) * blockSize
			continue
		}
		got, e, ok := record(list[off:])
		switch {
		case !ok:
			return extent{}, errDamaged
		case got == name:
			return e, nil
		}
		off += n
	}
	return extent{}, errNoFile
}

// read returns what is in an extent of up to most bytes.
func (v *volume) read(e extent, most uint32) ([]byte, error) {
	if e.size > most {
		return nil, errLong
	}
	// A disk is read in its blocks.
	b := make([]byte, (e.size+blockSize-1)&^(blockSize-1))
	if err := v.readAt(b, int64(e.block)*blockSize); err != nil {
		return nil, err
	}
	return b[:e.size], nil
}
