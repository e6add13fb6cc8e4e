package boot

import (
	"encoding/binary"
	"errors"
)

// Program is an executable as a boot loader has to do with it: one piece of
// memory at a fixed address, and where to enter it.
type Program struct {
	// Data belongs at the physical address Base. It begins with the ELF header
	// and ends with the last byte that is loaded: symbols are not in it.
	Data []byte
	Base uint32
	// End is where the program's memory ends. From the end of Data to there it
	// has to be zero.
	End uint32
	// Hole is a part of Data that need not be loaded: large variables of a program that
	// has files behind them. The program gives them memory when they are used.
	Hole Extent
	// Entry is where to enter in 32-bit protected mode without paging, with flat
	// segments: as the Multiboot Specification 0.6.96, 3.2, has it. EAX is
	// 0x2badb002, and EBX points to the information, which has at least the
	// memory map and the command line and lies outside the program.
	Entry uint32
	// Line is the command line: see docs/hypervisors.md. ReadProgram leaves it
	// empty.
	Line string
}

// Extent is a part of Data, by offsets.
type Extent struct{ Start, End uint32 }

// ReadProgram returns what is to be loaded of an executable that Finish has
// finished. Data is part of file.
func ReadProgram(file []byte) (*Program, error) {
	img, err := readImage(file)
	if err != nil {
		return nil, err
	}
	at := file[min(multibootAt, len(file)):]
	h := new(multibootHeader)
	if _, err := binary.Decode(at, le, h); err != nil || h.Magic != multibootMagic {
		return nil, errNoMultiboot
	}
	size := h.LoadEnd - h.Load
	if h.Load != imageBase || h.LoadEnd < h.Load || h.MemoryEnd < h.LoadEnd || uint64(size) > uint64(len(file)) ||
		h.EntryAt < h.Load || h.EntryAt >= h.LoadEnd {
		return nil, errors.New("its multiboot header does not fit the file; build it again")
	}
	return &Program{Data: file[:size:size], Base: h.Load, End: h.MemoryEnd, Entry: h.EntryAt, Hole: img.hole(size)}, nil
}

// Checksum returns what loaders check: the sum of the data's 64-bit words, the
// last of which is filled with zeros, and the sum of the sums up to each word.
func (p *Program) Checksum() (words, sums uint64) {
	data := p.Data
	for ; len(data) >= 8; data = data[8:] {
		words += le.Uint64(data)
		sums += words
	}
	if len(data) > 0 {
		var last [8]byte
		copy(last[:], data)
		words += le.Uint64(last[:])
		sums += words
	}
	return words, sums
}
