//go:build ringo

package runtime

import _ "unsafe" // for go:linkname

// What ACPI says of the PCI buses, for package drivers/pci. Where it means memory that
// the machine has, it is not believed.

// ringoECAM is rt.ECAM.
//
//go:linkname ringoECAM
func ringoECAM() (addr uint64, last uint8) {
	const busSize = 1 << 20
	p := &ringoACPI.PCI
	if p.ECAM == 0 || ringoLoader.Memory.Has(p.ECAM, busSize) {
		return 0, 0
	}
	return p.ECAM, p.LastBus
}

// ringoPCIRoot is rt.PCIRoot.
//
//go:linkname ringoPCIRoot
func ringoPCIRoot(bus uint8) bool { return bus == 0 || ringoACPI.PCI.Roots.Has(bus) }

// ringoPCIWindow is rt.PCIWindow.
//
//go:linkname ringoPCIWindow
func ringoPCIWindow() (lo, hi uint64) {
	w := ringoACPI.PCI.Window
	if !ringoIsDevice(w.Lo, w.Hi-w.Lo) {
		return 0, 0
	}
	return w.Lo, w.Hi
}
