package doctor

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func write(t *testing.T, name, text string, mode os.FileMode) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(file, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestKVM(t *testing.T) {
	modules := t.TempDir()
	if err := os.Mkdir(filepath.Join(modules, "kvm_amd"), 0o777); err != nil {
		t.Fatal(err)
	}
	if r := checkKVM(write(t, "kvm", "", 0o600), modules); !r.OK || !strings.Contains(r.Found, "AMD-V") {
		t.Errorf("%+v", r)
	}
	if r := checkKVM(filepath.Join(modules, "none"), modules); r.OK || !strings.Contains(r.Fix, "modprobe") {
		t.Errorf("%+v", r)
	}
	if os.Getuid() != 0 {
		if r := checkKVM(write(t, "kvm", "", 0), modules); r.OK || !strings.Contains(r.Fix, "usermod") {
			t.Errorf("%+v", r)
		}
	}
}

func TestAccel(t *testing.T) {
	device := write(t, "kvm", "", 0o600)
	for module, want := range map[string]bool{"kvm_amd": true, "kvm_intel": true, "kvm_pvm": false, "other": false} {
		modules := t.TempDir()
		if err := os.Mkdir(filepath.Join(modules, module), 0o777); err != nil {
			t.Fatal(err)
		}
		if r := checkAccel(device, modules); r.OK != want || r.Required {
			t.Errorf("%s: %+v", module, r)
		}
		if r := checkAccel(device+"none", modules); r.OK || !strings.Contains(r.Found, "--accel kvm") {
			t.Errorf("no device: %+v", r)
		}
	}
}

// TestQEMU checks what is said where there is neither QEMU nor firmware.
func TestQEMU(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	if r := checkQEMU(t.Context()); r.OK || r.Required || !strings.Contains(r.Found, "apt-get install") {
		t.Errorf("%+v", r)
	}
}

func TestMemory(t *testing.T) {
	if r := checkMemory(write(t, "meminfo", "MemTotal: 1048576 kB\nMemAvailable:   524288 kB\n", 0o600)); !r.OK || !strings.Contains(r.Found, "512 MiB") {
		t.Errorf("%+v", r)
	}
	if r := checkMemory(write(t, "meminfo", "MemAvailable:   65536 kB\n", 0o600)); r.OK || r.Fix == "" {
		t.Errorf("%+v", r)
	}
	if r := checkMemory(write(t, "meminfo", "", 0o600)); r.OK {
		t.Errorf("%+v", r)
	}
}

func TestTap(t *testing.T) {
	device := write(t, "tun", "", 0o600)
	if r := checkTap(device, write(t, "status", "CapEff:\t000001fffeffffff\n", 0o600)); !r.OK || !strings.Contains(r.Found, "make taps") {
		t.Errorf("%+v", r)
	}
	if r := checkTap(device, write(t, "status", "CapEff:\t0000000000000000\n", 0o600)); !r.OK || !strings.Contains(r.Found, "ip tuntap") {
		t.Errorf("%+v", r)
	}
	if r := checkTap(device+"none", ""); r.OK || r.Required {
		t.Errorf("%+v", r)
	}
}

func TestPrint(t *testing.T) {
	results := []Result{
		{Name: "go", OK: true, Required: true, Found: "go1.26.8", Fix: "nothing"},
		{Name: "tap", Found: "no device", Fix: "modprobe tun"},
	}
	var b strings.Builder
	Print(&b, results)
	if want := "ok  go      go1.26.8\n--  tap     no device\n            modprobe tun\n"; b.String() != want {
		t.Errorf("got\n%swant\n%s", &b, want)
	}
	if !Ready(results) {
		t.Error("not ready, though all that is required is there")
	}
	results[0].OK = false
	if Ready(results) {
		t.Error("ready")
	}
}
