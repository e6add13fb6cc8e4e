#include "real.h"

// The boot sector, which the BIOS loads at 0x7c00 and enters there in real mode
// with the drive's number in DL. It reads the loader from the same drive, checks
// it and goes on in it. Everything is 16-bit code (real.h).
//
// Names without a definition are those of layout.go; TestCode makes sector.bin
// of this file.

TEXT sector(SB), 4, $0
	CLI
	W LJMP(0, start) // some BIOSes enter at 0x7c0:0

TEXT start(SB), 4, $0
	W XORL	AX, AX
	MOVW	AX, DS
	MOVW	AX, ES
	MOVW	AX, SS
	W MOVL	$sector(SB), SP
	STI
	CLD
	A MOVB	DX, drive(SB)

	// Enhanced Disk Drive Specification 3.0, function 42h: extended read.
	W MOVL	$request(SB), SI
	MOVB	$0x42, AH
	INT	$0x13
	W MOVL	$unreadable(SB), SI
	JCS	bad

	// Is it what was written?
	W MOVL	$parameters(SB), SI
	W MOVL	$loaderWords(SB), CX
	W XORL	BX, BX
word:
	W LODSL
	W ADDL	AX, BX
	W ROLL	$1, BX
	LOOP	word
	W MOVL	$damaged(SB), SI
	W A CMPL	BX, sum(SB)
	JNE	bad
	W JMP	loader(SB)
bad:
	W JMP	fail(SB)

// fail prints the message at SI on the screen and on the first serial port, and
// ends with status 2, or stops.
TEXT fail(SB), 4, $0
	W MOVL	SI, DI
	W CALL	screen(SB)
	W MOVL	DI, SI
	W MOVL	$0xe3, AX // 9600 bits a second, 8 data bits, no parity
	W XORL	DX, DX
	INT	$0x14
char:
	LODSB
	TESTB	AX, AX
	JEQ	stop
	MOVB	$1, AH
	W XORL	DX, DX
	INT	$0x14
	JMP	char
stop:
	CLI
	// QEMU's isa-debug-exit, where ringo puts it, ends it here.
	MOVB	$2, AX
	OUTB	$0xf4
halt:
	HLT
	JMP	halt

// screen prints the message at SI on the screen.
TEXT screen(SB), 4, $0
char:
	LODSB
	TESTB	AX, AX
	JEQ	done
	MOVB	$0xe, AH
	W MOVL	$7, BX
	INT	$0x10
	JMP	char
done:
	W RET
