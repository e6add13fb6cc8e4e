//go:build ignore

// The entry point of the ELF file. A process begins here, and so does a machine
// whose monitor loads the file as if it were a Linux kernel (the 64-bit boot
// protocol, Documentation/arch/x86/boot.rst): in long mode, with memory mapped
// where it is and RSI pointing to the boot parameters. A process has no
// privileges.
//
// linux.bin is this file assembled; TestLinux makes it and checks it.

#define PARAMS		0x400820
#define P_STACK		4(AX)
#define P_GDTR		18(AX)
#define P_PROCESS	64(AX)
#define P_PROTECTED	68(AX)

#define CODE32		0x18

TEXT linux(SB), 4, $0 // NOSPLIT
	MOVW	CS, CX
	MOVL	$PARAMS, AX
	TESTB	$3, CX
	JNE	process
	CLI
	MOVL	SI, BX
	MOVL	P_STACK, SP
	LGDT	P_GDTR
	MOVL	P_PROTECTED, AX
	PUSHQ	$CODE32
	PUSHQ	AX
	RETFQ
process:
	MOVL	P_PROCESS, AX
	JMP	AX
