package pci

import (
	"encoding/binary"
	"slices"
	"testing"

	"ringo.dev/ringo/rt"
)

// bus is configuration spaces of 256 bytes, by the address of their register 0.
type bus map[uint32]*[256]byte

func (b bus) read32(addr uint32) uint32 {
	if s := b[addr&^0xff]; s != nil {
		return binary.LittleEndian.Uint32(s[addr&0xfc:])
	}
	return 1<<32 - 1
}

func (b bus) write32(addr, v uint32) {
	if s := b[addr&^0xff]; s != nil {
		binary.LittleEndian.PutUint32(s[addr&0xfc:], v)
	}
}

// add puts a function with some registers on the bus.
func (b bus) add(bus, slot, fn uint8, registers map[int]uint32) {
	d := Device{Bus: bus, Slot: slot, Func: fn, space: b}
	b[d.address(0)] = new([256]byte)
	for reg, v := range registers {
		d.Write32(reg, v)
	}
}

const (
	card     = 0x1041_1af4
	multiple = headerMultiple << 16
	bridge   = headerBridge << 16
)

// TestFind wants all functions of a device that has several, what is behind
// bridges, and an end where bridges lead to one another.
func TestFind(t *testing.T) {
	b := bus{}
	b.add(0, 0, 0, map[int]uint32{regID: card, regClass: 0x020000_01, regSubsystem: 0x1100_1af4})
	b.add(0, 0, 1, map[int]uint32{regID: card}) // not to be seen: function 0 says that it is alone
	b.add(0, 3, 0, map[int]uint32{regID: card, regHeaderType: multiple})
	b.add(0, 3, 7, map[int]uint32{regID: card})
	b.add(0, 4, 0, map[int]uint32{regID: 0x1234_8086, regHeaderType: bridge, regBuses: 1 << 8})
	b.add(1, 31, 0, map[int]uint32{regID: card})
	b.add(1, 2, 0, map[int]uint32{regID: 0x1234_8086, regHeaderType: bridge, regBuses: 1 << 8})
	b.add(1, 3, 0, map[int]uint32{regID: 0x1234_8086, regHeaderType: bridge}) // leads nowhere
	var got [][3]uint8
	found := find(b, rt.PCIRoot)
	for _, d := range found {
		got = append(got, [3]uint8{d.Bus, d.Slot, d.Func})
	}
	if want := [][3]uint8{{0, 0, 0}, {0, 3, 0}, {0, 3, 7}, {1, 31, 0}}; !slices.Equal(got, want) {
		t.Fatalf("found %v, want %v", got, want)
	}
	if d := found[0]; d.Vendor != 0x1af4 || d.ID != 0x1041 || d.Subsystem != 0x1100 || d.Class>>16 != ClassNetwork {
		t.Errorf("%+v", d)
	}
}

// TestRoots finds devices on buses to which no bridge leads, once if one does.
func TestRoots(t *testing.T) {
	b := bus{}
	b.add(0, 1, 0, map[int]uint32{regID: 0x1234_8086, regHeaderType: bridge, regBuses: 2 << 8})
	for _, n := range []uint8{2, 3, 255} {
		b.add(n, 0, 0, map[int]uint32{regID: card})
	}
	var got []uint8
	for _, d := range find(b, func(n uint8) bool { return n == 0 || n == 2 || n == 255 }) {
		got = append(got, d.Bus)
	}
	if want := []uint8{2, 255}; !slices.Equal(got, want) {
		t.Errorf("found devices on buses %v, want %v", got, want)
	}
}

// TestBAR reads registers at ports, in 32 and in 64 bits.
func TestBAR(t *testing.T) {
	b := bus{}
	b.add(0, 1, 0, map[int]uint32{
		regID: card, regBAR0: 0xc001, regBAR0 + 4: 0xfe00_0008, regBAR0 + 8: 0x4, regBAR0 + 12: 0x8, regBAR0 + 20: 0x1000_0004,
	})
	d := find(b, rt.PCIRoot)[0]
	for i, want := range map[int]BAR{0: {0xc000, true}, 1: {0xfe00_0000, false}, 2: {0x8_0000_0000, false}, 5: {0x1000_0000, false}} {
		if got := d.BAR(i); got != want {
			t.Errorf("BAR %d is %+v, want %+v", i, got, want)
		}
	}
}

// TestEnable keeps the status, whose bits are cleared by writing ones.
func TestEnable(t *testing.T) {
	b := bus{}
	b.add(0, 1, 0, map[int]uint32{regID: card, regCommand: 0xffff_0001})
	d := find(b, rt.PCIRoot)[0]
	d.Enable(CommandMaster)
	if got := d.Read32(regCommand); got != CommandIO|CommandMaster {
		t.Errorf("command and status are %#x", got)
	}
}

// TestCapabilities wants the list, and an end to one that has none.
func TestCapabilities(t *testing.T) {
	b := bus{}
	b.add(0, 1, 0, map[int]uint32{
		regID: card, regCommand: statusCapabilities, regCapabilities: 0x42,
		0x40: CapVendor | 0x50<<8, 0x50: CapMSIX | 0x60<<8, 0x60: CapMSI | 0x40<<8,
	})
	b.add(0, 2, 0, map[int]uint32{regID: card, regCapabilities: 0x40, 0x40: CapMSIX}) // the status says that there are none
	found := find(b, rt.PCIRoot)
	if at := found[0].Capability(CapMSI); at != 0x60 {
		t.Errorf("MSI at %#x", at)
	}
	if at := found[0].Capability(0x77); at != 0 {
		t.Errorf("a capability that is not there, at %#x", at)
	}
	if at := found[1].Capability(CapMSIX); at != 0 {
		t.Errorf("MSI-X without a list, at %#x", at)
	}
}

// FuzzFind reads devices of any contents.
func FuzzFind(f *testing.F) {
	f.Add([]byte{0xf4, 0x1a, 0x41, 0x10, 0, 0, 0x10, 0}, []byte{0x86, 0x80, 1, 0})
	f.Fuzz(func(t *testing.T, one, two []byte) {
		b := bus{}
		b.add(0, 0, 0, nil)
		b.add(0, 1, 0, nil)
		copy(b[1<<31][:], one)
		copy(b[1<<31|1<<11][:], two)
		for _, d := range find(b, rt.PCIRoot) {
			for id, at := range d.Capabilities() {
				if at < 0x40 || at > 0xfc {
					t.Fatalf("capability %#x at %#x", id, at)
				}
			}
			for i := range 6 {
				d.BAR(i)
				d.Map(i, 1<<40, 16)
			}
			d.EnableMSIX()
		}
	})
}
