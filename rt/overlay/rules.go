package overlay

import (
	"slices"
	"sync"
)

// rules returns all rules, in the order in which they are applied. (They are made when
// they are needed: most runs of the ringo command do not.)
var rules = sync.OnceValue(func() []Rule {
	return slices.Concat(syscallRules, runtimeRules, packageSyscallRules, typedRules(), gvisorRules, netstackRules(), dataRules, diskRules, startRules)
})

// syscallSite is one SYSCALL instruction in the Go assembler's syntax.
const syscallSite = `(?m)^\tSYSCALL$`

// syscallDispatch asks, at each call, on what the program runs. It leaves all
// registers as they are, except for the flags, which SYSCALL changes too.
// The call makes the assembler save BP in a function that has a frame of size
// 0 and no calls otherwise. That moves SP, but not what is relative to FP.
const syscallDispatch = `	CMPB	runtime·ringoBare(SB), $$0
	JEQ	3(PC)
	CALL	runtime·ringoSyscall(SB)
	JMP	2(PC)
	SYSCALL`

const syscallWhy = "send system calls to ringo when there is no other kernel"

// syscallRules replace every SYSCALL instruction of the standard library.
var syscallRules = []Rule{
	{
		File:    "runtime/sys_linux_amd64.s",
		Match:   syscallSite,
		Replace: syscallDispatch,
		Count:   40,
		Why:     syscallWhy,
	}, {
		File:    "runtime/time_linux_amd64.s",
		Match:   syscallSite,
		Replace: syscallDispatch,
		Count:   2,
		Why:     syscallWhy,
	}, {
		File:    "syscall/asm_linux_amd64.s",
		Match:   syscallSite,
		Replace: syscallDispatch,
		Count:   3,
		Why:     syscallWhy,
	}, {
		File:    "internal/runtime/syscall/linux/asm_linux_amd64.s",
		Match:   syscallSite,
		Replace: syscallDispatch,
		Count:   1,
		Why:     syscallWhy,
	}, {
		// MOVL $111, DI; MOVL $SYS_exit, AX; five instructions for SYSCALL; JMP.
		File:    "runtime/sys_linux_amd64.s",
		Match:   `(?m)^\tJMP\t-3\(PC\)\t// keep exiting$`,
		Replace: "\tJMP\t-7(PC)\t// keep exiting",
		Count:   1,
		Why:     "jump over a longer system call",
	}, {
		// The signal frame is where SP points.
		File:    "runtime/sys_linux_amd64.s",
		Match:   `(?m)^TEXT runtime·sigreturn__sigaction\(SB\),NOSPLIT,\$0$`,
		Replace: "TEXT runtime·sigreturn__sigaction(SB),NOSPLIT|NOFRAME,$$0",
		Count:   1,
		Why:     "keep BP off the stack of a signal handler's return",
	},
}
