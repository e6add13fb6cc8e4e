package metal

import (
	"context"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"ringo.dev/ringo/tests/harness"
	"ringo.dev/ringo/tools/volumes"
)

var ringo *harness.Ringo

func TestMain(m *testing.M) {
	if addr := os.Getenv(relayVariable); addr != "" {
		if err := relay(addr); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	flag.Parse()
	os.Exit(run(m))
}

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "ringo-metal-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	if ringo, err = harness.Build(context.Background(), dir); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

// patience is for one boot and what the program does, under emulation and
// beside other tests.
const patience = 2 * time.Minute

// machine is a machine of QEMU.
type machine struct {
	Type string // -machine
	CPU  string // -cpu
	Args []string
}

// seed is for processors without RDRAND.
const seed = "ringo.seed=5eed5eed5eed5eed5eed5eed5eed5eed"

// command returns QEMU with an executable and its command line.
func (m machine) command(ctx context.Context, t *testing.T, image, line string) *exec.Cmd {
	t.Helper()
	return m.qemu(ctx, t, "-kernel", image, "-append", line)
}

// qemu returns QEMU with more arguments.
func (m machine) qemu(ctx context.Context, t *testing.T, more ...string) *exec.Cmd {
	t.Helper()
	const qemu = "qemu-system-x86_64"
	if _, err := exec.LookPath(qemu); err != nil {
		t.Skipf("%s is missing; install it with apt-get install qemu-system-x86", qemu)
	}
	args := []string{
		"-machine", m.Type, "-accel", "tcg", "-cpu", m.CPU, "-m", "128",
		"-nodefaults", "-no-user-config", "-display", "none", "-serial", "stdio", "-no-reboot",
		"-device", "isa-debug-exit,iobase=0xf4,iosize=4",
	}
	return exec.CommandContext(ctx, qemu, slices.Concat(args, m.Args, more)...)
}

// boot runs a program of this module on m to its end.
func (m machine) boot(t *testing.T, pkg, line string) harness.Result {
	t.Helper()
	image, err := ringo.Program(pkg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	g, err := harness.StartGuest(m.command(ctx, t, image, line))
	if err != nil {
		t.Fatal(err)
	}
	r, err := g.Wait(ctx)
	if err != nil {
		t.Fatalf("%v\n%s", err, r.Output)
	}
	return r
}

// exitStatus is QEMU's own for a status written to isa-debug-exit.
func exitStatus(status int) int { return 2*status + 1 }

// TestHello boots on each machine, with the oldest processor and the newest.
func TestHello(t *testing.T) {
	for _, kind := range []string{"q35", "pc", "microvm"} {
		for _, cpu := range []string{"max", "qemu64"} {
			t.Run(kind+"/"+cpu, func(t *testing.T) {
				r := machine{Type: kind, CPU: cpu}.boot(t, "examples/hello", seed)
				if !strings.HasPrefix(r.Output, "hello from ringo") || r.Status != exitStatus(0) {
					t.Errorf("status %d, output:\n%s", r.Status, r.Output)
				}
			})
		}
	}
}

// TestProcessors checks that all of a machine's processors are in use.
func TestProcessors(t *testing.T) {
	for _, kind := range []string{"q35", "pc", "microvm"} {
		t.Run(kind, func(t *testing.T) {
			r := machine{Type: kind, CPU: "max", Args: []string{"-smp", "4"}}.boot(t, "examples/hello", "")
			if !strings.Contains(r.Output, "4 CPU(s)") || r.Status != exitStatus(0) {
				t.Errorf("status %d, output:\n%s", r.Status, r.Output)
			}
		})
	}
}

// TestRun checks ringo run --vmm qemu: its ways to boot, arguments and exit
// statuses.
func TestRun(t *testing.T) {
	for way, machine := range map[string]string{"multiboot": "microvm", "pvh": "microvm", "iso": "q35", "bios": "pc", "uefi": "pc"} {
		for property, want := range map[string]int{"return": 0, "exit": 7, "kill": 137} {
			if way == "uefi" && property != "kill" {
				continue // the firmware takes seconds
			}
			t.Run(way+"/"+property, func(t *testing.T) {
				image, err := ringo.Program("tests/guests/ends")
				if err != nil {
					t.Fatal(err)
				}
				ctx, cancel := context.WithTimeout(t.Context(), patience)
				defer cancel()
				r, err := ringo.Run(ctx, "--vmm", "qemu", "--machine", machine, "--boot", way, "--net", "none", image, "--", property)
				if err != nil || r.Status != want {
					t.Errorf("status %d, %v, want %d\n%s", r.Status, err, want, r.Output)
				}
			})
		}
	}
}

// TestPVH boots each machine by PVH.
func TestPVH(t *testing.T) {
	image, err := ringo.Program("examples/hello")
	if err != nil {
		t.Fatal(err)
	}
	for _, kind := range []string{"q35", "pc", "microvm"} {
		t.Run(kind, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			r, err := ringo.Run(ctx, "--vmm", "qemu", "--machine", kind, "--boot", "pvh", "--net", "none", image)
			if err != nil || r.Status != 0 || !strings.HasPrefix(r.Output, "hello from ringo") {
				t.Errorf("status %d, %v\n%s", r.Status, err, r.Output)
			}
		})
	}
}

// TestWeb fetches a page from examples/web on each kind of card, through QEMU's
// user network.
func TestWeb(t *testing.T) {
	image, err := ringo.Program("examples/web")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		machine
	}{
		{"q35/virtio-pci", machine{"q35", "max", []string{"-device", "virtio-net-pci,netdev=n"}}},
		{"pc/virtio-pci", machine{"pc", "max", []string{"-device", "virtio-net-pci,netdev=n"}}},
		{"pc/virtio-pci-line", machine{"pc", "max", []string{"-device", "virtio-net-pci,netdev=n,vectors=0"}}},
		{"q35/virtio-pci-line", machine{"q35", "max", []string{"-device", "virtio-net-pci,netdev=n,vectors=0"}}},
		{"pc/virtio-legacy", machine{"pc", "max", []string{"-device", "virtio-net-pci,netdev=n,disable-modern=on,disable-legacy=off"}}},
		{"pc/virtio-legacy-line", machine{"pc", "qemu64", []string{"-device", // as VirtualBox has it
			"virtio-net-pci,netdev=n,disable-modern=on,disable-legacy=off,vectors=0,indirect_desc=off,event_idx=off,any_layout=off"}}},
		{"pc/virtio-legacy-short-headers", machine{"pc", "max", []string{"-device", "virtio-net-pci,netdev=n,disable-modern=on,disable-legacy=off,mrg_rxbuf=off"}}},
		{"q35/virtio-pci-platform", machine{"q35", "max", []string{"-device", "virtio-net-pci,netdev=n,disable-legacy=on,iommu_platform=on"}}},
		{"microvm/virtio-mmio-legacy", machine{"microvm", "max", []string{"-device", "virtio-net-device,netdev=n"}}},
		{"pc/e1000", machine{"pc", "max", []string{"-device", "e1000,netdev=n"}}},
		{"q35/e1000", machine{"q35", "qemu64", []string{"-device", "e1000-82545em,netdev=n"}}},
		{"q35/two-processors", machine{"q35", "max", []string{"-smp", "2", "-device", "virtio-net-pci,netdev=n"}}},
		{"microvm/virtio-mmio", machine{"microvm", "max", []string{"-device", "virtio-net-device,netdev=n", "-global", "virtio-mmio.force-legacy=false"}}},
		{"microvm/virtio-pci", machine{"microvm,pcie=on,acpi=on", "max", []string{"-device", "virtio-net-pci,netdev=n"}}},
		{"microvm/virtio-pci-modern", machine{"microvm,pcie=on,acpi=on", "qemu64", []string{"-smp", "2", "-device", "virtio-rng-pci", "-device", "virtio-net-pci,netdev=n,disable-legacy=on"}}},
		{"microvm/e1000e-first", machine{"microvm,pcie=on,acpi=on", "max", []string{"-device", "e1000e", "-device", "virtio-net-pci,netdev=n"}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			port := freePort(t)
			c.Args = append(c.Args, "-netdev", forward(port))
			g, err := harness.StartGuest(c.command(ctx, t, image, seed+" ringo.net.verbose=1"))
			if err != nil {
				t.Fatal(err)
			}
			defer g.Stop()
			fetchPages(ctx, t, g, port, 100)
		})
	}
}

// TestDisk uses a raw disk on each kind of device.
func TestDisk(t *testing.T) {
	const pkg = "tests/programs/disk"
	for _, c := range []struct {
		name string
		machine
	}{
		{"q35/virtio-pci", machine{"q35", "max", []string{"-device", "virtio-blk-pci,drive=d"}}},
		{"q35/virtio-pci-line", machine{"q35", "max", []string{"-smp", "2", "-device", "virtio-blk-pci,drive=d,vectors=0"}}},
		{"pc/virtio-legacy", machine{"pc", "max", []string{"-device", "virtio-blk-pci,drive=d,disable-modern=on,disable-legacy=off"}}},
		{"pc/virtio-legacy-line", machine{"pc", "qemu64", []string{"-device",
			"virtio-blk-pci,drive=d,disable-modern=on,disable-legacy=off,vectors=0,indirect_desc=off,event_idx=off,any_layout=off,queue-size=16"}}},
		{"q35/virtio-pci-queues", machine{"q35", "max", []string{"-smp", "4", "-device", "virtio-blk-pci,drive=d,num-queues=3"}}},
		{"microvm/virtio-mmio-queues", machine{"microvm", "max", []string{"-smp", "2", "-device", "virtio-blk-device,drive=d,num-queues=2",
			"-global", "virtio-mmio.force-legacy=false"}}},
		{"microvm/virtio-mmio", machine{"microvm", "max", []string{"-device", "virtio-blk-device,drive=d", "-global", "virtio-mmio.force-legacy=false"}}},
		{"microvm/virtio-mmio-legacy", machine{"microvm", "max", []string{"-device", "virtio-blk-device,drive=d"}}},
		{"microvm/virtio-pci", machine{"microvm,pcie=on,acpi=on", "max", []string{"-device", "virtio-blk-pci,drive=d"}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			disk := filepath.Join(t.TempDir(), "disk.img")
			if err := os.WriteFile(disk, make([]byte, 16<<20), 0o600); err != nil {
				t.Fatal(err)
			}
			c.Args = append(c.Args, "-drive", "if=none,format=raw,id=d,file="+disk)
			for _, p := range []string{"raw", "kept", "parallel", "unaligned", "ioctl", "counted", "end"} {
				r := c.boot(t, pkg, seed+" "+p)
				if !strings.Contains(r.Output, "ok "+p+"\n") || r.Status != exitStatus(0) {
					t.Errorf("%s: status %d, output:\n%s", p, r.Status, r.Output)
				}
			}
		})
	}
}

// TestDiskZeroes makes zeroes on a disk that can do it, and on one that cannot.
func TestDiskZeroes(t *testing.T) {
	for property, options := range map[string]string{"zeroes": "", "written": ",write-zeroes=off,discard=off"} {
		t.Run(property, func(t *testing.T) {
			disk := filepath.Join(t.TempDir(), "disk.img")
			if err := os.WriteFile(disk, make([]byte, 16<<20), 0o600); err != nil {
				t.Fatal(err)
			}
			m := machine{"q35", "max", []string{"-device", "virtio-blk-pci,drive=d" + options, "-drive", "if=none,format=raw,id=d,file=" + disk}}
			r := m.boot(t, "tests/programs/disk", seed+" "+property)
			if !strings.Contains(r.Output, "ok "+property+"\n") || r.Status != exitStatus(0) {
				t.Errorf("status %d, output:\n%s", r.Status, r.Output)
			}
		})
	}
}

// TestDiskCrowded makes fsync beside a goroutine that computes, on a machine with one CPU.
func TestDiskCrowded(t *testing.T) {
	disk := filepath.Join(t.TempDir(), "volume")
	if err := volumes.Create(disk, 16<<20); err != nil {
		t.Fatal(err)
	}
	m := machine{"microvm", "max", []string{"-device", "virtio-blk-device,drive=d", "-drive", "if=none,format=raw,id=d,file=" + disk}}
	r := m.boot(t, "tests/programs/disk", seed+" ringo.mount.0=volume,rw,/dev/vda,/data crowded")
	if !strings.Contains(r.Output, "ok crowded\n") || r.Status != exitStatus(0) {
		t.Errorf("status %d, output:\n%s", r.Status, r.Output)
	}
}

// TestDiskOrder checks that a machine's disks have the names that ringo run gives
// them, on each kind of machine.
func TestDiskOrder(t *testing.T) {
	image, err := ringo.Program("tests/programs/disk")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	first, second := filepath.Join(dir, "first"), filepath.Join(dir, "second")
	content := make([]byte, 1<<20)
	for _, name := range []string{first, second} {
		if err := os.WriteFile(name, content, 0o600); err != nil {
			t.Fatal(err)
		}
		copy(content, "the second disk\n")
	}
	for _, kind := range []string{"q35", "pc", "microvm"} {
		t.Run(kind, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			r, err := ringo.Run(ctx, "--vmm", "qemu", "--machine", kind, "--disk", first, "--disk", second, image, "--", "second")
			if err != nil || r.Status != 0 {
				t.Errorf("status %d, %v\n%s", r.Status, err, r.Output)
			}
		})
	}
}

// freePort returns a TCP port of the loopback address that nobody uses.
func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// forward is QEMU's user network with a port of the loopback that leads to
// examples/web.
func forward(port int) string {
	return fmt.Sprintf("user,id=n,hostfwd=tcp:127.0.0.1:%d-:8080", port)
}

// fetchPages waits until examples/web serves, with ringo.net.verbose, and fetches
// n pages through the port.
func fetchPages(ctx context.Context, t *testing.T, g *harness.Guest, port, n int) {
	t.Helper()
	for _, line := range []string{"network is up", "serving on"} {
		if err := g.Await(ctx, line); err != nil {
			t.Fatal(err)
		}
	}
	for range n {
		if err := fetch(ctx, fmt.Sprintf("http://127.0.0.1:%d/", port)); err != nil {
			select { // a program that ends takes a while to say why
			case <-g.Done():
			case <-time.After(5 * time.Second):
			}
			t.Fatalf("%v\n%s", err, g.Output())
		}
	}
}

// fetch gets a page of examples/web, over a connection of its own.
func fetch(ctx context.Context, url string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	req.Close = true
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if want := "hello from ringo\n"; string(body) != want {
		return fmt.Errorf("%s: %q, want %q", url, body, want)
	}
	return nil
}
