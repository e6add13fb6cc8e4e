package boot

import (
	"testing"

	"golang.org/x/arch/x86/x86asm"
	"ringo.dev/ringo/boot/internal/asmtest"
)

// TestStub checks that stub.bin is stub_386.s as the Go assembler has it.
func TestStub(t *testing.T) { asmtest.Check(t, "386", "stub_386.s", "stub.bin") }

// TestStubEntries checks the stub's two entry points, and that it is made of
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
	if last := ops[len(ops)-1]; last != x86asm.JMP {
		t.Errorf("the stub runs on after its end, %v", last)
	}
	if stubAt+len(stub) > metalEnd || messageAt+len(stubMessage) > stubAt {
		t.Errorf("the parts of the first page overlap")
	}
}
