package doctor

import (
	"context"
	"os"
	"os/exec"
	"strings"

	"ringo.dev/ringo/tools/machine"
)

// What ringo run --vmm qemu needs. Nothing of it is required.

// onlyQEMU says what a check is for.
const onlyQEMU = "; only --vmm qemu needs it"

// checkQEMU looks for QEMU.
func checkQEMU(ctx context.Context) Result {
	r := Result{Name: "qemu"}
	path, err := machine.FindQEMU()
	if err != nil {
		r.Found = err.Error() + onlyQEMU
		return r
	}
	out, err := exec.CommandContext(ctx, path, "--version").Output()
	if err != nil {
		r.Found = path + ": " + err.Error()
		r.Fix = "install it again"
		return r
	}
	version, _, _ := strings.Cut(string(out), "\n")
	r.OK, r.Found = true, version+", for --vmm qemu"
	return r
}

// checkAccel looks at whether QEMU's machines, whose programs run in ring 0, can
// run on KVM.
func checkAccel(device, modules string) Result {
	r := Result{Name: "accel", Fix: "use QEMU's own emulation, --accel tcg, which is the default"}
	f, err := os.OpenFile(device, os.O_RDWR, 0)
	if err != nil {
		r.Found = err.Error() + "; only --accel kvm needs it"
		return r
	}
	f.Close()
	kind, hardware := kindOfKVM(modules)
	if !hardware {
		r.Found = "KVM is " + kind + " and does not run ring 0 as fast as it should; only --accel kvm needs that"
		return r
	}
	r.OK, r.Found = true, "KVM is "+kind+", for --accel kvm"
	return r
}

// checkUEFI looks for UEFI firmware.
func checkUEFI() Result {
	r := Result{Name: "uefi"}
	f, err := machine.FindFirmware("q35")
	if err == nil {
		_, err = machine.FindFirmware("pc")
	}
	if err != nil {
		r.Found = err.Error() + "; only --boot uefi needs it"
		return r
	}
	r.OK, r.Found = true, f.Code+", for --boot uefi"
	return r
}
