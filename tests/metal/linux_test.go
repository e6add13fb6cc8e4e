package metal

import (
	"context"
	"debug/elf"
	"encoding/binary"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ringo.dev/ringo/tests/harness"
)

// le is the machines' byte order.
var le = binary.LittleEndian

// TestLinuxEntry enters an executable as monitors do that load Linux as an ELF
// file: at its entry point, in long mode. QEMU puts the segments into memory;
// what a monitor does then is done by a program of our own, which QEMU boots.
func TestLinuxEntry(t *testing.T) {
	image, err := ringo.Program("tests/programs/arguments")
	if err != nil {
		t.Fatal(err)
	}
	f, err := elf.Open(image)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	file := filepath.Join(t.TempDir(), "monitor")
	if err := os.WriteFile(file, linuxMonitor(uint32(f.Entry), seed+` first "and second"`), 0o666); err != nil {
		t.Fatal(err)
	}
	for _, kind := range []string{"q35", "microvm"} {
		t.Run(kind, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			m := machine{Type: kind, CPU: "qemu64", Args: []string{"-device", "loader,file=" + image}}
			g, err := harness.StartGuest(m.qemu(ctx, t, "-kernel", file))
			if err != nil {
				t.Fatal(err)
			}
			r, err := g.Wait(ctx)
			if err != nil || r.Status != exitStatus(0) || !strings.Contains(r.Output, `"first" "and second"`) {
				t.Errorf("status %d, %v, output:\n%s", r.Status, err, r.Output)
			}
		})
	}
}

// linuxMonitor returns a program for multiboot loaders that enters a kernel at
// entry with a command line.
func linuxMonitor(entry uint32, line string) []byte {
	const (
		base = 1 << 20

		// Where in it things are.
		code, gdt, gdtr, code64 = 0x40, 0x100, 0x120, 0x180
		level4, level3, level2  = 0x1000, 0x2000, 0x3000
		params, text, end       = 0x4000, 0x5000, 0x6000
	)
	m := make([]byte, end)
	words := func(at int, list ...uint32) {
		for i, w := range list {
			le.PutUint32(m[at+4*i:], w)
		}
	}
	const magic, addresses = 0x1badb002, 1 << 16
	check := uint32(magic + addresses)
	words(0, magic, addresses, -check, base, base, base+end, base+end, base+code)

	// The first GiB is mapped where it is.
	const present, write, big = 1 << 0, 1 << 1, 1 << 7
	words(level4, base+level3+present+write)
	words(level3, base+level2+present+write)
	for i := range 512 {
		words(level2+8*i, uint32(i)<<21+present+write+big)
	}
	le.PutUint64(m[gdt+8:], 0x00af9b000000ffff)  // 64-bit code
	le.PutUint64(m[gdt+16:], 0x00cf93000000ffff) // data
	le.PutUint16(m[gdtr:], 3*8-1)
	words(gdtr+2, base+gdt)

	at := code
	inst := func(bytes ...byte) { at += copy(m[at:], bytes) }
	operand := func(v uint32) { words(at, v); at += 4 }
	inst(0xfa, 0xb8) // cli; mov eax, PAE
	operand(1 << 5)
	inst(0x0f, 0x22, 0xe0, 0xb8) // mov cr4, eax; mov eax, level4
	operand(base + level4)
	inst(0x0f, 0x22, 0xd8, 0xb9) // mov cr3, eax; mov ecx, EFER
	operand(0xc000_0080)
	inst(0x0f, 0x32, 0x0d) // rdmsr; or eax, LME
	operand(1 << 8)
	inst(0x0f, 0x30, 0xb8) // wrmsr; mov eax, PG|PE
	operand(1<<31 | 1)
	inst(0x0f, 0x22, 0xc0, 0x0f, 0x01, 0x15) // mov cr0, eax; lgdt [gdtr]
	operand(base + gdtr)
	inst(0xea) // jmp 8:code64
	operand(base + code64)
	inst(8, 0)
	at = code64
	inst(0xbe) // mov esi, params
	operand(base + params)
	inst(0xb8) // mov eax, entry
	operand(entry)
	inst(0xff, 0xe0) // jmp rax

	// The boot parameters (Linux's Documentation/arch/x86/zero-page.rst), with a
	// memory map of two ranges.
	const mapEntries, header, linePointer, memoryMap, usable = 0x1e8, 0x202, 0x228, 0x2d0, 1
	m[params+mapEntries] = 2
	copy(m[params+header:], "HdrS")
	words(params+linePointer, base+text)
	words(params+memoryMap, 0, 0, 0x9fc00, 0, usable)
	words(params+memoryMap+20, 1<<20, 0, 127<<20, 0, usable)
	copy(m[text:end-1], line)
	return m
}
