package firmware

import (
	"encoding/binary"
	"slices"
	"strings"
	"testing"
)

const mib = 1 << 20

// testImage is where the image is in these tests.
var testImage = Range{4 * mib, 6 * mib}

// wantBoot is what all loaders of these tests say: with a module, of which the
// last page is used in part, and something reserved in the middle of memory.
func wantBoot(t *testing.T, b *Boot, problem string) {
	t.Helper()
	if problem != "" {
		t.Fatal(problem)
	}
	memory := []Range{{1 * mib, 4 * mib}, {6 * mib, 7 * mib}, {7*mib + 2*page, 8 * mib}, {9 * mib, 16 * mib}, {4096 * mib, 5120 * mib}}
	if got := b.Memory.List(); !slices.Equal(got, memory) {
		t.Errorf("memory %#x, want %#x", got, memory)
	}
	if got := b.Modules(); !slices.Equal(got, []Range{{7 * mib, 7*mib + page + 1}}) {
		t.Errorf("modules %#x", got)
	}
	if got := string(b.Line()); got != "one two" {
		t.Errorf("line %q", got)
	}
}

// entries are the memory map's: address, length, type.
var entries = [][3]uint64{
	{0, 640 << 10, 1},
	{1 * mib, 15 * mib, 1},
	{8 * mib, 1 * mib, 2}, // within the one before
	{4096 * mib, 1024 * mib, 1},
	{1 << 63, 1<<64 - 1, 7}, // beyond the end
}

// put writes words from at on.
func put[T uint8 | uint32 | uint64](m Memory, at int, words ...T) int {
	n, err := binary.Encode(m[at:], le, words)
	if err != nil {
		panic(err)
	}
	return at + n
}

// multiboot1 is memory with the information of a multiboot loader, at 0.
func multiboot1() Memory {
	m := make(Memory, 4096)
	put(m, 0, uint32(multibootHasLine|multibootHasModules|multibootHasMap|multibootHasName))
	put(m, multibootLine, uint32(0x200))
	copy(m[0x200:], "one two")
	put(m, multibootModules, uint32(1), 0x300)
	put(m, 0x300, uint32(7*mib), 7*mib+page+1)
	at := 0x400
	for _, e := range entries {
		at = put(m, at, uint32(20))
		at = put(m, at, e[0], e[1])
		at = put(m, at, uint32(e[2]))
	}
	put(m, multibootMapLength, uint32(at-0x400), 0x400)
	put(m, multibootLoaderName, uint32(0x600))
	copy(m[0x600:], "qemu")
	return m
}

func TestMultiboot(t *testing.T) {
	var b Boot
	problem := b.Read(multiboot1(), Multiboot, 0, testImage)
	wantBoot(t, &b, problem)
	if !b.Named {
		t.Error("QEMU puts the image's name first")
	}
}

// multiboot2 is memory with the information of a multiboot 2 loader, at 0x100.
func multiboot2() Memory {
	m := make(Memory, 4096)
	at := 0x108
	tag := func(kind uint32, contents func(at int) int) {
		end := contents(at + 8)
		put(m, at, kind, uint32(end-at))
		at = (end + 7) &^ 7
	}
	tag(multiboot2Map, func(at int) int {
		at = put(m, at, uint32(24), 0)
		for _, e := range entries {
			at = put(m, at, e[0], e[1], e[2])
		}
		return at
	})
	tag(multiboot2Line, func(at int) int { return at + copy(m[at:], "one two\x00") })
	tag(99, func(at int) int { return at + 3 })
	tag(multiboot2Module, func(at int) int { return put(m, at, uint32(7*mib), 7*mib+page+1) + 1 })
	tag(multiboot2ACPI, func(at int) int { return at + copy(m[at:], "RSD PTR ") })
	tag(0, func(at int) int { return at })
	put(m, 0x100, uint32(at-0x100))
	return m
}

func TestMultiboot2(t *testing.T) {
	m := multiboot2()
	var b Boot
	problem := b.Read(m, Multiboot2, 0x100, testImage)
	wantBoot(t, &b, problem)
	if m.Uint64(b.RSDP) != signatureRSDP {
		t.Errorf("the root pointer is not at %#x", b.RSDP)
	}
}

// pvh is memory with the information of a PVH loader, at 0x80.
func pvh() Memory {
	m := make(Memory, 4096)
	put(m, 0x80, uint32(PVH), 1, 0, 1)
	put(m, 0x80+pvhModuleList, uint64(0x300), 0x200, 0x8000, 0x400)
	copy(m[0x200:], "one two")
	put(m, 0x300, uint64(7*mib), page+1)
	at := 0x400
	for _, e := range entries {
		at = put(m, at, e[0], e[1], e[2])
	}
	put(m, 0x80+pvhMapEntries, uint32(len(entries)))
	return m
}

func TestPVH(t *testing.T) {
	var b Boot
	problem := b.Read(pvh(), PVH, 0x80, testImage)
	wantBoot(t, &b, problem)
	if b.RSDP != 0x8000 {
		t.Errorf("root pointer at %#x", b.RSDP)
	}
}

// TestNoRSDP wants no search for tables where the loader has found none.
func TestNoRSDP(t *testing.T) {
	m := pvh()
	put(m, 0x80+pvhRSDP, uint64(0))
	var b Boot
	problem := b.Read(m, PVH, 0x80, testImage)
	wantBoot(t, &b, problem)
	var a, none ACPI
	a.Read(pcTables(inBIOS), b.RSDP)
	none.Read(nil, 0)
	if a != none {
		t.Errorf("%+v", a)
	}
}

// zeroPage is memory with the boot parameters of a loader of Linux, at 0x40.
func zeroPage() Memory {
	m := make(Memory, 4096)
	put(m, 0x40+linuxMagic, uint32(Linux))
	put(m, 0x40+linuxRSDP, uint64(0x8000))
	put(m, 0x40+linuxLine, uint32(0xf00))
	copy(m[0xf00:], "one two")
	put(m, 0x40+linuxModule, uint32(7*mib), page+1)
	put(m, 0x40+linuxMapEntries, uint8(len(entries)))
	at := 0x40 + linuxMap
	for _, e := range entries {
		at = put(m, at, e[0], e[1])
		at = put(m, at, uint32(e[2]))
	}
	return m
}

func TestLinux(t *testing.T) {
	var b Boot
	problem := b.Read(zeroPage(), Linux, 0x40, testImage)
	wantBoot(t, &b, problem)
	if b.RSDP != 0x8000 {
		t.Errorf("root pointer at %#x", b.RSDP)
	}
}

func TestBootProblems(t *testing.T) {
	long := multiboot1()
	long = append(long, strings.Repeat("x", 8192)...)
	put(long, multibootLine, uint32(4096))
	many := pvh()
	put(many, 0x80+pvhModules, uint32(1<<31))
	for i := range 10 {
		put(many, 0x800+i*pvhModuleSize, uint64(7*mib), 1)
	}
	put(many, 0x80+pvhModuleList, uint64(0x800))
	outside := pvh()
	put(outside, 0x80+pvhModuleList, uint64(1<<64-16))
	empty := multiboot2()
	put(empty, 0x100, uint32(8))
	for _, c := range []struct {
		name   string
		m      Memory
		loader uint32
		info   uint64
		want   string
	}{
		{"another loader", multiboot1(), 1, 0, UnknownLoader},
		{"Linux without its magic number", multiboot1(), Linux, 0, UnknownLoader},
		{"PVH without its magic number", multiboot1(), PVH, 0, UnknownLoader},
		{"no memory", nil, Multiboot, 0, NoMemoryMap},
		{"information outside", multiboot1(), Multiboot, 1 << 40, NoMemoryMap},
		{"no tags", empty, Multiboot2, 0x100, NoMemoryMap},
		{"long line", long, Multiboot, 0, LongLine},
		{"two thousand million modules", many, PVH, 0x80, TooManyModules},
		{"list of modules outside", outside, PVH, 0x80, MisplacedFile},
	} {
		var b Boot
		if problem := b.Read(c.m, c.loader, c.info, testImage); problem != c.want {
			t.Errorf("%s: %q, want %q", c.name, problem, c.want)
		}
	}
}

// TestNothingAllocated reads all that can be read, since package runtime has no
// heap when it does.
func TestNothingAllocated(t *testing.T) {
	m1, m2, m3, m4, tables := multiboot1(), multiboot2(), pvh(), zeroPage(), pcTables(inBIOS)
	var b Boot
	var a ACPI
	if n := testing.AllocsPerRun(10, func() {
		b = Boot{}
		b.Read(m1, Multiboot, 0, testImage)
		b = Boot{}
		b.Read(m2, Multiboot2, 0x100, testImage)
		b = Boot{}
		b.Read(m3, PVH, 0x80, testImage)
		b = Boot{}
		b.Read(m4, Linux, 0x40, testImage)
		a = ACPI{}
		a.Read(tables, 0)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// FuzzBoot reads damaged information. What is usable then must still be outside
// of all that is in use.
func FuzzBoot(f *testing.F) {
	f.Add([]byte(multiboot1()), uint32(Multiboot), uint64(0))
	f.Add([]byte(multiboot2()), uint32(Multiboot2), uint64(0x100))
	f.Add([]byte(pvh()), uint32(PVH), uint64(0x80))
	f.Add([]byte(zeroPage()), uint32(Linux), uint64(0x40))
	f.Fuzz(func(t *testing.T, data []byte, loader uint32, info uint64) {
		var b Boot
		if b.Read(data, loader, info, testImage) != "" {
			return
		}
		last := uint64(mib)
		for _, r := range b.Memory.List() {
			if r.Lo < last || r.Lo >= r.Hi || r.Lo%page != 0 || r.Hi%page != 0 {
				t.Fatalf("memory %#x", b.Memory.List())
			}
			last = r.Hi + 1
		}
		for _, used := range append(b.Modules(), testImage) {
			if b.Memory.Has(used.Lo, used.Hi-used.Lo) {
				t.Fatalf("%#x is in use, and in %#x", used, b.Memory.List())
			}
		}
	})
}
