package boot

import (
	"debug/elf"
	"encoding/binary"
	"io"
)

// pvhData is where in a file of WritePVH the program begins: multiboot headers are
// looked for in what is before.
const pvhData = 8192

// WritePVH writes the program as an ELF file for loaders that know both multiboot
// and PVH, as QEMU does, which then prefers multiboot: they find PVH's note alone.
// Nor do they clear memory that the program does not need from the start.
func (p *Program) WritePVH(w io.Writer) error {
	note := pvhNote()
	// The loader clears what is behind the data of a segment, and leaves out what is in
	// none.
	segments := []elf.Prog64{pvhSegment(p, 0, len(p.Data), int(p.End-p.Base))}
	pieces := [][]byte{p.Data}
	if h := p.Hole; h.End > h.Start {
		segments = []elf.Prog64{
			pvhSegment(p, 0, int(h.Start), int(h.Start)),
			pvhSegment(p, int(h.End), len(p.Data)-int(h.End), int(p.End-p.Base-h.End)),
		}
		segments[1].Off -= uint64(h.End - h.Start)
		pieces = [][]byte{p.Data[:h.Start], p.Data[h.End:]}
	}
	header := elf.Header64{
		Type:      uint16(elf.ET_EXEC),
		Machine:   uint16(elf.EM_X86_64),
		Version:   uint32(elf.EV_CURRENT),
		Entry:     pvhEntry,
		Phoff:     uint64(binary.Size(elf.Header64{})),
		Ehsize:    uint16(binary.Size(elf.Header64{})),
		Phentsize: phentsize,
		Phnum:     uint16(len(segments) + 1),
	}
	copy(header.Ident[:], elf.ELFMAG)
	header.Ident[elf.EI_CLASS] = byte(elf.ELFCLASS64)
	header.Ident[elf.EI_DATA] = byte(elf.ELFDATA2LSB)
	header.Ident[elf.EI_VERSION] = byte(elf.EV_CURRENT)
	at := int(header.Phoff) + int(header.Phnum)*phentsize
	segments = append(segments, elf.Prog64{
		Type: uint32(elf.PT_NOTE), Flags: uint32(elf.PF_R), Off: uint64(at), Filesz: uint64(len(note)), Align: 4,
	})
	head := make([]byte, pvhData)
	put(head, &header)
	put(head[header.Phoff:], segments)
	copy(head[at:], note)
	for _, b := range append([][]byte{head}, pieces...) {
		if _, err := w.Write(b); err != nil {
			return err
		}
	}
	return nil
}

// pvhSegment returns the header of a segment with n bytes of the program's data from
// offset at on, in a file that has all of the data before, and memory for it.
func pvhSegment(p *Program, at, n, memory int) elf.Prog64 {
	return elf.Prog64{
		Type:   uint32(elf.PT_LOAD),
		Flags:  uint32(elf.PF_R | elf.PF_W | elf.PF_X),
		Off:    uint64(pvhData + at),
		Vaddr:  uint64(p.Base) + uint64(at),
		Paddr:  uint64(p.Base) + uint64(at),
		Filesz: uint64(n),
		Memsz:  uint64(memory),
		Align:  pageSize,
	}
}
