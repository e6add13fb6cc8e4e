// Package asmtest checks in tests that files of machine code, which packages
// embed, are what the Go assembler makes of the source beside them: flat code
// for fixed addresses, which the Go toolchain's linker does not make.
package asmtest

import (
	"bytes"
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the embedded machine code anew")

// Object is an assembled file.
type Object struct {
	funcs []function
	text  []byte // of all functions, one after the other
	links []link
}

// function is one TEXT of the file.
type function struct {
	name       string
	file, size int // where in the object file it is
	at         int // where in text
}

// link is a place in the text that holds the address of a symbol.
type link struct {
	at, size int
	relative bool // to the end of the place
	symbol   string
	add      int
}

// Assemble assembles a file for a GOARCH with go tool asm.
func Assemble(goarch, source string) (*Object, error) {
	dir, err := os.MkdirTemp("", "bootasm-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	file := filepath.Join(dir, "object")
	asm := exec.Command("go", "tool", "asm", "-p", "main", "-o", file, source)
	asm.Env = append(os.Environ(), "GOARCH="+goarch)
	if out, err := asm.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("go tool asm: %w\n%s", err, out)
	}
	o := new(Object)
	if err := o.readSymbols(file); err != nil {
		return nil, err
	}
	return o, o.readLinks(file)
}

// readSymbols reads the functions. What nm calls addresses are offsets in the
// object file, behind its heading.
func (o *Object) readSymbols(file string) error {
	data, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	_, data, ok := bytes.Cut(data, []byte("\n!\n"))
	if !ok {
		return errors.New("go tool asm: the object file has no heading")
	}
	out, err := exec.Command("go", "tool", "nm", "-n", "-size", file).Output()
	if err != nil {
		return fmt.Errorf("go tool nm: %w", err)
	}
	for line := range strings.Lines(string(out)) {
		field := strings.Fields(line)
		if len(field) != 4 || field[2] != "T" {
			continue
		}
		at, err1 := strconv.ParseUint(field[0], 16, 31)
		size, err2 := strconv.ParseUint(field[1], 10, 31)
		if err := errors.Join(err1, err2); err != nil || at+size > uint64(len(data)) {
			return fmt.Errorf("go tool nm: %q: %w", line, err)
		}
		o.funcs = append(o.funcs, function{field[3], int(at), int(size), len(o.text)})
		o.text = append(o.text, data[at:at+size]...)
	}
	if len(o.funcs) == 0 {
		return errors.New("go tool nm: there are no functions")
	}
	return nil
}

// objdumpLink is how objdump shows a link: after the instruction's address and
// its bytes, where in it the link is, its kind and its symbol.
var objdumpLink = regexp.MustCompile(`^\s+\S+\s+0x([0-9a-f]+)\s.*\[(\d+):(\d+)\](R_\w+):([\w.]+)(?:([+-]\d+))?\s*$`)

// readLinks reads the places where symbols' addresses belong.
func (o *Object) readLinks(file string) error {
	out, err := exec.Command("go", "tool", "objdump", file).Output()
	if err != nil {
		return fmt.Errorf("go tool objdump: %w", err)
	}
	for line := range strings.Lines(string(out)) {
		line = strings.TrimSuffix(line, "\n")
		if !strings.Contains(line, "]R_") || strings.Contains(line, "]R_CALLIND") { // the latter is no place
			continue
		}
		m := objdumpLink.FindStringSubmatch(line)
		if m == nil || m[4] != "R_CALL" && m[4] != "R_ADDR" {
			return fmt.Errorf("go tool objdump: %q is not understood", line)
		}
		inst, _ := strconv.ParseInt(m[1], 16, 32) // digits only
		from, _ := strconv.Atoi(m[2])
		to, _ := strconv.Atoi(m[3])
		add, _ := strconv.Atoi(m[6])
		at, ok := o.offset(int(inst) + from)
		if !ok {
			return fmt.Errorf("go tool objdump: %q is in no function", line)
		}
		o.links = append(o.links, link{at, to - from, m[4] == "R_CALL", m[5], add})
	}
	return nil
}

// offset returns where in the text a place of the object file is.
func (o *Object) offset(file int) (at int, ok bool) {
	for _, f := range o.funcs {
		if file >= f.file && file < f.file+f.size {
			return f.at + file - f.file, true
		}
	}
	return 0, false
}

// Symbols returns the addresses of the functions if the code is at base.
func (o *Object) Symbols(base uint32) map[string]uint32 {
	m := make(map[string]uint32)
	for _, f := range o.funcs {
		m[f.name] = base + uint32(f.at)
	}
	return m
}

// Link returns the code for the address base. symbols are the addresses of what
// it names beside its own functions.
func (o *Object) Link(base uint32, symbols map[string]uint32) ([]byte, error) {
	code := bytes.Clone(o.text)
	own := o.Symbols(base)
	for _, l := range o.links {
		addr, ok := own[l.symbol]
		if !ok {
			addr, ok = symbols[l.symbol]
		}
		if !ok {
			return nil, fmt.Errorf("there is no symbol %s", l.symbol)
		}
		v := addr + uint32(l.add)
		if l.relative {
			v -= base + uint32(l.at+l.size)
		}
		switch {
		case l.size == 4:
			binary.LittleEndian.PutUint32(code[l.at:], v)
		case l.size == 2 && v < 1<<16:
			binary.LittleEndian.PutUint16(code[l.at:], uint16(v))
		default:
			return nil, fmt.Errorf("%#x for %s does not fit into %d bytes", v, l.symbol, l.size)
		}
	}
	return code, nil
}

// Check compares the file named code with what source, an assembly file for
// goarch that names nothing beside its own functions, assembles to. The code
// works at any address. With the flag -update it writes the file instead.
func Check(t *testing.T, goarch, source, code string) {
	t.Helper()
	o, err := Assemble(goarch, source)
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range o.links {
		if !l.relative {
			t.Fatalf("%s names the address of %s", source, l.symbol)
		}
	}
	want, err := o.Link(0, nil)
	if err != nil {
		t.Fatalf("%s: %v", source, err)
	}
	CheckCode(t, code, want)
}

// CheckCode compares the file named code with what is to be in it. With the
// flag -update it writes the file instead.
func CheckCode(t *testing.T, code string, want []byte) {
	t.Helper()
	if *update {
		if err := os.WriteFile(code, want, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	got, err := os.ReadFile(code)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s is not what its source assembles to; run go test -update, and build again", code)
	}
}
