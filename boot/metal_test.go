package boot

import (
	"encoding/binary"
	"slices"
	"testing"

	"golang.org/x/arch/x86/x86asm"
	"ringo.dev/ringo/boot/internal/asmtest"
)

// TestStub checks that stub.bin is stub_386.s as the Go assembler has it.
func TestStub(t *testing.T) { asmtest.Check(t, "386", "stub_386.s", "stub.bin") }

// TestLinux does the same with linux.bin.
func TestLinux(t *testing.T) { asmtest.Check(t, "amd64", "linux_amd64.s", "linux.bin") }

// TestStubEntries checks the stub's entry points, and that it is made of
// known instructions up to its last.
func TestStubEntries(t *testing.T) {
	var ops []x86asm.Op
	offsets := map[int]x86asm.Inst{}
	for i := 0; i < len(stub); {
		inst, err := x86asm.Decode(stub[i:], 32)
		if err != nil || inst.Op == 0 {
			t.Fatalf("offset %#x: no instruction (% x)", i, stub[i:min(i+8, len(stub))])
		}
		offsets[i] = inst
		ops = append(ops, inst.Op)
		i += inst.Len
	}
	if first := offsets[0]; first.Op != x86asm.MOV || first.Args[1] != x86asm.Imm(0x336ec578) {
		t.Errorf("the PVH entry begins with %v", first)
	}
	if second, ok := offsets[multibootEntry]; !ok || second.Op != x86asm.CLI {
		t.Errorf("the multiboot entry begins with %v", second)
	}
	if third, ok := offsets[linuxEntry]; !ok || third.Op != x86asm.MOV || third.Args[1] != x86asm.Imm(0x10) || offsets[linuxEntry-2].Op != x86asm.JMP {
		t.Errorf("Linux's entry begins with %v", third)
	}
	if last := ops[len(ops)-1]; last != x86asm.JMP {
		t.Errorf("the stub runs on after its end, %v", last)
	}
	if stubAt+len(stub) > linuxAt || linuxAt+len(linux) > multiboot2At || multiboot2At+binary.Size(multiboot2Header{}) > messagesAt || messagesAt+len(stubMessage+stubSmall+stubLevel) > metalEnd || paramsAt+binary.Size(stubParams{}) > stubAt {
		t.Errorf("the parts of the first page overlap")
	}
}

// TestMultiboot2 checks the header as a loader reads it.
func TestMultiboot2(t *testing.T) {
	h := (&multibootHeader{Load: 1, LoadEnd: 2, MemoryEnd: 3, EntryAt: 4}).version2()
	b, err := binary.Append(nil, le, h)
	if err != nil {
		t.Fatal(err)
	}
	if sum := le.Uint32(b) + le.Uint32(b[4:]) + le.Uint32(b[8:]) + le.Uint32(b[12:]); sum != 0 || int(le.Uint32(b[8:])) != len(b) || multiboot2At%8 != 0 {
		t.Errorf("the header begins with % x; its words add up to %#x", b[:16], sum)
	}
	var tags []uint16
	for at := 16; at < len(b); {
		kind, size := le.Uint16(b[at:]), int(le.Uint32(b[at+4:]))
		tags = append(tags, kind)
		if kind == multiboot2TagEntry && le.Uint32(b[at+8:]) != 4 {
			t.Errorf("the entry is at %#x", le.Uint32(b[at+8:]))
		}
		at += (size + 7) &^ 7
	}
	if want := []uint16{1, 1, 2, 3, 6, 0}; !slices.Equal(tags, want) {
		t.Errorf("the tags are %v, want %v", tags, want)
	}
}
