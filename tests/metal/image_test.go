package metal

import (
	"debug/elf"
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

// kernelFunctions are the functions that have privileged instructions: all are
// rt's assembly.
var kernelFunctions = []string{
	"runtime.ringoHypercall", // a VMM's
	"runtime.ringoIn16",
	"runtime.ringoIn32",
	"runtime.ringoIn8",
	"runtime.ringoInvalidate",
	"runtime.ringoLoadTables",
	"runtime.ringoMetalCPUEntry.abi0",
	"runtime.ringoMetalEntry.abi0",
	"runtime.ringoMetalHalt",
	"runtime.ringoMetalStop",
	"runtime.ringoMetalVectorEntry",
	"runtime.ringoOut16",
	"runtime.ringoOut32",
	"runtime.ringoOut8",
	"runtime.ringoOutString",
	"runtime.ringoRDMSR",
	"runtime.ringoReadCR2",
	"runtime.ringoReadCR3",
	"runtime.ringoReadCR4",
	"runtime.ringoSetFS",
	"runtime.ringoWRMSR",
	"runtime.ringoWriteCR3",
	"runtime.ringoWriteCR4",
	"runtime.ringoXSETBV",
}

// callFunctions are the functions that have a SYSCALL instruction, for where the
// program is a process: those of the standard library that the overlay changes.
var callFunctions = []string{
	"internal/runtime/syscall/linux.Syscall6",
	"runtime.clone.abi0",
	"runtime.closefd.abi0",
	"runtime.exit.abi0",
	"runtime.exitThread.abi0",
	"runtime.futex.abi0",
	"runtime.getpid.abi0",
	"runtime.gettid.abi0",
	"runtime.hostedNanotime1",
	"runtime.madvise.abi0",
	"runtime.mincore.abi0",
	"runtime.open.abi0",
	"runtime.osyield.abi0",
	"runtime.raise.abi0",
	"runtime.raiseproc.abi0",
	"runtime.read.abi0",
	"runtime.rt_sigaction.abi0",
	"runtime.rtsigprocmask.abi0",
	"runtime.sched_getaffinity.abi0",
	"runtime.settls.abi0",
	"runtime.sigaltstack.abi0",
	"runtime.sigreturn__sigaction.abi0",
	"runtime.sysMmap.abi0",
	"runtime.sysMunmap.abi0",
	"runtime.tgkill.abi0",
	"runtime.timer_create.abi0",
	"runtime.timer_delete.abi0",
	"runtime.timer_settime.abi0",
	"runtime.usleep.abi0",
	"runtime.write1.abi0",
	"syscall.rawSyscallNoError.abi0",
	"syscall.rawVforkSyscall.abi0",
	"time.hostedNow",
}

// signature is a function that is never called: its bytes mark the binary.
const signature = "crypto/internal/boring/sig.StandardCrypto.abi0"

// TestInstructions disassembles an executable. Privileged instructions and
// SYSCALL are where they have to be and nowhere else, and the latter behind the
// question whether there is a kernel to be called.
func TestInstructions(t *testing.T) {
	functions, door := disassemble(t, "examples/web")
	var kernel, calls []string
	for _, f := range functions {
		for i, inst := range f.insts {
			switch {
			case isPrivileged(inst.Inst):
				kernel = append(kernel, f.name)
				if !slices.Contains(kernelFunctions, f.name) {
					t.Errorf("%s%+#x: %v", f.name, inst.at, inst)
				}
			case inst.Op == x86asm.SYSCALL:
				calls = append(calls, f.name)
				if !slices.Contains(callFunctions, f.name) {
					t.Errorf("%s%+#x: %v", f.name, inst.at, inst)
				}
				if i < 2 || f.insts[i-1].Op != x86asm.JMP || !f.insts[i-2].calls(f.addr, door) {
					t.Errorf("%s%+#x: SYSCALL does not ask first where it is", f.name, inst.at)
				}
			}
		}
	}
	for _, c := range []struct{ listed, found []string }{{kernelFunctions, kernel}, {callFunctions, calls}} {
		for _, name := range c.listed {
			if !slices.Contains(c.found, name) {
				t.Errorf("%s is in the list, and has no such instruction", name)
			}
		}
	}
}

// function is a function of an executable.
type function struct {
	name  string
	addr  uint64
	insts []instruction
}

// instruction is an instruction at an offset in its function.
type instruction struct {
	x86asm.Inst
	at int
}

// calls reports whether an instruction, of the function at addr, calls target.
func (i instruction) calls(addr, target uint64) bool {
	rel, ok := i.Args[0].(x86asm.Rel)
	return ok && i.Op == x86asm.CALL && addr+uint64(i.at+i.Len)+uint64(rel) == target
}

// executable returns a program of this module, and its symbols.
func executable(t *testing.T, pkg string) (*elf.File, []elf.Symbol) {
	t.Helper()
	name, err := ringo.Program(pkg)
	if err != nil {
		t.Fatal(err)
	}
	f, err := elf.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	symbols, err := f.Symbols()
	if err != nil {
		t.Fatal(err)
	}
	return f, symbols
}

// disassemble returns the functions of a program of this module, and the address
// of the one that answers system calls in a virtual machine.
func disassemble(t *testing.T, pkg string) (functions []function, door uint64) {
	t.Helper()
	f, symbols := executable(t, pkg)
	text := f.Section(".text")
	code, err := text.Data()
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range symbols {
		if s.Name == signature || elf.ST_TYPE(s.Info) != elf.STT_FUNC || s.Value < text.Addr || s.Value+s.Size > text.Addr+text.Size {
			continue
		}
		if s.Name == "runtime.ringoSyscall" || s.Name == "runtime.ringoSyscall.abi0" {
			door = s.Value
		}
		functions = append(functions, function{s.Name, s.Value, decode(code[s.Value-text.Addr:][:s.Size])})
	}
	if door == 0 {
		t.Fatal("there is no function ringoSyscall")
	}
	return functions, door
}

// decode returns the instructions of a function, but for those that the decoder
// does not know (those have the Op 0, too).
func decode(code []byte) (insts []instruction) {
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
		if i >= sure {
			insts = append(insts, instruction{inst, i})
		}
		i += inst.Len
	}
	return insts
}

// TestLatePages checks what package runtime's additions rely on: that of the
// variables without pointers, which the linker puts last, ringoMem is their
// largest.
func TestLatePages(t *testing.T) {
	f, symbols := executable(t, "examples/web")
	i := slices.IndexFunc(symbols, func(s elf.Symbol) bool { return s.Name == "runtime.ringoMem" })
	if i < 0 || f.Sections[symbols[i].Section].Name != ".noptrbss" {
		t.Fatal("ringoMem is not among the variables without pointers")
	}
	late := symbols[i].Value + symbols[i].Size
	for _, s := range symbols {
		if elf.ST_TYPE(s.Info) == elf.STT_OBJECT && s.Size > 0 && s.Value >= late && strings.HasPrefix(s.Name, "runtime.") {
			t.Errorf("%s, of %d bytes, is at %#x, behind ringoMem", s.Name, s.Size, s.Value)
		}
	}
}
