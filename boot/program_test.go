package boot

import (
	"bytes"
	"debug/elf"
	"errors"
	"io"
	"os"
	"testing"
)

func TestReadProgramErrors(t *testing.T) {
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	host, err := os.ReadFile(exe)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ReadProgram(host); !errors.Is(err, errNoMultiboot) {
		t.Errorf("an executable of the host: %v", err)
	}
	if _, err := ReadProgram([]byte("no ELF file")); !errors.Is(err, ErrNoGuest) {
		t.Errorf("a text: %v", err)
	}
}

func TestChecksum(t *testing.T) {
	p := &Program{Data: []byte("\x01\x00\x00\x00\x00\x00\x00\x00\x02\x00\x00\x00\x00\x00\x00\x00\x03")}
	if words, sums := p.Checksum(); words != 6 || sums != 1+3+6 {
		t.Errorf("%d, %d", words, sums)
	}
}

// TestWritePVH reads a file for PVH as a loader does.
func TestWritePVH(t *testing.T) {
	data := bytes.Repeat([]byte("program "), 3000)
	put(data[multibootAt:], &multibootHeader{Magic: multibootMagic})
	p := &Program{Data: data, Base: imageBase, End: imageBase + 1<<20}
	var file bytes.Buffer
	if err := p.WritePVH(&file); err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(file.Bytes()[:8192], le.AppendUint32(nil, multibootMagic)) {
		t.Error("it has a multiboot header")
	}
	f, err := elf.NewFile(bytes.NewReader(file.Bytes()))
	if err != nil {
		t.Fatal(err)
	}
	if len(f.Progs) != 2 || f.Progs[0].Type != elf.PT_LOAD || f.Progs[1].Type != elf.PT_NOTE {
		t.Fatalf("segments %v", f.Progs)
	}
	load := f.Progs[0]
	loaded, err := io.ReadAll(load.Open())
	if err != nil || load.Paddr != uint64(p.Base) || load.Paddr+load.Memsz != uint64(p.End) || !bytes.Equal(loaded, p.Data) {
		t.Errorf("%#x bytes at %#x, memory to %#x, %v", len(loaded), load.Paddr, load.Paddr+load.Memsz, err)
	}
	if note, err := io.ReadAll(f.Progs[1].Open()); err != nil || !bytes.Equal(note, pvhNote()) {
		t.Errorf("note %q, %v", note, err)
	}
}

// TestWritePVHHole leaves out what need not be loaded.
func TestWritePVHHole(t *testing.T) {
	data := bytes.Repeat([]byte("program "), 8*pageSize/8)
	p := &Program{Data: data, Base: imageBase, End: imageBase + 9*pageSize, Hole: Extent{3 * pageSize, 6 * pageSize}}
	var file bytes.Buffer
	if err := p.WritePVH(&file); err != nil {
		t.Fatal(err)
	}
	if n := file.Len(); n != pvhData+5*pageSize {
		t.Errorf("%d bytes", n)
	}
	f, err := elf.NewFile(bytes.NewReader(file.Bytes()))
	if err != nil {
		t.Fatal(err)
	}
	memory := make([]byte, 9*pageSize)
	for _, s := range f.Progs {
		if s.Type != elf.PT_LOAD {
			continue
		}
		if n, err := s.ReadAt(memory[s.Paddr-imageBase:][:s.Filesz], 0); n != int(s.Filesz) {
			t.Error(err)
		}
	}
	want := bytes.Clone(append(data, make([]byte, pageSize)...))
	clear(want[p.Hole.Start:p.Hole.End])
	if !bytes.Equal(memory, want) {
		t.Error("it is loaded as something else")
	}
	if last := f.Progs[1]; last.Paddr+last.Memsz != uint64(p.End) {
		t.Errorf("memory to %#x", last.Paddr+last.Memsz)
	}
}

// FuzzReadProgram changes the beginning of a file, where its headers are.
func FuzzReadProgram(f *testing.F) {
	full, err := os.ReadFile(buildGuest(f, "-s -w"))
	if err != nil {
		f.Fatal(err)
	}
	h := &multibootHeader{Magic: multibootMagic, Load: imageBase, LoadEnd: imageBase + 8192, MemoryEnd: imageBase + 16384, EntryAt: imageBase + stubAt}
	put(full[multibootAt:], h)
	f.Add(full[:4096], len(full))
	f.Fuzz(func(t *testing.T, headers []byte, size int) {
		data := bytes.Clone(full)
		copy(data, headers)
		data = data[:min(max(size, 0), len(data))]
		p, err := ReadProgram(data)
		if err != nil {
			return
		}
		if end := uint64(p.Base) + uint64(len(p.Data)); end > uint64(p.End) || p.Entry < p.Base || uint64(p.Entry) >= end {
			t.Errorf("%#x bytes at %#x, memory to %#x, entry %#x", len(p.Data), p.Base, p.End, p.Entry)
		}
		if h := p.Hole; h.Start > h.End || uint64(h.End) > uint64(len(p.Data)) {
			t.Errorf("hole %#x in %#x bytes", h, len(p.Data))
		}
	})
}
