//go:build ringo

package runtime

import (
	ringoabi "ringo.dev/ringo/vmm/abi"
	"unsafe"
)

// What ACPI's tables say of processors, interrupt controllers and power (ACPI
// Specification 6.4, chapters 4 and 5). The firmware keeps them in memory that
// is not usable, so they stay where they are. Only static tables are read.

// ringoACPI is what the tables say.
var ringoACPI struct {
	cpus    [64]uint32 // APIC IDs of the processors that can run; 0 of them: no table
	ncpus   int
	ioapics [8]ringoIOAPIC
	nioapic int

	// Of the fixed table: the ports that put the machine to sleep, and the
	// values that mean to switch off. Port 0: none.
	pm1a, pm1b       uint16
	off1a, off1b     uint16
	sleepAddr        uintptr // the register of machines without the ports, in memory
	sleepPort        uint16  // or at a port
	sleepOff         uint8
	timer            uint16  // port of ACPI's timer; 0: none
	hpet             uintptr // address of the HPET; 0: none
	event            uint16  // port of the events' status; 0: none
	eventLen         uint8   // bytes of status and enable bits, half each
	line             uint16  // interrupt line of the events
	command          uint16  // port that takes enable, for events to be interrupts
	enable           uint8
	resetPort        uint16
	resetValue       uint8
	hasOff, hasReset bool
}

// ringoIOAPIC is an I/O interrupt controller.
type ringoIOAPIC struct {
	base  uintptr // of its registers, in the direct map
	first uint32  // line number of its first input
}

// Signatures of tables, as the 32-bit words that they begin with.
const (
	ringoMADT = 'A' | 'P'<<8 | 'I'<<16 | 'C'<<24
	ringoFADT = 'F' | 'A'<<8 | 'C'<<16 | 'P'<<24
	ringoHPET = 'H' | 'P'<<8 | 'E'<<16 | 'T'<<24
)

// Every table begins with its signature and its length; this is its header's.
const ringoACPIHeader = 36

// ringoACPIRoot is where the table of tables is, 0 if unknown, and the size of
// its entries.
type ringoACPIRoot struct{ table, width uintptr }

// ringoReadRSDP reads ACPI's root pointer, the structure at pa.
func ringoReadRSDP(pa uintptr) {
	if pa == 0 || pa > 1<<32-64 {
		return
	}
	const revision, rsdt, xsdt = 15, 16, 24
	ringoLoader.acpi = ringoACPIRoot{ringoPhys32(pa + rsdt), 4}
	if ringoPhys8(pa+revision) >= 2 && ringoPhys64(pa+xsdt) != 0 {
		ringoLoader.acpi = ringoACPIRoot{ringoPhys64(pa + xsdt), 8}
	}
}

// ringoACPIInit reads the tables.
func ringoACPIInit() {
	if ringoLoader.acpi.table == 0 {
		ringoReadRSDP(ringoFindRSDP())
	}
	root, width := ringoLoader.acpi.table, ringoLoader.acpi.width
	length := ringoTableLength(root)
	for off := uintptr(ringoACPIHeader); off+width <= length; off += width {
		table := ringoPhys32(root + off)
		if width == 8 {
			table = ringoPhys64(root + off)
		}
		switch n := ringoTableLength(table); {
		case n == 0:
		case ringoPhys32(table) == ringoMADT:
			ringoReadMADT(table, n)
		case ringoPhys32(table) == ringoFADT:
			ringoReadFADT(table, n)
		case ringoPhys32(table) == ringoHPET:
			ringoReadHPET(table, n)
		}
	}
}

func ringoPhys8(pa uintptr) uint8 { return *(*uint8)(unsafe.Pointer(ringoDirect + pa)) }

func ringoPhys16(pa uintptr) uint16 { return *(*uint16)(unsafe.Pointer(ringoDirect + pa)) }

// ringoTableLength returns the length of a table, 0 if it is out of reach.
func ringoTableLength(pa uintptr) uintptr {
	const length, most = 4, 16 << 20
	if pa == 0 || pa > 1<<32-most {
		return 0
	}
	n := ringoPhys32(pa + length)
	if n < ringoACPIHeader || n > most {
		return 0
	}
	return n
}

// ringoFindRSDP looks for the root pointer where a BIOS has it: in the first
// KiB of its extended data area, and in its own memory.
func ringoFindRSDP() uintptr {
	const segment = 0x40e // the extended data area's
	ebda := uintptr(ringoPhys16(segment)) << 4
	if at := ringoSearchRSDP(ebda, ebda+1024); at != 0 {
		return at
	}
	return ringoSearchRSDP(0xe0000, 0x100000)
}

func ringoSearchRSDP(lo, hi uintptr) uintptr {
	const signature = 'R' | 'S'<<8 | 'D'<<16 | ' '<<24 | 'P'<<32 | 'T'<<40 | 'R'<<48 | ' '<<56
	for at := lo; at < hi; at += 16 {
		if ringoPhys64(at) != signature {
			continue
		}
		sum := uint8(0)
		for i := uintptr(0); i < 20; i++ {
			sum += ringoPhys8(at + i)
		}
		if sum == 0 {
			return at
		}
	}
	return 0
}

// ringoReadMADT reads the table of interrupt controllers.
func ringoReadMADT(table, n uintptr) {
	const first, localAPIC, ioAPIC, localX2APIC = 44, 0, 1, 9
	a := &ringoACPI
	for at := table + first; at+2 <= table+n; at += uintptr(ringoPhys8(at + 1)) {
		size := uintptr(ringoPhys8(at + 1))
		if size < 2 || at+size > table+n {
			return
		}
		switch kind := ringoPhys8(at); {
		case kind == localAPIC && size >= 8:
			ringoAddCPU(uint32(ringoPhys8(at+3)), ringoPhys32(at+4))
		case kind == localX2APIC && size >= 16:
			ringoAddCPU(uint32(ringoPhys32(at+4)), ringoPhys32(at+8))
		case kind == ioAPIC && size >= 12 && a.nioapic < len(a.ioapics):
			a.ioapics[a.nioapic] = ringoIOAPIC{ringoDirect + ringoPhys32(at+4), uint32(ringoPhys32(at + 8))}
			a.nioapic++
		}
	}
}

// ringoAddCPU enters a processor by its APIC ID and flags.
func ringoAddCPU(id uint32, flags uintptr) {
	const enabled = 1
	a := &ringoACPI
	if flags&enabled == 0 || a.ncpus == len(a.cpus) {
		return
	}
	a.cpus[a.ncpus] = id
	a.ncpus++
}

// ringoReadFADT reads the fixed table, and looks in the code of the one that it
// leads to for what is simple there: how the machine is switched off, and where
// virtio-mmio devices are.
func ringoReadFADT(table, n uintptr) {
	const (
		dsdt, interrupt, command, enable    = 40, 46, 48, 52
		pm1aEvent, pm1aControl, pm1bControl = 56, 64, 68
		pmTimer, pm1EventLen, pmTimerLen    = 76, 88, 91
		flags                               = 112
		resetReg, resetValue                = 116, 128
		xdsdt, sleepControl                 = 140, 244
		hasReset, reduced                   = 1 << 10, 1 << 20
		inMemory, atPort                    = 0, 1 // address spaces
	)
	a := &ringoACPI
	code := ringoPhys32(table + dsdt)
	if n >= xdsdt+8 && ringoPhys64(table+xdsdt) != 0 {
		code = ringoPhys64(table + xdsdt)
	}
	if n >= resetValue+1 && ringoPhys32(table+flags)&hasReset != 0 && ringoPhys8(table+resetReg) == atPort {
		a.hasReset = true
		a.resetPort = ringoPhys16(table + resetReg + 4)
		a.resetValue = ringoPhys8(table + resetValue)
	}
	if n >= flags+4 && ringoPhys32(table+flags)&reduced == 0 {
		if ringoPhys8(table+pmTimerLen) == 4 {
			a.timer = ringoPhys16(table + pmTimer)
		}
		a.event = ringoPhys16(table + pm1aEvent)
		a.eventLen = ringoPhys8(table + pm1EventLen)
		a.line = ringoPhys16(table + interrupt)
		a.command, a.enable = ringoPhys16(table+command), ringoPhys8(table+enable)
	}
	ringoFindMMIO(code)
	typeA, typeB, ok := ringoFindS5(code)
	if !ok {
		return
	}
	const sleep = 1 << 13 // SLP_EN of the PM1 control registers
	a.hasOff = true
	if n >= sleepControl+12 && ringoPhys32(table+flags)&reduced != 0 {
		const sleepEnable = 1 << 5
		a.sleepOff = typeA<<2 | sleepEnable
		switch addr := ringoPhys64(table + sleepControl + 4); {
		case ringoPhys8(table+sleepControl) == atPort:
			a.sleepPort = uint16(addr)
		case addr != 0 && addr < 1<<32:
			a.sleepAddr = ringoDirect + addr
		}
		return
	}
	a.pm1a, a.pm1b = ringoPhys16(table+pm1aControl), ringoPhys16(table+pm1bControl)
	a.off1a, a.off1b = uint16(typeA)<<10|sleep, uint16(typeB)<<10|sleep
}

// ringoReadHPET reads the table of the high precision event timer.
func ringoReadHPET(table, n uintptr) {
	const space, address, inMemory = 40, 44, 0
	if n < address+8 || ringoPhys8(table+space) != inMemory {
		return
	}
	if at := ringoPhys64(table + address); at != 0 && at < 1<<32-ringoabi.PageSize {
		ringoACPI.hpet = ringoDirect + at
	}
}

// ringoFindS5 finds the package that the object _S5 names, and returns its first
// two numbers: the sleep types for the two control registers.
func ringoFindS5(code uintptr) (typeA, typeB uint8, ok bool) {
	const (
		name      = '_' | 'S'<<8 | '5'<<16 | '_'<<24
		packageOp = 0x12
	)
	n := ringoTableLength(code)
	for at := code + ringoACPIHeader; at+8 < code+n; at++ {
		if ringoPhys32(at) != name || ringoPhys8(at+4) != packageOp {
			continue
		}
		p := at + 5
		p += 1 + uintptr(ringoPhys8(p)>>6) // the package's length, in 1 to 4 bytes
		p++                                // the number of its elements
		typeA, p = ringoAMLByte(p)
		typeB, _ = ringoAMLByte(p)
		return typeA, typeB, true
	}
	return 0, 0, false
}

// ringoAMLByte reads a small number of ACPI's machine language.
func ringoAMLByte(p uintptr) (v uint8, next uintptr) {
	const one, bytePrefix = 0x01, 0x0a
	switch op := ringoPhys8(p); op {
	case bytePrefix:
		return ringoPhys8(p + 1), p + 2
	case one:
		return 1, p + 1
	}
	return 0, p + 1
}

// ringoFindMMIO finds virtio-mmio devices, as QEMU's microvm has them: after the
// name LNRO0005 the resources of a piece of memory and of an interrupt.
func ringoFindMMIO(code uintptr) {
	const (
		half1, half2      = 'L' | 'N'<<8 | 'R'<<16 | 'O'<<24, '0' | '0'<<8 | '0'<<16 | '5'<<24
		reach             = 96       // bytes from the name to the resources, at most
		memory32Fixed     = 0x000986 // tag and length
		extendedInterrupt = 0x000689
		edge              = 1 << 1
	)
	n := ringoTableLength(code)
	for at := code + ringoACPIHeader; at+8 < code+n; at++ {
		if ringoPhys32(at) != half1 || ringoPhys32(at+4) != half2 {
			continue
		}
		for r := at + 8; r < at+reach; r++ {
			if ringoPhys32(r)&0xffffff != memory32Fixed || ringoPhys32(r+12)&0xffffff != extendedInterrupt {
				continue
			}
			mode := uint32(ringoIOAPICLevel)
			if ringoPhys8(r+15)&edge != 0 {
				mode = 0
			}
			ringoMetalMMIO(ringoPhys32(r+4), ringoPhys32(r+8), uint32(ringoPhys32(r+17)), mode)
			break
		}
	}
}
