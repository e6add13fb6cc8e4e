package vmm

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"ringo.dev/ringo/vmm/kvm"
)

// What can keep a VM from starting. The errors of New and Run wrap these, and
// say in one line what to do.
var (
	ErrKVM    = errors.New("no usable KVM")
	ErrImage  = errors.New("not a ringo image")
	ErrMemory = errors.New("not enough memory")
	ErrConfig = errors.New("bad VM configuration")
)

// noKVM says what to do when /dev/kvm cannot be opened.
func noKVM(err error) error {
	advice := "see what /dev/kvm is, "
	switch {
	case errors.Is(err, os.ErrNotExist), errors.Is(err, unix.ENODEV), errors.Is(err, unix.ENXIO):
		advice = "enable virtualisation (in the firmware, or nested in the hypervisor) and load kvm_amd or kvm_intel, "
	case errors.Is(err, os.ErrPermission):
		advice = "add yourself to its group (sudo usermod -aG kvm $USER, then log in again), "
	}
	return fmt.Errorf("%w: %w; %sor run the program as a process: --vmm process", ErrKVM, err, advice)
}

// GuestError says that the guest did what no guest may do, which ended it.
type GuestError struct {
	Reason string
	VCPU   int // which one did it; -1: none in particular, and no Regs
	Regs   kvm.Regs
}

func (e *GuestError) Error() string {
	if e.VCPU < 0 {
		return "the guest ended itself: " + e.Reason
	}
	return fmt.Sprintf("the guest ended itself: %s (vCPU %d at %#x)", e.Reason, e.VCPU, e.Regs.RIP)
}

// Registers returns the registers at the end, several lines.
func (e *GuestError) Registers() string {
	r := &e.Regs
	var b strings.Builder
	for i, v := range []struct {
		name  string
		value uint64
	}{
		{"rax", r.RAX}, {"rbx", r.RBX}, {"rcx", r.RCX}, {"rdx", r.RDX},
		{"rsi", r.RSI}, {"rdi", r.RDI}, {"rbp", r.RBP}, {"rsp", r.RSP},
		{"r8 ", r.R8}, {"r9 ", r.R9}, {"r10", r.R10}, {"r11", r.R11},
		{"r12", r.R12}, {"r13", r.R13}, {"r14", r.R14}, {"r15", r.R15},
		{"rip", r.RIP}, {"flg", r.RFLAGS},
	} {
		sep := "  "
		if i%4 == 3 || i == 17 {
			sep = "\n"
		}
		fmt.Fprintf(&b, "%s %016x%s", v.name, v.value, sep)
	}
	return b.String()
}
