#include "textflag.h"

#define SYS_write 1
#define SYS_rt_sigreturn 15

// catch is the handler of the signals that are caught.
TEXT ·catch(SB), NOSPLIT|NOFRAME|TOPFRAME, $0
	LEAL	-1(DI), CX
	MOVL	$1, AX
	SHLQ	CX, AX
	LOCK
	ORQ	AX, ·pending(SB)
	MOVL	$SYS_write, AX
	MOVL	·bellFD(SB), DI
	LEAQ	·one(SB), SI
	MOVL	$8, DX
	SYSCALL
	RET

// restorer is what a handler returns to.
TEXT ·restorer(SB), NOSPLIT|NOFRAME|TOPFRAME, $0
	MOVL	$SYS_rt_sigreturn, AX
	SYSCALL
	INT	$3

// func catchAddress() uintptr
TEXT ·catchAddress(SB), NOSPLIT, $0-8
	LEAQ	·catch(SB), AX
	MOVQ	AX, ret+0(FP)
	RET

// func restorerAddress() uintptr
TEXT ·restorerAddress(SB), NOSPLIT, $0-8
	LEAQ	·restorer(SB), AX
	MOVQ	AX, ret+0(FP)
	RET
