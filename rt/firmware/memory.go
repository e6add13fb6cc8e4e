// Package firmware reads what a machine's firmware and its boot loader leave in
// memory for an operating system: ACPI's tables, and the boot information of
// multiboot 1 and 2, of PVH and of Linux's boot protocol.
//
// Package runtime's additions use it before there is a heap, so nothing here
// allocates, and results are in arrays of fixed size. What is read may be
// damaged: all of it is read by Memory's methods, which see to the bounds, and
// every loop ends by a count of its own.
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

// number returns the little-endian number of n bytes at addr. It is not inlined, to keep
// programs small.
//
//go:noinline
func (m Memory) number(addr, n uint64) (v uint64) {
	b := m.Part(addr, n)
	for i := len(b) - 1; i >= 0; i-- {
		v = v<<8 | uint64(b[i])
	}
	return v
}

// Uint8 returns the byte at addr.
func (m Memory) Uint8(addr uint64) uint8 { return uint8(m.number(addr, 1)) }

// Uint16 returns the little-endian 16-bit word at addr.
func (m Memory) Uint16(addr uint64) uint16 { return uint16(m.number(addr, 2)) }

// Uint32 returns the little-endian 32-bit word at addr.
func (m Memory) Uint32(addr uint64) uint32 { return uint32(m.number(addr, 4)) }

// Uint64 returns the little-endian 64-bit word at addr.
func (m Memory) Uint64(addr uint64) uint64 { return m.number(addr, 8) }

// addr32 is Uint32 for what is an address or a length.
func (m Memory) addr32(addr uint64) uint64 { return m.number(addr, 4) }
