package overlay

import "regexp"

// runtimeRules hand parts of package runtime to rt (rt/goroot/runtime).
var runtimeRules = []Rule{
	{
		// rt's netpoll calls these when the program is a process.
		File:    "runtime/netpoll_epoll.go",
		Match:   regexp.MustCompile(`(?m)^func netpoll(init|open|close|Break|IsPollDescriptor)?\(`),
		Replace: "func epoll$1(",
		Count:   6,
		Why:     "put ringo's network poller in front of epoll",
	}, {
		// The thread's stack may be gone once wait is cleared, so ringo clears
		// it from another one. wait is in AX.
		File:    "runtime/sys_linux_amd64.s",
		Match:   regexp.MustCompile(`(?m)^(TEXT runtime·exitThread\(SB\),NOSPLIT,\$0-8\n\tMOVQ\twait\+0\(FP\), AX\n)`),
		Replace: "${1}\tCMPB\truntime·ringoBare(SB), $$0\n\tJEQ\t2(PC)\n\tJMP\truntime·ringoExitThread(SB)\n",
		Count:   1,
		Why:     "leave a thread's stack before it is given away",
	}, {
		File:    "runtime/mgcpacer.go",
		Match:   regexp.MustCompile(`(?m)^\tp := gogetenv\("GOMEMLIMIT"\)\n`),
		Replace: "${0}\tif p == \"\" && ringoBare != 0 {\n\t\treturn ringoMemoryLimit()\n\t}\n",
		Count:   1,
		Why:     "let the collector know how much memory the machine has",
	},
}

// packageSyscallRules send the system calls of Go code, which package syscall
// makes for everybody (also for golang.org/x/sys/unix), to rt's kernel door.
var packageSyscallRules = []Rule{
	{
		File:    "syscall/syscall_linux.go",
		Match:   regexp.MustCompile(`(?m)^(func (?:Raw)?Syscall6\(trap, a1, a2, a3, a4, a5, a6 uintptr\) \(r1, r2 uintptr, err Errno\) \{\n)`),
		Replace: "${1}\tif ringoBare != 0 {\n\t\tr1, r2, e := ringoKernelCall(trap, a1, a2, a3, a4, a5, a6)\n\t\treturn r1, r2, Errno(e)\n\t}\n",
		Count:   2,
		Why:     "answer system calls in the program's own kernel",
	}, {
		File:    "syscall/syscall_linux.go",
		Match:   regexp.MustCompile(`(?m)^(func Syscall\(trap, a1, a2, a3 uintptr\) \(r1, r2 uintptr, err Errno\) \{\n)`),
		Replace: "${1}\tif ringoBare != 0 {\n\t\tr1, r2, e := ringoKernelCall(trap, a1, a2, a3, 0, 0, 0)\n\t\treturn r1, r2, Errno(e)\n\t}\n",
		Count:   1,
		Why:     "answer system calls in the program's own kernel",
	},
}
