#include "textflag.h"
#include "go_asm.h" // offsets in the types boot, console and vcpu

// OUT port, AL
#define CALL8(port) BYTE $0xe6; BYTE $port
#define EXIT    CALL8(0x40)
#define MAP     CALL8(0x41)
#define UNMAP   CALL8(0x42)
#define DISCARD CALL8(0x43)
#define WAIT    CALL8(0x44)
#define KICK    CALL8(0x45)
#define START   CALL8(0x46)
#define CLOCK   CALL8(0x47)
#define FLUSH   CALL8(0x48)

// Upcalls and exceptions come to the guest's first instruction again: R13 is 0
// only the first time.
#define ENTRY     0x401000 // CodeAddr
#define ON_TRAP   INCQ R13; CMPQ R13, $1; JNE handler; MOVQ $ENTRY, vcpu_TrapEntry(GS)
#define ON_UPCALL INCQ R13; CMPQ R13, $1; JNE handler; MOVQ $ENTRY, vcpu_UpcallEntry(GS)

// hello prints "hello\n" and exits with 7.
TEXT ·hello(SB), NOSPLIT|NOFRAME, $0
	MOVQ	boot_Console(DI), BX
	MOVQ	$0x0a6f6c6c6568, AX
	MOVQ	AX, console_Data(BX)
	MOVL	$6, (BX)
	MOVQ	$7, DI
	EXIT
	UD2

// trap loads from address 0x10 and expects the exception in its handler.
TEXT ·trap(SB), NOSPLIT|NOFRAME, $0
	ON_TRAP
	MOVL	$0, vcpu_Masked(GS)
	MOVQ	$0x10, BX
	MOVQ	(BX), AX
	UD2
handler:
	CMPQ	vcpu_TrapVector(GS), $14
	JNE	bad
	CMPQ	vcpu_TrapCR2(GS), $0x10
	JNE	bad
	CMPL	vcpu_Masked(GS), $1
	JNE	bad
	MOVQ	$0, DI
	EXIT
bad:
	MOVQ	$1, DI
	EXIT


// paging touches bss, stack and mapped memory, discards and unmaps it.
// It exits with the number of the step that failed.
TEXT ·paging(SB), NOSPLIT|NOFRAME, $0
	ON_TRAP
	MOVL	$0, vcpu_Masked(GS)
	MOVQ	DI, R12
	MOVQ	$1, R14
	MOVQ	$0x600000, BX	// testguest.DataAddr
	MOVQ	(BX), AX
	MOVQ	$0x206c616974696e69, CX	// "initial "
	CMPQ	AX, CX
	JNE	fail
	MOVQ	$2, R14
	CMPQ	12(BX), $0
	JNE	fail
	CMPQ	0x2ff8(BX), $0
	JNE	fail
	MOVQ	CX, 0x2ff8(BX)
	CMPQ	0x2ff8(BX), CX
	JNE	fail
	MOVQ	$3, R14
	MOVQ	CX, -0x100000(SP)
	CMPQ	-0x100000(SP), CX
	JNE	fail
	MOVQ	$4, R14
	MOVQ	boot_MapLow(R12), DI
	MOVQ	$0x100000, SI
	MOVQ	$3, R10
	MAP
	TESTQ	AX, AX
	JNE	fail
	MOVQ	CX, 0x7ff8(DI)
	MOVQ	CX, 0x1fff8(DI)
	CMPQ	0x7ff8(DI), CX
	JNE	fail
	MOVQ	$5, R14
	DISCARD
	TESTQ	AX, AX
	JNE	fail
	CMPQ	0x7ff8(DI), $0
	JNE	fail
	MOVQ	CX, 0x7ff8(DI)
	MOVQ	$6, R14
	MOVQ	$7, R10			// writable and executable
	MAP
	CMPQ	AX, $-22
	JNE	fail
	MOVQ	$7, R14
	MOVQ	$1, R10			// read only, contents kept
	MAP
	TESTQ	AX, AX
	JNE	fail
	CMPQ	0x7ff8(DI), CX
	JNE	fail
	MOVQ	$8, R14
	MOVQ	$0, R10			// no access, contents kept
	MAP
	TESTQ	AX, AX
	JNE	fail
	MOVQ	$3, R10
	MAP
	TESTQ	AX, AX
	JNE	fail
	CMPQ	0x7ff8(DI), CX
	JNE	fail
	MOVQ	CX, 0x7ff0(DI)
	MOVQ	$9, R14
	UNMAP
	TESTQ	AX, AX
	JNE	fail
	MOVQ	DI, R15
	ADDQ	$0x7ff8, R15
	CMPQ	0x7ff8(DI), CX		// has to fault
fail:
	MOVQ	R14, DI
	EXIT
handler: // right if R15 says that the access has to fail
	MOVQ	R14, DI
	CMPQ	R15, vcpu_TrapCR2(GS)
	JNE	done
	MOVQ	$0, DI
done:
	EXIT


// tick spins until three upcalls came, then exits with 0.
TEXT ·tick(SB), NOSPLIT|NOFRAME, $0
	ON_UPCALL
	MOVQ	$3, R15
	MOVL	$0, vcpu_Masked(GS)
spin:
	JMP	spin
handler:
	DECQ	R15
	JEQ	done
	MOVL	$0, vcpu_Masked(GS)
	JMP	vcpu_RIP(GS)
done:
	MOVQ	$0, DI
	EXIT

// syscall executes SYSCALL and expects it in its handler, or an exception where
// the processor does not allow it. Exits with 0 in the first case.
TEXT ·syscall(SB), NOSPLIT|NOFRAME, $0
	ON_TRAP
	MOVL	$0, vcpu_Masked(GS)
	MOVQ	$39, AX
	SYSCALL
	MOVQ	$1, DI
	EXIT
handler:
	MOVQ	vcpu_TrapVector(GS), DI
	SUBQ	$256, DI
	JNE	done
	CMPQ	AX, $39
	JNE	bad
	MOVQ	vcpu_TrapRIP(GS), BX
	CMPW	-2(BX), $0x050f	// the instruction before is SYSCALL
	JEQ	done
bad:
	MOVQ	$2, DI
done:
	EXIT

// wait sleeps 20 ms, then with a doorbell rung before, then until vCPU 1, which
// it starts, rings. vCPU 1 is told where to store a word, in its RSP.
TEXT ·wait(SB), NOSPLIT|NOFRAME, $0
	MOVL	vcpu_ID(GS), AX
	TESTL	AX, AX
	JNE	second
	MOVQ	DI, R12
	MOVQ	$1, R14
	CLOCK
	MOVQ	(boot_Clock+16)(DI), DI	// Clock.Mono
	MOVQ	DI, R15
	ADDQ	$20000000, DI
	WAIT
	CLOCK
	MOVQ	(boot_Clock+16)(R12), AX
	SUBQ	R15, AX
	CMPQ	AX, $20000000
	JLT	fail
	MOVQ	$2, R14
	MOVQ	$0x100, DX	// PortWake
	OUTB
	MOVQ	$-1, DI
	WAIT
	MOVQ	$3, R14
	MOVQ	$1, DI
	MOVQ	$0x401000, SI	// CodeAddr
	LEAQ	-64(SP), R10
	START
	TESTQ	AX, AX
	JNE	fail
	MOVQ	$-1, DI
	WAIT
	CMPQ	-64(SP), $42
	JNE	fail
	MOVQ	$4, R14
	MOVQ	$1, DI
	START			// it runs already
	CMPQ	AX, $-16
	JNE	fail
	MOVQ	$0, R14
fail:
	MOVQ	R14, DI
	EXIT
second:
	MOVQ	$42, (SP)
	MOVQ	$0x100, DX
	OUTB
	MOVQ	$-1, DI
	WAIT
	JMP	second

// kick starts vCPU 1, which spins until an upcall comes and then ends the VM.
TEXT ·kick(SB), NOSPLIT|NOFRAME, $0
	ON_UPCALL
	MOVL	vcpu_ID(GS), AX
	TESTL	AX, AX
	JNE	second
	MOVQ	$1, DI
	MOVQ	$ENTRY, SI
	MOVQ	SP, R10
	START
	KICK
sleep:
	MOVQ	$-1, DI
	WAIT
	JMP	sleep
second:
	MOVL	$0, vcpu_Masked(GS)
spin:
	JMP	spin
handler:
	MOVL	vcpu_ID(GS), DI	// 1
	SUBL	vcpu_Masked(GS), DI
	EXIT

// calls makes Guest[0] hypercalls that do nothing.
TEXT ·calls(SB), NOSPLIT|NOFRAME, $0
	MOVQ	vcpu_Guest(GS), CX
loop:
	FLUSH
	DECQ	CX
	JNE	loop
	MOVQ	$0, DI
	EXIT

// touch maps Guest[0] bytes and writes one word to each page.
TEXT ·touch(SB), NOSPLIT|NOFRAME, $0
	MOVQ	boot_MapLow(DI), DI
	MOVQ	vcpu_Guest(GS), SI
	MOVQ	$3, R10
	MAP
	TESTQ	AX, AX
	JNE	bad
	ADDQ	DI, SI
loop:
	MOVQ	SI, -8(SI)
	SUBQ	$4096, SI
	CMPQ	SI, DI
	JNE	loop
	MOVQ	$0, DI
	EXIT
bad:
	MOVQ	$1, DI
	EXIT

DATA ·entries+0(SB)/8, $·hello(SB)
DATA ·entries+8(SB)/8, $·trap(SB)
DATA ·entries+16(SB)/8, $·paging(SB)
DATA ·entries+24(SB)/8, $·tick(SB)
DATA ·entries+32(SB)/8, $·syscall(SB)
DATA ·entries+40(SB)/8, $·wait(SB)
DATA ·entries+48(SB)/8, $·kick(SB)
DATA ·entries+56(SB)/8, $·calls(SB)
DATA ·entries+64(SB)/8, $·touch(SB)
GLOBL ·entries(SB), RODATA, $72
