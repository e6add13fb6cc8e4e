package vmm

import (
	"fmt"

	"ringo.dev/ringo/boot/level"
	"ringo.dev/ringo/vmm/kvm"
)

// checkLevel returns an error if a program was built for a level of GOAMD64 above the
// processor's: its first instruction may be one that there is not. The processor is asked
// only if a program needs more than all have: CPUID takes long in a virtual machine.
func checkLevel(program uint32, processor func() uint32) error {
	if program <= 1 {
		return nil
	}
	if has := processor(); program > has {
		return fmt.Errorf("%w: it was built with GOAMD64=v%d, and the processor has v%d; build it for that, or use another machine", ErrImage, program, has)
	}
	return nil
}

// processorLevel returns the level of GOAMD64 that this processor has. It is the guest's,
// whatever KVM's list of features says: that decides only what CPUID answers, and not
// even that everywhere.
func processorLevel() uint32 {
	var has level.Features
	_, _, has.Basic, _ = kvm.HostCPUID(1, 0)
	_, _, has.Extended, _ = kvm.HostCPUID(0x80000001, 0)
	if most, _, _, _ := kvm.HostCPUID(0, 0); most >= 7 {
		_, has.Structured, _, _ = kvm.HostCPUID(7, 0)
	}
	highest := uint32(1)
	for {
		needed, err := level.Needed(uint64(highest + 1))
		if err != nil || has.Missing(needed) { // an error: there is no such level
			return highest
		}
		highest++
	}
}
