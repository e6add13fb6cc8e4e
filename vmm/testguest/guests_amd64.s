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
	CLOCK
	MOVQ	(boot_Clock+16)(DI), DI	// Clock.Mono
	ADDQ	$20000000, DI
early:	// a wait may end early
	WAIT
	CLOCK
	CMPQ	(boot_Clock+16)(R12), DI
	JLT	early
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
again:
	MOVQ	$-1, DI
	WAIT
	CMPQ	-64(SP), $42
	JNE	again
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

// access reads (Guest[1] = 0), writes (1) or executes (2) at Guest[0]. It exits
// with 0 if that was possible.
TEXT ·access(SB), NOSPLIT|NOFRAME, $0
	MOVQ	vcpu_Guest(GS), BX
	MOVQ	(vcpu_Guest+8)(GS), CX
	CMPQ	CX, $1
	JLT	read
	JEQ	write
	JMP	BX
read:
	MOVQ	(BX), AX
	JMP	done
write:
	MOVQ	AX, (BX)
done:
	MOVQ	$0, DI
	EXIT

// revoke takes permissions from a page that it uses, the first of a mapping of Guest[0]
// bytes, and expects an exception at each use without permission, and the contents
// unchanged.
TEXT ·revoke(SB), NOSPLIT|NOFRAME, $0
	ON_TRAP
	MOVQ	boot_MapLow(DI), DI
	MOVQ	vcpu_Guest(GS), SI
	MOVQ	$3, R10
	MAP
	MOVQ	$42, (DI)
	MOVQ	$4096, SI
	MOVQ	$1, R10		// read only
	MAP
	CMPQ	(DI), $42
	JNE	bad
	MOVQ	$1, R15
	MOVL	$0, vcpu_Masked(GS)
	MOVQ	$0, (DI)	// has to fault
	JMP	bad
handler:
	CMPQ	vcpu_TrapCR2(GS), DI
	JNE	bad
	CMPQ	R15, $2
	JEQ	second
	MOVQ	$0, R10		// no access
	MAP
	MOVQ	$2, R15
	MOVL	$0, vcpu_Masked(GS)
	MOVQ	(DI), AX	// has to fault
	JMP	bad
second:
	MOVQ	$3, R10
	MAP
	CMPQ	(DI), $42
	JNE	bad
	MOVQ	$43, (DI)
	MOVQ	$0, DI
	EXIT
bad:
	MOVQ	$1, DI
	EXIT

// shootdown unmaps a page that vCPU 1 reads all the time, the first of a mapping of
// Guest[0] bytes, and waits for the exception there.
TEXT ·shootdown(SB), NOSPLIT|NOFRAME, $0
	ON_TRAP
	MOVL	vcpu_ID(GS), AX
	TESTL	AX, AX
	JNE	second
	MOVQ	boot_MapLow(DI), R12
	MOVQ	R12, DI
	MOVQ	vcpu_Guest(GS), SI
	MOVQ	$3, R10
	MAP
	MOVQ	$42, (DI)
	MOVQ	$0, -64(SP)
	MOVQ	R12, -56(SP)
	MOVQ	$1, DI
	MOVQ	$ENTRY, SI
	LEAQ	-64(SP), R10
	START
reading:
	CMPQ	-64(SP), $42	// vCPU 1 has read it
	JNE	reading
	MOVQ	R12, DI
	MOVQ	$4096, SI
	UNMAP
faulting:
	CMPQ	-64(SP), $43
	JNE	faulting
	MOVQ	$0, DI
	EXIT
second:
	MOVQ	8(SP), BX
	MOVL	$0, vcpu_Masked(GS)
loop:
	MOVQ	(BX), AX
	MOVQ	AX, (SP)
	JMP	loop
handler:
	MOVQ	$43, (SP)
sleep:
	MOVQ	$-1, DI
	WAIT
	JMP	sleep

// print writes Guest[0] bytes, counting up, to the console, and makes the VMM
// empty the ring when it is full.
TEXT ·print(SB), NOSPLIT|NOFRAME, $0
	MOVQ	boot_Console(DI), BX
	MOVQ	vcpu_Guest(GS), CX
	MOVL	$0, SI
loop:
	MOVL	SI, AX
	SUBL	console_Tail(BX), AX
	CMPL	AX, $65536
	JNE	room
	FLUSH
room:
	MOVL	SI, AX
	ANDL	$65535, AX
	MOVB	SI, console_Data(BX)(AX*1)
	INCL	SI
	MOVL	SI, console_Head(BX)
	CMPL	SI, CX
	JNE	loop
	MOVQ	$0, DI
	EXIT

// bell prints "x", rings the console's doorbell if the VMM sleeps, and waits for ever.
TEXT ·bell(SB), NOSPLIT|NOFRAME, $0
	MOVQ	boot_Console(DI), BX
idle:
	CMPL	console_Idle(BX), $1
	JNE	idle
	MOVB	$0x78, console_Data(BX)
	MOVL	$1, console_Head(BX)
	MOVQ	$0x1ff, DX
	OUTB
sleep:
	MOVQ	$-1, DI
	WAIT
	JMP	sleep

// overrun breaks the console ring.
TEXT ·overrun(SB), NOSPLIT|NOFRAME, $0
	MOVQ	boot_Console(DI), BX
	MOVL	$0x80000000, AX
	MOVL	AX, console_Head(BX)
	FLUSH
	MOVQ	$0, DI
	EXIT

// signals waits for a signal and exits with bits 8 to 15 of the signal word.
TEXT ·signals(SB), NOSPLIT|NOFRAME, $0
	ON_UPCALL
	MOVQ	boot_Signals(DI), R12
handler:
	MOVL	$0, vcpu_Pending(GS)
	MOVQ	(R12), DI
	SHRQ	$8, DI
	JNE	done
	MOVL	$0, vcpu_Masked(GS)
	CMPL	vcpu_Pending(GS), $0
	JNE	handler
	MOVQ	$-1, DI
	WAIT
	JMP	handler
done:
	EXIT

// device reads register 8 of the first device, writes what it read to register
// 16, rings queue 1, waits until the word at the stack's end is that too.
TEXT ·device(SB), NOSPLIT|NOFRAME, $0
	MOVQ	(boot_Devices+8)(DI), BX	// its address
	MOVL	8(BX), CX
	MOVQ	$0, -64(SP)
	MOVL	CX, 16(BX)
	LEAQ	-64(SP), AX
	MOVQ	AX, 24(BX)
	MOVL	$1, AX
	MOVL	AX, 0x50(BX)		// device.QueueNotify
again:
	MOVQ	$-1, DI
	WAIT
	CMPQ	-64(SP), CX
	JNE	again
	MOVQ	$0, DI
	EXIT

// hostile makes Guest[0] hypercalls with the ports and arguments that follow,
// four words each. An exception at one does not stop it.
TEXT ·hostile(SB), NOSPLIT|NOFRAME, $0
	ON_TRAP
	MOVQ	vcpu_Self(GS), BX
	ADDQ	$vcpu_Guest, BX
	MOVQ	(BX), R14
	ADDQ	$8, BX
next:
	MOVL	$0, vcpu_Masked(GS)
	DECQ	R14
	JLT	done
	MOVQ	(BX), DX
	MOVQ	8(BX), DI
	MOVQ	16(BX), SI
	MOVQ	24(BX), R10
	ADDQ	$32, BX
	OUTB
handler:
	JMP	next
done:
	MOVQ	$0, DI
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
DATA ·entries+72(SB)/8, $·access(SB)
DATA ·entries+80(SB)/8, $·revoke(SB)
DATA ·entries+88(SB)/8, $·shootdown(SB)
DATA ·entries+96(SB)/8, $·print(SB)
DATA ·entries+104(SB)/8, $·bell(SB)
DATA ·entries+112(SB)/8, $·overrun(SB)
DATA ·entries+120(SB)/8, $·signals(SB)
DATA ·entries+128(SB)/8, $·device(SB)
DATA ·entries+136(SB)/8, $·hostile(SB)
GLOBL ·entries(SB), RODATA, $144
