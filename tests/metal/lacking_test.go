package metal

import (
	"context"
	"io"
	"net"
	"path/filepath"
	"testing"
	"time"

	"ringo.dev/ringo/tests/harness"
)

// TestLacking boots on machines that lack something. They say what, and those
// that cannot do without stop.
func TestLacking(t *testing.T) {
	for _, c := range []struct {
		name, pkg, line string
		machine
		want   string
		status int // 0: it does not end
	}{
		{"entropy", "examples/hello", "", machine{"q35", "qemu64", nil},
			"no entropy: the machine gave no seed, the processor has no RDRAND, and there is no virtio entropy source", exitStatus(2)},
		{"local APIC", "examples/hello", seed, machine{"q35", "qemu64,-apic", nil},
			"the processor has no local APIC", exitStatus(2)},
		{"64-bit mode", "examples/hello", seed, machine{"q35", "qemu32", nil},
			"the processor lacks 64-bit mode or no-execute pages", exitStatus(2)},
		{"no-execute pages", "examples/hello", seed, machine{"microvm", "qemu64,-nx", nil},
			"the processor lacks 64-bit mode or no-execute pages", exitStatus(2)},
		{"memory for the image", "examples/hello", seed, machine{"q35", "max", []string{"-m", "6"}},
			"the machine has too little memory for the program", exitStatus(2)},
		{"memory for the program", "tests/guests/ends", "memory", machine{"microvm", "max", []string{"-m", "16"}},
			"M are in use; give the machine more, or set GOMEMLIMIT", exitStatus(137)},
		{"entropy but of a device", "tests/guests/random", "raw", machine{"q35", "qemu64", []string{"-device", "virtio-rng-pci"}},
			"ok raw", exitStatus(0)},
		{"entropy but of a legacy device", "tests/guests/random", "raw", machine{"microvm", "qemu64", []string{"-device", "virtio-rng-device"}},
			"ok raw", exitStatus(0)},
		{"entropy but behind another root bus", "tests/guests/random", "raw",
			machine{"q35", "qemu64", []string{"-device", "pxb-pcie,id=root,bus_nr=128", "-device", "pcie-root-port,id=below,bus=root", "-device", "virtio-rng-pci,bus=below"}},
			"ok raw", exitStatus(0)},
		{"entropy but behind another root bus, by ports", "tests/guests/random", "raw",
			machine{"pc", "qemu64", []string{"-device", "pxb,id=root,bus_nr=64", "-device", "virtio-rng-pci,bus=root"}},
			"ok raw", exitStatus(0)},
		{"network for user data", "examples/hello", seed + " ringo.user-data=auto", machine{"q35", "max", nil},
			"ringo: user data: the program does not use package net, and cannot ask for it\nhello", exitStatus(0)},
		{"setting", "examples/hello", seed + " ringo.net.verbsoe=1", machine{"microvm", "max", nil},
			"ringo: there is no setting ringo.net.verbsoe; going on without it\nhello", exitStatus(0)},
		{"a setting's value", "examples/hello", seed + " ringo.stdin=file", machine{"microvm", "max", nil},
			"ringo: fatal: the setting ringo.stdin=file: want terminal, device or pipe", exitStatus(125)},
		{"an address", "examples/web", seed + " ringo.net.ip=10.0.0.2", machine{"microvm", "max", nil},
			"ringo: fatal: the setting ringo.net.ip=10.0.0.2: want an IPv4 address and its bits", exitStatus(125)},
		{"timers", "examples/hello", seed, machine{"microvm,pit=off,pic=off,rtc=off,acpi=off", "max", nil},
			"hello from ringo", exitStatus(0)},
		{"network card", "examples/web", seed, machine{"pc", "max", nil},
			"ringo: fatal: nobody can reach port 9000: the machine has no network card", exitStatus(125)},
		{"driver", "examples/web", seed, machine{"pc", "max", []string{"-device", "rtl8139", "-device", "pcnet"}},
			"ringo: fatal: nobody can reach port 9000: no driver for the card 10ec:8139, 1022:2000", exitStatus(125)},
		{"network card for the loopback", "examples/web", seed + " -http 127.0.0.1:80 -udp localhost:9", machine{"pc", "max", nil},
			"serving on 127.0.0.1:80", 0},
		{"network by choice", "examples/web", seed + " ringo.net=none", machine{"pc", "max", nil},
			"serving on [::]:8080", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			image, err := ringo.Program(c.pkg)
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			g, err := harness.StartGuest(c.command(ctx, t, image, c.line))
			if err != nil {
				t.Fatal(err)
			}
			defer g.Stop()
			if err := g.Await(ctx, c.want); err != nil {
				t.Fatal(err)
			}
			if c.status == 0 {
				return
			}
			if r, err := g.Wait(ctx); err != nil || r.Status != c.status&0xff {
				t.Errorf("status %d, %v, want %d\n%s", r.Status, err, c.status&0xff, r.Output)
			}
		})
	}
}

// TestPowerButton presses the power button, which asks the program to end.
func TestPowerButton(t *testing.T) {
	image, err := ringo.Program("examples/web")
	if err != nil {
		t.Fatal(err)
	}
	for _, kind := range []string{"q35", "pc", "microvm"} {
		t.Run(kind, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			monitor := filepath.Join(t.TempDir(), "monitor")
			m := machine{kind, "max", []string{"-monitor", "unix:" + monitor + ",server,nowait"}}
			g, err := harness.StartGuest(m.command(ctx, t, image, seed+" ringo.net=none"))
			if err != nil {
				t.Fatal(err)
			}
			defer g.Stop()
			if err := g.Await(ctx, "serving on"); err != nil {
				t.Fatal(err)
			}
			c, err := net.Dial("unix", monitor)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			c.SetDeadline(time.Now().Add(patience))
			if _, err := io.WriteString(c, "system_powerdown\n"); err != nil {
				t.Fatal(err)
			}
			go io.Copy(io.Discard, c)
			if r, err := g.Wait(ctx); err != nil || r.Status != exitStatus(0) {
				t.Errorf("status %d, %v\n%s", r.Status, err, r.Output)
			}
		})
	}
}
