package boot

import (
	"bytes"
	"debug/elf"
	_ "embed"
	"encoding/binary"
	"errors"
	"fmt"

	"ringo.dev/ringo/boot/level"
)

// Without ringo's VMM an image is started by a boot loader, in 32-bit mode.
// What that needs is put between the ELF headers and the first section, in the
// image's first page: headers for multiboot 1 and 2, and code that goes on to the
// 64-bit entry point in package runtime (stub_386.s). A note tells loaders that
// know PVH where the code is. The ELF entry point is there as well, for loaders
// of Linux (linux_amd64.s).

// Where in the image's first page these things are.
const (
	multibootAt  = 0x800
	paramsAt     = 0x820
	stubAt       = 0x900
	linuxAt      = 0xb80
	multiboot2At = 0xc00
	messagesAt   = 0xd00
	metalEnd     = 0xf00

	// imageBase is where the first page must be linked, since the stub knows
	// its address. It is the Go linker's default.
	imageBase = 0x400000

	pageSize = 4096

	// multibootEntry is the offset in the stub for multiboot loaders.
	multibootEntry = 5

	// linuxEntry is that for linux_amd64.s.
	linuxEntry = 0x18f
)

// Multiboot Specification 0.6.96, 3.1.
const (
	multibootMagic     = 0x1badb002
	multibootPageAlign = 1 << 0
	multibootMemory    = 1 << 1  // tell the memory map
	multibootAddresses = 1 << 16 // the address fields are valid
)

// multibootHeader is multiboot's header with the address fields, which describe
// the file from the header's page on as one piece of memory.
type multibootHeader struct {
	Magic, Flags, Checksum                    uint32
	Header, Load, LoadEnd, MemoryEnd, EntryAt uint32
}

// Multiboot2 Specification 2.0, 3.1.
const (
	multiboot2Magic    = 0xe85250d6
	multiboot2I386     = 0
	multiboot2Optional = 1 << 0 // flag of a tag: the loader need not know it

	multiboot2TagInformation = 1
	multiboot2TagAddress     = 2
	multiboot2TagEntry       = 3
	multiboot2TagAlign       = 6
	multiboot2TagEnd         = 0

	multiboot2InfoLine   = 1
	multiboot2InfoModule = 3
	multiboot2InfoMap    = 6
	multiboot2InfoRSDP   = 14
	multiboot2InfoNewer  = 15 // RSDP
)

// multiboot2Header is multiboot 2's header: what it begins with, and its tags,
// aligned to 8 bytes.
type multiboot2Header struct {
	Magic, Architecture, Length, Checksum uint32

	Information multiboot2Tag
	Wanted      [2]uint32
	Useful      multiboot2Tag
	Welcome     [3]uint32
	_           uint32

	Address                          multiboot2Tag
	Header, Load, LoadEnd, MemoryEnd uint32

	Entry   multiboot2Tag
	EntryAt uint32
	_       uint32

	Align multiboot2Tag
	End   multiboot2Tag
}

// multiboot2Tag begins a tag.
type multiboot2Tag struct {
	Type, Flags uint16
	Size        uint32
}

// pvhNoteType is XEN_ELFNOTE_PHYS32_ENTRY, of notes named Xen.
const (
	pvhNoteName = "Xen"
	pvhNoteType = 18
)

// metalMagic begins what package runtime holds for this file; see markerMagic.
var metalMagic = bytes.Join([][]byte{[]byte("RINGO"), []byte("METAL"), []byte("BOOT")}, []byte("-"))

// metalMarker follows metalMagic.
type metalMarker struct {
	Tables uint64 // where the first page tables have room, not aligned
	Stack  uint64 // top of the first stack
	Entry  uint64 // 64-bit entry point
	Late   uint64 // memory that is needed from the start ends here; see ringoLate
}

// stubParams is what the stub finds at paramsAt.
type stubParams struct {
	Tables  uint32
	Stack   uint32
	Entry   uint32
	Message uint32 // what to print when the processor is not fit

	// The argument of LGDT: the table's size less one, and its address.
	_, Limit uint16
	GDT      uint32
	Table    [4]uint64

	Last  uint32 // address of the last word that the image needs from the start
	Small uint32 // what to print when it is not memory

	// For linux_amd64.s.
	Process   uint32 // where a process begins
	Protected uint32 // linuxEntry's address

	Level  uint32 // what to print when the processor lacks one of these
	Needed level.Features
}

// What the stub prints; then it ends the machine with status 2 if it is QEMU, or
// stops. The last has room for the level.
const (
	stubMessage = "ringo: fatal: the processor lacks 64-bit mode or no-execute pages\r\n\x00"
	stubSmall   = "ringo: fatal: the machine has too little memory for the program\r\n\x00"
	stubLevel   = "ringo: fatal: the program was built with GOAMD64=v%d, which the processor does not have; " +
		"build it for a lower level, or give the machine another processor\r\n\x00"
)

// stub is stub_386.s, assembled.
//
//go:embed stub.bin
var stub []byte

// linux is linux_amd64.s, assembled.
//
//go:embed linux.bin
var linux []byte

// metal returns what package runtime has for booting without ringo's VMM, or
// nil if the image cannot be booted so.
func (img *image) metal() *metalMarker {
	rodata := img.Section(".rodata")
	if rodata == nil {
		return nil
	}
	_, data := img.segment(rodata.Addr)
	i := bytes.Index(data, metalMagic)
	if i < 0 {
		return nil
	}
	m := new(metalMarker)
	if _, err := binary.Decode(data[i+len(metalMagic):], le, m); err != nil {
		return nil
	}
	return m
}

// addMetal puts what boot loaders need into the image's first page. amd64 is N of
// GOAMD64=vN.
func (img *image) addMetal(m *metalMarker, amd64 uint32) error {
	h, err := img.multiboot(m.Late)
	if err != nil {
		return err
	}
	if m.Tables > 1<<32-1 || m.Stack > 1<<32-1 || m.Entry > 1<<32-1 || img.Entry > 1<<32-1 {
		return errors.New("its entry points are not below 4 GiB")
	}
	needed, err := level.Needed(uint64(amd64))
	if err != nil {
		return err
	}
	if img.firstByte() < metalEnd {
		return errors.New("there is no room for the boot code in the first page")
	}
	put(img.data[multibootAt:], h)
	put(img.data[multiboot2At:], h.version2())
	put(img.data[paramsAt:], &stubParams{
		Tables:  (uint32(m.Tables) + pageSize - 1) &^ (pageSize - 1),
		Stack:   uint32(m.Stack) &^ 15,
		Entry:   uint32(m.Entry),
		Message: imageBase + messagesAt,
		Limit:   4*8 - 1,
		GDT:     imageBase + paramsAt + 24,
		Table: [4]uint64{
			1: 0x00af9b000000ffff, // 64-bit code
			2: 0x00cf93000000ffff, // data
			3: 0x00cf9b000000ffff, // 32-bit code
		},
		Last:      h.MemoryEnd&^3 - 4,
		Small:     imageBase + messagesAt + uint32(len(stubMessage)),
		Process:   uint32(img.Entry),
		Protected: imageBase + stubAt + linuxEntry,
		Level:     imageBase + messagesAt + uint32(len(stubMessage+stubSmall)),
		Needed:    needed,
	})
	copy(img.data[messagesAt:], stubMessage+stubSmall+fmt.Sprintf(stubLevel, amd64))
	copy(img.data[stubAt:], stub)
	copy(img.data[linuxAt:], linux)
	const entryAt = 24 // in the ELF header
	le.PutUint64(img.data[entryAt:], imageBase+linuxAt)
	return nil
}

// multiboot returns the header for the image: what its segments make when they
// are loaded as one piece, but for zeros from late on.
func (img *image) multiboot(late uint64) (*multibootHeader, error) {
	const flags = multibootPageAlign | multibootMemory | multibootAddresses
	var file, memory uint64
	for _, p := range img.Progs {
		if p.Type != elf.PT_LOAD {
			continue
		}
		if p.Vaddr-p.Off != imageBase || p.Paddr != p.Vaddr || p.Vaddr+p.Memsz > 1<<32-1 {
			return nil, fmt.Errorf("its segments are not linked at %#x in one piece; build it without the linker's flags -T and -R", imageBase)
		}
		file = max(file, p.Vaddr+p.Filesz)
		memory = max(memory, p.Vaddr+p.Memsz)
	}
	memory = max(file, min(memory, (late+pageSize-1)&^(pageSize-1)))
	magic, flagBits := uint32(multibootMagic), uint32(flags)
	return &multibootHeader{
		Magic: magic, Flags: flagBits, Checksum: -(magic + flagBits),
		Header: imageBase + multibootAt, Load: imageBase,
		LoadEnd: uint32(file), MemoryEnd: uint32(memory),
		EntryAt: imageBase + stubAt + multibootEntry,
	}, nil
}

// version2 returns the header that says the same to loaders of multiboot 2.
func (h *multibootHeader) version2() *multiboot2Header {
	const tag = 8 // bytes
	h2 := &multiboot2Header{
		Magic: multiboot2Magic, Architecture: multiboot2I386,
		Information: multiboot2Tag{multiboot2TagInformation, 0, tag + 2*4},
		Wanted:      [...]uint32{multiboot2InfoLine, multiboot2InfoMap},
		Useful:      multiboot2Tag{multiboot2TagInformation, multiboot2Optional, tag + 3*4},
		Welcome:     [...]uint32{multiboot2InfoModule, multiboot2InfoRSDP, multiboot2InfoNewer},
		Address:     multiboot2Tag{multiboot2TagAddress, 0, tag + 4*4},
		Header:      imageBase + multiboot2At, Load: h.Load, LoadEnd: h.LoadEnd, MemoryEnd: h.MemoryEnd,
		Entry:   multiboot2Tag{multiboot2TagEntry, 0, tag + 4},
		EntryAt: h.EntryAt,
		Align:   multiboot2Tag{multiboot2TagAlign, 0, tag},
		End:     multiboot2Tag{multiboot2TagEnd, 0, tag},
	}
	h2.Length = uint32(binary.Size(h2))
	h2.Checksum = -(h2.Magic + h2.Architecture + h2.Length)
	return h2
}

// pvhEntry is where loaders that know PVH enter.
const pvhEntry = imageBase + stubAt

// pvhNote returns the note for them.
func pvhNote() []byte {
	return encodeNote(pvhNoteName, pvhNoteType, le.AppendUint64(nil, pvhEntry))
}

var errNoMultiboot = fmt.Errorf("%w, or by another release: it has no multiboot header; build it with ringo build", ErrNoGuest)
