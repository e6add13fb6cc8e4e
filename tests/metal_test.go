package tests

import (
	"os/exec"
	"strconv"
	"testing"
)

// onQEMU returns the way to boot by itself on a machine of QEMU, without KVM.
func onQEMU(machine string, cpus int) way {
	name, n := machine, strconv.Itoa(cpus)
	if cpus > 1 {
		name += "-smp" + n
	}
	return way{name, cpus, []string{"--vmm", "qemu", "--machine", machine, "-m", "64M", "--smp", n}, true}
}

// TestMetal shows the properties of the guest programs in ring 0 on QEMU: those
// that depend on the platform most, on one machine; with -full all, on all.
func TestMetal(t *testing.T) {
	if _, err := exec.LookPath("qemu-system-x86_64"); err != nil {
		t.Skip("needs QEMU: apt-get install qemu-system-x86")
	}
	if !*full {
		testGuests(t, ringo, []string{"faults", "memory", "sched", "signals"}, onQEMU("q35", 2))
		return
	}
	for _, machine := range []string{"microvm", "q35", "pc"} {
		t.Run(machine, func(t *testing.T) {
			testGuests(t, ringo, allGuests(t), onQEMU(machine, 1), onQEMU(machine, 2))
		})
	}
}
