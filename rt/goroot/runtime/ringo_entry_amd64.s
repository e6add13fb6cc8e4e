//go:build ringo

// The doors between Go code and rt's kernel mode.
//
// GS base points to the page of this virtual CPU (abi.VCPU); the words from
// abi.VCPUGuest on are a ringoCPU. In kernel mode upcalls are masked, SP is on
// the thread's kernel stack, and R14 is the thread's own g, whose stack bounds
// are those of the kernel stack, so that ordinary stack checks hold. TLS (FS)
// is never touched: it stays the Go runtime's. All calls into Go are
// indirect, which ends the linker's chain of nosplit frames here: the kernel
// stack is another one.

#include "go_asm.h"
#include "go_tls.h"
#include "textflag.h"

// The page of the virtual CPU: abi.VCPU, then ringoCPU.
#define CPU_masked	12(GS)
#define CPU_pending	16(GS)
#define CPU_upcall	24(GS)
#define CPU_rip		40(GS)
#define CPU_rflags	48(GS)
#define CPU_traprip	56(GS)
#define CPU_trapflags	64(GS)
#define CPU_kstack	96(GS)
#define CPU_thread	104(GS)
#define CPU_usersp	112(GS)

// SAVE stores the general registers in the frame at SP; LOAD is its opposite.
#define SAVE \
	MOVQ	R15, ringoFrame_r15(SP) \
	MOVQ	R14, ringoFrame_r14(SP) \
	MOVQ	R13, ringoFrame_r13(SP) \
	MOVQ	R12, ringoFrame_r12(SP) \
	MOVQ	R11, ringoFrame_r11(SP) \
	MOVQ	R10, ringoFrame_r10(SP) \
	MOVQ	R9, ringoFrame_r9(SP) \
	MOVQ	R8, ringoFrame_r8(SP) \
	MOVQ	BP, ringoFrame_rbp(SP) \
	MOVQ	DI, ringoFrame_rdi(SP) \
	MOVQ	SI, ringoFrame_rsi(SP) \
	MOVQ	DX, ringoFrame_rdx(SP) \
	MOVQ	CX, ringoFrame_rcx(SP) \
	MOVQ	BX, ringoFrame_rbx(SP) \
	MOVQ	AX, ringoFrame_rax(SP)

#define LOAD \
	MOVQ	ringoFrame_r15(SP), R15 \
	MOVQ	ringoFrame_r14(SP), R14 \
	MOVQ	ringoFrame_r13(SP), R13 \
	MOVQ	ringoFrame_r12(SP), R12 \
	MOVQ	ringoFrame_r10(SP), R10 \
	MOVQ	ringoFrame_r9(SP), R9 \
	MOVQ	ringoFrame_r8(SP), R8 \
	MOVQ	ringoFrame_rbp(SP), BP \
	MOVQ	ringoFrame_rdi(SP), DI \
	MOVQ	ringoFrame_rsi(SP), SI \
	MOVQ	ringoFrame_rdx(SP), DX \
	MOVQ	ringoFrame_rbx(SP), BX \
	MOVQ	ringoFrame_rax(SP), AX

// KERNELG makes the running thread's own g the current one, as Go code expects it.
#define KERNELG \
	MOVQ	CPU_thread, R14 \
	LEAQ	ringoThread_g(R14), R14 \
	XORPS	X15, X15

// POPFQ and POPQ off(GS), as bytes: the assembler wants a function's pushes and
// pops to be even, and here they are on different stacks.
#define POPF		BYTE $0x9d
#define POP_GS(off)	BYTE $0x65; BYTE $0x8f; BYTE $0x04; BYTE $0x25; LONG $off

#ifdef GOAMD64_v1
#define LEVEL	1
#endif
#ifdef GOAMD64_v2
#define LEVEL	2
#endif
#ifdef GOAMD64_v3
#define LEVEL	3
#endif
#ifdef GOAMD64_v4
#define LEVEL	4
#endif

// ringoGuestNote is what the post-link step turns into the ELF note.
DATA	runtime·ringoGuestNote+0(SB)/8, $"RINGO-GU"
DATA	runtime·ringoGuestNote+8(SB)/8, $"EST-NOTE"
DATA	runtime·ringoGuestNote+16(SB)/4, $2	// abi.Version
DATA	runtime·ringoGuestNote+20(SB)/4, $LEVEL
DATA	runtime·ringoGuestNote+24(SB)/8, $runtime·ringoEntry(SB)
GLOBL	runtime·ringoGuestNote(SB), RODATA, $32

// ringoEntry is where the machine enters on virtual CPU 0: DI is the boot page,
// SP the Linux start-up stack.
TEXT runtime·ringoEntry(SB),NOSPLIT|NOFRAME|TOPFRAME,$0
	MOVL	$1, CPU_masked
	MOVB	$1, runtime·ringoBare(SB)
	MOVQ	SP, CPU_usersp
	LEAQ	runtime·ringoBootStack(SB), BX
	LEAQ	(const_ringoBootStackSize-16)(BX), SP	// room for the callee to spill its argument
	LEAQ	runtime·ringoThread1(SB), R14
	LEAQ	ringoThread_g(R14), R14
	LEAQ	const_stackGuard(BX), CX
	MOVQ	CX, g_stackguard0(R14)
	MOVQ	CX, g_stackguard1(R14)
	XORPS	X15, X15
	MOVQ	DI, AX
	XORL	BP, BP
	MOVQ	$runtime·ringoBoot<ABIInternal>(SB), CX
	CALL	CX
	// From here on this is thread 1, in user mode.
	MOVQ	CPU_usersp, SP
	XORL	BP, BP
	MOVL	$0, CPU_masked
	JMP	_rt0_amd64_linux(SB)

// ringoSyscall stands in for SYSCALL at the patched sites: number in AX,
// arguments in DI, SI, DX, R10, R8, R9, result in AX; CX and R11 are lost.
TEXT runtime·ringoSyscall(SB),NOSPLIT|NOFRAME,$0
	MOVL	$1, CPU_masked
	MOVQ	SP, CPU_usersp
	MOVQ	CPU_kstack, SP
	SUBQ	$ringoFrame__size, SP
	SAVE
	MOVQ	CPU_usersp, CX
	MOVQ	(CX), AX
	MOVQ	AX, ringoFrame_rip(SP)
	ADDQ	$8, CX
	MOVQ	CX, ringoFrame_rsp(SP)
	MOVQ	$0, ringoFrame_xstate(SP)
	KERNELG
	XORL	BP, BP
	MOVQ	SP, AX
	SUBQ	$16, SP	// room for the callee to spill its argument
	MOVQ	$runtime·ringoSyscallEnter<ABIInternal>(SB), CX
	CALL	CX
	ADDQ	$16, SP
	TESTB	AX, AX
	JNE	full
	// Nothing happened but the call: the fast way back.
	XORPS	X15, X15
	LOAD
	MOVQ	ringoFrame_rip(SP), CX
	MOVQ	ringoFrame_rsp(SP), SP
	MOVL	$0, CPU_masked
	CMPL	CPU_pending, $0
	JNE	pending
	JMP	CX
pending:
	// An upcall came while they were masked. Take it as if it had come now.
	MOVL	$1, CPU_masked
	MOVL	$0, CPU_pending
	MOVQ	CX, CPU_rip
	PUSHFQ
	POPQ	CX
	MOVQ	CX, CPU_rflags
	JMP	CPU_upcall
full:
	JMP	runtime·ringoReturn(SB)
	// Never reached. Every image has this function, and so, by this, what the
	// post-link step looks for and nothing else refers to.
	LEAQ	runtime·ringoGuestNote(SB), AX
	LEAQ	runtime·ringoMetalNote(SB), AX
	LEAQ	runtime·ringoSyscallNoErrorEntry(SB), AX
	LEAQ	runtime·ringoRawSyscallNoErrorEntry(SB), AX

// ringoUpcall is where the platform interrupts Go code. Upcalls are masked, RIP
// and RFLAGS are in the CPU's page, all else is as it was interrupted.
TEXT runtime·ringoUpcall(SB),NOSPLIT|NOFRAME,$0
	MOVQ	SP, CPU_usersp
	MOVQ	CPU_kstack, SP
	SUBQ	$ringoFrame__size, SP
	SAVE
	MOVQ	CPU_rip, AX
	MOVQ	CPU_rflags, CX
	MOVQ	$runtime·ringoUpcallEnter<ABIInternal>(SB), DX
	JMP	runtime·ringoInterrupted(SB)

// ringoTrap is where the platform reports an exception of Go code.
TEXT runtime·ringoTrap(SB),NOSPLIT|NOFRAME,$0
	MOVQ	SP, CPU_usersp
	MOVQ	CPU_kstack, SP
	SUBQ	$ringoFrame__size, SP
	SAVE
	MOVQ	CPU_traprip, AX
	MOVQ	CPU_trapflags, CX
	MOVQ	$runtime·ringoTrapEnter<ABIInternal>(SB), DX
	JMP	runtime·ringoInterrupted(SB)

// ringoInterrupted completes the frame at SP with RIP (AX), RFLAGS (CX) and the
// extended state, and calls the Go function DX with it.
TEXT runtime·ringoInterrupted(SB),NOSPLIT|NOFRAME,$0
	MOVQ	AX, ringoFrame_rip(SP)
	MOVQ	CX, ringoFrame_rflags(SP)
	MOVQ	CPU_usersp, AX
	MOVQ	AX, ringoFrame_rsp(SP)
	MOVQ	DX, CX
	MOVQ	SP, BX
	SUBQ	runtime·ringoXSize(SB), SP
	ANDQ	$~63, SP
	MOVQ	SP, ringoFrame_xstate(BX)
	// XSAVE leaves parts of its header as they are; XRSTOR wants zeroes there.
	XORL	AX, AX
	MOVQ	AX, 512(SP)
	MOVQ	AX, 520(SP)
	MOVQ	AX, 528(SP)
	MOVQ	AX, 536(SP)
	MOVQ	AX, 544(SP)
	MOVQ	AX, 552(SP)
	MOVQ	AX, 560(SP)
	MOVQ	AX, 568(SP)
	CMPB	runtime·ringoNoXSave(SB), $0
	JNE	noxsave
	MOVL	$-1, AX
	MOVL	$-1, DX
	XSAVE64	(SP)
saved:
	CLD
	KERNELG
	XORL	BP, BP
	MOVQ	BX, AX
	SUBQ	$16, SP	// the frame's address, and room for the callee to spill it
	MOVQ	BX, 8(SP)
	CALL	CX
	MOVQ	8(SP), SP
	JMP	runtime·ringoReturn(SB)
noxsave:
	FXSAVE64	(SP)
	JMP	saved

// ringoReturn resumes the frame at SP, with all registers. RFLAGS and RIP go
// through the two words below the thread's stack pointer (Go keeps nothing
// there), because nothing may be read from the kernel stack once upcalls are
// unmasked.
TEXT runtime·ringoReturn(SB),NOSPLIT|NOFRAME,$0
	MOVQ	ringoFrame_xstate(SP), CX
	TESTQ	CX, CX
	JEQ	noxstate
	CMPB	runtime·ringoNoXSave(SB), $0
	JNE	noxsave
	MOVL	$-1, AX
	MOVL	$-1, DX
	XRSTOR64	(CX)
	JMP	loaded
noxsave:
	FXRSTOR64	(CX)
	JMP	loaded
noxstate:
	XORPS	X15, X15
loaded:
	MOVQ	ringoFrame_rsp(SP), CX
	SUBQ	$16, CX
	MOVQ	ringoFrame_rip(SP), AX
	MOVQ	AX, 8(CX)
	MOVQ	ringoFrame_rflags(SP), AX
	MOVQ	AX, 0(CX)
	MOVQ	CX, ringoFrame_rsp(SP)
	LOAD
	MOVQ	ringoFrame_rcx(SP), CX
	MOVQ	ringoFrame_r11(SP), R11
	MOVQ	ringoFrame_rsp(SP), SP
	MOVL	$0, CPU_masked
	CMPL	CPU_pending, $0
	JNE	pending
	POPF
	RET
pending:
	MOVL	$1, CPU_masked
	MOVL	$0, CPU_pending
	POP_GS(48) // CPU_rflags
	POP_GS(40) // CPU_rip
	JMP	CPU_upcall

// ringoThreadStart is where a new thread's kernel stack begins; its frame is at SP.
TEXT runtime·ringoThreadStart(SB),NOSPLIT|NOFRAME|TOPFRAME,$0
	KERNELG
	MOVQ	SP, AX
	SUBQ	$16, SP
	MOVQ	AX, 8(SP)
	MOVQ	$runtime·ringoThreadEnter<ABIInternal>(SB), CX
	CALL	CX
	MOVQ	8(SP), SP
	JMP	runtime·ringoReturn(SB)

// ringoIdleStart is where a virtual CPU's idle thread begins when it is first
// switched to.
TEXT runtime·ringoIdleStart(SB),NOSPLIT|NOFRAME|TOPFRAME,$0
	KERNELG
	XORL	BP, BP
	MOVQ	$runtime·ringoIdleEnter<ABIInternal>(SB), CX
	CALL	CX
	INT	$3

// ringoCPUStart is where the platform enters on a virtual CPU other than the
// first, as its idle thread.
TEXT runtime·ringoCPUStart(SB),NOSPLIT|NOFRAME|TOPFRAME,$0
	MOVL	$1, CPU_masked
	KERNELG
	XORL	BP, BP
	MOVQ	$runtime·ringoCPUEnter<ABIInternal>(SB), CX
	CALL	CX
	INT	$3

// func ringoExitThread(): AX is the word to clear when the thread's stack is no
// longer in use. The call site of runtime·exitThread jumps here instead of
// clearing the word itself, because the stack may be gone a moment later.
TEXT runtime·ringoExitThread(SB),NOSPLIT|NOFRAME,$0
	MOVL	$1, CPU_masked
	MOVQ	CPU_kstack, SP
	SUBQ	$16, SP
	KERNELG
	XORL	BP, BP
	MOVQ	$runtime·ringoThreadExit<ABIInternal>(SB), CX
	CALL	CX
	INT	$3

// func ringoSwitch(save *uintptr, to uintptr)
// Leaves the running kernel stack, storing its SP in *save, and continues on
// the one whose SP was stored as to. The scheduler's lock is held across.
TEXT runtime·ringoSwitch<ABIInternal>(SB),NOSPLIT|NOFRAME,$0-16
	PUSHQ	BP
	PUSHQ	R14
	MOVQ	SP, (AX)
	MOVQ	BX, SP
	POPQ	R14
	POPQ	BP
	RET

// func ringoSetFS(base uintptr)
TEXT runtime·ringoSetFS<ABIInternal>(SB),NOSPLIT|NOFRAME,$0-8
	CMPB	runtime·ringoNoFSGSBase(SB), $0
	JNE	msr
	WRFSBASEQ	AX
	RET
msr:
	MOVL	$0xc0000100, CX
	MOVQ	AX, DX
	SHRQ	$32, DX
	WRMSR
	RET

// func ringoThisCPU() *abi.VCPU
TEXT runtime·ringoThisCPU<ABIInternal>(SB),NOSPLIT|NOFRAME,$0-8
	MOVQ	0(GS), AX
	RET

// func ringoPause()
TEXT runtime·ringoPause<ABIInternal>(SB),NOSPLIT|NOFRAME,$0
	PAUSE
	RET

// func ringoRDTSC() uint64
TEXT runtime·ringoRDTSC<ABIInternal>(SB),NOSPLIT|NOFRAME,$0-8
	LFENCE
	RDTSC
	SHLQ	$32, DX
	ORQ	DX, AX
	RET

// func ringoRDRAND() (v uint64, ok bool)
TEXT runtime·ringoRDRAND<ABIInternal>(SB),NOSPLIT|NOFRAME,$0-9
	MOVL	$10, CX
again:
	RDRANDQ	AX
	JCS	good
	DECL	CX
	JNE	again
	XORL	AX, AX
	XORL	BX, BX
	RET
good:
	MOVL	$1, BX
	RET

// func ringoCPUID(leaf, sub uint32) (a, b, c, d uint32)
TEXT runtime·ringoCPUID<ABIInternal>(SB),NOSPLIT|NOFRAME,$0-24
	MOVL	BX, CX
	CPUID
	MOVL	DX, DI
	RET

// func ringoXGETBV() uint64
TEXT runtime·ringoXGETBV<ABIInternal>(SB),NOSPLIT|NOFRAME,$0-8
	XORL	CX, CX
	XGETBV
	SHLQ	$32, DX
	ORQ	DX, AX
	RET

// func ringoHypercall(port, a, b, c uintptr) int64
// The arguments go where package abi wants them: RDI, RSI, R10; the port to DX.
TEXT runtime·ringoHypercall<ABIInternal>(SB),NOSPLIT|NOFRAME,$0-40
	MOVQ	AX, DX
	MOVQ	DI, R10
	MOVQ	BX, DI
	MOVQ	CX, SI
	OUTB
	RET
