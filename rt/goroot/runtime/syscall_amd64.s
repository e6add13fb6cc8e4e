//go:build ringo

#include "textflag.h"

// ringoSyscall has the calling convention of SYSCALL.
TEXT runtime·ringoSyscall(SB),NOSPLIT|NOFRAME,$0
	MOVQ	$-38, AX // ENOSYS
	RET
