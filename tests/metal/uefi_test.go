package metal

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ringo.dev/ringo/boot"
	"ringo.dev/ringo/boot/uefi"
	qemu "ringo.dev/ringo/tools/machine"
)

// withUEFI returns the machine with UEFI firmware.
func (m machine) withUEFI(t *testing.T) machine {
	t.Helper()
	firmware, err := qemu.FindFirmware(m.Type)
	if err != nil {
		t.Skip(err)
	}
	m.Args = append(firmware.Args(), m.Args...)
	return m
}

// TestUEFI boots images by UEFI firmware, from all kinds of drives, with
// arguments.
func TestUEFI(t *testing.T) {
	for _, c := range []struct{ format, machine, cpu, drive string }{
		{"raw", "q35", "qemu64", "ahci"},
		{"raw", "pc", "max", "virtio"},
		{"iso", "q35", "max", "cd"},
	} {
		t.Run(c.format+"/"+c.machine+"/"+c.drive, func(t *testing.T) {
			image := makeImage(t, c.format, "tests/programs/arguments", "--set", strings.TrimPrefix(seed, "ringo."), "--", "x y")
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			m := machine{Type: c.machine, CPU: c.cpu, Args: []string{"-smp", "2"}}.withUEFI(t)
			r, err := m.startImage(ctx, t, c.drive, image).Wait(ctx)
			if err != nil || r.Status != exitStatus(0) || !strings.Contains(r.Output, `"x y"`) {
				t.Errorf("status %d, %v, output:\n%s", r.Status, err, r.Output)
			}
		})
	}
}

// TestUEFIOff checks that a machine is switched off that has no other way to end.
func TestUEFIOff(t *testing.T) {
	image := makeImage(t, "qcow2", "examples/hello")
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	m := machine{Type: "q35", CPU: "max", Args: []string{"-action", "reboot=reset"}}.withUEFI(t)
	cmd := m.qemu(ctx, t, "-drive", "format=qcow2,snapshot=on,file="+image)
	for i, arg := range cmd.Args {
		cmd.Args[i] = strings.Replace(arg, "isa-debug-exit,iobase=0xf4", "isa-debug-exit,iobase=0x501", 1)
	}
	out, err := cmd.Output()
	if err != nil || !strings.Contains(string(out), "hello from ringo") {
		t.Errorf("%v, output:\n%s", err, out)
	}
}

// TestUEFIWeb fetches pages from a program that firmware has booted.
func TestUEFIWeb(t *testing.T) {
	image := makeImage(t, "raw", "examples/web", "--set", "net.verbose=1")
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	port := freePort(t)
	m := machine{Type: "q35", CPU: "max", Args: []string{
		"-device", "virtio-net-pci,netdev=n", "-netdev", forward(port),
	}}.withUEFI(t)
	g := m.startImage(ctx, t, "ahci", image)
	defer g.Stop()
	fetchPages(ctx, t, g, port, 100)
}

// TestUEFIFails checks what the loader says of an image or a machine that is not
// as it should be.
func TestUEFIFails(t *testing.T) {
	file, err := ringo.Program("examples/hello")
	if err != nil {
		t.Fatal(err)
	}
	executable, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		change func(*boot.Program)
		want   string
	}{
		// Where the firmware has the video memory.
		"place":  {func(p *boot.Program) { p.Base, p.End = 0xa0000, 0xa0000+uint32(len(p.Data)) }, "the firmware keeps memory"},
		"memory": {func(p *boot.Program) { p.Base, p.End = 1<<30, 1<<30+uint32(len(p.Data)) }, "there is not enough memory"},
		"damage": {nil, "the image is damaged"},
	} {
		t.Run(name, func(t *testing.T) {
			program, err := boot.ReadProgram(executable)
			if err != nil {
				t.Fatal(err)
			}
			if c.change != nil {
				c.change(program)
			}
			volume, data, err := uefi.ESP(program)
			if err != nil {
				t.Fatal(err)
			}
			if c.change == nil {
				volume[data+12345]++
			}
			image := filepath.Join(t.TempDir(), "volume")
			if err := os.WriteFile(image, volume, 0o666); err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			g := machine{Type: "q35", CPU: "max"}.withUEFI(t).startImage(ctx, t, "ide", image)
			defer g.Stop()
			if err := g.Await(ctx, "ringo: fatal: "+c.want); err != nil {
				t.Error(err)
			}
			if r, err := g.Wait(ctx); err != nil || r.Status != exitStatus(2) {
				t.Errorf("status %d, %v\n%s", r.Status, err, r.Output)
			}
		})
	}
}

// TestUEFIOption checks that a command line with which firmware starts the
// application takes the place of its own.
func TestUEFIOption(t *testing.T) {
	file, err := ringo.Program("tests/programs/arguments")
	if err != nil {
		t.Fatal(err)
	}
	executable, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	program, err := boot.ReadProgram(executable)
	if err != nil {
		t.Fatal(err)
	}
	program.Line = "own"
	app, err := uefi.Application(program)
	if err != nil {
		t.Fatal(err)
	}
	image := filepath.Join(t.TempDir(), "app.efi")
	if err := os.WriteFile(image, app, 0o666); err != nil {
		t.Fatal(err)
	}
	for option, want := range map[string]string{
		`given "x y"`:                `"given" "x y"`,
		`fs0:\App.EFI`:               `"own"`, // as the UEFI shell has it
		`fs0:\App.EFI given "x y"  `: `"given" "x y"`,
	} {
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		out, _ := machine{Type: "q35", CPU: "max"}.withUEFI(t).qemu(ctx, t, "-kernel", image, "-append", option).Output() // its status says nothing here
		if text := string(out); !strings.Contains(text, want) || strings.Contains(text, `"own"`) != (want == `"own"`) {
			t.Errorf("with the option %q, output:\n%s", option, text)
		}
	}
}
