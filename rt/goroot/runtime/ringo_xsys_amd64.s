//go:build ringo

#include "textflag.h"

// Entries with the stack-based calling convention of the functions that they
// replace, for ringo_xsys.go.

TEXT runtime·ringoSyscallNoErrorEntry(SB),NOSPLIT|NOFRAME,$0-48
	JMP	runtime·ringoSyscallNoError(SB)

TEXT runtime·ringoRawSyscallNoErrorEntry(SB),NOSPLIT|NOFRAME,$0-48
	JMP	runtime·ringoRawSyscallNoError(SB)
