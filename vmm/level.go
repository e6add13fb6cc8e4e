package vmm

import (
	"fmt"

	"golang.org/x/sys/cpu"
)

// checkLevel returns an error if a program was built for a level of GOAMD64 above the
// processor's: its first instruction may be one that there is not.
func checkLevel(program, processor uint32) error {
	if program <= processor {
		return nil
	}
	return fmt.Errorf("%w: it was built with GOAMD64=v%d, and the processor has v%d; build it for that, or use another machine", ErrImage, program, processor)
}

// processorLevel returns the level of GOAMD64 that this processor has (System V ABI, AMD64
// supplement 1.0, 3.1.1). It is the guest's, whatever KVM's list of features says: that
// decides only what CPUID answers, and not even that everywhere. LAHF, F16C, LZCNT and
// MOVBE, which package cpu does not know, come with the others of their levels.
func processorLevel() uint32 {
	x := &cpu.X86
	switch {
	case !(x.HasSSE3 && x.HasSSSE3 && x.HasCX16 && x.HasSSE41 && x.HasSSE42 && x.HasPOPCNT):
		return 1
	case !(x.HasAVX && x.HasAVX2 && x.HasBMI1 && x.HasBMI2 && x.HasFMA):
		return 2
	case !(x.HasAVX512F && x.HasAVX512BW && x.HasAVX512CD && x.HasAVX512DQ && x.HasAVX512VL):
		return 3
	}
	return 4
}
