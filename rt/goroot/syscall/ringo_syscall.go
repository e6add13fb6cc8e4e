//go:build ringo

package syscall

import _ "unsafe"

// ringoBare is the runtime's: not 0 on a machine of its own.
//
//go:linkname ringoBare runtime.ringoBare
var ringoBare uint8

// ringoKernelCall runs a system call on a machine of its own.
//
//go:linkname ringoKernelCall runtime.ringoKernelCall
//go:noescape
func ringoKernelCall(num, a1, a2, a3, a4, a5, a6 uintptr) (r1, r2, errno uintptr)

// ringoNoError is rawSyscallNoError, by the kernel's door on a machine of its own.
//
//go:nosplit
//go:uintptrkeepalive
func ringoNoError(trap, a1, a2, a3 uintptr) (r1, r2 uintptr) {
	if ringoBare != 0 {
		r1, r2, _ = ringoKernelCall(trap, a1, a2, a3, 0, 0, 0)
		return r1, r2
	}
	return rawSyscallNoError(trap, a1, a2, a3)
}

// ringoAllThreads is runtime_doAllThreadsSyscall. On a machine of its own what
// such calls change, the program's identity, is not a thread's but the kernel's:
// one call does.
func ringoAllThreads(trap, a1, a2, a3, a4, a5, a6 uintptr) (r1, r2, errno uintptr) {
	if ringoBare != 0 {
		return ringoKernelCall(trap, a1, a2, a3, a4, a5, a6)
	}
	return runtime_doAllThreadsSyscall(trap, a1, a2, a3, a4, a5, a6)
}
