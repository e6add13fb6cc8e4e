package boot

import (
	"bytes"
	"debug/elf"
	"debug/gosym"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/arch/x86/x86asm"
)

// redirects are functions that hold SYSCALL instructions of their own, and the
// functions in package runtime that take their place. Those have the same
// signature, and are entered by a jump.
var redirects = map[string]string{
	"golang.org/x/sys/unix.SyscallNoError":    "runtime.ringoSyscallNoErrorEntry",
	"golang.org/x/sys/unix.RawSyscallNoError": "runtime.ringoRawSyscallNoErrorEntry",
}

// syscallOpcode is the SYSCALL instruction.
var syscallOpcode = []byte{0x0f, 0x05}

// redirectSyscalls looks after the SYSCALL instructions that the overlay did
// not replace. It returns a warning if it could not help.
func (img *image) redirectSyscalls() (warnings []string, err error) {
	text := img.Section(".text")
	if text == nil {
		return nil, fmt.Errorf("it has no text section")
	}
	_, code := img.segment(text.Addr)
	if uint64(len(code)) < text.Size {
		return nil, fmt.Errorf("its text section is not in a segment")
	}
	code = code[:text.Size]
	offsets := candidates(code)
	if len(offsets) == 0 {
		return nil, nil
	}
	table, err := img.functions(text)
	if err != nil {
		return nil, err
	}
	var strays []string
	for _, off := range offsets {
		fn := table.PCToFunc(text.Addr + uint64(off))
		if fn == nil || fn.End-text.Addr > uint64(len(code)) {
			continue
		}
		entry := int(fn.Entry - text.Addr)
		if !isInstruction(code[entry:fn.End-text.Addr], off-entry) {
			continue
		}
		replacement, known := redirects[fn.Name]
		if !known {
			strays = append(strays, fn.Name)
			continue
		}
		target := table.LookupFunc(replacement)
		if target == nil || fn.End-fn.Entry < jumpSize {
			return nil, fmt.Errorf("it holds %s, which %s cannot replace", fn.Name, replacement)
		}
		jump(code[entry:], fn.Entry, target.Entry)
	}
	if len(strays) > 0 {
		slices.Sort(strays)
		warnings = append(warnings, "system calls that do not work in a virtual machine, since they are made by instructions of their own: "+
			strings.Join(slices.Compact(strays), ", "))
	}
	return warnings, nil
}

// candidates returns the offsets in code of what looks like SYSCALL and is not
// one of the overlay's sites. Most of them are parts of other instructions.
func candidates(code []byte) []int {
	var offsets []int
	for i := 0; ; i += len(syscallOpcode) {
		n := bytes.Index(code[i:], syscallOpcode)
		if n < 0 {
			return offsets
		}
		i += n
		if !isOverlaySite(code[:i]) {
			offsets = append(offsets, i)
		}
	}
}

// isOverlaySite reports whether before ends with what the overlay puts before
// a SYSCALL: CMPB ringoBare, $0; JEQ (to the SYSCALL); CALL ringoSyscall; JMP.
// The assembler leads the last jump directly to where the jump after it goes.
func isOverlaySite(before []byte) bool {
	const cmpb, jeq, call, jmp, jmpNear = 7, 2, 5, 2, 5
	b := before[max(0, len(before)-cmpb-jeq-call-jmpNear):]
	if n := len(b) - cmpb - jeq - call - jmp; n >= 0 && b[len(b)-jmp] == 0xeb {
		b = b[n:]
	} else if len(b) < cmpb+jeq+call+jmpNear || b[len(b)-jmpNear] != 0xe9 {
		return false
	}
	afterCall := len(b) - cmpb - jeq
	return b[0] == 0x80 && b[1] == 0x3d && b[6] == 0 &&
		b[cmpb] == 0x74 && int(b[cmpb+1]) == afterCall &&
		b[cmpb+jeq] == 0xe8
}

// isInstruction reports whether a SYSCALL instruction of the function begins at
// off, as opposed to bytes within another one.
func isInstruction(function []byte, off int) bool {
	for i := 0; i <= off; {
		inst, err := x86asm.Decode(function[i:], 64)
		if err != nil || inst.Op == 0 {
			i++ // data, or an instruction that the decoder does not know
			continue
		}
		if i == off {
			return inst.Op == x86asm.SYSCALL
		}
		i += inst.Len
	}
	return false
}

// functions returns the table of functions, which stripped executables have too.
func (img *image) functions(text *elf.Section) (*gosym.Table, error) {
	s := img.Section(".gopclntab")
	if s == nil {
		return nil, fmt.Errorf("it has no .gopclntab section")
	}
	_, data := img.segment(s.Addr)
	if uint64(len(data)) < s.Size {
		return nil, fmt.Errorf("its .gopclntab section is not in a segment")
	}
	return gosym.NewTable(nil, gosym.NewLineTable(data[:s.Size], text.Addr))
}

// jumpSize is the size of a JMP rel32 instruction.
const jumpSize = 5

// jump puts a JMP to target at entry, whose code begins at code.
func jump(code []byte, entry, target uint64) {
	code[0] = 0xe9
	le.PutUint32(code[1:], uint32(target-entry-jumpSize))
}
