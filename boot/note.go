package boot

import (
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"

	"ringo.dev/ringo/vmm/abi"
)

var le = binary.LittleEndian

// decodeNote reads the descriptor of a guest's ELF note.
func decodeNote(desc []byte) (*abi.Note, error) {
	note := new(abi.Note)
	if _, err := binary.Decode(desc, le, note); err != nil {
		return nil, errors.New("its ringo note is too short")
	}
	if note.Version != abi.Version {
		return nil, fmt.Errorf("it is built for version %d of ringo's ABI, this is version %d; build it again", note.Version, abi.Version)
	}
	return note, nil
}

// addNotes adds notes (of encodeNote) to the executable: a program header and a
// section, so that both loaders and tools such as strip and readelf see them.
//
// The Go linker leaves the first page of the file to its headers: the ELF
// header, the program headers, the section headers, a gap, and its own notes.
// The section headers go to the end of the file, which frees their place.
func (img *image) addNotes(section string, note []byte) error {
	var h elf.Header64
	var load *elf.Prog // of the first page
	if _, err := binary.Decode(img.data, le, &h); err != nil {
		return err
	}
	if h.Phentsize != phentsize || h.Shentsize != shentsize || int(h.Shstrndx) >= len(img.Sections) {
		return errors.New("its ELF headers are not as the Go linker writes them")
	}
	for _, p := range img.Progs {
		if p.Type == elf.PT_LOAD && p.Off == 0 {
			load = p
		}
	}
	if load == nil {
		return errors.New("its ELF header is not in a segment")
	}
	// One header more is left empty, for the segment of AddFiles.
	phend := h.Phoff + uint64(len(img.Progs)+2)*phentsize
	if free := img.firstByte(); phend+uint64(len(note)) > free {
		return fmt.Errorf("there is no room for another program header: %d bytes are needed and the first section is at %d", phend+uint64(len(note)), free)
	}

	shdrs, err := img.moveSections(&h, elf.Section64{
		Type:      uint32(elf.SHT_NOTE),
		Flags:     uint64(elf.SHF_ALLOC),
		Addr:      load.Vaddr + phend,
		Off:       phend,
		Size:      uint64(len(note)),
		Addralign: 4,
	}, section)
	if err != nil {
		return err
	}
	clear(img.data[phend-2*phentsize : img.firstByte()])
	prog := elf.Prog64{
		Type:   uint32(elf.PT_NOTE),
		Flags:  uint32(elf.PF_R),
		Off:    phend,
		Vaddr:  load.Vaddr + phend,
		Paddr:  load.Paddr + phend,
		Filesz: uint64(len(note)),
		Memsz:  uint64(len(note)),
		Align:  4,
	}
	put(img.data[phend-2*phentsize:], &prog)
	copy(img.data[phend:], note)
	h.Phnum += 2
	h.Shoff = shdrs
	h.Shnum++
	put(img.data, &h)
	img.growPhdr(&h)
	return nil
}

// Sizes of the entries of ELF's tables.
const (
	phentsize = 56
	shentsize = 64
)

// firstByte returns where in the file the first section's contents begin.
func (img *image) firstByte() uint64 {
	first := uint64(img.size)
	for _, s := range img.Sections {
		if s.Type != elf.SHT_NULL && s.Type != elf.SHT_NOBITS && s.FileSize > 0 {
			first = min(first, s.Offset)
		}
	}
	return first
}

// moveSections appends the section headers, with one more, and their names to
// the file, and returns where the headers are.
func (img *image) moveSections(h *elf.Header64, s elf.Section64, name string) (uint64, error) {
	old := h.Shoff
	size := uint64(len(img.Sections)) * shentsize
	if old > uint64(img.size) || size > uint64(img.size)-old {
		return 0, errors.New("its section headers are not in the file")
	}
	names, err := img.Sections[h.Shstrndx].Data()
	if err != nil {
		return 0, err
	}
	namesAt := uint64(len(img.data))
	s.Name = uint32(len(names))
	img.data = append(img.data, names...)
	img.data = append(img.data, name...)
	img.data = append(img.data, 0)
	namesSize := uint64(len(img.data)) - namesAt
	for len(img.data)%8 != 0 {
		img.data = append(img.data, 0)
	}
	shdrs := uint64(len(img.data))
	img.data = append(img.data, img.data[old:old+size]...)
	img.data = append(img.data, make([]byte, shentsize)...)
	put(img.data[shdrs+size:], &s)

	var strtab elf.Section64
	at := img.data[shdrs+uint64(h.Shstrndx)*shentsize:]
	if _, err := binary.Decode(at, le, &strtab); err != nil {
		return 0, err
	}
	strtab.Off, strtab.Size = namesAt, namesSize
	put(at, &strtab)
	return shdrs, nil
}

// growPhdr makes the segment that describes the program headers, if there is
// one, cover all of them.
func (img *image) growPhdr(h *elf.Header64) {
	for i, p := range img.Progs {
		if p.Type != elf.PT_PHDR {
			continue
		}
		at := img.data[h.Phoff+uint64(i)*phentsize:]
		size := uint64(h.Phnum) * phentsize
		le.PutUint64(at[32:], size) // p_filesz
		le.PutUint64(at[40:], size) // p_memsz
	}
}

// encodeNote returns the contents of a note section (gABI, "Note Section").
func encodeNote(name string, typ uint32, desc []byte) []byte {
	b := le.AppendUint32(nil, uint32(len(name)+1))
	b = le.AppendUint32(b, uint32(len(desc)))
	b = le.AppendUint32(b, typ)
	b = append(b, name...)
	b = append(b, make([]byte, 4-len(name)%4)...)
	b = append(b, desc...)
	return append(b, make([]byte, -len(desc)&3)...)
}

// put encodes a structure of fixed size at the beginning of b.
func put(b []byte, v any) {
	if _, err := binary.Encode(b, le, v); err != nil {
		panic(err) // b is too short: the callers have made room
	}
}
