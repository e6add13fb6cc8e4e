package firmware

// What is simple to find in ACPI's machine language (chapter 20), without an
// interpreter of it: by the names that the objects have.

// findNames finds the package that the object _S5 names, and returns its first two
// numbers: the sleep types for the two control registers. What is before it may be
// the PCI buses.
func (a *ACPI) findNames(code Memory) (typeA, typeB uint8, ok bool) {
	const (
		sleep     = '_' | 'S'<<8 | '5'<<16 | '_'<<24
		bridge    = '_' | 'C'<<8 | 'B'<<16 | 'A'<<24
		baseBus   = '_' | 'B'<<8 | 'B'<<16 | 'N'<<24
		packageOp = 0x12
	)
	for at, c := range code {
		if c != '_' {
			continue
		}
		p := uint64(at)
		name := code.Uint32(p)
		switch name {
		case bridge:
			a.readHostBridge(code, p+4)
		case baseBus:
			a.readBaseBus(code, p+4)
		}
		if name != sleep || code.Uint8(p+4) != packageOp {
			continue
		}
		p += 5
		p += 1 + uint64(code.Uint8(p)>>6) // the package's length, in 1 to 4 bytes
		p++                               // the number of its elements
		typeA, p = smallNumber(code, p)
		typeB, _ = smallNumber(code, p)
		return typeA & 7, typeB & 7, true
	}
	return 0, 0, false
}

// smallNumber reads a number of up to 8 bits and returns where the next one is.
func smallNumber(code Memory, at uint64) (v uint8, next uint64) {
	const one, bytePrefix = 0x01, 0x0a
	switch code.Uint8(at) {
	case bytePrefix:
		return code.Uint8(at + 1), at + 2
	case one:
		return 1, at + 1
	}
	return 0, at + 1
}

// The resources that devices have, by tag and length (6.4.3.4, 6.4.3.6), and a
// flag of interrupts.
const (
	memory32Fixed     = 0x000986
	extendedInterrupt = 0x000689
	edge              = 1 << 1
)

// interrupt reads the interrupt resource at an offset of code, if it is one.
func interrupt(code Memory, at uint64) (line uint32, isEdge, ok bool) {
	if code.Uint32(at)&0xffffff != extendedInterrupt {
		return 0, false, false
	}
	return code.Uint32(at + 5), code.Uint8(at+3)&edge != 0, true
}

// findMMIO finds virtio-mmio devices, as QEMU's microvm has them: after the name
// LNRO0005 the resources of a piece of memory and of an interrupt.
func (a *ACPI) findMMIO(code Memory) {
	const (
		id    = 'L' | 'N'<<8 | 'R'<<16 | 'O'<<24 | '0'<<32 | '0'<<40 | '0'<<48 | '5'<<56
		reach = 96 // bytes from the name to the resources, at most
	)
	for i, c := range code {
		at := uint64(i)
		if c != 'L' || code.Uint64(at) != id {
			continue
		}
		for r := at + 8; r < at+reach && a.nmmio < len(a.mmio); r++ {
			line, isEdge, ok := interrupt(code, r+12)
			if !ok || code.Uint32(r)&0xffffff != memory32Fixed {
				continue
			}
			a.mmio[a.nmmio] = MMIO{Addr: code.addr32(r + 4), Size: code.addr32(r + 8), Line: line, Edge: isEdge}
			a.nmmio++
			break
		}
	}
}

// findEventDevice finds the generic event device, as QEMU's microvm has it: after
// the name ACPI0013 the resource of an interrupt, and the region EREG of memory.
func (a *ACPI) findEventDevice(code Memory) {
	const (
		id        = 'A' | 'C'<<8 | 'P'<<16 | 'I'<<24 | '0'<<32 | '0'<<40 | '1'<<48 | '3'<<56
		region    = 'E' | 'R'<<8 | 'E'<<16 | 'G'<<24
		inMemory  = 0x0c00 // after the name: space 0, and a number of 32 bits
		reach     = 96     // bytes from the name to all that
		regionLen = 4
	)
	for i, c := range code {
		at := uint64(i)
		if c != 'A' || code.Uint64(at) != id {
			continue
		}
		var d EventDevice
		hasLine := false
		for r := at + 8; r < at+reach; r++ {
			if line, isEdge, ok := interrupt(code, r); ok && !hasLine {
				d.Line, d.Edge, hasLine = line, isEdge, true
			}
			if code.Uint32(r) == region && code.Uint16(r+regionLen) == inMemory && hasLine {
				d.Select = code.addr32(r + regionLen + 2)
				a.Event = d
				return
			}
		}
	}
}
