//go:build ringo

package runtime

import "unsafe"

// ringoPointerMasks makes the masks that tell the collector which words of the program's
// variables are pointers. The runtime makes them when the program starts; here who needs
// them calls this before: they take longer than the rest of the runtime's own variables,
// and many a program has answered, or ended, before it has anything to collect.
func ringoPointerMasks() {
	for _, md := range activeModules() {
		if md.gcdatamask == (bitvector{}) {
			md.gcbssmask = progToPointerMask((*byte)(unsafe.Pointer(md.gcbss)), md.ebss-md.bss)
			md.gcdatamask = progToPointerMask((*byte)(unsafe.Pointer(md.gcdata)), md.edata-md.data)
		}
	}
}
