package firmware

import (
	"slices"
	"testing"
)

// table puts a table into memory and returns its end.
func table(m Memory, at int, signature string, contents []byte) int {
	copy(m[at:], signature)
	put(m, at+tableLength, uint32(tableHeader+len(contents)))
	return at + tableHeader + copy(m[at+tableHeader:], contents)
}

// pcTables is memory with the tables of a PC, made by hand from the
// specification, and the root pointer at rsdp.
func pcTables(rsdp int) Memory {
	const rsdt, fadt, madt, hpet, dsdt, end = 0x1000, 0x2000, 0x3000, 0x4000, 0x5000, 0x6000
	m := make(Memory, max(end, rsdp+64))
	copy(m[rsdp:], "RSD PTR ")
	put(m, rsdp+16, uint32(rsdt))
	sum := uint8(0)
	for _, b := range m[rsdp : rsdp+20] {
		sum += b
	}
	m[rsdp+8] = -sum

	entries := make(Memory, 4*4)
	put(entries, 0, uint32(fadt), madt, hpet, 1<<31) // the last leads nowhere
	table(m, rsdt, "RSDT", entries)

	fixed := make(Memory, 244-tableHeader)
	at := func(off int) int { return off - tableHeader }
	put(fixed, at(40), uint32(dsdt))
	put(fixed, at(46), uint8(9), 0)
	put(fixed, at(48), uint32(0xb2))
	put(fixed, at(52), uint8(0xf1))
	put(fixed, at(56), uint32(0x600))
	put(fixed, at(64), uint32(0x604))
	put(fixed, at(76), uint32(0x608))
	put(fixed, at(88), uint8(4))
	put(fixed, at(91), uint8(4))
	put(fixed, at(112), uint32(1<<10))
	put(fixed, at(116), uint8(AtPort), 8, 0, 0)
	put(fixed, at(120), uint64(0xcf9))
	put(fixed, at(128), uint8(0x0f))
	table(m, fadt, "FACP", fixed)

	table(m, madt, "APIC", slices.Concat(make([]byte, 8),
		[]byte{0, 8, 0, 5, 1, 0, 0, 0},
		[]byte{0, 8, 1, 6, 0, 0, 0, 0}, // not enabled
		[]byte{1, 12, 0, 0, 0, 0, 0xc0, 0xfe, 24, 0, 0, 0},
		[]byte{2, 10, 0, 0, 2, 0, 0, 0, 0, 0},
		[]byte{9, 16, 0, 0, 0x07, 1, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0},
		[]byte{0, 8, 0, 5, 1, 0, 0, 0},   // once more
		[]byte{0, 200, 0, 8, 1, 0, 0, 0}, // beyond the end
	))
	table(m, hpet, "HPET", []byte{0, 0, 0, 0, InMemory, 64, 0, 0, 0, 0, 0xd0, 0xfe, 0, 0, 0, 0, 0, 0, 0, 0})
	table(m, dsdt, "DSDT", []byte{0x08, '_', 'S', '5', '_', 0x12, 6, 4, 0x0a, 5, 0x01, 0, 0})
	return m
}

// inBIOS is where a BIOS may have the root pointer.
const inBIOS = 0xf0010

func TestACPI(t *testing.T) {
	var a ACPI
	a.Read(pcTables(inBIOS), 0)
	want := Fixed{
		HasOff: true, PM1aControl: 0x604, PM1aOff: 5<<10 | 1<<13, PM1bOff: 1<<10 | 1<<13,
		SleepControl: Register{Space: NoSpace},
		Reset:        Register{AtPort, 0xcf9}, ResetValue: 0x0f,
		Timer: 0x608, Event: 0x600, EventLen: 4, Line: 9, Command: 0xb2, CommandEnable: 0xf1,
	}
	if a.Fixed != want {
		t.Errorf("%+v, want %+v", a.Fixed, want)
	}
	if got := a.CPUs(); !slices.Equal(got, []uint32{5, 0x107}) {
		t.Errorf("processors %#x", got)
	}
	if got := a.IOAPICs(); !slices.Equal(got, []IOAPIC{{0xfec00000, 24}}) {
		t.Errorf("I/O APICs %#x", got)
	}
	if a.HPET != 0xfed00000 {
		t.Errorf("HPET %#x", a.HPET)
	}
}

// TestACPINowhere checks that root pointers that are none are not followed.
func TestACPINowhere(t *testing.T) {
	damaged := pcTables(inBIOS)
	damaged[inBIOS+9]++ // the checksum
	for _, m := range []Memory{nil, make(Memory, 1<<20), damaged} {
		var a ACPI
		a.Read(m, 1<<64-8)
		if len(a.CPUs()) != 0 || a.Fixed.HasOff {
			t.Errorf("%+v", a)
		}
	}
}

// TestACPIReduced reads the tables of a machine without ACPI's ports, by a root
// pointer that tells 64-bit addresses: two virtio-mmio devices, and how the
// machine is switched off.
func TestACPIReduced(t *testing.T) {
	device := func(at, line, flags byte) []byte {
		return slices.Concat([]byte("\x08_HID\x0dLNRO0005\x00\x08_UID\x00\x08_CRS\x11\x1a\x0a\x17"),
			[]byte{0x86, 9, 0, 1, 0, at, 0xbf, 0xfe, 0, 2, 0, 0}, []byte{0x89, 6, 0, flags, 1, line, 0, 0, 0, 0x79, 0})
	}
	m := make(Memory, 0x5000)
	copy(m, "RSD PTR ")
	put(m, 15, uint8(2))
	put(m, 24, uint64(0x1000))
	entries := make(Memory, 8)
	put(entries, 0, uint64(0x2000))
	table(m, 0x1000, "XSDT", entries)
	fixed := make(Memory, 256-tableHeader)
	put(fixed, 112-tableHeader, uint32(1<<20))
	put(fixed, 140-tableHeader, uint64(0x3000))
	put(fixed, 244-tableHeader, uint8(InMemory), 8, 0, 0)
	put(fixed, 248-tableHeader, uint64(0xfea00200))
	table(m, 0x2000, "FACP", fixed)
	table(m, 0x3000, "DSDT", slices.Concat(device(0x10, 5, 0x01), device(0x12, 6, 0x03),
		[]byte("\x08_HID\x0dACPI0013\x00\x08_UID\x0dGED\x00\x08_CRS\x11\x0e\x0a\x0b"),
		[]byte{0x89, 6, 0, 3, 1, 9, 0, 0, 0, 0x79, 0}, []byte("\x5b\x80EREG\x00\x0c\x00\x00\xa0\xfe\x0a\x04"),
		[]byte("\x08_S5_\x12\x06\x04\x0a\x05\x00\x00\x00")))

	var a ACPI
	a.Read(m, 0)
	want := Fixed{HasOff: true, SleepControl: Register{InMemory, 0xfea00200}, SleepOff: 5<<2 | 1<<5, Reset: Register{Space: NoSpace}}
	if a.Fixed != want {
		t.Errorf("%+v, want %+v", a.Fixed, want)
	}
	if want := (EventDevice{Select: 0xfea00000, Line: 9, Edge: true}); a.Event != want {
		t.Errorf("events %+v, want %+v", a.Event, want)
	}
	if got, want := a.MMIO(), []MMIO{{0xfebf1000, 512, 5, false}, {0xfebf1200, 512, 6, true}}; !slices.Equal(got, want) {
		t.Errorf("devices %+v, want %+v", got, want)
	}
}

// FuzzACPI reads damaged tables.
func FuzzACPI(f *testing.F) {
	f.Add([]byte(pcTables(0x10)), uint64(0x10))
	f.Fuzz(func(t *testing.T, data []byte, rsdp uint64) {
		var a ACPI
		a.Read(data, rsdp)
		seen := make(map[uint32]bool)
		for _, id := range a.CPUs() {
			if seen[id] {
				t.Fatalf("processor %#x is there twice", id)
			}
			seen[id] = true
		}
	})
}
