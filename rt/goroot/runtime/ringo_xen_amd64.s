//go:build ringo

#include "textflag.h"

// func ringoXenCall(op, cmd uintptr, arg unsafe.Pointer, count uintptr) int64
// A hypercall: its number in AX, its arguments in DI, SI and DX. The processor's
// maker decides about the instruction.
TEXT runtime·ringoXenCall<ABIInternal>(SB),NOSPLIT|NOFRAME,$0-40
	MOVQ	DI, DX
	MOVQ	BX, DI
	MOVQ	CX, SI
	CMPB	runtime·ringoXen+1(SB), $0 // ringoXen.intel
	JNE	intel
	BYTE	$0x0f; BYTE $0x01; BYTE $0xd9 // VMMCALL
	RET
intel:
	BYTE	$0x0f; BYTE $0x01; BYTE $0xc1 // VMCALL
	RET
