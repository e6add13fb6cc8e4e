//go:build ringo

#include "go_asm.h"
#include "textflag.h"

// ringoClockGettime is clock_gettime for the runtime's vDSO call: C calling
// convention, DI is the clock (0 real, else monotonic), SI the timespec. It
// runs in user mode and may be interrupted anywhere; the sequence number in
// ringoTime, which is the same memory for all, makes it start over then.
TEXT runtime·ringoClockGettime(SB),NOSPLIT|NOFRAME,$0
again:
	MOVL	runtime·ringoTime+0(SB), R8
	TESTL	$1, R8
	JNE	again
	LFENCE
	RDTSC
	SHLQ	$32, DX
	ORQ	DX, AX
	SUBQ	runtime·ringoTime+8(SB), AX
	MULQ	runtime·ringoTime+16(SB)
	SHRQ	$32, DX, AX
	ADDQ	runtime·ringoTime+24(SB), AX
	TESTL	DI, DI
	JNE	monotonic
	ADDQ	runtime·ringoTime+32(SB), AX
monotonic:
	CMPL	R8, runtime·ringoTime+0(SB)
	JNE	again
	XORL	DX, DX
	MOVQ	$1000000000, CX
	DIVQ	CX
	MOVQ	AX, 0(SI)
	MOVQ	DX, 8(SI)
	XORL	AX, AX
	RET
