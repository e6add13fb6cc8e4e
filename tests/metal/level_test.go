package metal

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"ringo.dev/ringo/tests/harness"
)

// TestLevel boots programs that were built for a level of GOAMD64, on processors that
// have it and on others. TCG has no AVX-512.
func TestLevel(t *testing.T) {
	for _, c := range []struct {
		level        int
		machine, way string
		fit, unfit   []string // processors
	}{
		{2, "microvm", "multiboot", []string{"Nehalem"}, []string{"qemu64", "max,-sse4.2", "max,-lahf-lm"}},
		{3, "microvm", "multiboot", []string{"max", "Haswell"}, []string{"qemu64", "max,-bmi2", "max,-abm", "max,-xsave"}},
		{3, "q35", "pvh", []string{"max"}, []string{"qemu64"}},
		{3, "pc", "bios", []string{"max"}, []string{"qemu64"}},
		{3, "q35", "iso", nil, []string{"qemu64"}},
		{3, "q35", "uefi", nil, []string{"qemu64"}},
		{4, "microvm", "pvh", nil, []string{"max"}},
	} {
		program := levelProgram(t, c.level)
		for _, cpu := range c.fit {
			t.Run(fmt.Sprintf("v%d/%s/%s", c.level, c.way, cpu), func(t *testing.T) {
				// So long an argument is read with the processor's widest registers.
				r := runOn(t, c.machine, c.way, cpu, program, strings.Repeat("x", 500))
				if r.Status != 0 || !strings.Contains(r.Output, "hello from ringo") {
					t.Errorf("status %d, output:\n%s", r.Status, r.Output)
				}
			})
		}
		for _, cpu := range c.unfit {
			t.Run(fmt.Sprintf("v%d/%s/%s", c.level, c.way, cpu), func(t *testing.T) {
				want := fmt.Sprintf("ringo: fatal: the program was built with GOAMD64=v%d, which the processor does not have; ", c.level)
				if r := runOn(t, c.machine, c.way, cpu, program); r.Status != 2 || !strings.Contains(r.Output, want) {
					t.Errorf("status %d, want 2 and %q; output:\n%s", r.Status, want, r.Output)
				}
			})
		}
	}
}

// levelProgram builds examples/hello for a level of GOAMD64.
func levelProgram(t *testing.T, level int) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "hello.elf")
	cmd := ringo.Command(t.Context(), "build", "-o", file, harness.Module+"/examples/hello")
	cmd.Env = append(cmd.Env, fmt.Sprintf("GOAMD64=v%d", level))
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("ringo build: %v\n%s", err, out)
	}
	return file
}

// runOn runs a program with ringo run on a processor of QEMU.
func runOn(t *testing.T, machine, way, cpu, program string, args ...string) harness.Result {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	args = append([]string{"--vmm", "qemu", "--machine", machine, "--boot", way, "--cpu", cpu, "--net", "none", program, "--"}, args...)
	r, err := ringo.Run(ctx, args...)
	if err != nil {
		t.Fatalf("%v\n%s", err, r.Output)
	}
	return r
}
