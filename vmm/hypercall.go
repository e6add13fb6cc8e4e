package vmm

import (
	"errors"
	"fmt"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"

	"ringo.dev/ringo/vmm/abi"
	"ringo.dev/ringo/vmm/device"
	"ringo.dev/ringo/vmm/kvm"
	"ringo.dev/ringo/vmm/space"
)

// hypercall is one line of the table: its arguments are RDI, RSI and R10; an
// error that is an errno goes back to the guest.
type hypercall struct {
	name string
	call func(v *vcpu, a, b, c uint64) error
}

// hypercalls are the calls of package abi, by port. (VM.calls points to it:
// starting a vCPU is a hypercall too.)
var hypercalls = [abi.PortTrap]hypercall{
	abi.PortExit:    {"exit", func(v *vcpu, a, _, _ uint64) error { v.vm.exit(int(a & 0xff)); return nil }},
	abi.PortMap:     {"map", func(v *vcpu, a, b, c uint64) error { return v.vm.Map(a, b, int(c)) }},
	abi.PortUnmap:   {"unmap", func(v *vcpu, a, b, _ uint64) error { return v.vm.Unmap(a, b) }},
	abi.PortDiscard: {"discard", func(v *vcpu, a, b, _ uint64) error { return v.vm.Discard(a, b) }},
	abi.PortAlias:   {"alias", func(v *vcpu, a, b, c uint64) error { return v.vm.Alias(a, b, c>>8, int(c&0xff)) }},
	abi.PortWait:    {"wait", func(v *vcpu, a, _, _ uint64) error { v.wait(int64(a)); return nil }},
	abi.PortKick:    {"kick", func(v *vcpu, a, _, _ uint64) error { return v.vm.kick(a) }},
	abi.PortStart:   {"start", func(v *vcpu, a, b, c uint64) error { return v.vm.startVCPU(a, b, c) }},
	abi.PortClock:   {"clock", func(v *vcpu, _, _, _ uint64) error { v.vm.setClock(); return nil }},
	abi.PortAccess:  {"access", func(v *vcpu, a, b, _ uint64) error { return v.vm.access(a, b) }},
	abi.PortConsole: {"console", func(v *vcpu, _, _, _ uint64) error { v.vm.console.flush(); return nil }},
}

// hypercall answers the OUT to a port.
func (v *vcpu) hypercall(port uint16) {
	calls := v.vm.calls
	if int(port) >= len(calls) || calls[port].call == nil {
		v.fail(fmt.Sprintf("an access to port %#x that is no hypercall", port))
		return
	}
	v.counts.add(int(port))
	r := &v.kvm.Regs
	result := int64(0)
	if err := calls[port].call(v, r.RDI, r.RSI, r.R10); err != nil {
		var errno unix.Errno
		if !errors.As(err, &errno) {
			errno = unix.EIO
		}
		result = -int64(errno)
	}
	r.RAX = uint64(result)
	v.kvm.DirtyRegs = kvm.SyncRegs
}

// vcpu returns the one that the guest calls n.
func (vm *VM) vcpu(n uint64) (*vcpu, error) {
	if n >= uint64(len(vm.cpus)) {
		return nil, unix.EINVAL
	}
	return vm.cpus[n], nil
}

func (vm *VM) kick(n uint64) error {
	v, err := vm.vcpu(n)
	if err == nil {
		v.kick()
	}
	return err
}

func (vm *VM) startVCPU(n, rip, rsp uint64) error {
	v, err := vm.vcpu(n)
	if err != nil {
		return err
	}
	return v.start(rip, rsp)
}

// access makes the n register accesses of a list in the guest's memory, which the
// guest may write to meanwhile: each word is read once.
func (vm *VM) access(list, n uint64) error {
	if list%8 != 0 || n > abi.MaxAccess {
		return unix.EINVAL
	}
	pieces, err := vm.Slices(nil, list, n*uint64(unsafe.Sizeof(abi.Access{})), true)
	if err != nil {
		return unix.EFAULT
	}
	words := make([]*uint64, 0, 2*n)
	for _, p := range pieces { // a word never crosses pages
		for ; len(p) > 0; p = p[8:] {
			words = append(words, (*uint64)(unsafe.Pointer(&p[0])))
		}
	}
	for ; len(words) > 0; words = words[2:] {
		d, off := vm.register(atomic.LoadUint64(words[0]))
		if d == nil {
			return unix.EFAULT
		}
		what := atomic.LoadUint64(words[1]) // Value, and Write in the upper half
		if what>>32 != 0 {
			d.WriteRegister(off, 4, what&0xffffffff)
		} else {
			atomic.StoreUint64(words[1], d.ReadRegister(off, 4)&0xffffffff)
		}
	}
	return nil
}

// register returns the device to which the 32-bit register at a guest's address
// belongs, and its offset; nil if there is none.
func (vm *VM) register(addr uint64) (d device.Device, off uint64) {
	for i, d := range vm.cfg.Devices {
		if off := addr - vm.boot.Devices[i].Addr; off%4 == 0 && off < device.RegisterSize {
			return d, off
		}
	}
	return nil, 0
}

// Exit kinds beside the ports of hypercalls.
const (
	countPageFault = iota
	countTrap
	countMMIO
	countInterrupt
	countUpcall
	countKinds = abi.PortTrap
)

// counters count a vCPU's exits: hypercalls at their port, others below.
type counters [countKinds]atomic.Uint64

func (c *counters) add(kind int) { c[kind].Add(1) }

// Stats is what a VM has done and holds.
type Stats struct {
	Memory space.Usage
	Exits  map[string]uint64 // exits to the VMM by kind; a doorbell is none
}

// Stats may be called until Close.
func (vm *VM) Stats() Stats {
	s := Stats{Memory: vm.Usage(), Exits: map[string]uint64{}}
	names := map[int]string{countPageFault: "page fault", countTrap: "trap", countMMIO: "register", countInterrupt: "interrupt", countUpcall: "upcall"}
	for kind := range countKinds {
		name := names[kind]
		if name == "" {
			name = hypercalls[kind].name
		}
		for _, v := range vm.cpus {
			if n := v.counts[kind].Load(); n > 0 {
				s.Exits[name] += n
			}
		}
	}
	return s
}
