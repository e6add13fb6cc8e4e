package doctor

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"

	"ringo.dev/ringo/tools/target"
)

// checkGo looks for a Go release for which there is an overlay.
func checkGo(ctx context.Context, ringo string) Result {
	r := Result{Name: "go", Required: true}
	t, err := target.New(ctx, ".", ringo)
	if err != nil {
		r.Found = err.Error()
		return r
	}
	r.OK, r.Found = true, fmt.Sprintf("%s in %s", t.Go.Release, t.Go.Root)
	return r
}

// checkKVM tries to open the KVM device, and says what is behind it.
func checkKVM(device, modules string) Result {
	r := Result{Name: "kvm", Required: true}
	f, err := os.OpenFile(device, os.O_RDWR, 0)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		r.Found = device + " does not exist"
		r.Fix = "switch on virtualization in the firmware or in the settings of the virtual machine, and load a module: modprobe kvm_intel, or kvm_amd"
		return r
	case errors.Is(err, fs.ErrPermission):
		r.Found = "no permission for " + device
		r.Fix = "join its group and log in again: sudo usermod -aG kvm $USER"
		return r
	case err != nil:
		r.Found = err.Error()
		return r
	}
	f.Close()
	kind, _ := kindOfKVM(modules)
	r.OK, r.Found = true, device+", "+kind
	return r
}

// kindOfKVM says by what KVM runs guests, and whether that is hardware. Each kind
// is a kernel module.
func kindOfKVM(modules string) (kind string, hardware bool) {
	for _, k := range []struct {
		module, name string
		hardware     bool
	}{
		{"kvm_intel", "hardware (Intel VT-x)", true},
		{"kvm_amd", "hardware (AMD-V)", true},
		{"kvm_pvm", "software (PVM)", false},
	} {
		if _, err := os.Stat(filepath.Join(modules, k.module)); err == nil {
			return k.name, k.hardware
		}
	}
	return "of an unknown kind", false
}

// minMemory is the memory, in MiB, that a guest of default size and its VMM need.
const minMemory = 96

// checkMemory looks at the memory that programs can still have.
func checkMemory(meminfo string) Result {
	r := Result{Name: "memory", Required: true}
	kib, err := field(meminfo, "MemAvailable:", 10)
	if err != nil {
		r.Found = err.Error()
		return r
	}
	r.OK = kib>>10 >= minMemory
	r.Found = fmt.Sprintf("%d MiB available, %d CPUs", kib>>10, runtime.NumCPU())
	r.Fix = fmt.Sprintf("a guest of default size needs %d MiB; give it less with -m, or end other programs", minMemory)
	return r
}

// capNetAdmin is CAP_NET_ADMIN's bit (capabilities(7)).
const capNetAdmin = 1 << 12

// checkTap looks at whether ringo run --net tap:NAME can open a tap.
func checkTap(device, status string) Result {
	r := Result{Name: "tap", Fix: "only --net tap:NAME needs this; --net user does without"}
	f, err := os.OpenFile(device, os.O_RDWR, 0)
	if err != nil {
		r.Found = err.Error()
		return r
	}
	f.Close()
	caps, err := field(status, "CapEff:", 16)
	if err != nil {
		r.Found = err.Error()
		return r
	}
	if caps&capNetAdmin == 0 {
		r.OK = true
		r.Found = device + ", for taps that were made for this user: sudo ip tuntap add tap0 mode tap user $USER"
		return r
	}
	r.OK, r.Found = true, device+", with the permission to make taps"
	return r
}

// field returns the number after a name at the beginning of a line of a file.
func field(file, name string, base int) (uint64, error) {
	f, err := os.Open(file)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	for s := bufio.NewScanner(f); s.Scan(); {
		if words := strings.Fields(s.Text()); len(words) > 1 && words[0] == name {
			return strconv.ParseUint(words[1], base, 64)
		}
	}
	return 0, fmt.Errorf("there is no %s in %s", name, file)
}
