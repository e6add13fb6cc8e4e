// Package kvm is a thin typed layer over the ioctls of /dev/kvm that the VMM
// needs. It holds no policy: errors come back with the name of the ioctl, and
// the meaning of each call is in the kernel's Documentation/virt/kvm/api.rst.
package kvm

import (
	"fmt"
	"os"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	apiVersion = 12

	ioGetAPIVersion    = 0xae00
	ioCreateVM         = 0xae01
	ioCheckExtension   = 0xae03
	ioVCPUMmapSize     = 0xae04
	ioSupportedCPUID   = 0xc008ae05
	ioCreateVCPU       = 0xae41
	ioSetMemoryRegion  = 0x4020ae46
	ioIOEventFD        = 0x4040ae79
	ioRun              = 0xae80
	ioSetMPState       = 0x4004ae99
	ioEnableCap        = 0x4068aea3
	ioGetSregs         = 0x8138ae83
	ioGetVCPUEvents    = 0x8040ae9f
	ioSetMSRs          = 0x4008ae89
	ioSetCPUID2        = 0x4008ae90
	ioGetTSCKHz        = 0xaea3
	ioSetXCRS          = 0x4188aea7
	ioSetDeviceAttr    = 0x4018aee1
	capSyncRegs        = 74
	capMaxVCPUs        = 66
	capImmediateExit   = 136
	capSplitIRQChip    = 121
	eventfdDatamatch   = 1
	eventfdPIO         = 2
	tscControl         = 0 // KVM_VCPU_TSC_CTRL
	tscOffset          = 0 // KVM_VCPU_TSC_OFFSET
	supportedSyncState = SyncRegs | SyncSregs
)

// ioctl makes a call whose argument is a number. The scheduler does not get to
// know: all but ioRun mostly take less than a millisecond, and to give the
// processor to another thread for that and to get it back costs as much.
func ioctl(fd int, name string, req, arg uintptr) (int, error) {
	for {
		if r, _, e := unix.RawSyscall(unix.SYS_IOCTL, uintptr(fd), req, arg); e != unix.EINTR {
			return result(name, r, e)
		}
	}
}

// ioctlPtr makes a call whose argument is a structure, like ioctl.
func ioctlPtr(fd int, name string, req uintptr, arg unsafe.Pointer) (int, error) {
	for {
		if r, _, e := unix.RawSyscall(unix.SYS_IOCTL, uintptr(fd), req, uintptr(arg)); e != unix.EINTR {
			return result(name, r, e)
		}
	}
}

func result(name string, r uintptr, e unix.Errno) (int, error) {
	if e != 0 {
		return -1, fmt.Errorf("%s: %w", name, e)
	}
	return int(r), nil
}

// System is an open /dev/kvm.
type System struct {
	fd       int
	mmapSize int
}

// Path is the file that is opened, for reading and writing.
const Path = "/dev/kvm"

// Open opens /dev/kvm and checks that it can do what the VMM needs.
func Open() (*System, error) {
	fd, err := unix.Open(Path, unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: Path, Err: err}
	}
	s := &System{fd: fd}
	if err := s.check(); err != nil {
		s.Close()
		return nil, fmt.Errorf("%s: %w", Path, err)
	}
	return s, nil
}

func (s *System) check() (err error) {
	v, err := ioctl(s.fd, "KVM_GET_API_VERSION", ioGetAPIVersion, 0)
	if err != nil {
		return err
	}
	if v != apiVersion {
		return fmt.Errorf("API version %d, want %d", v, apiVersion)
	}
	if s.extension(capSyncRegs)&supportedSyncState != supportedSyncState || s.extension(capImmediateExit) == 0 {
		return fmt.Errorf("this kernel's KVM lacks KVM_CAP_SYNC_REGS or KVM_CAP_IMMEDIATE_EXIT (Linux 4.17 has them)")
	}
	s.mmapSize, err = ioctl(s.fd, "KVM_GET_VCPU_MMAP_SIZE", ioVCPUMmapSize, 0)
	return err
}

func (s *System) extension(n uintptr) int {
	v, _ := ioctl(s.fd, "KVM_CHECK_EXTENSION", ioCheckExtension, n) // an unknown one is an absent one
	return v
}

// MaxVCPUs is the number of vCPUs that one VM can have.
func (s *System) MaxVCPUs() int { return s.extension(capMaxVCPUs) }

// SupportedCPUID returns the CPUID leaves that this host can give a guest.
func (s *System) SupportedCPUID() (*CPUID, error) {
	c := &CPUID{N: maxCPUID}
	_, err := ioctlPtr(s.fd, "KVM_GET_SUPPORTED_CPUID", ioSupportedCPUID, unsafe.Pointer(c))
	return c, err
}

// Close closes /dev/kvm; VMs made with it live on.
func (s *System) Close() error { return unix.Close(s.fd) }

// VM is a virtual machine without an interrupt controller.
type VM struct {
	fd       int
	mmapSize int
}

// CreateVM makes an empty virtual machine.
func (s *System) CreateVM() (*VM, error) {
	fd, err := ioctl(s.fd, "KVM_CREATE_VM", ioCreateVM, 0)
	if err != nil {
		return nil, err
	}
	return &VM{fd: fd, mmapSize: s.mmapSize}, nil
}

// LocalAPICs gives the vCPUs that will be created local APICs in the kernel. Nobody
// interrupts by them. But a vCPU without one has KVM change its own code as it comes
// and goes, all processors waiting for that: a tenth of a millisecond or two.
func (vm *VM) LocalAPICs() error {
	c := enableCap{cap: capSplitIRQChip} // the other interrupt controllers are not in the kernel
	_, err := ioctlPtr(vm.fd, "KVM_ENABLE_CAP", ioEnableCap, unsafe.Pointer(&c))
	return err
}

// Close releases the VM once its vCPUs are closed.
func (vm *VM) Close() error { return unix.Close(vm.fd) }

// SetMemory makes mem the guest-physical memory at gpa. Both are page aligned;
// mem must stay mapped as long as the VM lives.
func (vm *VM) SetMemory(slot int, gpa uint64, mem []byte) error {
	r := memoryRegion{slot: uint32(slot), guest: gpa, size: uint64(len(mem)), userspaceAddr: uint64(uintptr(unsafe.Pointer(unsafe.SliceData(mem))))}
	_, err := ioctlPtr(vm.fd, "KVM_SET_USER_MEMORY_REGION", ioSetMemoryRegion, unsafe.Pointer(&r))
	return err
}

// PortDoorbell adds 1 to the eventfd when the guest writes one byte to port.
func (vm *VM) PortDoorbell(port uint16, eventfd int) error {
	return vm.doorbell(ioeventfd{addr: uint64(port), len: 1, fd: int32(eventfd), flags: eventfdPIO})
}

// MMIODoorbell adds 1 to the eventfd when the guest writes the 32-bit value to gpa.
func (vm *VM) MMIODoorbell(gpa uint64, value uint32, eventfd int) error {
	return vm.doorbell(ioeventfd{addr: gpa, len: 4, fd: int32(eventfd), flags: eventfdDatamatch, datamatch: uint64(value)})
}

func (vm *VM) doorbell(e ioeventfd) error {
	_, err := ioctlPtr(vm.fd, "KVM_IOEVENTFD", ioIOEventFD, unsafe.Pointer(&e))
	return err
}

// VCPU is a virtual CPU. All but RequestExit belongs to the OS thread that
// created it.
type VCPU struct {
	*Run
	fd  int
	mem []byte
}

// CreateVCPU adds virtual CPU id.
func (vm *VM) CreateVCPU(id int) (*VCPU, error) {
	fd, err := ioctl(vm.fd, "KVM_CREATE_VCPU", ioCreateVCPU, uintptr(id))
	if err != nil {
		return nil, err
	}
	mem, err := unix.Mmap(fd, 0, vm.mmapSize, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("mmap of a vCPU: %w", err)
	}
	return &VCPU{fd: fd, mem: mem, Run: (*Run)(unsafe.Pointer(&mem[0]))}, nil
}

// Close removes the vCPU.
func (c *VCPU) Close() error {
	unix.Munmap(c.mem)
	return unix.Close(c.fd)
}

// immediateExit is the second byte of struct kvm_run.
const immediateExit = 1 << 8

// RequestExit makes the present or next Enter return unix.EINTR as soon as the
// instruction that exited last is complete. It may be called from any thread;
// if the vCPU is in Enter, its thread must be signalled as well.
func (c *VCPU) RequestExit() { atomic.StoreUint32(&c.request, immediateExit) }

// ClearExit takes RequestExit back.
func (c *VCPU) ClearExit() { atomic.StoreUint32(&c.request, 0) }

// Enter runs the guest until it exits. unix.EINTR means that the thread was
// signalled, or see RequestExit.
func (c *VCPU) Enter() error {
	if _, _, e := unix.Syscall(unix.SYS_IOCTL, uintptr(c.fd), ioRun, 0); e != 0 {
		return e
	}
	return nil
}

// Exit returns Run.Exit as T: IO, MMIO or Internal.
func Exit[T IO | MMIO | Internal](r *Run) *T { return (*T)(unsafe.Pointer(&r.Exit)) }

// ReadSregs fetches the system registers.
func (c *VCPU) ReadSregs() (s Sregs, err error) {
	_, err = ioctlPtr(c.fd, "KVM_GET_SREGS", ioGetSregs, unsafe.Pointer(&s))
	return s, err
}

// EventQueued reports whether KVM is about to deliver an exception to the
// guest, at the next Enter and wherever RIP points then.
func (c *VCPU) EventQueued() (bool, error) {
	// struct kvm_vcpu_events begins with exception.injected, .nr,
	// .has_error_code and .pending.
	var events [64]byte
	_, err := ioctlPtr(c.fd, "KVM_GET_VCPU_EVENTS", ioGetVCPUEvents, unsafe.Pointer(&events))
	return events[0] != 0 || events[3] != 0, err
}

// SetCPUID says what the guest's CPUID instruction tells.
func (c *VCPU) SetCPUID(t *CPUID) error {
	_, err := ioctlPtr(c.fd, "KVM_SET_CPUID2", ioSetCPUID2, unsafe.Pointer(t))
	return err
}

// SetRunnable makes a vCPU other than the first one, which has a local APIC, run without
// being woken by another one's.
func (c *VCPU) SetRunnable() error {
	var runnable uint32
	_, err := ioctlPtr(c.fd, "KVM_SET_MP_STATE", ioSetMPState, unsafe.Pointer(&runnable))
	return err
}

// SetXCR0 enables extended CPU state.
func (c *VCPU) SetXCR0(v uint64) error {
	x := xcrs{n: 1}
	x.xcr[0].value = v
	_, err := ioctlPtr(c.fd, "KVM_SET_XCRS", ioSetXCRS, unsafe.Pointer(&x))
	return err
}

// SetMSRs writes model-specific registers.
func (c *VCPU) SetMSRs(msrs ...MSR) error {
	var t struct {
		n, _ uint32
		msr  [8]MSR
	}
	t.n = uint32(copy(t.msr[:], msrs))
	n, err := ioctlPtr(c.fd, "KVM_SET_MSRS", ioSetMSRs, unsafe.Pointer(&t))
	if err == nil && n != len(msrs) {
		err = fmt.Errorf("KVM_SET_MSRS: register %#x refused", t.msr[n].Index)
	}
	return err
}

// TSCHz returns the frequency of the guest's time stamp counter.
func (c *VCPU) TSCHz() (uint64, error) {
	khz, err := ioctl(c.fd, "KVM_GET_TSC_KHZ", ioGetTSCKHz, 0)
	return uint64(khz) * 1000, err
}

// AlignTSC makes the guest's time stamp counter read as the host's.
func (c *VCPU) AlignTSC() error {
	var zero uint64
	a := deviceAttr{group: tscControl, attr: tscOffset, addr: &zero}
	_, err := ioctlPtr(c.fd, "KVM_SET_DEVICE_ATTR", ioSetDeviceAttr, unsafe.Pointer(&a))
	return err
}
