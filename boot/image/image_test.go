package image

import (
	"bytes"
	"encoding/binary"
	"io"
	"strings"
	"testing"

	"github.com/rekby/gpt"
	"ringo.dev/ringo/boot"
)

// program returns a program of n bytes.
func program(n int) *boot.Program {
	p := &boot.Program{Data: make([]byte, n), Base: 0x400000, End: 0x400000 + uint32(n), Entry: 0x4008c5, Line: "a line"}
	for i := range p.Data {
		p.Data[i] = byte(i * i >> 8)
	}
	return p
}

// makeImage returns an image.
func makeImage(t *testing.T, format string, p *boot.Program) []byte {
	t.Helper()
	f, err := ParseFormat(format)
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	d, err := f.Make(p)
	if err != nil {
		t.Fatalf("%s: %v", format, err)
	}
	if _, err := d.WriteTo(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// TestReproducible checks that images depend on the program alone, and on all
// of it.
func TestReproducible(t *testing.T) {
	for _, format := range Formats() {
		first := makeImage(t, format, program(100_000))
		if !bytes.Equal(first, makeImage(t, format, program(100_000))) {
			t.Errorf("%s: two images of one program differ", format)
		}
		for name, change := range map[string]func(*boot.Program){
			"data": func(p *boot.Program) { p.Data[50_000]++ },
			"line": func(p *boot.Program) { p.Line += "x" },
		} {
			p := program(100_000)
			change(p)
			if bytes.Equal(first, makeImage(t, format, p)) {
				t.Errorf("%s: other %s make the same image", format, name)
			}
		}
	}
}

// TestParseFormat checks that the error names what there is.
func TestParseFormat(t *testing.T) {
	if _, err := ParseFormat("floppy"); err == nil || !strings.Contains(err.Error(), "iso") || !strings.Contains(err.Error(), "raw") {
		t.Errorf("%v", err)
	}
}

// TestTooLong checks that an impossible image is refused.
func TestTooLong(t *testing.T) {
	p := program(1000)
	p.Line = strings.Repeat("x", 5000)
	for _, format := range Formats() {
		f, _ := ParseFormat(format) // it is one of them
		if _, err := f.Make(p); err == nil || !strings.Contains(err.Error(), "command line") {
			t.Errorf("%s: %v", format, err)
		}
	}
}

// TestPartitions checks the tables of partitions, and that what they say is there.
func TestPartitions(t *testing.T) {
	p := program(123_456)
	disk := makeImage(t, "raw", p)
	r := bytes.NewReader(disk)
	if _, err := r.Seek(SectorSize, io.SeekStart); err != nil {
		t.Fatal(err)
	}
	first, err := gpt.ReadTable(r, SectorSize)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Seek(-SectorSize, io.SeekEnd); err != nil {
		t.Fatal(err)
	}
	last, err := gpt.ReadTable(r, SectorSize)
	if err != nil {
		t.Fatal(err)
	}
	if first.Header.DiskGUID != last.Header.DiskGUID || first.Header.PartitionsCRC != last.Header.PartitionsCRC {
		t.Error("the two tables are different ones")
	}
	end := first.Header.FirstUsableLBA - 1
	for i, name := range []string{"ringo loader", "ringo program"} {
		e := first.Partitions[i]
		if e.Name() != name || e.FirstLBA <= end || e.LastLBA < e.FirstLBA || e.LastLBA > first.Header.LastUsableLBA {
			t.Errorf("partition %d is %q, from %d to %d", i, e.Name(), e.FirstLBA, e.LastLBA)
		}
		end = e.LastLBA
	}
	if first.Partitions[0].Type.String() != "21686148-6449-6E6F-744E-656564454649" {
		t.Errorf("the loader is in a partition of type %v", first.Partitions[0].Type)
	}
	e := first.Partitions[1]
	if !bytes.Contains(disk[e.FirstLBA*SectorSize:(e.LastLBA+1)*SectorSize], p.Data) {
		t.Error("the program is not in its partition in one piece")
	}
	if mbr := disk[mbrTable:SectorSize]; mbr[4] != mbrTypeGPT || binary.LittleEndian.Uint32(mbr[12:]) != uint32(len(disk)/SectorSize-1) {
		t.Errorf("the protective MBR is % x", mbr)
	}
}

// TestCD follows the ways to what is on a CD.
func TestCD(t *testing.T) {
	p := program(123_456)
	cd := makeImage(t, "iso", p)
	sector := func(n uint32) []byte { return cd[n*cdSector:][:cdSector] }
	le := binary.LittleEndian
	if string(sector(16)[1:6]) != "CD001" || le.Uint32(sector(16)[80:]) != uint32(len(cd)/cdSector) {
		t.Errorf("the first descriptor is % x", sector(16)[:90])
	}
	root := sector(le.Uint32(sector(16)[158:]))
	file := root[root[0]:]
	file = file[file[0]:]
	if name := string(file[33:][:file[32]]); name != "EFI.IMG;1" {
		t.Errorf("the file is %q", name)
	}
	at, size := le.Uint32(file[2:]), le.Uint32(file[10:])
	if !bytes.Contains(cd[at*cdSector:][:size], p.Data) {
		t.Error("the program is not in the file in one piece")
	}
	catalog := sector(le.Uint32(sector(17)[71:]))
	sum := uint16(0)
	for i := 0; i < 32; i += 2 {
		sum += le.Uint16(catalog[i:])
	}
	if sum != 0 {
		t.Errorf("the boot catalog's checksum is off by %#x", sum)
	}
	if boot := le.Uint32(catalog[32+8:]); sector(boot)[0] != 0xfa { // CLI
		t.Errorf("at %d is no loader", boot)
	}
	if efi := le.Uint32(catalog[96+8:]); efi != at || catalog[64] != 0x91 || catalog[65] != 0xef {
		t.Errorf("UEFI is led to %d", efi)
	}
}
