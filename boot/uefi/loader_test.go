package uefi

import (
	"bufio"
	"os"
	"regexp"
	"slices"
	"strconv"
	"testing"
	"unsafe"

	"golang.org/x/arch/x86/x86asm"
	"ringo.dev/ringo/boot/internal/asmtest"
)

// TestLoader checks that loader.bin is loader.s as the Go assembler has it.
func TestLoader(t *testing.T) { asmtest.Check(t, "amd64", "loader.s", "loader.bin") }

// decode returns the instructions of a piece of the loader, which must all be
// known ones.
func decode(t *testing.T, code []byte, mode int) (insts []x86asm.Inst) {
	t.Helper()
	for i := 0; i < len(code); {
		inst, err := x86asm.Decode(code[i:], mode)
		if err != nil || inst.Op == 0 {
			t.Fatalf("offset %#x: no instruction (% x)", i, code[i:min(i+8, len(code))])
		}
		insts = append(insts, inst)
		i += inst.Len
	}
	return insts
}

// TestLeave32 checks that the loader's last part is, as 32-bit code, what
// loader.s says in 64-bit code: 32-bit operands, and no prefix that is another
// instruction there.
func TestLeave32(t *testing.T) {
	var got []string
	for _, inst := range decode(t, loader[:loaderEntry], 32) {
		got = append(got, x86asm.GoSyntax(inst, 0, nil))
	}
	want := []string{
		"MOVL CR0, AX", "ANDL $0x7fffffff, AX", "MOVL AX, CR0",
		"MOVL $0xc0000080, CX", "RDMSR", "ANDL $0xfffffeff, AX", "WRMSR",
		"XORL AX, AX", "MOVL AX, CR4",
		"MOVL $0x10, AX", "MOVL AX, DS", "MOVL AX, ES", "MOVL AX, SS", "MOVL AX, FS", "MOVL AX, GS",
		"POPL CX", "REP; MOVSD DS:0(SI), ES:0(DI)",
		"POPL CX", "XORL AX, AX", "REP; STOSD AX, ES:0(DI)",
		"MOVL $0x336ec578, AX", "RET",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%q, want\n%q", got, want)
	}
}

// TestLoaderEntry checks where the loader begins, and that it does not run on
// after its end.
func TestLoaderEntry(t *testing.T) {
	insts := decode(t, loader[loaderEntry:], 64)
	if insts[0].Op != x86asm.CLD || insts[1].Op != x86asm.CALL || insts[2].Op != x86asm.POP {
		t.Errorf("it begins with %v", insts[:3])
	}
	if last := insts[len(insts)-1]; last.Op != x86asm.JMP {
		t.Errorf("it ends with %v", last)
	}
	if len(loader) > pageSize {
		t.Errorf("it has %d bytes, more than a page", len(loader))
	}
}

// TestParameters checks that the loader knows the offsets of parameters.
func TestParameters(t *testing.T) {
	var p parameters
	want := map[string]uintptr{
		"PROGRAM": unsafe.Offsetof(p.Program), "WORDS": unsafe.Offsetof(p.Words),
		"SUM": unsafe.Offsetof(p.Sum), "SUMS": unsafe.Offsetof(p.Sums),
		"BASE": unsafe.Offsetof(p.Base), "END": unsafe.Offsetof(p.End),
		"ENTRY": unsafe.Offsetof(p.Entry), "LINE_SIZE": unsafe.Offsetof(p.LineSize),
		"CODE32": unsafe.Offsetof(p.Code32), "DATA32": unsafe.Offsetof(p.Data32),
		"LOADED_IMAGE": unsafe.Offsetof(p.LoadedImage),
		"ACPI2":        unsafe.Offsetof(p.ACPI2), "ACPI2_REST": unsafe.Offsetof(p.ACPI2) + 8,
		"ACPI1": unsafe.Offsetof(p.ACPI1), "ACPI1_REST": unsafe.Offsetof(p.ACPI1) + 8,
		"LINE": unsafe.Offsetof(p.Line),
	}
	for i, name := range []string{"DAMAGED", "NO_MEMORY", "NO_PLACE", "LONG_MAP", "LONG_LINE", "NO_EXIT"} {
		want[name] = unsafe.Offsetof(p.Messages) + uintptr(i)*unsafe.Sizeof(p.Messages[0])
	}
	f, err := os.Open("loader.s")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	define := regexp.MustCompile(`^#define P_(\w+)\s+(\w+)\(R12\)`)
	for s := bufio.NewScanner(f); s.Scan(); {
		m := define.FindStringSubmatch(s.Text())
		if m == nil {
			continue
		}
		got, err := strconv.ParseUint(m[2], 0, 64)
		if offset, known := want[m[1]]; err != nil || !known || uintptr(got) != offset {
			t.Errorf("%s: the parameter is at %#x", s.Text(), offset)
		}
		delete(want, m[1])
	}
	if len(want) > 0 {
		t.Errorf("loader.s does not define %v", want)
	}
}
