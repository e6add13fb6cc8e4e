package boot

import (
	"bytes"
	"debug/elf"
	"errors"
	"fmt"
	"io"
	"os"

	"ringo.dev/ringo/vmm/abi"
)

// image is an executable in memory.
type image struct {
	*elf.File
	data []byte // the whole file, changed in place
	size int    // how much of data is in the file; the rest is appended
}

// readImage reads an executable for linux/amd64.
func readImage(f *os.File) (*image, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	data := make([]byte, info.Size())
	if _, err := io.ReadFull(f, data); err != nil {
		return nil, err
	}
	file, err := elf.NewFile(bytes.NewReader(data))
	if err != nil {
		return nil, fmt.Errorf("%w: it is no ELF file: %w", ErrNoGuest, err)
	}
	if file.Class != elf.ELFCLASS64 || file.Machine != elf.EM_X86_64 {
		return nil, fmt.Errorf("%w: it is for %s", ErrNoGuest, file.Machine)
	}
	return &image{File: file, data: data, size: len(data)}, nil
}

// writeTo writes the image back to its file.
func (img *image) writeTo(f *os.File) error {
	_, err := f.WriteAt(img.data, 0)
	return err
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
	rodata := img.Section(".rodata")
	if rodata == nil || rodata.Type != elf.SHT_PROGBITS {
		return nil, ErrNoGuest
	}
	_, data := img.segment(rodata.Addr)
	i := bytes.Index(data, markerMagic)
	if i < 0 {
		return nil, ErrNoGuest
	}
	note, err := decodeNote(data[i+len(markerMagic):])
	if err != nil {
		return nil, err
	}
	if img.Type != elf.ET_EXEC {
		return nil, errors.New("it is position independent; build it without -buildmode=pie")
	}
	if p, _ := img.segment(note.Entry); p == nil || p.Flags&elf.PF_X == 0 {
		return nil, fmt.Errorf("its entry point for guests, %#x, is not in its code", note.Entry)
	}
	return note, nil
}
