package pci

import (
	"math"
	"testing"

	"ringo.dev/ringo/rt"
)

// sized is a bus whose memory registers have a size, by the address of their
// BAR; 0: they are not there.
type sized struct {
	bus
	sizes map[uint32]uint32
}

func (s sized) write32(addr, v uint32) {
	if size, ok := s.sizes[addr]; ok {
		const flags = 15
		v = v&^flags&-size | s.read32(addr)&flags
	}
	s.bus.write32(addr, v)
}

// add puts a device with a BAR of a size on the bus, and returns it.
func (s sized) add(bus, slot uint8, bar int, size, flags uint32) *Device {
	s.bus.add(bus, slot, 0, map[int]uint32{regID: card, regCommand: CommandMemory, regBAR0 + 4*bar: flags})
	d := &Device{Bus: bus, Slot: slot, space: s}
	s.sizes[d.address(regBAR0+4*bar)] = size
	return d
}

func newSized() sized { return sized{bus{}, map[uint32]uint32{}} }

// TestPlace has no address from firmware, and wants some that do not overlap.
func TestPlace(t *testing.T) {
	s := newSized()
	s.add(0, 1, 1, 4096, 0)
	s.add(0, 2, 4, 1<<20, 12)
	s.add(0, 3, 0, 4096, 0)
	s.add(0, 4, 0, 1<<31, 0)  // too big
	s.add(0, 5, 0, 0, 0)      // none
	s.add(0, 6, 0, 1<<12, 1)  // ports
	s.add(0, 7, 5, 1<<12, 12) // has no room for a second half
	found := find(s, rt.PCIRoot)
	for _, want := range []struct {
		slot, bar int
		at        uint64
	}{
		{1, 1, 0xe000_0000}, {2, 4, 0xe010_0000}, {3, 0, 0xe020_0000}, {4, 0, 0}, {5, 0, 0}, {6, 0, 0}, {7, 5, 0xe020_1000},
	} {
		d := &found[want.slot-1]
		d.Map(want.bar, 0, 16)
		b := d.BAR(want.bar)
		if b.Addr != want.at {
			t.Errorf("BAR %d of device %d is at %#x, want %#x", want.bar, want.slot, b.Addr, want.at)
		}
		if got := d.Read32(regCommand); got != CommandMemory {
			t.Errorf("the command register of device %d is %#x", want.slot, got)
		}
		d.Map(want.bar, 0, 16)
		if again := d.BAR(want.bar); again != b {
			t.Errorf("BAR %d of device %d moves from %#x to %#x", want.bar, want.slot, b.Addr, again.Addr)
		}
	}
}

// TestPlaceByFirmware wants no addresses where firmware has given some, and none
// behind bridges.
func TestPlaceByFirmware(t *testing.T) {
	s := newSized()
	s.add(0, 1, 0, 4096, 0)
	s.add(0, 2, 0, 4096, 0).Write32(regBAR0, 0xfe00_0000)
	if at := find(s, rt.PCIRoot)[0].place(0); at != 0 {
		t.Errorf("placed at %#x beside firmware's", at)
	}
	s = newSized()
	s.bus.add(0, 1, 0, map[int]uint32{regID: 0x1234_8086, regHeaderType: bridge, regBuses: 1 << 8})
	s.add(1, 0, 0, 4096, 0)
	if at := find(s, rt.PCIRoot)[0].place(0); at != 0 {
		t.Errorf("placed at %#x behind a bridge", at)
	}
}

// TestWindow wants an end to the addresses.
func TestWindow(t *testing.T) {
	var w window
	for n := 0; ; n++ {
		at := w.take(256 << 20)
		if at == 0 {
			if n != 1 {
				t.Errorf("%d times 256 MiB", n)
			}
			break
		}
	}
	if at := w.take(1 << 31); at != 0 {
		t.Errorf("2 GiB at %#x", at)
	}
	if at := w.take(64 << 20); at == 0 || uint64(at)+64<<20 > math.MaxUint32 {
		t.Errorf("64 MiB at %#x", at)
	}
}
