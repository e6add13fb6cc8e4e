package kvm

// TSC reads the host's time stamp counter.
func TSC() uint64

// HostCPUID makes the CPUID instruction, for one leaf of this processor.
func HostCPUID(function, index uint32) (eax, ebx, ecx, edx uint32)
