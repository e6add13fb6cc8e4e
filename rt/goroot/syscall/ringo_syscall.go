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
