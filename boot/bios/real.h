// The Go assembler writes 32-bit code. In a 16-bit segment the same bytes mean
// operands and addresses of 16 bits; a prefix turns that round for one
// instruction. So in 16-bit code
//
//	W	stands before an instruction with operands of 32 bits ("wide"),
//	A	before one with an address in memory.
//
// Neither is needed by instructions on bytes and on segment registers, by
// short jumps and by INT.

#define W	BYTE $0x66;
#define A	BYTE $0x67;

// LJMP jumps to another segment.
#define LJMP(segment, to)	BYTE $0xea; LONG $to(SB); WORD $segment
