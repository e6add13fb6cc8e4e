package boot

import (
	"bytes"
	"debug/elf"
	"errors"
	"fmt"

	"ringo.dev/ringo/vmm/abi"
)

// image is an executable in memory.
type image struct {
	*elf.File
	data []byte // the whole file, changed in place
	size int    // how much of data is in the file; the rest is appended
}

// readImage reads an executable for linux/amd64.
func readImage(data []byte) (*image, error) {
	file, err := elf.NewFile(bytes.NewReader(data))
	if err != nil {
		return nil, fmt.Errorf("%w: it is no ELF file: %w", ErrNoGuest, err)
	}
	if file.Class != elf.ELFCLASS64 || file.Machine != elf.EM_X86_64 {
		return nil, fmt.Errorf("%w: it is for %s", ErrNoGuest, file.Machine)
	}
	return &image{File: file, data: data, size: len(data)}, nil
}

// segment returns the loaded segment that holds an address, and the bytes from
// there to the end of its part of the file. It returns nil if there is none.
func (img *image) segment(addr uint64) (*elf.Prog, []byte) {
	for _, p := range img.Progs {
		if p.Type != elf.PT_LOAD || addr < p.Vaddr || addr-p.Vaddr >= p.Filesz {
			continue
		}
		if p.Off > uint64(img.size) || p.Filesz > uint64(img.size)-p.Off {
			return nil, nil
		}
		return p, img.data[p.Off:][addr-p.Vaddr : p.Filesz]
	}
	return nil, nil
}

// markerMagic begins what package runtime, in a guest, holds in its read-only
// data for this package: the magic, and the note's descriptor. It is put
// together here so that it is not in this program's own data.
var markerMagic = bytes.Join([][]byte{[]byte("RINGO"), []byte("GUEST"), []byte("NOTE")}, []byte("-"))

// marker returns the note's descriptor from package runtime's data. This works
// for executables without symbol tables, too.
func (img *image) marker() (*abi.Note, error) {
	i := bytes.Index(img.data, markerMagic)
	if i < 0 {
		return nil, ErrNoGuest
	}
	if img.Type != elf.ET_EXEC {
		return nil, errors.New("it is position independent; build it without -buildmode=pie")
	}
	note, err := decodeNote(img.data[i+len(markerMagic):])
	if err != nil {
		return nil, err
	}
	if p, _ := img.segment(note.Entry); p == nil || p.Flags&elf.PF_X == 0 {
		return nil, fmt.Errorf("its entry point for guests, %#x, is not in its code", note.Entry)
	}
	return note, nil
}
