package machine

import (
	"fmt"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"ringo.dev/ringo/vmm/net/gateway"
)

func TestCommandLine(t *testing.T) {
	line, err := commandLine(&Options{
		Args:   []string{"web", "-http", `a "b" c\`},
		Env:    []string{"A=1 2"},
		Kernel: Kernel{Verbose: true},
	})
	want := ` "ringo.env.A=1 2" "-http" "a \"b\" c\\"`
	if err != nil || !strings.HasSuffix(line, want) || !strings.Contains(line, `"ringo.net.verbose=1"`) || !strings.Contains(line, `"ringo.seed=`) {
		t.Errorf("%s, %v; want …%s", line, err, want)
	}
	if _, err := commandLine(&Options{Args: []string{"web", "a\nb"}}); err == nil {
		t.Error("a line break is no error")
	}
}

func TestNetdev(t *testing.T) {
	f, err := gateway.ParseForward("127.0.0.1:8080:80")
	if err != nil {
		t.Fatal(err)
	}
	n := Network{Kind: "user", Forwards: []gateway.Forward{f}}
	if got, err := n.netdev(); err != nil || got != "user,hostfwd=tcp:127.0.0.1:8080-:80" {
		t.Errorf("%s, %v", got, err)
	}
	for _, kind := range []string{"none", "tap:", "lan"} {
		n.Kind = kind
		if got, err := n.netdev(); err == nil {
			t.Errorf("%s with a forward is %q", kind, got)
		}
	}
}

func TestLastLine(t *testing.T) {
	for output, want := range map[string]int{
		"":                               11,
		"hello\n":                        11,
		"ringo: exit status 139\n":       139,
		"panic\nringo: exit status 11\n": 11,
		"ringo: exit status 140\n":       11, // contradicts QEMU's
		"ringo: exit status 139\nmore\n": 11,
	} {
		l := lastLine{w: io.Discard}
		io.WriteString(&l, output)
		if got := l.status(11); got != want {
			t.Errorf("%q: %d, want %d", output, got, want)
		}
	}
}

func TestBootErrors(t *testing.T) {
	file := filepath.Join(t.TempDir(), "text")
	if err := os.WriteFile(file, []byte("no executable"), 0o666); err != nil {
		t.Fatal(err)
	}
	o := &Options{Image: file, Args: []string{"x"}, Memory: 64 << 20, CPUs: 1, Network: Network{Kind: "none"}}
	for _, c := range []struct{ machine, way, want string }{
		{"q35", "floppy", "want one of"},
		{"microvm", "iso", "--machine q35 or pc"},
		{"microvm", "pvh", "not built by ringo"},
		{"pc", "iso", "not built by ringo"},
	} {
		q := &QEMU{Machine: c.machine, Accel: "tcg", Boot: c.way}
		if _, err := q.args(t.TempDir(), o); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s on %s: %v, want %q", c.way, c.machine, err, c.want)
		}
	}
}

// TestQEMUAborts wants to be told what to do where QEMU cannot use the KVM that is there.
func TestQEMUAborts(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, qemuCommand), []byte("#!/bin/sh\nkill -ABRT $$\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir)
	for accel, want := range map[string]string{"kvm": "--accel tcg does without", "tcg": "signal: aborted"} {
		q := &QEMU{Machine: "microvm", Accel: accel, Boot: "multiboot"}
		_, err := q.Run(t.Context(), Options{Image: "web.elf", Args: []string{"web"}, Memory: 64 << 20, CPUs: 1, Network: Network{Kind: "none"}, Console: io.Discard})
		if err == nil || !strings.HasSuffix(err.Error(), want) {
			t.Errorf("%s: %v, want %q", accel, err, want)
		}
	}
}

// TestQEMUSignal wants the first signal to be for the guest and no matter to QEMU, the
// second one to end QEMU, and nothing to be left of its files. The shell is one that leaves
// blocked signals blocked.
func TestQEMUSignal(t *testing.T) {
	dir, temporary := t.TempDir(), t.TempDir()
	came := filepath.Join(dir, "came")
	script := fmt.Sprintf("#!/bin/bash\nkill -TERM $$ $PPID\n/usr/bin/head -c %d >%s\n/bin/sleep 0.1\nkill -INT $PPID\nexec /bin/sleep 60\n", serialFiller+1, came)
	if err := os.WriteFile(filepath.Join(dir, qemuCommand), []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir)
	t.Setenv("TMPDIR", temporary)
	input, noInput, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer input.Close()
	defer noInput.Close()
	q := &QEMU{Machine: "microvm", Accel: "tcg", Boot: "multiboot"}
	status, err := q.Run(t.Context(), Options{Image: "web.elf", Args: []string{"web"}, Memory: 64 << 20, CPUs: 1, Network: Network{Kind: "none"}, Input: input, Console: io.Discard})
	if want := 128 + int(syscall.SIGINT); status != want || err != nil {
		t.Errorf("status %d, %v; want %d", status, err, want)
	}
	want := string(append(make([]byte, serialFiller), serialSignals|byte(syscall.SIGTERM)))
	if got, err := os.ReadFile(came); string(got) != want || err != nil {
		t.Errorf("the guest was sent %q, %v; want %q", got, err, want)
	}
	if left, err := os.ReadDir(temporary); len(left) > 0 || err != nil {
		t.Errorf("%v is left, %v", left, err)
	}
}

// TestQEMUErrors wants what cannot work to be refused before QEMU is started.
func TestQEMUErrors(t *testing.T) {
	good := Options{Memory: 64 << 20, CPUs: 1, Network: Network{Kind: "user"}}
	for want, change := range map[string]func(o *Options){
		"-m 4M is too little":       func(o *Options) { o.Memory = 4 << 20 },
		"--smp 0: want a number":    func(o *Options) { o.CPUs = 0 },
		"--smp 65: want a number":   func(o *Options) { o.CPUs = 65 },
		"are for --net tap:NAME":    func(o *Options) { o.Network.Static.Gateway = netip.MustParseAddr("10.0.0.1") },
		"tap nosuch does not exist": func(o *Options) { o.Network.Kind = "tap:nosuch" },
	} {
		o := good
		change(&o)
		if err := (&QEMU{}).check(&o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
	if err := (&QEMU{}).check(&good); err != nil {
		t.Error(err)
	}
}

// TestComplaints wants QEMU's errors to be told from its warnings.
func TestComplaints(t *testing.T) {
	for text, want := range map[string]bool{
		"": false,
		"qemu-system-x86_64: warning: nic pcnet.0 has no peer\n":                                      false,
		"qemu-system-x86_64: warning: one\nqemu-system-x86_64: unable to find CPU model 'nonsense'\n": true,
	} {
		c := complaints{w: io.Discard}
		io.WriteString(&c, text)
		if c.failed != want {
			t.Errorf("%q: %t", text, c.failed)
		}
	}
}

// TestMachineProperties wants ACPI tables where the guest needs them.
func TestMachineProperties(t *testing.T) {
	for _, c := range []struct {
		machine, way string
		cpus         int
		want         string
	}{
		{"microvm", "pvh", 1, "microvm,acpi=off"},
		{"microvm", "pvh", 2, "microvm"},
		{"microvm", "multiboot", 1, "microvm"},
		{"q35", "pvh", 1, "q35"},
	} {
		q := &QEMU{Machine: c.machine, Boot: c.way}
		if got := q.machine(&Options{CPUs: c.cpus}); got != c.want {
			t.Errorf("%+v: %s", c, got)
		}
	}
}

// TestQuickFirmware wants the firmware that does little where that is enough.
func TestEnvironment(t *testing.T) {
	own := []string{"A=1"}
	if got := environment(own); len(got) != 2 || got[0] != "A=1" || !strings.HasPrefix(got[1], "GLIBC_TUNABLES=") {
		t.Errorf("%q", got)
	}
	own = []string{"GLIBC_TUNABLES=glibc.malloc.check=3", "A=1"}
	if got := environment(own); !slices.Equal(got, own) {
		t.Errorf("%q in place of the user's %q", got, own)
	}
}

func TestQuickFirmware(t *testing.T) {
	for _, c := range []struct {
		q    QEMU
		want bool
	}{
		{QEMU{Machine: "q35", Boot: "multiboot"}, true},
		{QEMU{Machine: "pc", Boot: "pvh", Card: "virtio"}, true},
		{QEMU{Machine: "pc", Boot: "multiboot", Card: "legacy"}, false},
		{QEMU{Machine: "pc", Boot: "multiboot", Card: "e1000"}, false},
		{QEMU{Machine: "pc", Boot: "iso"}, false},
		{QEMU{Machine: "q35", Boot: "uefi"}, false},
		{QEMU{Machine: "microvm", Boot: "multiboot"}, false}, // has it by itself
	} {
		if got := c.q.canBootQuickly(); got != c.want {
			t.Errorf("%+v: %t, want %t", c.q, got, c.want)
		}
	}
	dir := t.TempDir()
	qemu := filepath.Join(dir, "bin", qemuCommand)
	if hasQuickFirmware(qemu) {
		t.Error("the firmware is in an empty directory")
	}
	if err := os.MkdirAll(filepath.Join(dir, "bin"), 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(dir, "share/qemu"), 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "share/qemu", quickFirmware), nil, 0o666); err != nil {
		t.Fatal(err)
	}
	if !hasQuickFirmware(qemu) {
		t.Error("the firmware is not seen beside QEMU")
	}
}
