//go:build ringo

package runtime

import "internal/runtime/syscall/linux"

// The counterparts of two functions of golang.org/x/sys/unix that hold SYSCALL
// instructions of their own. That package is not part of the standard library,
// so the post-link step (package boot) puts jumps to these at their entries.

// ringoSyscallNoError is unix.SyscallNoError.
//
//go:nosplit
//go:uintptrkeepalive
func ringoSyscallNoError(trap, a1, a2, a3 uintptr) (r1, r2 uintptr) {
	if ringoBare != 0 {
		r1, r2, _ = ringoKernelCall(trap, a1, a2, a3, 0, 0, 0)
		return r1, r2
	}
	entersyscall()
	r1, r2, _ = linux.Syscall6(trap, a1, a2, a3, 0, 0, 0)
	exitsyscall()
	return r1, r2
}

// ringoRawSyscallNoError is unix.RawSyscallNoError.
//
//go:nosplit
//go:uintptrkeepalive
func ringoRawSyscallNoError(trap, a1, a2, a3 uintptr) (r1, r2 uintptr) {
	if ringoBare != 0 {
		r1, r2, _ = ringoKernelCall(trap, a1, a2, a3, 0, 0, 0)
		return r1, r2
	}
	r1, r2, _ = linux.Syscall6(trap, a1, a2, a3, 0, 0, 0)
	return r1, r2
}
