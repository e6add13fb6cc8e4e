package firmware

import (
	"slices"
	"testing"
)

// mcfg is the contents of a table of configuration spaces, with an entry each.
func mcfg(entries ...PCI) Memory {
	const reserved, size = 8, 16
	m := make(Memory, reserved+size*len(entries))
	for i, e := range entries {
		put(m, reserved+size*i, e.ECAM)
		m[reserved+size*i+11] = e.LastBus
	}
	return m
}

// TestMCFG takes the first segment's from bus 0 on.
func TestMCFG(t *testing.T) {
	good, second := PCI{ECAM: 0xb000_0000, LastBus: 255}, PCI{ECAM: 0xe000_0000, LastBus: 127}
	otherSegment, otherBus := mcfg(good, second), mcfg(good, second)
	otherSegment[8+8], otherBus[8+10] = 1, 1
	for name, c := range map[string]struct {
		contents Memory
		want     PCI
	}{
		"one":           {mcfg(good), good},
		"two":           {mcfg(good, second), good},
		"other segment": {otherSegment, second},
		"other bus":     {otherBus, second},
		"odd address":   {mcfg(PCI{ECAM: 0xb000_1000, LastBus: 255}, second), second},
		"far address":   {mcfg(PCI{ECAM: 1 << 52}, second), second},
		"none":          {mcfg(), PCI{}},
		"short":         {slices.Clone(mcfg(good))[:20], PCI{}},
	} {
		var a ACPI
		m := make(Memory, 0x1000)
		table(m, 0, "MCFG", c.contents)
		a.readMCFG(m.table(0))
		if a.PCI != (PCI{}) {
			t.Errorf("%s: there is a table at address 0: %+v", name, a.PCI)
		}
		table(m, 0x100, "MCFG", c.contents)
		if a.readMCFG(m.table(0x100)); a.PCI != c.want {
			t.Errorf("%s: %+v, want %+v", name, a.PCI, c.want)
		}
	}
}

// TestHostBridge finds the spaces and the memory of a bridge that has a method to
// tell where they are.
func TestHostBridge(t *testing.T) {
	descriptor := func(kind uint8, lo, hi, length uint32) Memory {
		d := make(Memory, 26)
		copy(d, []byte{0x87, 23, 0, kind, 12})
		put(d, 10, lo, hi)
		put(d, 22, length)
		return d
	}
	method := []byte{0x14, 12, '_', 'C', 'B', 'A', 0, 0xa4, 0x0c, 0, 0, 0, 0xe0, 0x08, '_', 'C', 'R', 'S'}
	good := descriptor(0, 0xc000_0000, 0xdfff_ffff, 0x2000_0000)
	want := PCI{ECAM: 0xe000_0000, LastBus: 255, Window: Range{Lo: 0xc000_0000, Hi: 0xe000_0000}}
	without := PCI{ECAM: 0xe000_0000, LastBus: 255}
	for what, c := range map[string]struct {
		code []byte
		want PCI
	}{
		"good":        {slices.Concat([]byte{1, '_'}, method, good), want},
		"ports first": {slices.Concat(method, descriptor(1, 0, 0xffff, 0x10000), good), want},
		"no method":   {slices.Concat([]byte{1, '_'}, good, method[6:]), PCI{}},
		"other code":  {slices.Concat(method[:7], []byte{0x70}, method[8:], good), PCI{}},
		"far":         {slices.Concat(method, make([]byte, 128), good), without},
		"length":      {slices.Concat(method, descriptor(0, 0xc000_0000, 0xdfff_ffff, 0x1000)), without},
		"empty":       {slices.Concat(method, descriptor(0, 0, 0, 0)), without},
		"short":       {slices.Concat(method, good[:20]), without},
		"end":         {method[:9], PCI{}},
	} {
		var a ACPI
		if a.findNames(c.code); a.PCI != c.want {
			t.Errorf("%s: %+v, want %+v", what, a.PCI, c.want)
		}
	}
}

// TestBaseBus finds the numbers of host bridges' buses, but for 0 and what is no number.
func TestBaseBus(t *testing.T) {
	code := Memory("\x08_BBN\x0a\x80__BBN\x00_BBN\x01 _BBN\x0a\xff_BBN\x14_BBN\x0b\x02\x00_BBN\x0a")
	var a ACPI
	a.findNames(code)
	var got []int
	for n := range 256 {
		if a.PCI.Roots.Has(uint8(n)) {
			got = append(got, n)
		}
	}
	if want := []int{1, 0x80, 0xff}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}
