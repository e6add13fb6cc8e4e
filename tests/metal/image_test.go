package metal

import (
	"debug/elf"
	"fmt"
	"slices"
	"strings"
	"testing"

	"golang.org/x/arch/x86/x86asm"
)

// privileged are the instructions that only a kernel executes, as far as the
// decoder knows them.
var privileged = []x86asm.Op{
	x86asm.HLT, x86asm.CLI, x86asm.STI, x86asm.LGDT, x86asm.LIDT, x86asm.LLDT, x86asm.LTR, x86asm.LMSW, x86asm.CLTS,
	x86asm.INVLPG, x86asm.INVD, x86asm.WBINVD, x86asm.RDMSR, x86asm.WRMSR, x86asm.XSETBV, x86asm.SWAPGS,
	x86asm.IRET, x86asm.IRETD, x86asm.IRETQ, x86asm.SYSRET, x86asm.SYSEXIT,
	x86asm.IN, x86asm.OUT, x86asm.INSB, x86asm.INSD, x86asm.INSW, x86asm.OUTSB, x86asm.OUTSD, x86asm.OUTSW,
}

// isPrivileged reports whether an instruction is one of them, or accesses a
// control register.
func isPrivileged(inst x86asm.Inst) bool {
	if slices.Contains(privileged, inst.Op) {
		return true
	}
	for _, a := range inst.Args {
		if r, ok := a.(x86asm.Reg); ok && r >= x86asm.CR0 && r <= x86asm.CR15 {
			return true
		}
	}
	return false
}

// signature is a function that is never called: its bytes mark the binary.
const signature = "crypto/internal/boring/sig.StandardCrypto.abi0"

// TestPrivileged checks that an image has no privileged instructions outside
// rt's own functions.
func TestPrivileged(t *testing.T) {
	image, err := ringo.Program("examples/web")
	if err != nil {
		t.Fatal(err)
	}
	f, err := elf.Open(image)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	text := f.Section(".text")
	code, err := text.Data()
	if err != nil {
		t.Fatal(err)
	}
	symbols, err := f.Symbols()
	if err != nil {
		t.Fatal(err)
	}
	inRT := 0
	for _, s := range symbols {
		if s.Name == signature || elf.ST_TYPE(s.Info) != elf.STT_FUNC || s.Value < text.Addr || s.Value+s.Size > text.Addr+text.Size {
			continue
		}
		for _, found := range find(code[s.Value-text.Addr:][:s.Size]) {
			if strings.HasPrefix(s.Name, "runtime.ringo") {
				inRT++
				continue
			}
			t.Errorf("%s: %s", s.Name, found)
		}
	}
	if inRT == 0 {
		t.Error("there are no privileged instructions at all: the test does not see them")
	}
}

// find returns the privileged instructions of a function, with their offsets.
func find(code []byte) (found []string) {
	// After an instruction that the decoder does not know it takes a few to find
	// the beginnings of instructions again.
	const few = 16
	sure := 0
	for i := 0; i < len(code); {
		inst, err := x86asm.Decode(code[i:], 64)
		if err != nil || inst.Op == 0 {
			i++
			sure = i + few
			continue
		}
		if i >= sure && isPrivileged(inst) {
			found = append(found, fmt.Sprintf("%+#x: %v", i, inst))
		}
		i += inst.Len
	}
	return found
}
