//go:build ringo

package runtime

import _ "unsafe"

// ringoBare is 1 if the program runs in a virtual machine of ringo's, and not
// as a process of another kernel. Every system call site reads it.
//
//go:linkname ringoBare
var ringoBare uint8

// ringoSyscall answers a system call. It has the calling convention of the
// SYSCALL instruction, and is called only from assembly.
//
//go:linkname ringoSyscall
func ringoSyscall()
