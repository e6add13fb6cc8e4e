//go:build ringo

#include "go_asm.h"
#include "textflag.h"

// The clocks, read in user mode, where the reader may be interrupted anywhere.
// Then the sequence number in ringoTime, which is the same memory for all, makes
// it start over. All read time often, so there is nothing between them and the
// counter.

// COUNTER puts the sequence number in R8 and the monotonic clock in AX. It needs
// DX, too.
#define COUNTER(again)					\
again:							\
	MOVL	runtime·ringoTime+0(SB), R8		\
	TESTL	$1, R8					\
	JNE	again					\
	LFENCE						\
	RDTSC						\
	SHLQ	$32, DX					\
	ORQ	DX, AX					\
	SUBQ	runtime·ringoTime+8(SB), AX		\
	MULQ	runtime·ringoTime+16(SB)		\
	SHRQ	$32, DX, AX				\
	ADDQ	runtime·ringoTime+24(SB), AX

// CHECK starts over if what was read does not belong together.
#define CHECK(again)					\
	CMPL	R8, runtime·ringoTime+0(SB)		\
	JNE	again

// func ringoNanotime() int64
TEXT runtime·ringoNanotime<ABIInternal>(SB),NOSPLIT|NOFRAME,$0-8
	COUNTER(again)
	CHECK(again)
	RET

// func nanotime1() int64
TEXT runtime·nanotime1<ABIInternal>(SB),NOSPLIT|NOFRAME,$0-8
	CMPB	runtime·ringoBare(SB), $0
	JEQ	hosted
	COUNTER(again)
	CHECK(again)
	RET
hosted:
	JMP	runtime·ringoHostedNanotime<ABIInternal>(SB)

// ringoHostedNanotime calls the runtime's own function.
TEXT runtime·ringoHostedNanotime<ABIInternal>(SB),NOSPLIT,$8-8
	CALL	runtime·hostedNanotime1(SB)
	MOVQ	0(SP), AX
	XORPS	X15, X15
	RET

// func time.now() (sec int64, nsec int32, mono int64)
TEXT time·now<ABIInternal>(SB),NOSPLIT|NOFRAME,$0-24
	CMPB	runtime·ringoBare(SB), $0
	JEQ	hosted
	COUNTER(again)
	MOVQ	runtime·ringoTime+32(SB), R9
	CHECK(again)
	MOVQ	AX, CX
	ADDQ	R9, AX
	XORL	DX, DX
	MOVQ	$1000000000, R9
	DIVQ	R9
	MOVQ	DX, BX
	RET
hosted:
	JMP	time·hostedNow<ABIInternal>(SB)
