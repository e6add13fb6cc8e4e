package pci

import (
	"testing"
	"unsafe"

	"ringo.dev/ringo/rt"
)

// TestECAM finds devices in memory, on the buses that are in reach.
func TestECAM(t *testing.T) {
	memory := make([]uint32, 2<<20/4) // of two buses
	put := func(bus, slot, fn, reg int, v uint32) { memory[(bus<<20|slot<<15|fn<<12|reg)/4] = v }
	for i := range memory {
		memory[i] = 1<<32 - 1
	}
	put(0, 0, 0, regID, card)
	put(0, 0, 0, regHeaderType, 0)
	put(0, 2, 0, regID, 0x1234_8086)
	put(0, 2, 0, regHeaderType, bridge)
	put(0, 2, 0, regBuses, 1<<8)
	put(0, 3, 0, regID, 0x1234_8086)
	put(0, 3, 0, regHeaderType, bridge)
	put(0, 3, 0, regBuses, 2<<8) // out of reach
	put(1, 31, 0, regID, card)
	put(1, 31, 0, regHeaderType, multiple)
	put(1, 31, 0, regCommand, 0)
	put(1, 31, 7, regID, card)
	put(1, 31, 7, regHeaderType, 0)

	e := &ecam{addr: 1 << 32, last: 1}
	at := uintptr(unsafe.Pointer(unsafe.SliceData(memory)))
	e.bus[0], e.bus[1] = at, at+1<<20
	found := find(e, rt.PCIRoot)
	if len(found) != 3 || found[0].Bus != 0 || found[1].Slot != 31 || found[1].Func != 0 || found[2].Func != 7 {
		t.Fatalf("%+v", found)
	}
	found[1].Enable(CommandMaster)
	command := memory[(1<<20|31<<15|regCommand)/4]
	if command != CommandMaster {
		t.Errorf("command %#x", command)
	}
	if v := e.read32(2 << 16); v != 1<<32-1 {
		t.Errorf("a bus that is not there reads as %#x", v)
	}
	e.write32(2<<16, 0)
}
