// The way from where a boot loader leaves the processor, 32-bit protected mode
// without paging, to the 64-bit entry point in package runtime. Multiboot 1 and 2
// and PVH begin here, with EBX pointing to what the loader has to say, and Linux's
// 64-bit boot protocol at the end, from linux_amd64.s.
//
// stub.bin is this file assembled; TestStub makes it and checks it. The code
// has no references of its own, so that it works where Finish puts it: at a
// fixed address, with its parameters (type stubParams) at another one.

#define PARAMS		0x400820
#define P_TABLES	0(SI)
#define P_STACK		4(SI)
#define P_ENTRY		8(SI)
#define P_MESSAGE	12(SI)
#define P_GDTR		18(SI)
#define P_LAST		56(SI)
#define P_SMALL		60(SI)
#define P_LEVEL		72(SI)
#define P_FEATURES	76(SI)
#define P_EXTENDED	80(SI)
#define P_STRUCTURED	84(SI)

#define PAGE_PRESENT	1
#define PAGE_WRITE	2
#define PAGE_BIG	0x80

#define MSR_EFER	0xc0000080
#define EFER_LME	0x100
#define EFER_NXE	0x800

#define CR0_SET		0x80010023 // PG, WP, NE, MP, PE
#define CR4_SET		0x620 // OSXMMEXCPT, OSFXSR, PAE

#define COM1		0x3f8
#define SCREEN		0xb8000 // of text, its first line

#define DEBUG_EXIT	0xf4 // as package runtime's additions have it
#define STATUS		2

TEXT stub(SB), 4, $0 // NOSPLIT
	// The PVH entry. What stands for the loader in EAX is Xen's magic number of
	// the structure that EBX points to.
	MOVL	$0x336ec578, AX

	// The multiboot entry, 5 bytes on: EAX is multiboot's own magic number.
magic:
	CLI
	CLD
	MOVL	$PARAMS, SI
	MOVL	AX, BP
	MOVL	BX, DI // CPUID changes BX

	// Long mode and no-execute pages, or nothing.
	MOVL	$0x80000000, AX
	CPUID
	CMPL	AX, $0x80000001
	JCS	unfit
	MOVL	$0x80000001, AX
	CPUID
	ANDL	$0x20100000, DX
	CMPL	DX, $0x20100000
	JNE	unfit

	// What the compiler took for granted. This is the last chance to say so: its
	// code may use it from the first instruction on.
	ANDL	P_EXTENDED, CX
	CMPL	CX, P_EXTENDED
	JNE	low
	CMPL	P_FEATURES, $0
	JEQ	fit
	MOVL	$1, AX
	CPUID
	ANDL	P_FEATURES, CX
	CMPL	CX, P_FEATURES
	JNE	low
	CMPL	P_STRUCTURED, $0
	JEQ	fit
	XORL	AX, AX
	CPUID
	CMPL	AX, $7
	JCS	low
	MOVL	$7, AX
	XORL	CX, CX
	CPUID
	ANDL	P_STRUCTURED, BX
	CMPL	BX, P_STRUCTURED
	JNE	low
fit:
	MOVL	DI, BX // what the loader says

	// Some loaders put an image where there is no memory.
	MOVL	P_LAST, AX
	MOVL	0(AX), CX
	MOVL	$0x5a5aa5a5, DX
	MOVL	DX, 0(AX)
	CMPL	0(AX), DX
	JNE	small
	MOVL	CX, 0(AX)

	// One tree of page tables maps the first 4 GiB at 0 and at the bottom of the
	// upper half: a level 4 table, a level 3 table, four of level 2.
	MOVL	P_TABLES, DI
	MOVL	DI, DX
	XORL	AX, AX
	MOVL	$(2*1024), CX
	REP; STOSL
	LEAL	(0x1000+PAGE_PRESENT+PAGE_WRITE)(DX), AX
	MOVL	AX, 0(DX)
	MOVL	AX, 0x800(DX)
	LEAL	(0x2000+PAGE_PRESENT+PAGE_WRITE)(DX), AX
	MOVL	AX, 0x1000(DX)
	ADDL	$0x1000, AX
	MOVL	AX, 0x1008(DX)
	ADDL	$0x1000, AX
	MOVL	AX, 0x1010(DX)
	ADDL	$0x1000, AX
	MOVL	AX, 0x1018(DX)
	MOVL	$(PAGE_PRESENT+PAGE_WRITE+PAGE_BIG), AX
	MOVL	$2048, CX
big:
	MOVL	AX, 0(DI)
	MOVL	$0, 4(DI)
	ADDL	$8, DI
	ADDL	$0x200000, AX
	DECL	CX
	JNE	big

	MOVL	DX, DI
	MOVL	$CR4_SET, AX
	MOVL	AX, CR4
	MOVL	DI, AX
	MOVL	AX, CR3
	MOVL	$MSR_EFER, CX
	RDMSR
	ORL	$(EFER_LME+EFER_NXE), AX
	WRMSR
	MOVL	$CR0_SET, AX
	MOVL	AX, CR0

	// A far return enters 64-bit code: EBP is the magic number, EBX what it is
	// that the loader says.
	MOVL	P_STACK, SP
	LGDT	P_GDTR
	MOVL	P_ENTRY, AX
	SUBL	$8, SP
	MOVL	AX, 0(SP)
	MOVL	$8, 4(SP)
	RETFL

unfit:
	MOVL	P_MESSAGE, SI
	JMP	say
low:
	MOVL	P_LEVEL, SI
	JMP	say
small:
	MOVL	P_SMALL, SI
say:
	// On the screen and the serial port; then end, or stop.
	MOVL	$SCREEN, DI
char:
	MOVB	(SI), BX
	TESTB	BX, BX
	JEQ	stop
	CMPB	BX, $0x20
	JCS	control
	MOVB	BX, 0(DI)
	MOVB	$0x0f, 1(DI) // white
	ADDL	$2, DI
control:
	MOVL	$100000, CX
busy:
	MOVL	$(COM1+5), DX
	INB
	TESTB	$0x20, AX
	JNE	send
	DECL	CX
	JNE	busy
send:
	MOVB	BX, AX
	MOVL	$COM1, DX
	OUTB
	INCL	SI
	JMP	char
stop:
	// QEMU's isa-debug-exit, which ends it; elsewhere nothing happens.
	MOVB	$STATUS, AX
	OUTB	$DEBUG_EXIT
halt:
	HLT
	JMP	halt

	// The entry from linux_amd64.s: 32-bit code in long mode, which this leaves.
	MOVL	$0x10, AX
	MOVW	AX, DS
	MOVW	AX, ES
	MOVW	AX, SS
	MOVL	CR0, AX
	ANDL	$0x7fffffff, AX // PG
	MOVL	AX, CR0
	MOVL	$MSR_EFER, CX
	RDMSR
	ANDL	$~EFER_LME, AX
	WRMSR
	MOVL	$0x53726448, AX // "HdrS", the magic number of what EBX points to
	JMP	magic
