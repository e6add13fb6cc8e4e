package boot

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"

	"ringo.dev/ringo/vmm/abi"
)

// Files is a file system that an image brings along.
type Files struct {
	Path  string // where it is mounted
	Image *os.File
}

// filesSection is the name of the section of AddFiles.
const filesSection = ".ringo.files"

// AddFiles puts file systems into an executable that Finish has finished, in the
// place of those that it has. With none it takes them out.
//
// All loaders put an image into memory as one piece. So its segments remain one in the
// file, too: where the program's last segment has memory without anything from the
// file, the file has a hole, and the files follow; behind them come symbols and
// debugging information.
func AddFiles(name string, list []Files) error {
	if err := addFiles(name, list); err != nil {
		return fmt.Errorf("%s: files for it: %w", name, err)
	}
	return nil
}

func addFiles(name string, list []Files) error {
	data, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	img, err := readImage(data)
	if err != nil {
		return err
	}
	if img.Section(filesSection) == nil {
		if len(list) == 0 {
			return nil
		}
		if img, err = img.addFilesSection(); err != nil {
			return err
		}
	}
	header, size, err := filesHeader(list)
	if err != nil {
		return err
	}
	l, err := img.filesLayout(size)
	if err != nil {
		return err
	}
	if err := img.moveForFiles(&l); err != nil {
		return err
	}
	return img.writeWithFiles(name, &l, header, list)
}

// writeWithFiles puts the image with files in the place of the named file. A program
// that runs keeps the file that it was started from.
func (img *image) writeWithFiles(name string, l *filesLayout, header []byte, list []Files) error {
	info, err := os.Stat(name)
	if err != nil {
		return err
	}
	out, err := os.CreateTemp(filepath.Dir(name), ".ringo-")
	if err != nil {
		return err
	}
	defer os.Remove(out.Name())
	defer out.Close()
	at := uint64(0)
	write := func(off uint64, from io.Reader) error {
		n, err := io.Copy(io.NewOffsetWriter(out, int64(off)), from)
		at = off + uint64(n)
		return err
	}
	err = write(0, bytes.NewReader(img.data[:l.fileEnd]))
	if err == nil && len(header) > 0 {
		err = write(l.start, bytes.NewReader(header))
		at = l.start + abi.PageSize
	}
	for _, f := range list {
		if err == nil {
			err = write(roundPage(at), io.NewSectionReader(f.Image, 0, 1<<62))
		}
	}
	if err == nil {
		err = write(l.tail, bytes.NewReader(img.data[l.oldTail:][:l.tailSize]))
	}
	if err == nil {
		err = out.Chmod(info.Mode())
	}
	if err != nil {
		return err
	}
	if err := out.Close(); err != nil {
		return err
	}
	return os.Rename(out.Name(), name)
}

func roundPage(n uint64) uint64 { return (n + abi.PageSize - 1) &^ (abi.PageSize - 1) }

// filesHeader returns the first page of the segment, and the segment's size.
func filesHeader(list []Files) (header []byte, size uint64, err error) {
	if len(list) == 0 {
		return nil, 0, nil
	}
	h := abi.Files{Magic: abi.FilesMagic, Count: uint64(len(list))}
	if len(list) > len(h.List) {
		return nil, 0, fmt.Errorf("%d directories, at most %d fit", len(list), len(h.List))
	}
	size = abi.PageSize
	for i, f := range list {
		e := &h.List[i]
		if !path.IsAbs(f.Path) || path.Clean(f.Path) != f.Path || f.Path == "/" || strings.IndexByte(f.Path, 0) >= 0 {
			return nil, 0, fmt.Errorf("%q is no place for files; name an absolute path, such as /srv", f.Path)
		}
		if len(f.Path) >= len(e.Path) {
			return nil, 0, fmt.Errorf("%q is too long, at most %d bytes", f.Path, len(e.Path)-1)
		}
		info, err := f.Image.Stat()
		if err != nil {
			return nil, 0, err
		}
		e.Offset, e.Size = size, uint64(info.Size())
		copy(e.Path[:], f.Path)
		size += roundPage(e.Size)
	}
	header, err = binary.Append(nil, le, &h)
	return header, size, err
}

// addFilesSection returns the image with an empty section for the files.
func (img *image) addFilesSection() (*image, error) {
	var h elf.Header64
	if _, err := binary.Decode(img.data, le, &h); err != nil {
		return nil, err
	}
	shdrs, err := img.moveSections(&h, elf.Section64{Type: uint32(elf.SHT_PROGBITS), Flags: uint64(elf.SHF_ALLOC), Addralign: abi.PageSize}, filesSection)
	if err != nil {
		return nil, err
	}
	h.Shoff = shdrs
	h.Shnum++
	put(img.data, &h)
	return readImage(img.data)
}

// filesLayout is where in the file things are and will be. The tail is what is not
// loaded.
type filesLayout struct {
	header   int    // number of the program header for the files
	last     int    // and of the program's last segment
	fileEnd  uint64 // where that ends in the file as it is
	start    uint64 // where the files will be
	size     uint64 // theirs
	oldTail  uint64 // where the tail is
	tail     uint64 // where it will be
	tailSize uint64
}

func (img *image) filesLayout(size uint64) (l filesLayout, err error) {
	l.header, l.last, l.size = -1, -1, size
	files := img.Section(filesSection)
	for i, p := range img.Progs {
		switch {
		case p.Type == elf.PT_NULL, p.Type == elf.PT_LOAD && files.Size > 0 && p.Vaddr == files.Addr:
			l.header = i
		case p.Type == elf.PT_LOAD && (l.last < 0 || p.Vaddr > img.Progs[l.last].Vaddr):
			l.last = i
		}
	}
	if l.header < 0 || l.last < 0 {
		return l, errors.New("it has no room for them; build it again with this ringo")
	}
	last := img.Progs[l.last]
	if last.Vaddr-last.Off != imageBase {
		return l, fmt.Errorf("its segments are not linked at %#x in one piece; build it without the linker's flags -T and -R", imageBase)
	}
	l.fileEnd = last.Off + last.Filesz
	l.start = roundPage(last.Off + last.Memsz)
	if size == 0 {
		l.start = l.fileEnd
	}
	l.oldTail = l.fileEnd
	if files.Size > 0 {
		l.oldTail = files.Offset + files.FileSize
	}
	if l.oldTail > uint64(len(img.data)) {
		return l, errors.New("its segments are not all in the file")
	}
	l.tail = l.start + size
	l.tailSize = uint64(len(img.data)) - l.oldTail
	if imageBase+l.tail > 1<<32-1 {
		return l, fmt.Errorf("%d MiB are too much: all of an image lies below 4 GiB", size>>20)
	}
	return l, nil
}

// moveForFiles changes the headers for the new layout.
func (img *image) moveForFiles(l *filesLayout) error {
	var h elf.Header64
	if _, err := binary.Decode(img.data, le, &h); err != nil {
		return err
	}
	moved := l.tail - l.oldTail
	for i, s := range img.Sections {
		at := h.Shoff + uint64(i)*shentsize
		switch {
		case s.Name == filesSection:
			le.PutUint64(img.data[at+16:], imageBase+l.start)
			le.PutUint64(img.data[at+24:], l.start)
			le.PutUint64(img.data[at+32:], l.size)
		case s.Type != elf.SHT_NULL && s.Type != elf.SHT_NOBITS && s.Offset >= l.oldTail:
			le.PutUint64(img.data[at+24:], s.Offset+moved)
		}
	}
	h.Shoff += moved
	put(img.data, &h)

	files := elf.Prog64{}
	if l.size > 0 {
		files = elf.Prog64{
			Type: uint32(elf.PT_LOAD), Flags: uint32(elf.PF_R), Off: l.start, Vaddr: imageBase + l.start, Paddr: imageBase + l.start,
			Filesz: l.size, Memsz: l.size, Align: abi.PageSize,
		}
	}
	put(img.data[h.Phoff+uint64(l.header)*phentsize:], &files)
	if le.Uint32(img.data[multibootAt:]) != multibootMagic {
		return nil // only ringo's own monitor boots it
	}
	m := img.metal()
	img.Progs[l.header].ProgHeader = elf.ProgHeader{
		Type: elf.ProgType(files.Type), Off: files.Off, Vaddr: files.Vaddr, Paddr: files.Paddr, Filesz: files.Filesz, Memsz: files.Memsz,
	}
	multiboot, err := img.multiboot(m.Late)
	if err != nil {
		return err
	}
	put(img.data[multibootAt:], multiboot)
	put(img.data[multiboot2At:], multiboot.version2())
	return nil
}

// hole returns what lies between the memory that the program needs from the start and the
// files, in an image of which so many bytes are loaded.
func (img *image) hole(loaded uint32) Extent {
	files, m := img.Section(filesSection), (*metalMarker)(nil)
	if files != nil && files.Size > 0 {
		m = img.metal()
	}
	if m == nil || m.Late < imageBase || m.Late > imageBase+uint64(loaded) {
		return Extent{}
	}
	start := roundPage(m.Late - imageBase)
	for _, p := range img.Progs {
		if p.Type == elf.PT_LOAD && p.Off < files.Offset {
			start = max(start, roundPage(p.Off+p.Filesz))
		}
	}
	if start >= files.Offset || files.Offset > uint64(loaded) {
		return Extent{}
	}
	return Extent{uint32(start), uint32(files.Offset)}
}
