// Package pci finds the devices on a PC's PCI bus and reads their configuration
// space (PCI Local Bus Specification 3.0, chapter 6): in memory, where ACPI says
// that it is there (ecam.go), else by configuration mechanism 1. What firmware has
// set up (addresses, buses) is used as it is. Scans begin at bus 0, and at the others that
// ACPI says belong to host bridges. Where it leaves addresses to the
// operating system, as QEMU's qboot does, devices get theirs here (window.go).
package pci

import (
	"iter"
	"sync"

	"ringo.dev/ringo/rt"
)

// Registers in the configuration space.
const (
	regID            = 0x00
	regCommand       = 0x04
	regClass         = 0x08
	regHeaderType    = 0x0c // of the word that holds it
	regBAR0          = 0x10
	regBuses         = 0x18 // of bridges
	regSubsystem     = 0x2c
	regCapabilities  = 0x34
	regInterruptLine = 0x3c

	statusCapabilities = 1 << 20 // in regCommand's word

	headerDevice   = 0
	headerBridge   = 1
	headerMultiple = 0x80 // functions

	noDevice = 0xffff // vendor
)

// Bits of the command register.
const (
	CommandIO     = 1 << 0 // the device answers at its I/O ports
	CommandMemory = 1 << 1 // the device answers at its memory addresses
	CommandMaster = 1 << 2 // the device may access memory
	CommandNoINTx = 1 << 10
)

// Capability IDs (PCI Code and ID Assignment Specification).
const (
	CapMSI    = 0x05
	CapVendor = 0x09
	CapMSIX   = 0x11
)

// ClassNetwork is the class of network cards: the upper byte of Device.Class.
const ClassNetwork = 0x02

// Device is one function of a device.
type Device struct {
	Bus, Slot, Func uint8
	Vendor, ID      uint16
	Subsystem       uint16 // the subsystem's device ID
	Class           uint32 // class, subclass and interface, one byte each

	space  space
	window *window
}

// space is the configuration spaces of a bus. An address is that of mechanism 1:
// bus, slot, function and register.
type space interface {
	read32(addr uint32) uint32
	write32(addr, v uint32)
}

// machine has what Devices returns.
var machine struct {
	look    sync.Once
	devices []Device
}

// Devices returns the devices of the machine, in the order of their addresses.
// The bus is looked at once.
func Devices() []Device {
	machine.look.Do(func() { machine.devices = findAll() })
	return machine.devices
}

func findAll() []Device {
	if !rt.HasPorts() {
		return nil
	}
	if e := openECAM(); e != nil {
		return find(e, rt.PCIRoot)
	}
	if p := openPorts(); p != nil {
		return find(p, rt.PCIRoot)
	}
	return nil
}

// find returns the devices in a space, on the buses that are a root and those behind their
// bridges.
func find(in space, isRoot func(bus uint8) bool) []Device {
	s := scan{space: in, window: new(window)}
	for n := range len(s.seen) {
		if isRoot(uint8(n)) {
			s.bus(uint8(n))
		}
	}
	s.window.devices = s.found
	return s.found
}

// scan is a walk over the buses.
type scan struct {
	space  space
	window *window
	found  []Device
	seen   [256]bool // buses
}

// bus looks at a bus and at those behind its bridges.
func (s *scan) bus(bus uint8) {
	if s.seen[bus] {
		return
	}
	s.seen[bus] = true
	for slot := range uint8(32) {
		for fn := range uint8(8) {
			d := Device{Bus: bus, Slot: slot, Func: fn, space: s.space, window: s.window}
			id := d.Read32(regID)
			d.Vendor, d.ID = uint16(id), uint16(id>>16)
			if d.Vendor == noDevice {
				if fn == 0 {
					break
				}
				continue
			}
			d.Class = d.Read32(regClass) >> 8
			header := uint8(d.Read32(regHeaderType) >> 16)
			switch header &^ headerMultiple {
			case headerDevice:
				d.Subsystem = uint16(d.Read32(regSubsystem) >> 16)
				s.found = append(s.found, d)
			case headerBridge:
				if secondary := uint8(d.Read32(regBuses) >> 8); secondary != 0 {
					s.bus(secondary)
				}
			}
			if fn == 0 && header&headerMultiple == 0 {
				break
			}
		}
	}
}

// ports is the space that configuration mechanism 1 reaches, by a pair of ports.
type ports struct{ mu sync.Mutex }

const (
	portAddress = 0xcf8
	portData    = 0xcfc
)

// openPorts returns the machine's, or nil if it has none: then nothing keeps what is written
// to the port for addresses.
func openPorts() *ports {
	const enable = 1 << 31
	rt.Out32(portAddress, enable)
	if rt.In32(portAddress) != enable {
		return nil
	}
	return &ports{}
}

func (p *ports) read32(addr uint32) uint32 {
	p.mu.Lock()
	rt.Out32(portAddress, addr)
	v := rt.In32(portData)
	p.mu.Unlock()
	return v
}

func (p *ports) write32(addr, v uint32) {
	p.mu.Lock()
	rt.Out32(portAddress, addr)
	rt.Out32(portData, v)
	p.mu.Unlock()
}

func (d *Device) address(reg int) uint32 {
	return 1<<31 | uint32(d.Bus)<<16 | uint32(d.Slot)<<11 | uint32(d.Func)<<8 | uint32(reg&0xfc)
}

// Read32 reads a register: reg is a multiple of 4, below 256.
func (d *Device) Read32(reg int) uint32 { return d.space.read32(d.address(reg)) }

// Write32 writes a register.
func (d *Device) Write32(reg int, v uint32) { d.space.write32(d.address(reg), v) }

// Read8 reads one byte of a register.
func (d *Device) Read8(reg int) uint8 { return uint8(d.Read32(reg) >> (8 * (reg & 3))) }

// Enable sets bits of the command register.
func (d *Device) Enable(bits uint32) {
	const command = 0xffff // the status above it is cleared by writing ones
	d.Write32(regCommand, d.Read32(regCommand)&command|bits)
}

// Line returns the interrupt line to which firmware has connected the device.
func (d *Device) Line() int { return int(d.Read8(regInterruptLine)) }

// Capabilities returns the device's capabilities: their ID, and where they are
// in the configuration space.
func (d *Device) Capabilities() iter.Seq2[uint8, int] {
	return func(yield func(uint8, int) bool) {
		if d.Read32(regCommand)&statusCapabilities == 0 {
			return
		}
		at := int(d.Read8(regCapabilities)) &^ 3
		// A list of a faulty device may have no end; this is more than fit.
		for n := 0; at >= 0x40 && n < 48; n++ {
			head := d.Read32(at)
			if !yield(uint8(head), at) {
				return
			}
			at = int(head>>8) & 0xfc
		}
	}
}

// Capability returns where the first capability of an ID is, or 0.
func (d *Device) Capability(id uint8) int {
	for got, at := range d.Capabilities() {
		if got == id {
			return at
		}
	}
	return 0
}

// BAR is a range of registers of a device.
type BAR struct {
	Addr uint64 // I/O port or physical address; 0: none
	IO   bool
}

// BAR returns base address register i, 0 to 5.
func (d *Device) BAR(i int) BAR {
	const isIO, is64 = 1, 4
	reg := regBAR0 + 4*i
	v := d.Read32(reg)
	if v&isIO != 0 {
		return BAR{Addr: uint64(v &^ 3), IO: true}
	}
	b := BAR{Addr: uint64(v &^ 15)}
	if v&is64 != 0 && i < 5 {
		b.Addr |= uint64(d.Read32(reg+4)) << 32
	}
	return b
}

// Map returns the address at which n bytes of the memory registers of BAR i,
// from an offset on, are accessed; 0 if they cannot be.
func (d *Device) Map(i int, off, n uint64) uintptr {
	b := d.BAR(i)
	if !b.IO && b.Addr == 0 {
		b.Addr = d.place(i)
	}
	if b.IO || b.Addr == 0 || b.Addr+off < b.Addr {
		return 0
	}
	return rt.MapDevice(b.Addr+off, n)
}

// EnableMSIX switches the device to MSI-X, with entry 0 of its table as its
// only interrupt. It reports whether the device has it.
func (d *Device) EnableMSIX() bool {
	const enable, functionMask = 1 << 31, 1 << 30
	at := d.Capability(CapMSIX)
	if at == 0 {
		return false
	}
	location := d.Read32(at + 4)
	table := d.Map(int(location&7), uint64(location&^7), 16)
	if table == 0 {
		return false
	}
	addr, data := rt.Message()
	rt.Store32(table, uint32(addr))
	rt.Store32(table+4, uint32(addr>>32))
	rt.Store32(table+8, data)
	rt.Store32(table+12, 0) // not masked
	d.Write32(at, d.Read32(at)&^functionMask|enable)
	return true
}
