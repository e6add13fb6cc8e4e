package firmware

// What ACPI's tables say of processors, interrupt controllers, the PCI bus and power
// (ACPI Specification 6.4, chapters 4 and 5). Only static tables are read.

// ACPI is that.
type ACPI struct {
	Fixed Fixed
	Event EventDevice
	PCI   PCI
	HPET  uint64 // address of the high precision event timer; 0: none

	cpus     [64]uint32
	ncpus    int
	ioapics  [8]IOAPIC
	nioapics int
	mmio     [64]MMIO
	nmmio    int
}

// Fixed is what the fixed table says. A port that is 0 is not there.
type Fixed struct {
	// How the machine is switched off: values for the two control registers, or,
	// in machines without these, one for the sleep control register.
	HasOff                   bool
	PM1aControl, PM1bControl uint16
	PM1aOff, PM1bOff         uint16
	SleepControl             Register
	SleepOff                 uint8

	// How it is reset: a value for a register, of space NoSpace if there is none.
	Reset      Register
	ResetValue uint8

	Timer    uint16 // of 3.579545 MHz and at least 24 bits
	Event    uint16 // status, and behind it enable bits
	EventLen uint8  // bytes of both
	Line     uint16 // interrupt line of the events

	// The port that takes a value, for events to be interrupts; 0: they are.
	Command       uint16
	CommandEnable uint8
}

// Register is a register in one of ACPI's address spaces (5.2.3.2).
type Register struct {
	Space uint8
	Addr  uint64
}

// Address spaces.
const (
	InMemory = 0
	AtPort   = 1
	InPCI    = 2 // configuration: device, function and offset in 16 bits each, bus 0
	NoSpace  = 0xff
)

// IOAPIC is an I/O interrupt controller.
type IOAPIC struct {
	Addr  uint64 // of its registers
	First uint32 // line number of its first input
}

// MMIO is a virtio-mmio device.
type MMIO struct {
	Addr, Size uint64
	Line       uint32
	Edge       bool // the line's way to interrupt
}

// EventDevice is a generic event device (5.6.9), which machines without the fixed
// events have, as QEMU makes it.
type EventDevice struct {
	Select uint64 // address of the 32-bit word that says what happened; 0: no device
	Line   uint32
	Edge   bool // the line's way to interrupt
}

// PowerButton is the bit of EventDevice.Select's word that is the power button.
const PowerButton = 1 << 1

// CPUs returns the APIC IDs of the processors that can run, none if there is no
// table of them.
func (a *ACPI) CPUs() []uint32 { return a.cpus[:a.ncpus] }

// IOAPICs returns the I/O interrupt controllers.
func (a *ACPI) IOAPICs() []IOAPIC { return a.ioapics[:a.nioapics] }

// MMIO returns the virtio-mmio devices.
func (a *ACPI) MMIO() []MMIO { return a.mmio[:a.nmmio] }

// signatureRSDP is what the root pointer begins with.
const signatureRSDP = 'R' | 'S'<<8 | 'D'<<16 | ' '<<24 | 'P'<<32 | 'T'<<40 | 'R'<<48 | ' '<<56

// Signatures of tables, as the 32-bit words that they begin with, and what all
// tables begin with: signature, length and other things.
const (
	signatureMADT = 'A' | 'P'<<8 | 'I'<<16 | 'C'<<24
	signatureFADT = 'F' | 'A'<<8 | 'C'<<16 | 'P'<<24
	signatureHPET = 'H' | 'P'<<8 | 'E'<<16 | 'T'<<24

	tableLength = 4
	tableHeader = 36
)

// table returns the table at addr, or nil.
func (m Memory) table(addr uint64) Memory {
	const most = 16 << 20
	n := m.addr32(addr + tableLength)
	if addr == 0 || n < tableHeader || n > most {
		return nil
	}
	return m.Part(addr, n)
}

// Read reads the tables. rsdp is Boot.RSDP. The root pointer is looked for if it is not
// there.
func (a *ACPI) Read(m Memory, rsdp uint64) {
	const revision, rsdt, xsdt, mostTables = 15, 16, 24, 256
	a.Fixed.Reset.Space, a.Fixed.SleepControl.Space = NoSpace, NoSpace
	if rsdp == NoRSDP {
		return
	}
	if m.Uint64(rsdp) != signatureRSDP {
		if rsdp = findRSDP(m); rsdp == 0 {
			return
		}
	}
	root, width := m.table(m.addr32(rsdp+rsdt)), uint64(4)
	if m.Uint8(rsdp+revision) >= 2 && m.Uint64(rsdp+xsdt) != 0 {
		root, width = m.table(m.Uint64(rsdp+xsdt)), 8
	}
	off := uint64(tableHeader)
	for range mostTables {
		if off+width > uint64(len(root)) {
			return
		}
		addr := root.addr32(off)
		if width == 8 {
			addr = root.Uint64(off)
		}
		table := m.table(addr)
		switch table.Uint32(0) {
		case signatureMADT:
			a.readMADT(table)
		case signatureFADT:
			a.readFADT(m, table)
		case signatureMCFG:
			a.readMCFG(table)
		case signatureHPET:
			a.readHPET(table)
		}
		off += width
	}
}

// findRSDP looks for the root pointer where a BIOS has it: in the first KiB of
// its extended data area, and in its own memory (ACPI Specification 6.5, 5.2.5.1).
func findRSDP(m Memory) uint64 {
	const segment = 0x40e // the extended data area's
	ebda := uint64(m.Uint16(segment)) << 4
	if at := searchRSDP(m, ebda, ebda+1024); at != 0 {
		return at
	}
	const biosStart, biosEnd = 0xe0000, 0x100000
	return searchRSDP(m, biosStart, biosEnd)
}

func searchRSDP(m Memory, lo, hi uint64) uint64 {
	const size, first = 20, signatureRSDP & 0xff
	hi = min(hi, uint64(len(m)))
	area := m.Part(lo, max(hi, lo)-lo)
	for off := 0; off+size <= len(area); off += 16 {
		// Few bytes get as far as to a call.
		if area[off] != first || area.Uint64(uint64(off)) != signatureRSDP {
			continue
		}
		sum := uint8(0)
		for _, b := range area[off : off+size] {
			sum += b
		}
		if sum == 0 {
			return lo + uint64(off)
		}
	}
	return 0
}

// readMADT reads the table of interrupt controllers (5.2.12).
func (a *ACPI) readMADT(t Memory) {
	const first, localAPIC, ioAPIC, localX2APIC = 44, 0, 1, 9
	for at := uint64(first); at < uint64(len(t)); {
		size := uint64(t.Uint8(at + 1))
		e := t.Part(at, size)
		if size < 2 || e == nil {
			return
		}
		switch kind := e[0]; {
		case kind == localAPIC && size >= 8:
			a.addCPU(uint32(e.Uint8(3)), e.Uint32(4))
		case kind == localX2APIC && size >= 16:
			a.addCPU(e.Uint32(4), e.Uint32(8))
		case kind == ioAPIC && size >= 12 && a.nioapics < len(a.ioapics):
			a.ioapics[a.nioapics] = IOAPIC{e.addr32(4), e.Uint32(8)}
			a.nioapics++
		}
		at += size
	}
}

// addCPU enters a processor by its APIC ID and flags.
func (a *ACPI) addCPU(id, flags uint32) {
	const enabled = 1
	if flags&enabled == 0 || a.ncpus == len(a.cpus) {
		return
	}
	for _, have := range a.CPUs() {
		if have == id {
			return
		}
	}
	a.cpus[a.ncpus] = id
	a.ncpus++
}

// readFADT reads the fixed table (5.2.9), and looks in the code of the one that it
// leads to for what is simple there: how the machine is switched off, and where
// virtio-mmio devices and the PCI bus are.
func (a *ACPI) readFADT(m, t Memory) {
	const (
		dsdt, line, command, enable         = 40, 46, 48, 52
		pm1aEvent, pm1aControl, pm1bControl = 56, 64, 68
		pmTimer, pm1EventLen, pmTimerLen    = 76, 88, 91
		flags, resetReg, resetValue         = 112, 116, 128
		xdsdt, sleepControl                 = 140, 244
		hasReset, reduced                   = 1 << 10, 1 << 20
	)
	f := &a.Fixed
	isReduced := t.Uint32(flags)&reduced != 0
	if t.Uint32(flags)&hasReset != 0 {
		f.Reset, f.ResetValue = register(t, resetReg), t.Uint8(resetValue)
	}
	if !isReduced {
		if t.Uint8(pmTimerLen) == 4 {
			f.Timer = t.Uint16(pmTimer)
		}
		f.Event, f.EventLen, f.Line = t.Uint16(pm1aEvent), t.Uint8(pm1EventLen), t.Uint16(line)
		f.Command, f.CommandEnable = t.Uint16(command), t.Uint8(enable)
	}
	code := m.table(t.addr32(dsdt))
	if addr := t.Uint64(xdsdt); addr != 0 {
		code = m.table(addr)
	}
	if code == nil {
		return
	}
	code = code[tableHeader:]
	a.findMMIO(code)
	a.findEventDevice(code)
	typeA, typeB, ok := a.findNames(code)
	switch {
	case !ok:
	case isReduced:
		const sleepEnable = 1 << 5
		f.HasOff = true
		f.SleepControl, f.SleepOff = register(t, sleepControl), typeA<<2|sleepEnable
	default:
		const sleep = 1 << 13 // SLP_EN of the PM1 control registers
		f.HasOff = true
		f.PM1aControl, f.PM1bControl = t.Uint16(pm1aControl), t.Uint16(pm1bControl)
		f.PM1aOff, f.PM1bOff = uint16(typeA)<<10|sleep, uint16(typeB)<<10|sleep
	}
}

// register returns a register that a table tells. One at address 0 is none.
func register(t Memory, at uint64) Register {
	r := Register{t.Uint8(at), t.Uint64(at + 4)}
	if r.Addr == 0 {
		r.Space = NoSpace
	}
	return r
}

// readHPET reads the table of the high precision event timer (IA-PC HPET 1.0a,
// 3.2.4).
func (a *ACPI) readHPET(t Memory) {
	const base = 40
	if r := register(t, base); r.Space == InMemory {
		a.HPET = r.Addr
	}
}
