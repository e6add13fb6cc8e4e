// Package uefi makes programs bootable by UEFI firmware.
//
// Application returns an EFI application, a file that firmware starts by
// itself: a PE32+ image with a loader (loader.s) and the whole program in it, so
// that nothing has to be read at boot beyond what the firmware reads. The
// loader takes the firmware's memory map and ACPI's root pointer, ends the boot
// services, puts the program where it belongs and enters it in 32-bit mode, as
// a loader that speaks PVH does. ESP puts the application on a FAT volume, under
// the name by which firmware finds it on any disk or CD.
package uefi

import (
	_ "embed"
	"encoding/binary"
	"errors"
	"fmt"
	"unicode/utf16"

	"ringo.dev/ringo/boot"
)

// loader is loader.s, assembled. Its entry point is at loaderEntry, after the
// part that runs last.
//
//go:embed loader.bin
var loader []byte

const loaderEntry = 59

var le = binary.LittleEndian

// guid is a GUID as it lies in memory (UEFI Specification 2.10, appendix A).
type guid struct {
	A    uint32
	B, C uint16
	D    [8]byte
}

// UEFI Specification 2.10, 9.1 and 4.6.
var (
	loadedImage = guid{0x5b1b31a1, 0x9562, 0x11d2, [8]byte{0x8e, 0x3f, 0x00, 0xa0, 0xc9, 0x69, 0x72, 0x3b}}
	acpi2       = guid{0x8868e871, 0xe4f1, 0x11d3, [8]byte{0xbc, 0x22, 0x00, 0x80, 0xc7, 0x3c, 0x88, 0x81}}
	acpi1       = guid{0xeb9d2d30, 0x2d88, 0x11d3, [8]byte{0x9a, 0x16, 0x00, 0x90, 0x27, 0x3f, 0xc1, 0x4d}}
)

// parameters is what the loader finds in the page after its own; it has the
// same offsets.
type parameters struct {
	Program   uint64 // where the program lies, from the parameters
	Words     uint64 // its length in 64-bit words
	Sum, Sums uint64 // of boot.Program.Checksum
	Base, End uint64 // of boot.Program
	Entry     uint64
	LineSize  uint64
	Code32    uint64 // segment descriptors
	Data32    uint64

	LoadedImage, ACPI2, ACPI1 guid

	_        [128]byte
	Messages [6]message
	Line     [boot.MaxLine + 1]byte
}

// message is a line for the firmware's console, in UTF-16 with a zero at its end.
type message [128]uint16

// messages are what the loader says when it cannot go on, in the order that it
// expects.
var messages = [...]string{
	"the image is damaged; write it again",
	"there is not enough memory below 4 GiB; give the machine more",
	"the firmware keeps memory at 4 MiB for itself, where the program belongs; use another firmware, or boot by BIOS",
	"the firmware's memory map is too long; use another firmware, or boot by BIOS",
	"the command line of the boot option is longer than 4095 characters",
	"the firmware does not end its boot services; use another firmware, or boot by BIOS",
}

// Application returns an EFI application (PE32+, x86-64) of a program. p.Line is
// the command line, unless the boot option has one of its own.
func Application(p *boot.Program) ([]byte, error) {
	app, _, err := application(p)
	return app, err
}

// application returns the application, and where in it p.Data begins: at a
// multiple of dataAlign.
func application(p *boot.Program) (app []byte, data int, err error) {
	if len(p.Line) > boot.MaxLine {
		return nil, 0, fmt.Errorf("the command line has %d bytes, and may have %d", len(p.Line), boot.MaxLine)
	}
	if len(p.Data) == 0 || uint64(p.Base)+uint64(len(p.Data)) > uint64(p.End) {
		return nil, 0, errors.New("the program's memory ends before its data")
	}
	program := p.Data
	if rest := len(program) % 8; rest != 0 {
		program = append(program[:len(program):len(program)], make([]byte, 8-rest)...)
	}
	params := &parameters{
		Words:    uint64(len(program) / 8),
		Base:     uint64(p.Base),
		End:      (uint64(p.End) + 7) &^ 7,
		Entry:    uint64(p.Entry),
		LineSize: uint64(len(p.Line) + 1),
		Code32:   0x00cf9b000000ffff,
		Data32:   0x00cf93000000ffff,

		LoadedImage: loadedImage, ACPI2: acpi2, ACPI1: acpi1,
	}
	params.Sum, params.Sums = p.Checksum()
	for i, m := range messages {
		copy(params.Messages[i][:], utf16.Encode([]rune("ringo: fatal: "+m+"\r\n")))
	}
	copy(params.Line[:], p.Line)

	const codeAt, paramsAt = pageSize, 2 * pageSize
	programAt := paramsAt + (binary.Size(params)+2*pageSize-1)&^(pageSize-1) // a page between is for .reloc
	params.Program = uint64(programAt - paramsAt)
	encoded, err := binary.Append(nil, le, params)
	if err != nil {
		return nil, 0, err
	}
	app, offsets := writePE(codeAt+loaderEntry, []section{
		{".text", codeAt, loader, sectionCode},
		{".data", paramsAt, encoded, sectionData},
		{relocationSection, programAt - pageSize, relocations(codeAt), sectionRelocations},
		{".program", programAt, program, sectionReadOnly},
	})
	return app, offsets[len(offsets)-1], nil
}
