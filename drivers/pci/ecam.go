package pci

import "ringo.dev/ringo/rt"

// ecam is the space that lies in memory, as PCI Express has it and ACPI says where
// (PCI Express Base Specification 5.0, 7.2.2): 4 KiB for each function, of which
// the first 256 bytes are used here. That is one access where the ports take two,
// and some machines have no ports.
type ecam struct {
	addr uint64       // physical, of bus 0
	last uint8        // bus
	bus  [256]uintptr // where the buses that have been looked at are mapped
}

// openECAM returns the machine's, or nil if it has none.
func openECAM() *ecam {
	addr, last := rt.ECAM()
	if addr == 0 {
		return nil
	}
	e := &ecam{addr: addr, last: last}
	if first := (Device{space: e}); uint16(first.Read32(regID)) == noDevice {
		return nil // no bridge to the processor, which is there on all machines
	}
	return e
}

// register returns where a register is, 0 if it is out of reach. An address of
// mechanism 1 has eight bits less for registers.
func (e *ecam) register(addr uint32) uintptr {
	const busSize = 1 << 20
	n := uint8(addr >> 16)
	if n > e.last {
		return 0
	}
	if e.bus[n] == 0 {
		if e.bus[n] = rt.MapDevice(e.addr+uint64(n)*busSize, busSize); e.bus[n] == 0 {
			return 0
		}
	}
	return e.bus[n] + uintptr(addr>>8&0xff)<<12 + uintptr(addr&0xfc)
}

func (e *ecam) read32(addr uint32) uint32 {
	if at := e.register(addr); at != 0 {
		return rt.Load32(at)
	}
	return 1<<32 - 1
}

func (e *ecam) write32(addr, v uint32) {
	if at := e.register(addr); at != 0 {
		rt.Store32(at, v)
	}
}
