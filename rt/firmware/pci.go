package firmware

// PCI is what ACPI says of the PCI buses.
type PCI struct {
	// Roots has a bit for each bus beside bus 0 that no bridge leads to.
	Roots Buses
	// ECAM is the address of bus 0's configuration spaces in memory, 4 KiB for each
	// function (PCI Firmware Specification 3.2, 4.1.2); 0: they are not there. Those
	// of the other buses follow, up to LastBus.
	ECAM    uint64
	LastBus uint8
	// Window is where the devices' registers may be, in machines that leave it to
	// the operating system to give them addresses. It is empty in others.
	Window Range
}

// Buses is a set of buses.
type Buses [4]uint64

// Has reports whether bus n is in the set.
func (b *Buses) Has(n uint8) bool { return b[n/64]>>(n%64)&1 != 0 }

func (b *Buses) add(n uint8) { b[n/64] |= 1 << (n % 64) }

// readBaseBus reads what is behind the name _BBN of a host bridge: the number of its bus
// (ACPI 6.5.5), if it is no method that finds it out.
func (a *ACPI) readBaseBus(code Memory, at uint64) {
	const one, bytePrefix = 0x01, 0x0a
	if op := code.Uint8(at); op != one && op != bytePrefix {
		return
	}
	if n, _ := smallNumber(code, at); n != 0 {
		a.PCI.Roots.add(n)
	}
}

const signatureMCFG = 'M' | 'C'<<8 | 'F'<<16 | 'G'<<24

// setECAM sets where the configuration spaces are, if they can be there.
func (p *PCI) setECAM(addr uint64, lastBus uint8) bool {
	const reach, busSize = 1 << 52, 1 << 20
	if addr == 0 || addr%busSize != 0 || addr >= reach {
		return false
	}
	p.ECAM, p.LastBus = addr, lastBus
	return true
}

// readMCFG reads the table of configuration spaces. Only the first segment counts,
// from bus 0 on.
func (a *ACPI) readMCFG(t Memory) {
	const (
		first, size                = 44, 16
		segment, firstBus, lastBus = 8, 10, 11
		mostSegments               = 256
	)
	at := uint64(first)
	for range mostSegments {
		e := t.Part(at, size)
		if e == nil || e.Uint16(segment) == 0 && e.Uint8(firstBus) == 0 && a.PCI.setECAM(e.Uint64(0), e.Uint8(lastBus)) {
			return
		}
		at += size
	}
}

// readHostBridge reads what is behind the name _CBA, as QEMU's microvm has it, which
// has no table: a method that returns where the configuration spaces are, and then
// the host bridge's resources, of which the first DWord address space descriptor
// (ACPI 6.4.3.5.2) of memory is the window.
func (a *ACPI) readHostBridge(code Memory, at uint64) {
	const (
		returnOp, dwordPrefix = 0xa4, 0x0c
		descriptor            = 0x00_0017_87 // tag, length, and type 0: memory
		lo, hi, length        = 10, 14, 22
		reach                 = 128 // bytes from the name to the descriptor
	)
	if a.PCI.ECAM != 0 || code.Uint8(at+1) != returnOp || code.Uint8(at+2) != dwordPrefix || !a.PCI.setECAM(code.addr32(at+3), 255) {
		return
	}
	for r := at + 7; r < at+reach; r++ {
		w := Range{Lo: code.addr32(r + lo), Hi: code.addr32(r+hi) + 1}
		if code.Uint32(r) == descriptor && w.Lo != 0 && w.Hi > w.Lo && w.Hi-w.Lo == code.addr32(r+length) {
			a.PCI.Window = w
			return
		}
	}
}
