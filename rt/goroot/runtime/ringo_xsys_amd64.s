//go:build ringo

// The counterparts of two functions of golang.org/x/sys/unix that hold SYSCALL
// instructions of their own. That package is not part of the standard library,
// so the post-link step (package boot) puts jumps to these at their entries.

#include "textflag.h"

// DISPATCH is what the rules of rt/overlay make of a SYSCALL.
#define DISPATCH \
	CMPB	runtime·ringoBare(SB), $0 \
	JEQ	3(PC) \
	CALL	runtime·ringoSyscall(SB) \
	JMP	2(PC) \
	SYSCALL

// func ringoSyscallNoError(trap, a1, a2, a3 uintptr) (r1, r2 uintptr)
TEXT runtime·ringoSyscallNoError(SB),NOSPLIT,$0-48
	CALL	runtime·entersyscall(SB)
	MOVQ	a1+8(FP), DI
	MOVQ	a2+16(FP), SI
	MOVQ	a3+24(FP), DX
	MOVQ	$0, R10
	MOVQ	$0, R8
	MOVQ	$0, R9
	MOVQ	trap+0(FP), AX
	DISPATCH
	MOVQ	AX, r1+32(FP)
	MOVQ	DX, r2+40(FP)
	CALL	runtime·exitsyscall(SB)
	RET

// func ringoRawSyscallNoError(trap, a1, a2, a3 uintptr) (r1, r2 uintptr)
TEXT runtime·ringoRawSyscallNoError(SB),NOSPLIT,$0-48
	MOVQ	a1+8(FP), DI
	MOVQ	a2+16(FP), SI
	MOVQ	a3+24(FP), DX
	MOVQ	$0, R10
	MOVQ	$0, R8
	MOVQ	$0, R9
	MOVQ	trap+0(FP), AX
	DISPATCH
	MOVQ	AX, r1+32(FP)
	MOVQ	DX, r2+40(FP)
	RET
