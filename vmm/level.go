package vmm

import (
	"fmt"

	"ringo.dev/ringo/vmm/kvm"
)

// checkLevel returns an error if a program was built for a level of GOAMD64 above the
// processor's: its first instruction may be one that there is not. The processor is asked
// only if a program needs more than all have: CPUID takes long in a virtual machine.
func checkLevel(program uint32, processor func() uint32) error {
	if program <= 1 {
		return nil
	}
	if level := processor(); program > level {
		return fmt.Errorf("%w: it was built with GOAMD64=v%d, and the processor has v%d; build it for that, or use another machine", ErrImage, program, level)
	}
	return nil
}

// levels are what each level of GOAMD64 from v2 on adds (System V ABI, AMD64 supplement
// 1.0, 3.1.1), as bits of CPUID: of leaves 1 and 0x80000001 in ECX, of leaf 7 in EBX.
var levels = []struct{ one, extended, seven uint32 }{
	{1<<0 | 1<<9 | 1<<13 | 1<<19 | 1<<20 | 1<<23, 1 << 0, 0},            // SSE3, SSSE3, CX16, SSE4.1, SSE4.2, POPCNT; LAHF
	{1<<12 | 1<<22 | 1<<27 | 1<<28 | 1<<29, 1 << 5, 1<<3 | 1<<5 | 1<<8}, // FMA, MOVBE, OSXSAVE, AVX, F16C; LZCNT; BMI1, AVX2, BMI2
	{0, 0, 1<<16 | 1<<17 | 1<<28 | 1<<30 | 1<<31},                       // AVX512F, DQ, CD, BW, VL
}

// processorLevel returns the level of GOAMD64 that this processor has. It is the guest's,
// whatever KVM's list of features says: that decides only what CPUID answers, and not
// even that everywhere.
func processorLevel() uint32 {
	_, _, one, _ := kvm.HostCPUID(1, 0)
	_, _, extended, _ := kvm.HostCPUID(0x80000001, 0)
	var seven uint32
	if most, _, _, _ := kvm.HostCPUID(0, 0); most >= 7 {
		_, seven, _, _ = kvm.HostCPUID(7, 0)
	}
	level := uint32(1)
	for _, l := range levels {
		if one&l.one != l.one || extended&l.extended != l.extended || seven&l.seven != l.seven {
			break
		}
		level++
	}
	return level
}
