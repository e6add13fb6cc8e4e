package metal

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"ringo.dev/ringo/tests/harness"
)

// TestGRUB boots an executable by GRUB, by both versions of multiboot, and reads
// the module that GRUB has loaded.
func TestGRUB(t *testing.T) {
	const mkrescue = "grub-mkrescue"
	if _, err := exec.LookPath(mkrescue); err != nil {
		t.Skipf("%s is missing; install it with apt-get install grub-pc-bin grub-common xorriso", mkrescue)
	}
	program, err := ringo.Program("tests/programs/show")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ multiboot, module string }{{"multiboot", "module"}, {"multiboot2", "module2"}} {
		t.Run(c.multiboot, func(t *testing.T) {
			dir := t.TempDir()
			grub := filepath.Join(dir, "cd", "boot", "grub")
			if err := os.MkdirAll(grub, 0o777); err != nil {
				t.Fatal(err)
			}
			data, err := os.ReadFile(program)
			if err != nil {
				t.Fatal(err)
			}
			config := fmt.Sprintf("%s /program.elf %s '/dev/ram0' ignored\n%s /boot/grub/grub.cfg\nboot\n", c.multiboot, seed, c.module)
			for name, data := range map[string][]byte{filepath.Join(grub, "grub.cfg"): []byte(config), filepath.Join(dir, "cd", "program.elf"): data} {
				if err := os.WriteFile(name, data, 0o666); err != nil {
					t.Fatal(err)
				}
			}
			image := filepath.Join(dir, "grub.iso")
			if out, err := exec.Command(mkrescue, "-o", image, filepath.Join(dir, "cd")).CombinedOutput(); err != nil {
				t.Fatalf("%s: %v\n%s", mkrescue, err, out)
			}
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			g, err := harness.StartGuest(machine{Type: "pc", CPU: "qemu64"}.qemu(ctx, t, "-cdrom", image))
			if err != nil {
				t.Fatal(err)
			}
			r, err := g.Wait(ctx)
			if err != nil || r.Status != exitStatus(0) || !strings.Contains(r.Output, config) {
				t.Errorf("status %d, %v, output:\n%s", r.Status, err, r.Output)
			}
		})
	}
}
