#include "textflag.h"

DATA	·mark+0(SB)/8, $"RINGO-GU"
DATA	·mark+8(SB)/8, $"EST-NOTE"
DATA	·mark+16(SB)/4, $2
DATA	·mark+20(SB)/4, $0
DATA	·mark+24(SB)/8, $·entry(SB)
GLOBL	·mark(SB), RODATA, $32

DATA	·bare+0(SB)/1, $0
GLOBL	·bare(SB), NOPTR, $1

TEXT ·entry(SB),NOSPLIT|NOFRAME,$0
	RET

TEXT ·marker(SB),NOSPLIT,$0-8
	LEAQ	·mark(SB), AX
	MOVQ	AX, ret+0(FP)
	RET

// stray makes a system call by itself: getpid.
TEXT ·stray(SB),NOSPLIT,$0-8
	MOVL	$39, AX
	SYSCALL
	MOVQ	AX, ret+0(FP)
	RET

// site makes one as the overlay does it, with a jump after it.
TEXT ·site(SB),NOSPLIT,$0-8
	MOVL	$39, AX
	CMPB	·bare(SB), $0
	JEQ	3(PC)
	CALL	·entry(SB)
	JMP	2(PC)
	SYSCALL
	JMP	done
	NOP
done:
	MOVQ	AX, ret+0(FP)
	RET

// immediate has the bytes of SYSCALL within another instruction.
TEXT ·immediate(SB),NOSPLIT,$0-8
	MOVL	$0x050f050f, AX
	MOVQ	AX, ret+0(FP)
	RET
