package boot

import (
	"debug/elf"
	"encoding/binary"
	"io"
)

// pvhData is where in a file of WritePVH the program begins: multiboot headers are
// looked for in what is before.
const pvhData = 8192

// pvhHeaders are the headers of such a file.
type pvhHeaders struct {
	File elf.Header64
	Load elf.Prog64
	Note elf.Prog64
}

// WritePVH writes the program as an ELF file for loaders that know both multiboot
// and PVH, as QEMU does, which then prefers multiboot: they find PVH's note alone.
// Nor do they clear memory that the program does not need from the start.
func (p *Program) WritePVH(w io.Writer) error {
	note := pvhNote()
	h := pvhHeaders{
		File: elf.Header64{
			Type:      uint16(elf.ET_EXEC),
			Machine:   uint16(elf.EM_X86_64),
			Version:   uint32(elf.EV_CURRENT),
			Entry:     pvhEntry,
			Phoff:     uint64(binary.Size(elf.Header64{})),
			Ehsize:    uint16(binary.Size(elf.Header64{})),
			Phentsize: phentsize,
			Phnum:     2,
		},
		Load: elf.Prog64{
			Type:   uint32(elf.PT_LOAD),
			Flags:  uint32(elf.PF_R | elf.PF_W | elf.PF_X),
			Off:    pvhData,
			Vaddr:  uint64(p.Base),
			Paddr:  uint64(p.Base),
			Filesz: uint64(len(p.Data)),
			Memsz:  uint64(p.End - p.Base),
			Align:  pageSize,
		},
		Note: elf.Prog64{
			Type:   uint32(elf.PT_NOTE),
			Flags:  uint32(elf.PF_R),
			Off:    uint64(binary.Size(pvhHeaders{})),
			Filesz: uint64(len(note)),
			Align:  4,
		},
	}
	copy(h.File.Ident[:], elf.ELFMAG)
	h.File.Ident[elf.EI_CLASS] = byte(elf.ELFCLASS64)
	h.File.Ident[elf.EI_DATA] = byte(elf.ELFDATA2LSB)
	h.File.Ident[elf.EI_VERSION] = byte(elf.EV_CURRENT)
	head := make([]byte, pvhData)
	put(head, &h)
	copy(head[h.Note.Off:], note)
	if _, err := w.Write(head); err != nil {
		return err
	}
	_, err := w.Write(p.Data)
	return err
}
