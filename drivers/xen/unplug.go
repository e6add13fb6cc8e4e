package xen

import (
	"ringo.dev/ringo/drivers/pci"
	"ringo.dev/ringo/rt"
)

// The ports by which an HVM domain has the cards and disks taken away that are
// emulated for it beside those of this package: the same ones, once more
// (docs/misc/hvm-emulated-unplug.pandoc).
const (
	unplugPort  = 0x10
	unplugMagic = 0x49d2 // what the port reads
	unplugCards = 1 << 1
)

// unplug takes the emulated network cards away. It reports whether there are
// none now. It comes before the PCI bus is looked at.
func unplug() bool {
	if rt.In16(unplugPort) != unplugMagic {
		return len(pci.Devices()) == 0 // a PVH domain
	}
	rt.Out16(unplugPort, unplugCards)
	return true
}
