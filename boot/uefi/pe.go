package uefi

import (
	"debug/pe"
	"encoding/binary"
)

// The file format of EFI applications: Microsoft's PE Format, in as much as
// firmware looks at it.

// Where parts of the file begin, and of memory.
const (
	pageSize  = 4096
	fileAlign = 512
	// dataAlign is where sections begin that are as long: on CDs, and on disks
	// as they are today, that is the beginning of a sector.
	dataAlign = 4096
)

// section is a part of the application in memory.
type section struct {
	name  string
	at    int // from the application's beginning, a multiple of pageSize
	data  []byte
	flags uint32
}

// Flags of sections.
const (
	sectionCode        = pe.IMAGE_SCN_CNT_CODE | pe.IMAGE_SCN_MEM_EXECUTE | pe.IMAGE_SCN_MEM_READ
	sectionData        = pe.IMAGE_SCN_CNT_INITIALIZED_DATA | pe.IMAGE_SCN_MEM_READ | pe.IMAGE_SCN_MEM_WRITE
	sectionReadOnly    = pe.IMAGE_SCN_CNT_INITIALIZED_DATA | pe.IMAGE_SCN_MEM_READ
	sectionRelocations = sectionReadOnly | pe.IMAGE_SCN_MEM_DISCARDABLE
)

// relocationDirectory is the entry for the relocations among an image's
// directories, and relocationSection is the section's name, which some look for.
const (
	relocationDirectory = 5
	relocationSection   = ".reloc"
)

// relocations returns a list of relocations with none in it, for the page at an
// address. Firmware puts an application anywhere only if it has such a list.
func relocations(page int) []byte {
	b := le.AppendUint32(nil, uint32(page))
	b = le.AppendUint32(b, 12)
	return le.AppendUint32(b, 0) // two that mean nothing, since a block has a multiple of 4 bytes
}

// writePE returns an EFI application of sections in ascending order. It also
// returns where in the file each begins.
func writePE(entry int, sections []section) (file []byte, offsets []int) {
	const dosSize, signatureSize, sectionSize = 64, 4, 40
	opt := pe.OptionalHeader64{
		Magic:               0x20b, // PE32+
		AddressOfEntryPoint: uint32(entry),
		BaseOfCode:          uint32(sections[0].at),
		SectionAlignment:    pageSize,
		FileAlignment:       fileAlign,
		Subsystem:           pe.IMAGE_SUBSYSTEM_EFI_APPLICATION,
		NumberOfRvaAndSizes: 16,
	}
	head := pe.FileHeader{
		Machine:              pe.IMAGE_FILE_MACHINE_AMD64,
		NumberOfSections:     uint16(len(sections)),
		SizeOfOptionalHeader: uint16(binary.Size(opt)),
		Characteristics:      pe.IMAGE_FILE_EXECUTABLE_IMAGE | pe.IMAGE_FILE_LARGE_ADDRESS_AWARE | pe.IMAGE_FILE_DEBUG_STRIPPED,
	}
	headers := dosSize + signatureSize + binary.Size(head) + binary.Size(opt) + len(sections)*sectionSize
	opt.SizeOfHeaders = uint32(up(headers, fileAlign))

	at := up(headers, fileAlign)
	table := make([]pe.SectionHeader32, len(sections))
	for i, s := range sections {
		if len(s.data) >= dataAlign {
			at = up(at, dataAlign)
		}
		t := &table[i]
		copy(t.Name[:], s.name)
		t.VirtualSize = uint32(len(s.data))
		t.VirtualAddress = uint32(s.at)
		t.SizeOfRawData = uint32(up(len(s.data), fileAlign))
		t.PointerToRawData = uint32(at)
		t.Characteristics = s.flags
		offsets = append(offsets, at)
		at += int(t.SizeOfRawData)
		if s.flags == sectionCode {
			opt.SizeOfCode += t.SizeOfRawData
		} else {
			opt.SizeOfInitializedData += t.SizeOfRawData
		}
		if s.name == relocationSection {
			opt.DataDirectory[relocationDirectory] = pe.DataDirectory{VirtualAddress: t.VirtualAddress, Size: t.VirtualSize}
		}
		opt.SizeOfImage = uint32(up(s.at+len(s.data), pageSize))
	}

	file = make([]byte, 0, at)
	file = append(file, "MZ"...)
	file = append(file, make([]byte, dosSize-2-4)...)
	file = le.AppendUint32(file, dosSize) // where the headers begin
	file = append(file, "PE\x00\x00"...)
	for _, v := range []any{&head, &opt, table} {
		file, _ = binary.Append(file, le, v) // all of a fixed size
	}
	for i, s := range sections {
		file = append(file, make([]byte, offsets[i]-len(file))...)
		file = append(file, s.data...)
	}
	return append(file, make([]byte, at-len(file))...), offsets
}

// up rounds up to a multiple.
func up(n, multiple int) int { return (n + multiple - 1) / multiple * multiple }
