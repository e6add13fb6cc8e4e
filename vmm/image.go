package vmm

import (
	"debug/elf"
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"os"

	"ringo.dev/ringo/vmm/abi"
	"ringo.dev/ringo/vmm/space"
)

// image is a checked ELF file.
type image struct {
	file     *os.File
	entry    uint64 // Linux's, for AT_ENTRY
	tender   uint64 // the one in the note
	level    uint32 // the note's
	headers  uint64 // guest address of the program headers
	nheaders uint64
	segments []segment
}

// segment is a loadable one, in pages.
type segment struct {
	addr, memory uint64 // page aligned
	offset       int64  // page aligned
	file         uint64 // bytes from the file; the rest reads as zero
	prot         int
	files        bool // abi.Files: no memory of the program
}

// imageLow and imageHigh bound the addresses of an image.
const (
	imageLow  = 64 << 10
	imageHigh = 32 << 30
)

// openImage opens and checks the file at path. The caller closes image.file.
func openImage(path string) (*image, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrImage, err)
	}
	var m *image
	st, err := f.Stat()
	if err == nil {
		m, err = parseImage(largeReader{f}, st.Size())
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("%w: %s: %w", ErrImage, path, err)
	}
	m.file = f
	return m, nil
}

// parseImage reads an ELF file of the given size.
func parseImage(r io.ReaderAt, size int64) (*image, error) {
	h, programs, err := readHeaders(r)
	if err != nil {
		return nil, fmt.Errorf("not an ELF file (%w); name a Go package or a file that ringo build made", err)
	}
	if machine := elf.Machine(h.Machine); elf.Class(h.Ident[elf.EI_CLASS]) != elf.ELFCLASS64 || machine != elf.EM_X86_64 {
		return nil, fmt.Errorf("built for %v, want linux/amd64", machine)
	}
	if t := elf.Type(h.Type); t != elf.ET_EXEC {
		return nil, fmt.Errorf("ELF type %v, which ringo build does not make; build it with ringo build, without -buildmode=pie", t)
	}
	m := &image{entry: h.Entry, nheaders: uint64(len(programs))}
	for _, p := range programs {
		switch p.Type {
		case elf.PT_INTERP:
			return nil, fmt.Errorf("dynamically linked; build with CGO_ENABLED=0")
		case elf.PT_LOAD:
			err = m.addSegment(p, size)
		case elf.PT_NOTE:
			err = m.readNote(p)
		}
		if err != nil {
			return nil, err
		}
	}
	if m.tender == 0 {
		return nil, fmt.Errorf("an ordinary Linux program, without ringo's note; build it with ringo build")
	}
	if s := m.find(m.tender); s == nil || s.prot&abi.ProtExec == 0 {
		return nil, fmt.Errorf("entry %#x is not in executable memory", m.tender)
	}
	m.headers = m.addrOf(h.Phoff)
	m.joinCode()
	return m, nil
}

// readHeaders reads the header of an ELF file and those of its segments; these
// there are only if the file is for 64 bits. Nothing of them is checked but that
// they are there. (Package debug/elf would also read those of all sections, and
// more.)
func readHeaders(r io.ReaderAt) (h elf.Header64, programs []*elf.Prog, err error) {
	if err := binary.Read(io.NewSectionReader(r, 0, int64(binary.Size(h))), binary.LittleEndian, &h); err != nil {
		return h, nil, err
	}
	if string(h.Ident[:4]) != elf.ELFMAG {
		return h, nil, fmt.Errorf("it begins with %q", h.Ident[:4])
	}
	if elf.Class(h.Ident[elf.EI_CLASS]) != elf.ELFCLASS64 {
		return h, nil, nil
	}
	table := make([]elf.Prog64, h.Phnum)
	n := int64(binary.Size(table))
	if h.Phoff > math.MaxInt64-uint64(n) || int(h.Phentsize) != binary.Size(elf.Prog64{}) {
		return h, nil, fmt.Errorf("a table of segments at %#x, with entries of %d bytes", h.Phoff, h.Phentsize)
	}
	if err := binary.Read(io.NewSectionReader(r, int64(h.Phoff), n), binary.LittleEndian, table); err != nil {
		return h, nil, fmt.Errorf("table of segments: %w", err)
	}
	for _, p := range table {
		programs = append(programs, &elf.Prog{
			ProgHeader: elf.ProgHeader{
				Type: elf.ProgType(p.Type), Flags: elf.ProgFlag(p.Flags), Off: p.Off, Vaddr: p.Vaddr,
				Paddr: p.Paddr, Filesz: p.Filesz, Memsz: p.Memsz, Align: p.Align,
			},
			ReaderAt: io.NewSectionReader(r, int64(p.Off), int64(p.Filesz)),
		})
	}
	return h, programs, nil
}

func (m *image) addSegment(p *elf.Prog, size int64) error {
	const mask = abi.PageSize - 1
	if p.Memsz == 0 {
		return nil
	}
	bad := func(why string) error { return fmt.Errorf("segment at %#x: %s", p.Vaddr, why) }
	last := uint64(imageLow)
	if n := len(m.segments); n > 0 {
		last = m.segments[n-1].addr + m.segments[n-1].memory
	}
	switch {
	case p.Off > uint64(size) || p.Filesz > uint64(size)-p.Off:
		return bad("beyond the end of the file")
	case p.Filesz > p.Memsz:
		return bad("larger in the file than in memory")
	case p.Vaddr&mask != p.Off&mask:
		return bad("not aligned to pages")
	case p.Vaddr&^mask < last || p.Vaddr >= imageHigh || p.Memsz > imageHigh-p.Vaddr:
		return bad("out of place")
	case p.Flags&(elf.PF_W|elf.PF_X) == elf.PF_W|elf.PF_X:
		return bad("both writable and executable")
	case p.Flags&elf.PF_W == 0 && p.Filesz != p.Memsz:
		return bad("read-only, but not all in the file")
	}
	s := segment{addr: p.Vaddr &^ mask, offset: int64(p.Off &^ mask), prot: abi.ProtRead}
	s.memory = (p.Vaddr+p.Memsz+mask)&^mask - s.addr
	if p.Filesz > 0 {
		s.file = p.Filesz + p.Vaddr&mask
	}
	if p.Flags&elf.PF_W != 0 {
		s.prot |= abi.ProtWrite
	}
	if p.Flags&elf.PF_X != 0 {
		s.prot |= abi.ProtExec
	}
	if s.prot == abi.ProtRead {
		var magic [8]byte
		_, err := p.ReadAt(magic[:], 0)
		s.files = err == nil && binary.LittleEndian.Uint64(magic[:]) == abi.FilesMagic
	}
	m.segments = append(m.segments, s)
	return nil
}

// joinCode makes the last large page of the code one, if read-only data follows in it
// without a gap, by counting that part of the data as code. A program touches nearly all of
// those pages when it starts, since its types are there, in no order. They become
// executable by this; but nothing in them is other than the linker wrote it.
func (m *image) joinCode() {
	const large = space.LargePage
	for i := range m.segments[1:] {
		code, data := &m.segments[i], &m.segments[i+1]
		end := code.addr + code.memory
		n := -end % large
		if code.prot != abi.ProtRead|abi.ProtExec || data.prot != abi.ProtRead || data.files ||
			data.addr != end || data.offset != code.offset+int64(code.memory) || data.memory <= n || end+n-large < code.addr {
			continue
		}
		code.memory += n
		code.file = code.memory
		data.addr, data.offset = data.addr+n, data.offset+int64(n)
		data.memory, data.file = data.memory-n, data.file-n
	}
}

// readNote looks for ringo's note among those of one segment.
func (m *image) readNote(p *elf.Prog) error {
	const maxNotes = 64 << 10
	b := make([]byte, min(p.Filesz, maxNotes))
	if _, err := p.ReadAt(b, 0); err != nil && err != io.EOF {
		return fmt.Errorf("reading notes: %w", err)
	}
	for len(b) >= 12 {
		nameLen, descLen, typ := binary.LittleEndian.Uint32(b), binary.LittleEndian.Uint32(b[4:]), binary.LittleEndian.Uint32(b[8:])
		name, rest, ok := cutNote(b[12:], nameLen)
		if !ok {
			return nil
		}
		desc, rest, ok := cutNote(rest, descLen)
		if !ok {
			return nil
		}
		b = rest
		if string(name) != abi.NoteName+"\x00" || typ != abi.NoteType {
			continue
		}
		var n abi.Note
		if _, err := binary.Decode(desc, binary.LittleEndian, &n); err != nil {
			return fmt.Errorf("ringo's note is too short")
		}
		if n.Version != abi.Version {
			return fmt.Errorf("built for version %d of the VMM interface, this is version %d; build it again with this ringo", n.Version, abi.Version)
		}
		m.tender, m.level = n.Entry, n.Level
	}
	return nil
}

// cutNote splits n bytes, padded to 4, off b.
func cutNote(b []byte, n uint32) (field, rest []byte, ok bool) {
	padded := (uint64(n) + 3) &^ 3
	if padded > uint64(len(b)) {
		return nil, nil, false
	}
	return b[:n], b[padded:], true
}

// find returns the segment that holds a guest address, or nil.
func (m *image) find(addr uint64) *segment {
	for i := range m.segments {
		if s := &m.segments[i]; addr >= s.addr && addr-s.addr < s.memory {
			return s
		}
	}
	return nil
}

// addrOf returns the guest address of a file offset, or 0.
func (m *image) addrOf(off uint64) uint64 {
	for _, s := range m.segments {
		if off >= uint64(s.offset) && off-uint64(s.offset) < s.file {
			return s.addr + off - uint64(s.offset)
		}
	}
	return 0
}

// size is what the image maps from its file, in bytes: as memory of the program, and
// as files.
func (m *image) size() (program, files uint64) {
	for _, s := range m.segments {
		n := (s.file + abi.PageSize - 1) &^ (abi.PageSize - 1)
		if s.files {
			files += n
		} else {
			program += n
		}
	}
	return program, files
}
