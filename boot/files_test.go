package boot

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"ringo.dev/ringo/vmm/abi"
)

// fileImage returns a file with contents.
func fileImage(t *testing.T, contents []byte) *os.File {
	t.Helper()
	f, err := os.Create(filepath.Join(t.TempDir(), "image"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	if _, err := f.Write(contents); err != nil {
		t.Fatal(err)
	}
	return f
}

// filesOf returns what an executable has for a loader of segments. What is in memory
// must be the same for loaders that take the file as one piece.
func filesOf(t *testing.T, name string) map[string][]byte {
	t.Helper()
	f, err := elf.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string][]byte{}
	last := uint64(0)
	for _, p := range f.Progs {
		if p.Type != elf.PT_LOAD {
			continue
		}
		if p.Vaddr < last {
			t.Errorf("the segment at %#x overlaps the one before", p.Vaddr)
		}
		last = p.Vaddr + p.Memsz
		segment := make([]byte, p.Filesz)
		if _, err := p.ReadAt(segment, 0); err != nil {
			t.Fatal(err)
		}
		if at := p.Vaddr - imageBase; !bytes.Equal(segment, data[at:][:len(segment)]) {
			t.Errorf("in one piece, the segment at %#x is something else", p.Vaddr)
		}
		var h abi.Files
		if p.Flags != elf.PF_R || len(segment) < binary.Size(&h) {
			continue
		}
		if _, err := binary.Decode(segment, le, &h); err != nil || h.Magic != abi.FilesMagic {
			continue
		}
		for _, e := range h.List[:h.Count] {
			path := strings.TrimRight(string(e.Path[:]), "\x00")
			all[path] = segment[e.Offset:][:e.Size]
		}
	}
	return all
}

func TestAddFiles(t *testing.T) {
	name := buildGuest(t, "")
	if _, err := Finish(name); err != nil {
		t.Fatal(err)
	}
	one, two := bytes.Repeat([]byte("one"), 10_000), []byte("two")
	for i, list := range []map[string][]byte{{"/a": one}, {"/b/c": two, "/a": two}, {}, {"/a": one}, {"/x": nil}} {
		var files []Files
		for path, contents := range list {
			files = append(files, Files{path, fileImage(t, contents)})
		}
		if err := AddFiles(name, files); err != nil {
			t.Fatalf("%d: %v", i, err)
		}
		got := filesOf(t, name)
		if len(got) != len(list) {
			t.Errorf("%d: %d file systems, want %d", i, len(got), len(list))
		}
		for path, want := range list {
			if !bytes.Equal(got[path], want) {
				t.Errorf("%d: %s has %d bytes, not what was put in", i, path, len(got[path]))
			}
		}
		// It is still a program, with symbols, a note and what boot loaders need.
		if out, err := exec.Command(name).CombinedOutput(); err != nil {
			t.Errorf("%d: %v\n%s", i, err, out)
		}
		f, err := elf.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		if symbols, err := f.Symbols(); err != nil || len(symbols) == 0 {
			t.Errorf("%d: %d symbols, %v", i, len(symbols), err)
		}
		if _, err := f.DWARF(); err != nil {
			t.Errorf("%d: %v", i, err)
		}
		f.Close()
		readNote(t, name)
	}
}

func TestAddFilesRefused(t *testing.T) {
	name := buildGuest(t, "")
	image := fileImage(t, nil)
	if err := AddFiles(name, []Files{{"/a", image}}); err == nil {
		t.Error("files for a program that is no guest")
	}
	if _, err := Finish(name); err != nil {
		t.Fatal(err)
	}
	many := make([]Files, abi.MaxFiles+1)
	for i := range many {
		many[i] = Files{"/a", image}
	}
	for what, list := range map[string][]Files{
		"root":     {{"/", image}},
		"relative": {{"a", image}},
		"dots":     {{"/a/../b", image}},
		"long":     {{"/" + strings.Repeat("a", 300), image}},
		"many":     many,
	} {
		if err := AddFiles(name, list); err == nil {
			t.Errorf("%s: no error", what)
		}
	}
}
