package vmm

import (
	"bytes"
	"debug/elf"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ringo.dev/ringo/vmm/abi"
	"ringo.dev/ringo/vmm/space"
	"ringo.dev/ringo/vmm/testguest"
)

func TestImage(t *testing.T) {
	b := testguest.New(testguest.Hello.Code()).Bytes()
	m, err := parseImage(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	if program, files := m.size(); program != 3*abi.PageSize || files != 0 {
		t.Errorf("%d bytes of program, %d of files", program, files)
	}
	if m.tender != testguest.CodeAddr || m.headers != testguest.HeaderAddr+64 || m.nheaders != 3 || len(m.segments) != 2 {
		t.Errorf("%+v", m)
	}
}

// TestJoinCode: the code is given the read-only data in its last large page, if that
// follows without a gap and fills it.
func TestJoinCode(t *testing.T) {
	const rx, r, rw = abi.ProtRead | abi.ProtExec, abi.ProtRead, abi.ProtRead | abi.ProtWrite
	const text, large = 0x400000, space.LargePage
	code := segment{addr: text, memory: large + 3*abi.PageSize, file: large + 2*abi.PageSize + 100, prot: rx}
	after := func(gap, hole, memory uint64, prot int) segment {
		return segment{addr: text + code.memory + gap, offset: int64(code.memory + hole), memory: memory, file: memory - 100, prot: prot}
	}
	files := after(0, 0, large, r)
	files.files = true
	for _, c := range []struct {
		name   string
		next   segment
		joined bool
	}{
		{"more than fills it", after(0, 0, large, r), true},
		{"ends before", after(0, 0, large-4*abi.PageSize, r), false},
		{"gap in memory", after(abi.PageSize, 0, large, r), false},
		{"gap in the file", after(0, abi.PageSize, large, r), false},
		{"can be written", after(0, 0, large, rw), false},
		{"files", files, false},
	} {
		m := &image{segments: []segment{code, c.next}}
		program, brought := m.size()
		m.joinCode()
		first, second := m.segments[0], m.segments[1]
		if now, files := m.size(); now != program || files != brought {
			t.Errorf("%s: %d bytes of program, were %d", c.name, now, program)
		}
		switch {
		case !c.joined:
			if first != code || second != c.next {
				t.Errorf("%s: joined: %+v", c.name, m.segments)
			}
		case first.memory != 2*large || first.file != first.memory || second.addr != text+2*large || second.offset != 2*large ||
			second.addr+second.memory != c.next.addr+c.next.memory || second.addr+second.file != c.next.addr+c.next.file || second.prot != r:
			t.Errorf("%s: %+v", c.name, m.segments)
		}
	}
	m := &image{segments: []segment{{addr: text + abi.PageSize, offset: abi.PageSize, memory: abi.PageSize, file: 1, prot: rx},
		{addr: text + 2*abi.PageSize, offset: 2 * abi.PageSize, memory: large, file: large, prot: r}}}
	if m.joinCode(); m.segments[0].memory != abi.PageSize {
		t.Errorf("the large page begins before the code: %+v", m.segments)
	}
}

// TestBadImages: each is refused with a message that names the cause.
func TestBadImages(t *testing.T) {
	rwx := uint32(elf.PF_R | elf.PF_W | elf.PF_X)
	for want, spoil := range map[string]func(f *testguest.File){
		"EM_AARCH64":                    func(f *testguest.File) { f.Header.Machine = uint16(elf.EM_AARCH64) },
		"-buildmode=pie":                func(f *testguest.File) { f.Header.Type = uint16(elf.ET_DYN) },
		"CGO_ENABLED=0":                 func(f *testguest.File) { f.Programs[2].Type = uint32(elf.PT_INTERP) },
		"build it with ringo build":     func(f *testguest.File) { f.Programs[2].Type = uint32(elf.PT_NULL) },
		"ringo's note":                  func(f *testguest.File) { f.Programs[2].Filesz = 20 },
		"built for version 9":           func(f *testguest.File) { f.Note.Version = 9 },
		"not in executable memory":      func(f *testguest.File) { f.Note.Entry = testguest.DataAddr },
		"entry 0x10 is":                 func(f *testguest.File) { f.Note.Entry = 0x10 },
		"beyond the end of the file":    func(f *testguest.File) { f.Programs[1].Filesz = 1 << 20; f.Programs[1].Memsz = 1 << 20 },
		"larger in the file":            func(f *testguest.File) { f.Programs[1].Memsz = 3 },
		"not aligned":                   func(f *testguest.File) { f.Programs[1].Vaddr += 8 },
		"0x400000: out of place":        func(f *testguest.File) { f.Programs[1].Vaddr = testguest.HeaderAddr },
		"0x0: out of place":             func(f *testguest.File) { f.Programs[0].Vaddr = 0 },
		"0x600000: out of place":        func(f *testguest.File) { f.Programs[1].Memsz = 1 << 62 },
		"0x800000000: out of place":     func(f *testguest.File) { f.Programs[1].Vaddr = imageHigh },
		"both writable and executable":  func(f *testguest.File) { f.Programs[0].Flags = rwx },
		"not all in the file":           func(f *testguest.File) { f.Programs[0].Memsz += 8 },
		"not an ELF file":               func(f *testguest.File) { f.Header.Ident[0] = 0 },
		"table of segments at 0xffff":   func(f *testguest.File) { f.Header.Phoff = 0xffff_ffff_ffff_ffff },
		"entries of 32 bytes":           func(f *testguest.File) { f.Header.Phentsize = 32 },
		"table of segments: unexpected": func(f *testguest.File) { f.Header.Phnum = 0xffff },
		"reading notes":                 func(f *testguest.File) { f.Programs[2].Off = 1 << 63 },
		"built for EM_386, want linux/": func(f *testguest.File) { f.Header.Machine = uint16(elf.EM_386) },
	} {
		f := testguest.New(testguest.Hello.Code())
		spoil(f)
		path := filepath.Join(t.TempDir(), "bad.elf")
		if err := os.WriteFile(path, f.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := New(Config{Image: path, Args: []string{"x"}, Memory: 16 << 20, CPUs: 1, Console: io.Discard})
		if !errors.Is(err, ErrImage) || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}

// FuzzImage: whatever parses is within bounds.
func FuzzImage(f *testing.F) {
	f.Add(testguest.New(testguest.Hello.Code()).Bytes())
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := parseImage(bytes.NewReader(b), int64(len(b)))
		if err != nil {
			return
		}
		last := uint64(imageLow)
		for _, s := range m.segments {
			if s.addr < last || s.addr+s.memory > imageHigh || s.file > s.memory || uint64(s.offset)+s.file > uint64(len(b)) ||
				(s.addr|s.memory|uint64(s.offset))%abi.PageSize != 0 || s.prot&abi.ProtWrite != 0 && s.prot&abi.ProtExec != 0 {
				t.Errorf("segment %+v", s)
			}
			last = s.addr + s.memory
		}
	})
}
