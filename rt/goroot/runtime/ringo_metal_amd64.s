//go:build ringo

// The metal platform's assembly: its entry, the processor's way into interrupt
// handlers, and instructions that Go has no words for.

#include "go_asm.h"
#include "go_tls.h"
#include "textflag.h"

// ringoMetalNote is what the post-link step (package boot) needs to make the
// image bootable: room for the first page tables, the first stack's top, the
// 64-bit entry point, and where the memory that it needs from the start ends.
DATA	runtime·ringoMetalNote+0(SB)/8, $"RINGO-ME"
DATA	runtime·ringoMetalNote+8(SB)/8, $"TAL-BOOT"
DATA	runtime·ringoMetalNote+16(SB)/8, $runtime·ringoMetalTables(SB)
DATA	runtime·ringoMetalNote+24(SB)/8, $runtime·ringoBootStack+const_ringoBootStackSize(SB)
DATA	runtime·ringoMetalNote+32(SB)/8, $runtime·ringoMetalEntry(SB)
DATA	runtime·ringoMetalNote+40(SB)/8, $runtime·ringoMem+const_ringoMemSize(SB)
GLOBL	runtime·ringoMetalNote(SB), RODATA, $48

// ringoMetalEntry is where the boot code (boot/stub_386.s) arrives in 64-bit
// mode: BP says which loader it was, BX points to what that has to say.
// Interrupts are off. The low 4 GiB are mapped at 0 and at ringoDirect.
TEXT runtime·ringoMetalEntry(SB),NOSPLIT|NOFRAME|TOPFRAME,$0
	MOVL	BP, AX
	MOVL	BX, BX
	MOVL	$0x10, CX
	MOVW	CX, DS
	MOVW	CX, ES
	XORL	CX, CX
	MOVW	CX, SS	// up to ringoLoadTables, as in handlers
	MOVW	CX, FS
	MOVW	CX, GS
	MOVB	$1, runtime·ringoBare(SB)
	MOVB	$1, runtime·ringoMetal(SB)
	LEAQ	runtime·ringoBootStack(SB), CX
	LEAQ	(const_ringoBootStackSize-32)(CX), SP	// room for the callee to spill its arguments
	LEAQ	runtime·ringoMetalG(SB), R14
	XORPS	X15, X15
	XORL	BP, BP
	MOVQ	$runtime·ringoMetalStart<ABIInternal>(SB), CX
	CALL	CX
	// AX is the boot page, BX the start-up stack: as the tender is entered.
	MOVQ	AX, DI
	MOVQ	BX, SP
	STI
	JMP	runtime·ringoEntry(SB)

// ringoMetalCPUEntry is where a processor that was started arrives, from
// ringoTrampoline. It has the address space, and nothing else.
TEXT runtime·ringoMetalCPUEntry(SB),NOSPLIT|NOFRAME|TOPFRAME,$0
	MOVL	$0x10, CX
	MOVW	CX, DS
	MOVW	CX, ES
	XORL	CX, CX
	MOVW	CX, SS	// up to ringoLoadTables, as in handlers
	MOVW	CX, FS
	MOVW	CX, GS
	MOVQ	runtime·ringoStarting+0(SB), SP
	SUBQ	$32, SP
	LEAQ	runtime·ringoMetalG(SB), R14
	XORPS	X15, X15
	XORL	BP, BP
	MOVQ	$runtime·ringoMetalCPUStart<ABIInternal>(SB), CX
	// What the stack pointer and the program counter will be is read before
	// started is set: the next processor's come then.
	MOVQ	runtime·ringoStarting+8(SB), AX
	MOVQ	AX, 24(SP)
	CALL	CX
	MOVQ	24(SP), AX
	ADDQ	$32, SP
	STI
	JMP	AX

// ringoMetalStubs are the processor's entries for vectors 0 to 63, 8 bytes
// each: the address that the CALL pushes tells which it was. Where the
// processor pushes no error code, a zero takes its place.
#define PUSH0	BYTE $0x6a; BYTE $0
#define PLAIN	PUSH0; CALL runtime·ringoMetalVectorEntry(SB); BYTE $0x90
#define ERROR	CALL runtime·ringoMetalVectorEntry(SB); BYTE $0x90; BYTE $0x90; BYTE $0x90
#define PLAIN8	PLAIN; PLAIN; PLAIN; PLAIN; PLAIN; PLAIN; PLAIN; PLAIN
TEXT runtime·ringoMetalStubs(SB),NOSPLIT|NOFRAME|TOPFRAME,$0
	PLAIN8
	ERROR; PLAIN; ERROR; ERROR; ERROR; ERROR; ERROR; PLAIN
	PLAIN; ERROR; PLAIN; PLAIN; PLAIN; ERROR; PLAIN; PLAIN
	PLAIN; PLAIN; PLAIN; PLAIN; PLAIN; ERROR; ERROR; PLAIN
	PLAIN8; PLAIN8; PLAIN8; PLAIN8

// ringoMetalVectorEntry completes a ringoMetalFrame on the vector's stack and
// calls ringoMetalVector. Compiled Go code changes the low halves of the vector
// registers, so these are saved: one by one, since FXSAVE does more, and takes longer.
TEXT runtime·ringoMetalVectorEntry(SB),NOSPLIT|NOFRAME|TOPFRAME,$0
	SUBQ	$ringoMetalFrame_stub, SP
	MOVQ	R15, ringoMetalFrame_r15(SP)
	MOVQ	R14, ringoMetalFrame_r14(SP)
	MOVQ	R13, ringoMetalFrame_r13(SP)
	MOVQ	R12, ringoMetalFrame_r12(SP)
	MOVQ	R11, ringoMetalFrame_r11(SP)
	MOVQ	R10, ringoMetalFrame_r10(SP)
	MOVQ	R9, ringoMetalFrame_r9(SP)
	MOVQ	R8, ringoMetalFrame_r8(SP)
	MOVQ	BP, ringoMetalFrame_rbp(SP)
	MOVQ	DI, ringoMetalFrame_rdi(SP)
	MOVQ	SI, ringoMetalFrame_rsi(SP)
	MOVQ	DX, ringoMetalFrame_rdx(SP)
	MOVQ	CX, ringoMetalFrame_rcx(SP)
	MOVQ	BX, ringoMetalFrame_rbx(SP)
	MOVQ	AX, ringoMetalFrame_rax(SP)
	MOVQ	SP, AX
	SUBQ	$(16*16+16), SP
	ANDQ	$~15, SP
	MOVQ	AX, 8(SP) // 0(SP) is room for the callee to spill its argument
	MOVUPS	X0, 16(SP)
	MOVUPS	X1, 32(SP)
	MOVUPS	X2, 48(SP)
	MOVUPS	X3, 64(SP)
	MOVUPS	X4, 80(SP)
	MOVUPS	X5, 96(SP)
	MOVUPS	X6, 112(SP)
	MOVUPS	X7, 128(SP)
	MOVUPS	X8, 144(SP)
	MOVUPS	X9, 160(SP)
	MOVUPS	X10, 176(SP)
	MOVUPS	X11, 192(SP)
	MOVUPS	X12, 208(SP)
	MOVUPS	X13, 224(SP)
	MOVUPS	X14, 240(SP)
	MOVUPS	X15, 256(SP)
	CLD
	LEAQ	runtime·ringoMetalG(SB), R14
	XORPS	X15, X15
	XORL	BP, BP
	MOVQ	$runtime·ringoMetalVector<ABIInternal>(SB), CX
	CALL	CX
	MOVUPS	16(SP), X0
	MOVUPS	32(SP), X1
	MOVUPS	48(SP), X2
	MOVUPS	64(SP), X3
	MOVUPS	80(SP), X4
	MOVUPS	96(SP), X5
	MOVUPS	112(SP), X6
	MOVUPS	128(SP), X7
	MOVUPS	144(SP), X8
	MOVUPS	160(SP), X9
	MOVUPS	176(SP), X10
	MOVUPS	192(SP), X11
	MOVUPS	208(SP), X12
	MOVUPS	224(SP), X13
	MOVUPS	240(SP), X14
	MOVUPS	256(SP), X15
	MOVQ	8(SP), SP
	MOVQ	ringoMetalFrame_r15(SP), R15
	MOVQ	ringoMetalFrame_r14(SP), R14
	MOVQ	ringoMetalFrame_r13(SP), R13
	MOVQ	ringoMetalFrame_r12(SP), R12
	MOVQ	ringoMetalFrame_r11(SP), R11
	MOVQ	ringoMetalFrame_r10(SP), R10
	MOVQ	ringoMetalFrame_r9(SP), R9
	MOVQ	ringoMetalFrame_r8(SP), R8
	MOVQ	ringoMetalFrame_rbp(SP), BP
	MOVQ	ringoMetalFrame_rdi(SP), DI
	MOVQ	ringoMetalFrame_rsi(SP), SI
	MOVQ	ringoMetalFrame_rdx(SP), DX
	MOVQ	ringoMetalFrame_rcx(SP), CX
	MOVQ	ringoMetalFrame_rbx(SP), BX
	MOVQ	ringoMetalFrame_rax(SP), AX
	ADDQ	$ringoMetalFrame_rip, SP
	IRETQ

// func ringoMetalHalt(woken *uint32)
// Waits for an interrupt, unless *woken says that one has come: with interrupts
// off until the processor halts, so that none is missed in between.
TEXT runtime·ringoMetalHalt<ABIInternal>(SB),NOSPLIT|NOFRAME,$0-8
	CLI
	CMPL	(AX), $0
	JNE	out
	STI
	HLT
out:
	STI
	RET

// func ringoMetalStop()
// Does nothing for ever.
TEXT runtime·ringoMetalStop<ABIInternal>(SB),NOSPLIT|NOFRAME,$0
	CLI
	HLT
	JMP	0(PC)

// func ringoReadCR3() uintptr
TEXT runtime·ringoReadCR3<ABIInternal>(SB),NOSPLIT|NOFRAME,$0-8
	MOVQ	CR3, AX
	RET

// func ringoWriteCR3(pa uintptr)
TEXT runtime·ringoWriteCR3<ABIInternal>(SB),NOSPLIT|NOFRAME,$0-8
	MOVQ	AX, CR3
	RET

// func ringoReadCR2() uintptr
TEXT runtime·ringoReadCR2<ABIInternal>(SB),NOSPLIT|NOFRAME,$0-8
	MOVQ	CR2, AX
	RET

// func ringoReadCR4() uintptr
TEXT runtime·ringoReadCR4<ABIInternal>(SB),NOSPLIT|NOFRAME,$0-8
	MOVQ	CR4, AX
	RET

// func ringoWriteCR4(v uintptr)
TEXT runtime·ringoWriteCR4<ABIInternal>(SB),NOSPLIT|NOFRAME,$0-8
	MOVQ	AX, CR4
	RET

// func ringoXSETBV(v uint64)
TEXT runtime·ringoXSETBV<ABIInternal>(SB),NOSPLIT|NOFRAME,$0-8
	MOVQ	AX, DX
	SHRQ	$32, DX
	XORL	CX, CX
	XSETBV
	RET

// func ringoInvalidate(addr uintptr)
TEXT runtime·ringoInvalidate<ABIInternal>(SB),NOSPLIT|NOFRAME,$0-8
	INVLPG	(AX)
	RET

// func ringoZeroPage(p uintptr)
// X15 is zero in Go code. String instructions are slow where the processor is
// emulated, and not much faster elsewhere.
TEXT runtime·ringoZeroPage<ABIInternal>(SB),NOSPLIT|NOFRAME,$0-8
	MOVL	$(4096/128), CX
zero:
	MOVUPS	X15, 0(AX)
	MOVUPS	X15, 16(AX)
	MOVUPS	X15, 32(AX)
	MOVUPS	X15, 48(AX)
	MOVUPS	X15, 64(AX)
	MOVUPS	X15, 80(AX)
	MOVUPS	X15, 96(AX)
	MOVUPS	X15, 112(AX)
	ADDQ	$128, AX
	DECL	CX
	JNE	zero
	RET

// func ringoRDMSR(msr uint32) uint64
TEXT runtime·ringoRDMSR<ABIInternal>(SB),NOSPLIT|NOFRAME,$0-16
	MOVL	AX, CX
	RDMSR
	SHLQ	$32, DX
	ORQ	DX, AX
	RET

// func ringoWRMSR(msr uint32, v uint64)
TEXT runtime·ringoWRMSR<ABIInternal>(SB),NOSPLIT|NOFRAME,$0-16
	MOVL	AX, CX
	MOVQ	BX, AX
	MOVQ	BX, DX
	SHRQ	$32, DX
	WRMSR
	RET

// func ringoLoadTables(gdt, idt *[10]byte, task uint16)
// Loads the descriptor tables, the task register and the stack segment. The code
// segment is that of the boot code's table, under the same selector.
TEXT runtime·ringoLoadTables<ABIInternal>(SB),NOSPLIT|NOFRAME,$0-24
	LGDT	(AX)
	LIDT	(BX)
	LTR	CX
	MOVL	$const_ringoSelectorStack, AX
	MOVW	AX, SS
	RET

// Input and output: func ringoIn8(port uint16) uint8, func ringoOut8(port
// uint16, v uint8), and so on.
TEXT runtime·ringoIn8<ABIInternal>(SB),NOSPLIT|NOFRAME,$0-9
	MOVL	AX, DX
	XORL	AX, AX
	INB
	RET

TEXT runtime·ringoIn16<ABIInternal>(SB),NOSPLIT|NOFRAME,$0-10
	MOVL	AX, DX
	XORL	AX, AX
	INW
	RET

TEXT runtime·ringoIn32<ABIInternal>(SB),NOSPLIT|NOFRAME,$0-12
	MOVL	AX, DX
	INL
	RET

TEXT runtime·ringoOut8<ABIInternal>(SB),NOSPLIT|NOFRAME,$0-3
	MOVL	AX, DX
	MOVL	BX, AX
	OUTB
	RET

TEXT runtime·ringoOut16<ABIInternal>(SB),NOSPLIT|NOFRAME,$0-4
	MOVL	AX, DX
	MOVL	BX, AX
	OUTW
	RET

TEXT runtime·ringoOut32<ABIInternal>(SB),NOSPLIT|NOFRAME,$0-8
	MOVL	AX, DX
	MOVL	BX, AX
	OUTL
	RET

// func ringoOutString(port uint16, p unsafe.Pointer, n uintptr)
// Writes n bytes to a port, in one exit where the hypervisor can.
TEXT runtime·ringoOutString<ABIInternal>(SB),NOSPLIT|NOFRAME,$0-24
	MOVL	AX, DX
	MOVQ	BX, SI
	REP
	OUTSB
	RET
