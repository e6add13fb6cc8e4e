//go:build ignore

// The way from UEFI firmware to a program's 32-bit entry point, which is in its
// first page (../stub_386.s).
//
// loader.bin is this file assembled; TestLoader makes it and checks it. It is
// the first section of the application that package uefi makes. The page after
// it holds what package uefi has to say (type parameters), to which R12 points.
// Addresses and numbers are those of the UEFI Specification 2.10; "4.4" is its
// section there. Calls are Microsoft's: arguments in CX, DX, R8, R9 and from
// 32(SP), results in AX, and AX, CX, DX, R8 to R11 are the callee's (2.3.4).

// The parameters, of package uefi.
#define P_PROGRAM	0(R12)	// where the program lies, from the parameters
#define P_WORDS		8(R12)	// its length in 64-bit words
#define P_SUM		16(R12)	// their sum
#define P_SUMS		24(R12)	// the sum of the sums up to each
#define P_BASE		32(R12)	// where it belongs
#define P_END		40(R12)	// where its memory ends
#define P_ENTRY		48(R12)
#define P_LINE_SIZE	56(R12)	// of the command line, with the zero at its end
#define P_CODE32	64(R12)	// segment descriptors
#define P_DATA32	72(R12)
#define P_LOADED_IMAGE	80(R12)	// GUIDs
#define P_ACPI2		96(R12)
#define P_ACPI2_REST	104(R12)
#define P_ACPI1		112(R12)
#define P_ACPI1_REST	120(R12)
#define P_DAMAGED	0x100(R12)	// messages
#define P_NO_MEMORY	0x200(R12)
#define P_NO_PLACE	0x300(R12)
#define P_LONG_MAP	0x400(R12)
#define P_LONG_LINE	0x500(R12)
#define P_NO_EXIT	0x600(R12)
#define P_LINE		0x700(R12)
#define LINE_MAX	4096

// System table (4.3), boot services (4.4), text output (12.4), loaded image (9.1).
#define ST_CON_OUT	64
#define ST_BOOT		96
#define ST_TABLES	104
#define ST_TABLE	112
#define BS_ALLOCATE	40
#define BS_MEMORY_MAP	56
#define BS_HANDLE	152
#define BS_EXIT		232
#define CON_STRING	8
#define LI_OPTIONS_SIZE	48
#define LI_OPTIONS	56

#define ALLOCATE_BELOW	1	// AllocateMaxAddress
#define LOADER_CODE	1	// EfiLoaderCode
#define LOADER_DATA	2
#define TABLE_SIZE	24	// of an entry of the configuration table (4.6)

// A descriptor of the memory map (7.2).
#define D_TYPE		0
#define D_START		8
#define D_PAGES		24
// Types of memory, as bits: what the program may have for its own afterwards
// (EfiLoaderCode to EfiBootServicesData, EfiConventionalMemory), and what it
// may be put on besides: EfiACPIMemoryNVS is for machines that wake up again.
#define USABLE		0x9e
#define PLACE		0x49e

// Four 16-bit characters: what makes letters small, and a file's extension.
#define LOWER_CASE	0x0020002000200020
#define DOT_EFI		0x006900660065002e

// The work area: pages that are neither the program's nor above 4 GiB. BX points
// to it.
#define W_PAGES		18
#define W_STACK		0x1e8	// for leave32: what it pops
#define W_INFO		0x200	// the start information
#define W_GDT		0x280
#define W_GDTR		0x2a0
#define W_LINE		0x1000
#define W_MAP		0x2000
#define W_MAP_SIZE	0x10000

// Start information of PVH, in Xen's xen/include/public/arch-x86/hvm/start_info.h.
#define INFO_MAGIC	0x336ec578
#define I_MAGIC		(W_INFO+0)(BX)
#define I_VERSION	(W_INFO+4)(BX)
#define I_LINE		(W_INFO+24)(BX)
#define I_RSDP		(W_INFO+32)(BX)
#define I_MAP		(W_INFO+40)(BX)
#define I_MAP_ENTRIES	(W_INFO+48)(BX)
#define E_START		0
#define E_SIZE		8
#define E_TYPE		16
#define E_NEXT		24
#define RAM		1

// The stack, from SP: 32 bytes for callees, the fifth argument, and variables.
#define FIFTH		32(SP)
#define V_RESULT	40(SP)
#define V_MAP_SIZE	48(SP)
#define V_MAP_KEY	56(SP)
#define V_ENTRY_SIZE	64(SP)
#define V_VERSION	72(SP)
#define V_TRIES		80(SP)
#define FRAME		96

// leave32 is the last part, which runs in the work area: in 32-bit mode, so its
// instructions are only such as have the same bytes there.
// It turns paging and 64-bit mode off, and puts the program where it belongs,
// over whatever the firmware had there. SI points to the program, DI to where
// it belongs, BX to the start information, SP to W_STACK.
TEXT leave32(SB), 4|512, $0 // NOSPLIT, NOFRAME
	MOVL	CR0, AX
	ANDL	$0x7fffffff, AX // PG
	MOVL	AX, CR0
	MOVL	$0xc0000080, CX // EFER
	RDMSR
	ANDL	$~0x100, AX // LME
	WRMSR
	XORL	AX, AX
	MOVL	AX, CR4
	MOVL	$16, AX
	MOVW	AX, DS
	MOVW	AX, ES
	MOVW	AX, SS
	MOVW	AX, FS
	MOVW	AX, GS
	BYTE	$0x59 // POPL CX
	REP; MOVSL
	BYTE	$0x59
	XORL	AX, AX
	REP; STOSL
	MOVL	$INFO_MAGIC, AX
	BYTE	$0xc3 // RET, to the program

// loader is the application's entry point: CX is its handle, DX the system
// table.
TEXT loader(SB), 4|512, $0
	CLD
	BYTE	$0xe8; LONG $0 // CALL the next instruction
	POPQ	R12
	ANDQ	$~4095, R12
	ADDQ	$4096, R12
	MOVQ	CX, R14 // the application's handle
	MOVQ	DX, R15 // the system table
	MOVQ	ST_BOOT(R15), R13
	SUBQ	$FRAME, SP
	ANDQ	$~15, SP

	// Is the program as it was made?
	MOVQ	P_PROGRAM, SI
	ADDQ	R12, SI
	MOVQ	SI, BP // the program, from here on
	MOVQ	P_WORDS, CX
	XORL	AX, AX
	XORL	DX, DX
sum:
	ADDQ	(SI), AX
	ADDQ	AX, DX
	ADDQ	$8, SI
	DECQ	CX
	JNE	sum
	CMPQ	AX, P_SUM
	JNE	damaged
	CMPQ	DX, P_SUMS
	JNE	damaged

	// The work area.
	MOVL	$W_PAGES, R8
	MOVL	$LOADER_CODE, DX
	MOVL	$0xffffffff, BX
	MOVQ	BX, V_RESULT
	LEAQ	V_RESULT, R9
	MOVL	$ALLOCATE_BELOW, CX
	MOVQ	BS_ALLOCATE(R13), AX
	CALL	AX
	TESTQ	AX, AX
	JNE	noMemory
	MOVQ	V_RESULT, BX
	CMPQ	BX, P_END
	JCS	noMemory

	// 32-bit code has to reach the program.
	MOVQ	P_WORDS, DX
	LEAQ	(BP)(DX*8), DX
	SHRQ	$32, DX
	JEQ	reachable
	MOVQ	P_WORDS, R8
	ADDQ	$511, R8
	SHRQ	$9, R8
	MOVL	$LOADER_DATA, DX
	MOVL	$0xffffffff, AX
	MOVQ	AX, V_RESULT
	LEAQ	V_RESULT, R9
	MOVL	$ALLOCATE_BELOW, CX
	MOVQ	BS_ALLOCATE(R13), AX
	CALL	AX
	TESTQ	AX, AX
	JNE	noMemory
	MOVQ	BP, SI
	MOVQ	V_RESULT, DI
	MOVQ	DI, BP
	MOVQ	P_WORDS, CX
	REP; MOVSQ
reachable:
	// leave32 copies upwards.
	CMPQ	BP, P_BASE
	JCS	noMemory

	// The work area's contents: code, descriptors, start information.
	LEAQ	-4096(R12), SI
	MOVQ	BX, DI
	MOVL	$W_STACK, CX
	REP; MOVSB
	MOVL	$((W_GDTR+16-W_STACK)/8), CX
	XORL	AX, AX
	REP; STOSQ
	MOVQ	P_CODE32, AX
	MOVQ	AX, (W_GDT+8)(BX)
	MOVQ	P_DATA32, AX
	MOVQ	AX, (W_GDT+16)(BX)
	MOVW	$(3*8-1), W_GDTR(BX)
	LEAQ	W_GDT(BX), AX
	MOVQ	AX, (W_GDTR+2)(BX)
	MOVL	$INFO_MAGIC, I_MAGIC
	MOVL	$1, I_VERSION
	LEAQ	W_LINE(BX), AX
	MOVQ	AX, I_LINE
	LEAQ	W_MAP(BX), AX
	MOVQ	AX, I_MAP
	MOVQ	P_WORDS, AX
	ADDQ	AX, AX
	MOVL	AX, (W_STACK+0)(BX)
	SHLQ	$2, AX
	MOVQ	P_END, CX
	SUBQ	P_BASE, CX
	SUBQ	AX, CX
	SHRQ	$2, CX
	MOVL	CX, (W_STACK+4)(BX)
	MOVQ	P_ENTRY, AX
	MOVL	AX, (W_STACK+8)(BX)

	// The command line: the application's own, or what the boot option or
	// whoever else started the application has for it, if that is text. The UEFI
	// shell puts the application's name in front, which is left out.
	LEAQ	P_LINE, SI
	LEAQ	W_LINE(BX), DI
	MOVQ	P_LINE_SIZE, CX
	REP; MOVSB
	MOVQ	R14, CX
	LEAQ	P_LOADED_IMAGE, DX
	LEAQ	V_RESULT, R8
	MOVQ	BS_HANDLE(R13), AX
	CALL	AX
	TESTQ	AX, AX
	JNE	tables
	MOVQ	V_RESULT, AX
	MOVQ	LI_OPTIONS(AX), SI
	MOVL	LI_OPTIONS_SIZE(AX), CX
	SHRL	$1, CX // 16-bit characters
	XORL	DX, DX
isText:
	CMPQ	DX, CX
	JEQ	endOfText
	MOVWLZX	(SI)(DX*2), AX
	TESTL	AX, AX
	JEQ	endOfText
	SUBL	$0x20, AX
	CMPL	AX, $(0x7f-0x20)
	JCC	tables
	INCQ	DX
	JMP	isText
endOfText:
	XORL	R8, R8
firstWord:
	CMPQ	R8, DX
	JEQ	endOfWord
	CMPW	(SI)(R8*2), $0x20
	JEQ	endOfWord
	INCQ	R8
	JMP	firstWord
endOfWord:
	CMPQ	R8, $4
	JCS	blanks
	MOVQ	$LOWER_CASE, AX
	ORQ	-8(SI)(R8*2), AX
	MOVQ	$DOT_EFI, CX
	CMPQ	AX, CX
	JNE	blanks
	LEAQ	(SI)(R8*2), SI
	SUBQ	R8, DX
blanks:
	TESTQ	DX, DX
	JEQ	tables
	CMPW	(SI), $0x20
	JNE	given
	ADDQ	$2, SI
	DECQ	DX
	JMP	blanks
given:
	CMPQ	DX, $LINE_MAX
	JCC	longLine
	LEAQ	W_LINE(BX), DI
	MOVQ	DX, CX
option:
	MOVWLZX	(SI), AX
	MOVB	AX, (DI)
	ADDQ	$2, SI
	INCQ	DI
	DECQ	CX
	JNE	option
	MOVB	$0, (DI)

tables:
	// ACPI's root pointer, the newer one if there are both.
	MOVQ	ST_TABLES(R15), CX
	MOVQ	ST_TABLE(R15), SI
table:
	DECQ	CX
	JLT	map
	MOVQ	0(SI), AX
	MOVQ	8(SI), DX
	MOVQ	16(SI), DI
	ADDQ	$TABLE_SIZE, SI
	CMPQ	AX, P_ACPI2
	JNE	older
	CMPQ	DX, P_ACPI2_REST
	JNE	older
	MOVQ	DI, I_RSDP
	JMP	map
older:
	CMPQ	AX, P_ACPI1
	JNE	table
	CMPQ	DX, P_ACPI1_REST
	JNE	table
	MOVQ	DI, I_RSDP
	JMP	table

map:
	// The memory map, and with it the end of the boot services. That fails if
	// the map has changed in between, as the first try itself may bring about.
	MOVQ	$8, V_TRIES
again:
	MOVQ	$W_MAP_SIZE, V_MAP_SIZE
	LEAQ	V_MAP_SIZE, CX
	LEAQ	W_MAP(BX), DX
	LEAQ	V_MAP_KEY, R8
	LEAQ	V_ENTRY_SIZE, R9
	LEAQ	V_VERSION, AX
	MOVQ	AX, FIFTH
	MOVQ	BS_MEMORY_MAP(R13), AX
	CALL	AX
	TESTQ	AX, AX
	JNE	longMap

	// It becomes PVH's map, in the same place, of what is usable: SI points to
	// an entry, CX to the end, DI to PVH's next entry, R11 is the end of the
	// last, DX the number of bytes of the program's place that have been seen.
	LEAQ	W_MAP(BX), SI
	MOVQ	SI, DI
	MOVQ	SI, CX
	ADDQ	V_MAP_SIZE, CX
	XORL	DX, DX
	MOVQ	$-1, R11
	MOVL	$0, I_MAP_ENTRIES
entry:
	CMPQ	SI, CX
	JCC	mapped
	MOVL	D_TYPE(SI), R10
	MOVQ	D_START(SI), R8
	MOVQ	D_PAGES(SI), R9
	SHLQ	$12, R9
	ADDQ	R8, R9
	ADDQ	V_ENTRY_SIZE, SI
	CMPL	R10, $32
	JCC	entry
	MOVL	$PLACE, AX
	BTL	R10, AX
	JCC	entry

	// What of it is in the program's place?
	PUSHQ	R8
	PUSHQ	R9
	CMPQ	R8, P_BASE
	CMOVQCS	P_BASE, R8
	CMPQ	R9, P_END
	CMOVQHI	P_END, R9
	SUBQ	R8, R9
	JLS	elsewhere
	ADDQ	R9, DX
elsewhere:
	POPQ	R9
	POPQ	R8
	MOVL	$USABLE, AX
	BTL	R10, AX
	JCC	entry
	CMPQ	R8, R11
	JEQ	longer
	MOVQ	R8, E_START(DI)
	MOVQ	$0, E_SIZE(DI)
	MOVQ	$RAM, E_TYPE(DI)
	ADDQ	$E_NEXT, DI
	INCL	I_MAP_ENTRIES
longer:
	MOVQ	R9, R11
	SUBQ	R8, R9
	ADDQ	R9, (E_SIZE-E_NEXT)(DI)
	JMP	entry
mapped:
	ADDQ	P_BASE, DX
	CMPQ	DX, P_END
	JNE	noPlace

	MOVQ	R14, CX
	MOVQ	V_MAP_KEY, DX
	MOVQ	BS_EXIT(R13), AX
	CALL	AX
	TESTQ	AX, AX
	JEQ	leave
	DECQ	V_TRIES
	JNE	again
	LEAQ	P_NO_EXIT, DX
	JMP	fatal

leave:
	CLI
	MOVQ	BP, SI
	MOVQ	P_BASE, DI
	LEAQ	W_STACK(BX), SP
	LGDT	W_GDTR(BX)
	// A far return into leave32, with what it pops above.
	PUSHQ	$8
	PUSHQ	BX
	ADDQ	$W_INFO, BX
	RETFQ

damaged:
	LEAQ	P_DAMAGED, DX
	JMP	fatal
noMemory:
	LEAQ	P_NO_MEMORY, DX
	JMP	fatal
noPlace:
	LEAQ	P_NO_PLACE, DX
	JMP	fatal
longMap:
	LEAQ	P_LONG_MAP, DX
	JMP	fatal
longLine:
	LEAQ	P_LONG_LINE, DX
fatal:
	// Say so on the console, and end, or stop.
	MOVQ	ST_CON_OUT(R15), CX
	MOVQ	CON_STRING(CX), AX
	CALL	AX
	// QEMU's isa-debug-exit, where ringo puts it.
	MOVB	$2, AX
	OUTB	$0xf4
halt:
	HLT
	JMP	halt
