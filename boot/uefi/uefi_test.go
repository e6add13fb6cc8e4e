package uefi

import (
	"bytes"
	"debug/pe"
	"math/rand/v2"
	"strings"
	"testing"

	"ringo.dev/ringo/boot"
)

// program returns a program with n bytes of data.
func program(n int) *boot.Program {
	data := make([]byte, n)
	rand.NewChaCha8([32]byte{}).Read(data)
	return &boot.Program{Data: data, Base: 4 << 20, End: 4<<20 + uint32(n) + 12345, Entry: 4<<20 + 5, Line: "ringo.env.A=1 -v"}
}

// TestApplication looks at the file with another reader of its format.
func TestApplication(t *testing.T) {
	for _, n := range []int{1, 4095, 4096, 100_001} {
		p := program(n)
		app, at, err := application(p)
		if err != nil {
			t.Fatal(err)
		}
		if at%dataAlign != 0 && n >= dataAlign || !bytes.HasPrefix(app[at:], p.Data) {
			t.Errorf("%d bytes: the program is not at %#x", n, at)
		}
		f, err := pe.NewFile(bytes.NewReader(app))
		if err != nil {
			t.Fatal(err)
		}
		opt := f.OptionalHeader.(*pe.OptionalHeader64)
		if f.Machine != pe.IMAGE_FILE_MACHINE_AMD64 || opt.Subsystem != pe.IMAGE_SUBSYSTEM_EFI_APPLICATION {
			t.Errorf("machine %#x, subsystem %d", f.Machine, opt.Subsystem)
		}
		text := f.Section(".text")
		if d, err := text.Data(); err != nil || !bytes.HasPrefix(d, loader) || opt.AddressOfEntryPoint != text.VirtualAddress+loaderEntry {
			t.Errorf("the loader is not in .text, %v", err)
		}
		if d, err := f.Section(".program").Data(); err != nil || !bytes.HasPrefix(d, p.Data) {
			t.Errorf("the program is not in .program, %v", err)
		}
		end := uint32(0)
		for _, s := range f.Sections {
			if s.VirtualAddress < end || s.VirtualAddress%pageSize != 0 || s.Offset%fileAlign != 0 || int(s.Offset+s.Size) > len(app) {
				t.Errorf("section %+v", s.SectionHeader)
			}
			end = s.VirtualAddress + s.VirtualSize
		}
		if opt.SizeOfImage < end {
			t.Errorf("size %#x, want at least %#x", opt.SizeOfImage, end)
		}
	}
}

func TestESP(t *testing.T) {
	p := program(300_000)
	fs, at, err := ESP(p)
	if err != nil {
		t.Fatal(err)
	}
	if at%dataAlign != 0 || !bytes.HasPrefix(fs[at:], p.Data) {
		t.Errorf("the program is not at %#x", at)
	}
	again, _, err := ESP(p)
	if err != nil || !bytes.Equal(fs, again) {
		t.Errorf("the same program makes another volume; %v", err)
	}
}

func TestApplicationErrors(t *testing.T) {
	long, short, empty := program(100), program(100), program(100)
	long.Line = strings.Repeat("x", boot.MaxLine+1)
	short.End = short.Base + 99
	empty.Data = nil
	for _, p := range []*boot.Program{long, short, empty} {
		if _, err := Application(p); err == nil {
			t.Errorf("%v: no error", p)
		}
	}
	long.Line = long.Line[1:]
	if _, err := Application(long); err != nil {
		t.Error(err)
	}
}
