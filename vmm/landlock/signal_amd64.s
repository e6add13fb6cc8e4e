#include "go_asm.h"
#include "textflag.h"

#define SYS_prctl 157
#define SYS_futex 202
#define SYS_landlock_restrict_self 446
#define PR_SET_NO_NEW_PRIVS 38
#define FUTEX_WAKE_PRIVATE 129

// siginfo_t's si_value
#define VALUE 24

// restrict is the handler of the signal (threads.go). The kernel calls it as a C
// function: DI is the signal, SI its siginfo_t, DX the context. It restricts the
// thread, leaves its answer in the place that came with the signal, and wakes who
// waits for it. The thread may be anybody's, and g anything: so nothing of Go's is called or used. All
// signals are blocked here, and registers are given back by the return.
TEXT ·restrict(SB), NOSPLIT|NOFRAME|TOPFRAME, $0
	MOVL	VALUE(SI), BX
	DECL	BX
	CMPL	BX, $const_maxTold
	JAE	done	// somebody else's signal
	MOVL	$SYS_prctl, AX
	MOVL	$PR_SET_NO_NEW_PRIVS, DI
	MOVL	$1, SI
	XORL	DX, DX
	XORL	R10, R10
	XORL	R8, R8
	SYSCALL
	TESTQ	AX, AX
	JNE	answer
	MOVL	$SYS_landlock_restrict_self, AX
	MOVL	·rulesetFD(SB), DI
	XORL	SI, SI
	SYSCALL
answer:
	NEGL	AX
	ADDL	$const_answered, AX
	LEAQ	·answers(SB), CX
	LEAQ	(CX)(BX*4), DI
	MOVL	AX, (DI)
	MOVL	$SYS_futex, AX
	MOVL	$FUTEX_WAKE_PRIVATE, SI
	MOVL	$1, DX
	SYSCALL
done:
	RET

// func handlerAddress() uintptr
TEXT ·handlerAddress(SB), NOSPLIT, $0-8
	LEAQ	·restrict(SB), AX
	MOVQ	AX, ret+0(FP)
	RET
