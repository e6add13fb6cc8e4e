package boot

import (
	"bytes"
	"encoding/hex"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/arch/x86/x86asm"
)

var update = flag.Bool("update", false, "write stub.bin anew")

// TestStub checks that stub.bin is stub_386.s as the Go assembler has it.
func TestStub(t *testing.T) {
	object := filepath.Join(t.TempDir(), "stub.o")
	asm := exec.Command("go", "tool", "asm", "-p", "main", "-o", object, "stub_386.s")
	asm.Env = append(os.Environ(), "GOARCH=386")
	if out, err := asm.CombinedOutput(); err != nil {
		t.Fatalf("go tool asm: %v\n%s", err, out)
	}
	out, err := exec.Command("go", "tool", "objdump", object).Output()
	if err != nil {
		t.Fatalf("go tool objdump: %v", err)
	}
	var code []byte
	for line := range strings.Lines(string(out)) {
		if field := strings.Fields(line); len(field) > 3 && strings.HasPrefix(field[0], "stub_386.s:") {
			b, err := hex.DecodeString(field[2])
			if err != nil {
				t.Fatalf("objdump: %q: %v", line, err)
			}
			code = append(code, b...)
		}
	}
	if *update {
		if err := os.WriteFile("stub.bin", code, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if !bytes.Equal(code, stub) {
		t.Errorf("stub.bin is not what stub_386.s assembles to; run go test -update")
	}
}

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
