#include "real.h"

// The loader: it reads the program into memory, checks it and enters it, as a
// multiboot 1 loader does. The boot sector has put it at 0x7e00, behind its
// parameters, and enters it at its beginning, in 16-bit code.
//
// All work is done in 32-bit code. For what only the BIOS can do, a CALL of real
// changes to 16-bit code in real mode, which is what follows the CALL; one of
// flat changes back. Both keep all registers but AX. What has to outlive the
// BIOS is in memory.
//
// Names without a definition are those of layout.go; TestCode makes loader.bin
// of this file.

// Segments of the table in parameters.Segments.
#define CODE32	0x08
#define DATA32	0x10
#define CODE16	0x18
#define DATA16	0x20

#define SMAP	0x534d4150

TEXT loader(SB), 4, $0
	W MOVL	$starting(SB), SI
	W CALL	screen(SB)
	W CALL	flat(SB)
	CALL	openA20(SB)
	CALL	readMap(SB)
	CALL	findRoom(SB)
	CALL	readProgram(SB)
	CALL	checkProgram(SB)

	// Memory behind the program's data is zero.
	MOVL	end(SB), CX
	SUBL	DI, CX
	ADDL	$3, CX
	SHRL	$2, CX
	XORL	AX, AX
	REP; STOSL

	// Multiboot Specification 0.6.96, 3.2: the machine's state.
	MOVL	$0x2badb002, AX
	MOVL	$information(SB), BX
	MOVL	entry(SB), CX
	JMP	CX

// die prints the message at SI and stops.
TEXT die(SB), 4, $0
	CALL	real(SB)
	W JMP	fail(SB)

// openA20 opens the gate of address line 20: without it, odd MiBs of memory are
// the even ones before them.
TEXT openA20(SB), 4, $0
	CALL	testA20(SB)
	JNE	open
	CALL	real(SB)
	W MOVL	$0x2401, AX
	INT	$0x15
	W CALL	flat(SB)
	CALL	testA20(SB)
	JNE	open
	INB	$0x92 // system control port A
	ANDB	$0xfe, AX // not a reset
	ORB	$2, AX
	OUTB	$0x92
	CALL	testA20(SB)
	JNE	open
	MOVL	$noA20(SB), SI
	JMP	die(SB)
open:
	RET

// testA20 returns with "not equal" if the gate is open.
TEXT testA20(SB), 4, $0
	MOVL	$buffer(SB), SI
	MOVL	$0x12345678, 0(SI)
	MOVL	$0x76543210, 0x100000(SI)
	CMPL	0(SI), $0x76543210
	RET

// readMap asks the BIOS for the memory map (ACPI Specification 6.5, 15.1) and
// writes it as multiboot has it.
TEXT readMap(SB), 4, $0
	MOVL	$memoryMap(SB), DI
	XORL	BX, BX // which entry, to the BIOS
next:
	MOVL	$20, 0(DI) // the size of what follows
	ADDL	$4, DI
	CALL	real(SB)
	W MOVL	$0xe820, AX
	W MOVL	$20, CX
	W MOVL	$SMAP, DX
	INT	$0x15
	W SBBL	CX, CX // -1 if carry is set
	W MOVL	AX, DX
	W CALL	flat(SB)
	TESTL	CX, CX
	JNE	last // so do some BIOSes say that there was one more
	CMPL	DX, $SMAP
	JNE	none
	ADDL	$20, DI
	CMPL	DI, $memoryMapEnd(SB)
	JCC	full
	TESTL	BX, BX
	JNE	next
	JMP	full
last:
	SUBL	$4, DI
full:
	SUBL	$memoryMap(SB), DI
	JEQ	none
	MOVL	DI, informationMapLength(SB)
	RET
none:
	MOVL	$noMap(SB), SI
	JMP	die(SB)

// findRoom looks for the program's memory in the map: from base to end has to be
// in one piece of usable memory.
TEXT findRoom(SB), 4, $0
	MOVL	$memoryMap(SB), SI
	MOVL	SI, CX
	ADDL	informationMapLength(SB), CX
entry:
	CMPL	20(SI), $1 // usable
	JNE	next
	CMPL	8(SI), $0 // begins above 4 GiB
	JNE	next
	MOVL	4(SI), AX
	CMPL	AX, base(SB)
	JHI	next
	MOVL	16(SI), DX
	ADDL	12(SI), AX
	ADCL	$0, DX
	JNE	found // ends above 4 GiB
	CMPL	AX, end(SB)
	JCC	found
next:
	ADDL	$24, SI
	CMPL	SI, CX
	JCS	entry
	MOVL	$noRoom(SB), SI
	JMP	die(SB)
found:
	RET

// readProgram reads the program, by way of a buffer that the BIOS can reach.
TEXT readProgram(SB), 4, $0
	MOVL	base(SB), DI
	MOVL	DI, to(SB)
	MOVL	size(SB), AX
	MOVL	AX, left(SB)
	MOVL	$bufferFar(SB), AX
	MOVL	AX, requestBuffer(SB)
	MOVL	program(SB), AX
	MOVL	AX, requestBlock(SB)
	MOVL	$0, requestBlock+4(SB)
piece:
	// The blocks in which the rest of the program is, as far as they fit into
	// the buffer.
	MOVL	left(SB), AX
	TESTL	AX, AX
	JEQ	done
	DECL	AX
	MOVL	shift(SB), CX
	SHRL	CX, AX
	INCL	AX
	CMPL	AX, bufferBlocks(SB)
	JLS	small
	MOVL	bufferBlocks(SB), AX
small:
	MOVL	AX, blocks(SB)
	MOVL	$3, tries(SB)
again:
	MOVL	blocks(SB), AX
	MOVW	AX, requestCount(SB) // the BIOS changes it
	CALL	real(SB)
	W MOVL	$request(SB), SI
	A MOVB	drive(SB), DX
	MOVB	$0x42, AH
	INT	$0x13
	W SBBL	BX, BX // -1 if carry is set
	W CALL	flat(SB)
	TESTL	BX, BX
	JEQ	read
	DECL	tries(SB)
	JEQ	bad
	CALL	real(SB)
	A MOVB	drive(SB), DX
	MOVB	$0, AH // reset
	INT	$0x13
	W CALL	flat(SB)
	JMP	again
read:
	MOVL	blocks(SB), AX
	ADDL	AX, requestBlock(SB)
	MOVL	shift(SB), CX
	SHLL	CX, AX
	CMPL	AX, left(SB)
	JLS	copy
	MOVL	left(SB), AX
copy:
	SUBL	AX, left(SB)
	MOVL	$buffer(SB), SI
	MOVL	to(SB), DI
	LEAL	3(AX), CX
	SHRL	$2, CX
	REP; MOVSL
	MOVL	DI, to(SB)
	JMP	piece
done:
	RET
bad:
	MOVL	$noProgram(SB), SI
	JMP	die(SB)

// checkProgram sums up the program's data (boot.Program.Checksum). It returns
// with DI behind them.
TEXT checkProgram(SB), 4, $0
	MOVL	base(SB), SI
	MOVL	size(SB), CX
	SHRL	$3, CX
	XORL	AX, AX // DX:AX is the sum, BP:BX that of the sums
	XORL	DX, DX
	XORL	BX, BX
	XORL	BP, BP
word:
	ADDL	0(SI), AX
	ADCL	4(SI), DX
	ADDL	AX, BX
	ADCL	DX, BP
	ADDL	$8, SI
	DECL	CX
	JNE	word
	CMPL	AX, words(SB)
	JNE	bad
	CMPL	DX, words+4(SB)
	JNE	bad
	CMPL	BX, sums(SB)
	JNE	bad
	CMPL	BP, sums+4(SB)
	JNE	bad
	MOVL	SI, DI
	RET
bad:
	MOVL	$badProgram(SB), SI
	JMP	die(SB)

// real changes from 32-bit code to 16-bit code in real mode (Intel SDM volume 3,
// 10.9.2): by way of 16-bit segments, since real mode keeps their limits.
TEXT real(SB), 4, $0
	LJMP(CODE16, leaveProtected)

TEXT leaveProtected(SB), 4, $0
	W MOVL	$DATA16, AX
	MOVW	AX, DS
	MOVW	AX, ES
	MOVW	AX, SS
	MOVL	CR0, AX
	ANDB	$0xfe, AX // PE
	MOVL	AX, CR0
	W LJMP(0, enterReal)

TEXT enterReal(SB), 4, $0
	W XORL	AX, AX
	MOVW	AX, DS
	MOVW	AX, ES
	MOVW	AX, SS
	STI
	W RET

// flat changes from 16-bit code in real mode to 32-bit code with segments over
// all memory, and without interrupts.
TEXT flat(SB), 4, $0
	CLI
	W A LGDT	limit(SB)
	MOVL	CR0, AX
	ORB	$1, AX // PE
	MOVL	AX, CR0
	W LJMP(CODE32, enterFlat)

TEXT enterFlat(SB), 4, $0
	MOVL	$DATA32, AX
	MOVW	AX, DS
	MOVW	AX, ES
	MOVW	AX, SS
	CLD
	RET
