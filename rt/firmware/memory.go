// Package firmware reads what a machine's firmware and its boot loader leave in
// memory for an operating system: ACPI's tables, and the boot information of
// multiboot 1 and 2, of PVH and of Linux's boot protocol.
//
// Package runtime's additions use it before there is a heap, so nothing here
// allocates, and results are in arrays of fixed size. What is read may be
// damaged: all of it is read by Memory's methods, which see to the bounds, and
// every loop ends by a count of its own. These methods are not inlined, to keep
// programs small.
package firmware

// Memory is the machine's physical memory from address 0 on, as far as it may be
// looked at, or a part of it, such as a table. What is not in it reads as zeros.
type Memory []byte

// Part returns the n bytes at addr, or nil if not all of them are in m.
func (m Memory) Part(addr, n uint64) Memory {
	if addr > uint64(len(m)) || n > uint64(len(m))-addr {
		return nil
	}
	return m[addr : addr+n : addr+n]
}

// Uint8 returns the byte at addr.
//
//go:noinline
func (m Memory) Uint8(addr uint64) uint8 {
	if b := m.Part(addr, 1); b != nil {
		return b[0]
	}
	return 0
}

// Uint16 returns the little-endian 16-bit word at addr.
//
//go:noinline
func (m Memory) Uint16(addr uint64) uint16 {
	if b := m.Part(addr, 2); b != nil {
		return uint16(b[0]) | uint16(b[1])<<8
	}
	return 0
}

// Uint32 returns the little-endian 32-bit word at addr.
//
//go:noinline
func (m Memory) Uint32(addr uint64) uint32 {
	if b := m.Part(addr, 4); b != nil {
		return uint32(b[0]) | uint32(b[1])<<8 | uint32(b[2])<<16 | uint32(b[3])<<24
	}
	return 0
}

// Uint64 returns the little-endian 64-bit word at addr.
//
//go:noinline
func (m Memory) Uint64(addr uint64) uint64 {
	if b := m.Part(addr, 8); b != nil {
		return uint64(m.Uint32(addr)) | uint64(m.Uint32(addr+4))<<32
	}
	return 0
}

// addr32 is Uint32 for what is an address or a length.
//
//go:noinline
func (m Memory) addr32(addr uint64) uint64 { return uint64(m.Uint32(addr)) }
