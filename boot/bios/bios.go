// Package bios is ringo's own boot loader for computers with a BIOS. It reads
// one program from the disk or CD that it was itself started from, checks it,
// and enters it as a multiboot 1 loader does.
//
// The first part is the boot sector (sector_386.s), which reads the second
// (loader_386.s). Neither knows of file systems or partitions: Make tells it in
// which blocks things are. What the two have in common with this package is in
// layout.go.
//
// Whatever keeps it from starting the program, the loader says so in a last line
// on the screen and the first serial port, and stops.
package bios

import (
	"encoding/binary"
	"fmt"
	"math/bits"
	"strings"

	_ "embed"

	"ringo.dev/ringo/boot"
)

var (
	//go:embed sector.bin
	sectorCode []byte
	//go:embed loader.bin
	loaderCode []byte
)

// Flags of multiboot information: which of its fields are valid.
const (
	hasLine = 1 << 2
	hasMap  = 1 << 6
	hasName = 1 << 9
)

var le = binary.LittleEndian

// Medium says what the loader starts from.
type Medium struct {
	// BlockSize is the size in bytes of what the BIOS counts in: 512 for disks,
	// 2048 for CDs.
	BlockSize int64
	// Loader and Program say where the loader's second part and the program's
	// data are: bytes from the medium's beginning, multiples of BlockSize.
	Loader, Program int64
}

// Make returns the loader for a program, behind whose data are zeros on the
// medium up to a multiple of 8 bytes: SectorSize bytes, which the BIOS loads,
// and LoaderSize bytes, which belong where m says.
func Make(p *boot.Program, m Medium) (sector, loader []byte, err error) {
	if m.Loader%m.BlockSize != 0 || m.Program%m.BlockSize != 0 || m.Program/m.BlockSize > 1<<32-1 {
		return nil, nil, fmt.Errorf("the BIOS loader cannot read in blocks of %d bytes what is at %d and %d", m.BlockSize, m.Loader, m.Program)
	}
	if len(p.Line) > boot.MaxLine || strings.ContainsRune(p.Line, 0) {
		return nil, nil, fmt.Errorf("the command line has %d bytes; an image has room for %d, none of them zero", len(p.Line), boot.MaxLine)
	}
	words, sums := p.Checksum()
	loader = make([]byte, LoaderSize)
	put(loader, 0, &parameters{
		Limit: uint16(binary.Size(segments) - 1), Table: loaderAt + 8, Segments: segments,
		Program: uint32(m.Program / m.BlockSize), Shift: uint32(bits.TrailingZeros64(uint64(m.BlockSize))), BufferBlocks: uint32(bufferSize / m.BlockSize),
		Base: p.Base, Size: uint32(len(p.Data)+7) &^ 7, End: (p.End + 7) &^ 7, Entry: p.Entry,
		Words: words, Sums: sums,
	})
	copy(loader[codeAt-loaderAt:], loaderCode)
	put(loader, informationAt-loaderAt, &information{
		Flags: hasLine | hasMap | hasName,
		Line:  lineAt, Map: memoryMapAt, LoaderName: loaderNameAt,
	})
	put(loader, messagesAt-loaderAt, newMessages(p))
	copy(loader[lineAt-loaderAt:], p.Line)

	sector = make([]byte, SectorSize)
	copy(sector, sectorCode)
	data := &sectorData{
		Request: request{Size: 16, Count: uint16(LoaderSize / m.BlockSize), Buffer: loaderAt, Block: uint64(m.Loader / m.BlockSize)},
		Sum:     sum(loader),
	}
	say(data.Unreadable[:], "fatal: the disk cannot be read")
	say(data.Damaged[:], "fatal: the boot loader is damaged")
	put(sector, sectorDataAt-sectorAt, data)
	return sector, loader, nil
}

// newMessages returns what the loader says of a program.
func newMessages(p *boot.Program) *messages {
	const mega = 1 << 20
	m := new(messages)
	copy(m.LoaderName[:], "ringo")
	say(m.Starting[:], "loading the program, whose console is the first serial port")
	say(m.NoA20[:], "fatal: address line 20 cannot be switched on")
	say(m.NoMap[:], "fatal: the BIOS gives no memory map")
	say(m.NoRoom[:], fmt.Sprintf("fatal: too little memory: the program itself takes %d MiB", (uint64(p.End)+mega-1)/mega))
	say(m.NoProgram[:], "fatal: the program cannot be read from the disk; is the image complete?")
	say(m.BadProgram[:], "fatal: the program on the disk is damaged; write the image again")
	return m
}

// say makes a line of text, with a zero behind it.
func say(message []byte, text string) {
	line := "ringo: " + text + "\r\n\x00"
	if copy(message, line) < len(line) {
		panic("bios: no room for the message " + text) // it is one of the above
	}
}

// put encodes v at an offset of b, where there is room.
func put(b []byte, offset int, v any) {
	if _, err := binary.Encode(b[offset:], le, v); err != nil {
		panic(err) // the layout is wrong, which the tests see
	}
}

// sum is what the boot sector checks.
func sum(b []byte) (s uint32) {
	for ; len(b) > 0; b = b[4:] {
		s = bits.RotateLeft32(s+le.Uint32(b), 1)
	}
	return s
}
