//go:build ringo

package runtime

import "unsafe"

// What says on which hypervisor we are: leaves of CPUID from 0x40000000 on, in
// steps of 0x100 where one imitates another.
const ringoHypervisorLeaf = 0x4000_0000

// ringoHasHypervisor reports whether there is one. Without, the leaves hold
// whatever the processor has there.
func ringoHasHypervisor() bool {
	const hypervisor = 1 << 31 // CPUID 1, ECX
	_, _, c, _ := ringoCPUID(1, 0)
	return c&hypervisor != 0
}

// ringoIsHypervisor reports whether the leaf has a hypervisor's name of 12
// characters.
func ringoIsHypervisor(leaf uint32, name string) bool {
	if !ringoHasHypervisor() {
		return false
	}
	_, b, c, d := ringoCPUID(leaf, 0)
	return *(*[3]uint32)(unsafe.Pointer(unsafe.StringData(name))) == [3]uint32{b, c, d}
}
