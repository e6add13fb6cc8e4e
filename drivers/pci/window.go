package pci

import (
	"sync"

	"ringo.dev/ringo/rt"
)

// window hands out addresses for the memory registers of devices on bus 0, if
// firmware has given none to any device: else it is firmware that knows what is
// free. Devices behind bridges get none, since their bridges would need some first.
type window struct {
	devices []Device

	mu    sync.Mutex
	begun bool
	free  uint32 // addresses from here to end are free; 0: none
	end   uint32
}

// The range in which no PC has memory, nor devices that are not on the bus: below
// it may be QEMU's memory and the configuration spaces of PCI Express, above are the
// interrupt controllers. It is used where ACPI names no other.
const (
	windowBegin = 0xe000_0000
	windowEnd   = 0xfec0_0000
)

// take returns the address of size bytes, a power of two, or 0.
func (w *window) take(size uint32) uint32 {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.begun {
		w.begun = true
		if !w.isAnyPlaced() {
			w.free, w.end = windowBegin, windowEnd
			if lo, hi := rt.PCIWindow(); lo < hi {
				w.free, w.end = uint32(lo), uint32(hi)
			}
		}
	}
	if w.free == 0 {
		return 0
	}
	at := (w.free + size - 1) &^ (size - 1)
	if at < w.free || at > w.end || size > w.end-at {
		return 0
	}
	w.free = at + size
	return at
}

// isAnyPlaced reports whether a device's memory registers have an address.
func (w *window) isAnyPlaced() bool {
	for i := range w.devices {
		d := &w.devices[i]
		for reg := range 6 {
			b := d.BAR(reg)
			if !b.IO && b.Addr != 0 {
				return true
			}
		}
	}
	return false
}

// place gives memory registers that are nowhere an address, and returns it, or 0.
func (d *Device) place(i int) uint64 {
	const is64, flags, least = 4, 15, 16
	if d.window == nil || d.Bus != 0 {
		return 0
	}
	// The address has as many zeros as its range needs (6.2.5.1). The device must
	// not answer meanwhile.
	reg := regBAR0 + 4*i
	was := d.Read32(reg)
	command := d.Read32(regCommand) & 0xffff
	d.Write32(regCommand, command&^CommandMemory)
	defer d.Write32(regCommand, command)
	d.Write32(reg, ^uint32(flags))
	size := -(d.Read32(reg) &^ flags)
	d.Write32(reg, was)
	at := uint32(0)
	if size >= least && size&(size-1) == 0 {
		at = d.window.take(size)
	}
	d.Write32(reg, at|was&flags)
	if was&is64 != 0 && i < 5 {
		d.Write32(reg+4, 0)
	}
	return uint64(at)
}
