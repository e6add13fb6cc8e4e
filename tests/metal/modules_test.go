package metal

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ringo.dev/ringo/boot"
	"ringo.dev/ringo/tests/harness"
)

// TestModule reads a file that QEMU has put into memory, as multiboot's and as
// PVH's module. The files of the image, which are in memory as well, are none.
func TestModule(t *testing.T) {
	program := filepath.Join(t.TempDir(), "show.elf")
	build := ringo.Command(t.Context(), "build", "--files", "../programs/show:/source", "-o", program, harness.Module+"/tests/programs/show")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	data, err := os.ReadFile(program)
	if err != nil {
		t.Fatal(err)
	}
	p, err := boot.ReadProgram(data)
	if err != nil {
		t.Fatal(err)
	}
	var loaded bytes.Buffer
	if err := p.WritePVH(&loaded); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	pvh, file := filepath.Join(dir, "pvh.elf"), filepath.Join(dir, "file")
	text := strings.Repeat("a line of the module\n", 1000)
	for name, data := range map[string][]byte{pvh: loaded.Bytes(), file: []byte(text)} {
		if err := os.WriteFile(name, data, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	for way, executable := range map[string]string{"multiboot": program, "pvh": pvh} {
		t.Run(way, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			m := machine{Type: "pc", CPU: "max", Args: []string{"-initrd", file}}
			g, err := harness.StartGuest(m.command(ctx, t, executable, "/dev/ram0"))
			if err != nil {
				t.Fatal(err)
			}
			r, err := g.Wait(ctx)
			if err != nil || r.Status != exitStatus(0) || strings.TrimRight(r.Output, "\x00") != text {
				t.Errorf("status %d, %v, output:\n%s", r.Status, err, r.Output)
			}
		})
	}
}
