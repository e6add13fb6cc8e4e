package bios

import (
	"bytes"
	"encoding/binary"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	"golang.org/x/arch/x86/x86asm"
	"ringo.dev/ringo/boot"
	"ringo.dev/ringo/boot/internal/asmtest"
)

// symbols are the names in the assembly files that this package gives addresses
// or values.
func symbols() map[string]uint32 {
	m := map[string]uint32{
		"parameters": loaderAt, "loader": codeAt, "loaderWords": LoaderSize / 4,
		"information": informationAt, "memoryMap": memoryMapAt, "memoryMapEnd": memoryMapEnd,
		"buffer": bufferAt, "bufferFar": bufferAt >> 4 << 16,
	}
	addFields(m, "", sectorDataAt, reflect.TypeFor[sectorData]())
	addFields(m, "", loaderAt, reflect.TypeFor[parameters]())
	addFields(m, "", messagesAt, reflect.TypeFor[messages]())
	addFields(m, "information", informationAt, reflect.TypeFor[information]())
	return m
}

// addFields adds a structure's fields, as package binary encodes it.
func addFields(m map[string]uint32, prefix string, at uint32, t reflect.Type) {
	for i := range t.NumField() {
		f := t.Field(i)
		name := prefix + f.Name
		if prefix == "" {
			name = strings.ToLower(name[:1]) + name[1:]
		}
		m[name] = at
		if f.Type.Kind() == reflect.Struct {
			addFields(m, name, at, f.Type)
		}
		at += uint32(binary.Size(reflect.Zero(f.Type).Interface()))
	}
}

// TestCode checks that the assembled files are what the assembler makes of the
// sources.
func TestCode(t *testing.T) {
	sector, err := asmtest.Assemble("386", "sector_386.s")
	if err != nil {
		t.Fatal(err)
	}
	loader, err := asmtest.Assemble("386", "loader_386.s")
	if err != nil {
		t.Fatal(err)
	}
	names := symbols()
	maps.Copy(names, sector.Symbols(sectorAt))
	if at := loader.Symbols(codeAt)["loader"]; at != codeAt {
		t.Errorf("the loader begins with something else than its entry")
	}
	for _, part := range []struct {
		file   string
		object *asmtest.Object
		base   uint32
	}{{"sector.bin", sector, sectorAt}, {"loader.bin", loader, codeAt}} {
		code, err := part.object.Link(part.base, names)
		if err != nil {
			t.Fatalf("%s: %v", part.file, err)
		}
		asmtest.CheckCode(t, part.file, code)
		checkModes(t, code, part.base, part.object.Symbols(part.base), names)
	}
	if sectorAt+len(sectorCode) > sectorDataAt {
		t.Errorf("the boot sector's code has %d bytes, and its data begin at %d", len(sectorCode), sectorDataAt-sectorAt)
	}
	if codeAt+len(loaderCode) > informationAt {
		t.Errorf("the loader's code ends at %#x, and what follows begins at %#x", codeAt+len(loaderCode), informationAt)
	}
}

// checkModes disassembles code as the processor comes by: 16-bit code is told
// from 32-bit code only by where it is. Without a prefix where one is needed, or
// with one too many, what follows would be taken for other instructions.
func checkModes(t *testing.T, code []byte, base uint32, functions, names map[string]uint32) {
	t.Helper()
	begins := make(map[uint32]string)
	for name, at := range functions {
		begins[at] = name
	}
	wide := []string{"die", "openA20", "testA20", "readMap", "findRoom", "readProgram", "checkProgram", "real", "enterFlat"}
	mode := 16
	insts := make(map[uint32]bool)
	jumps := make(map[uint32]uint32) // where from, by where to
	for i := 0; i < len(code); {
		at := base + uint32(i)
		if name, ok := begins[at]; ok {
			mode = 16
			if slices.Contains(wide, name) {
				mode = 32
			}
			delete(begins, at)
		}
		inst, err := x86asm.Decode(code[i:], mode)
		if err != nil || inst.Op == 0 || code[i] == 0 {
			t.Errorf("%#x: no instruction in %d-bit code: % x", at, mode, code[i:min(i+8, len(code))])
			return
		}
		i += inst.Len
		insts[at] = true
		if rel, ok := inst.Args[0].(x86asm.Rel); ok {
			to := base + uint32(i) + uint32(rel)
			jumps[to] = at
			if inst.Op == x86asm.CALL && to == functions["real"] {
				mode = 16
			}
			if inst.Op == x86asm.CALL && to == functions["flat"] {
				mode = 32
			}
		}
	}
	for at, name := range begins {
		t.Errorf("%s, at %#x, begins within an instruction", name, at)
	}
	for to, from := range jumps {
		inside := to >= base && to < base+uint32(len(code))
		if inside && !insts[to] || !inside && to != names["fail"] && to != names["screen"] && to != names["loader"] {
			t.Errorf("the jump at %#x goes to %#x, where nothing begins", from, to)
		}
	}
}

func TestMake(t *testing.T) {
	p := &boot.Program{Data: []byte("program"), Base: 1 << 20, End: 2 << 20, Entry: 1 << 20, Line: strings.Repeat("x", boot.MaxLine)}
	sector, loader, err := Make(p, Medium{BlockSize: 2048, Loader: 2048, Program: 16384})
	if err != nil || len(sector) != SectorSize || len(loader) != LoaderSize {
		t.Fatalf("%d and %d bytes, %v", len(sector), len(loader), err)
	}
	if end := bytes.IndexByte(loader[lineAt-loaderAt:], 0); end != boot.MaxLine {
		t.Errorf("the command line ends at %d", end)
	}
	if !bytes.Contains(loader, []byte("the program itself takes 2 MiB")) {
		t.Error("it does not say how much memory the program takes")
	}
	for name, change := range map[string]func(*boot.Program, *Medium){
		"a long line":        func(p *boot.Program, _ *Medium) { p.Line += "x" },
		"a line with a zero": func(p *boot.Program, _ *Medium) { p.Line = "\x00" },
		"loader":             func(_ *boot.Program, m *Medium) { m.Loader += 512 },
		"program":            func(_ *boot.Program, m *Medium) { m.Program += 512 },
		"program far away":   func(_ *boot.Program, m *Medium) { m.Program = 2048 << 32 },
	} {
		p, m := *p, Medium{BlockSize: 2048, Loader: 2048, Program: 16384}
		change(&p, &m)
		if _, _, err := Make(&p, m); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
