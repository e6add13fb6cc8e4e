// Package vmm runs a ringo image in a virtual machine of its own, under KVM.
//
//	vm, err := vmm.New(vmm.Config{Image: "web.elf", Args: []string{"web"}, Memory: 64 << 20, CPUs: 1, Console: os.Stdout})
//	if err != nil { … }
//	defer vm.Close()
//	status, err := vm.Run(ctx)
//
// The guest runs at CPL 3 only, on page tables that it cannot see (package
// space), and talks to the VMM by the hypercalls, upcalls and shared pages of
// package abi. Devices are given to it from outside (package device). One OS
// thread runs each vCPU (vcpu.go); a few instructions at CPL 0 pass exceptions
// on (ring0.go).
//
// Whatever the guest does ends at most the guest: Run then returns a
// *GuestError. New and Run need /dev/kvm and no privilege. Lockdown, which is
// for the whole process, takes away all else.
package vmm

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"ringo.dev/ringo/vmm/abi"
	"ringo.dev/ringo/vmm/device"
	"ringo.dev/ringo/vmm/kvm"
	"ringo.dev/ringo/vmm/space"
)

// Config describes a VM.
type Config struct {
	Image    string            // path of the ELF file
	Args     []string          // argv; Args[0] is the program's name
	Env      []string          // K=V
	Memory   int64             // bytes that the guest may use, image included
	CPUs     int               // virtual CPUs
	Settings map[string]string // boot configuration of the guest's kernel
	Devices  []device.Device   // in the order in which the guest finds them
	Console  io.Writer         // the guest's console
}

// Status is how a guest ended.
type Status struct {
	Code        int  // exit status, as a shell knows it
	OutOfMemory bool // the guest needed more than Config.Memory
}

// statusNoMemory is the status of a guest that ran out of memory: that of a
// process which the OOM killer ends.
const statusNoMemory = 128 + int(syscall.SIGKILL)

// minMemory is what a guest needs besides its image.
const minMemory = 4 << 20

// VM is a virtual machine. Its methods may be called from any goroutine.
type VM struct {
	*layout
	cfg     Config
	kvm     *kvm.VM
	cpuid   *kvm.CPUID
	image   *image
	calls   *[abi.PortTrap]hypercall
	console *console
	cpus    []*vcpu
	bells   []*os.File // doorbells of all devices
	threads sync.WaitGroup

	clock     sync.Mutex  // guards writes of Boot.Clock
	interrupt atomic.Bool // a device has news and no vCPU waited
	ticker    ticker

	started  atomic.Bool
	stopping atomic.Bool
	done     chan struct{} // closed when stopping is set
	endOnce  sync.Once
	status   Status
	err      error
}

// New loads the image. Nothing runs before Run; Close releases the VM.
func New(c Config) (*VM, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	vm := &VM{cfg: c, calls: &hypercalls, done: make(chan struct{})}
	vm.ticker.wake = make(chan struct{}, 1)
	if err := vm.build(); err != nil {
		vm.Close()
		return nil, err
	}
	return vm, nil
}

func (vm *VM) build() (err error) {
	c := &vm.cfg
	if vm.image, err = openImage(c.Image); err != nil {
		return err
	}
	if err := checkLevel(vm.image.level, processorLevel); err != nil {
		return err
	}
	program, _ := vm.image.size()
	if need := int64(program) + minMemory; c.Memory < need {
		return fmt.Errorf("%w: -m %s is too little; %s needs at least -m %dM", ErrMemory, megabytes(c.Memory), c.Image, (need+1<<20-1)>>20)
	}
	if err := vm.openKVM(); err != nil {
		return err
	}
	const memorySlot, shareSlot = 0, 1
	share := func(gpa uint64, mem []byte) error { return vm.kvm.SetMemory(shareSlot, gpa, mem) }
	if vm.layout, err = load(c, vm.image, vm.cpuid.Find(1, 0).EDX, share); err != nil {
		return err
	}
	if err := vm.kvm.SetMemory(memorySlot, space.Base, vm.Arena()); err != nil {
		return err
	}
	for n := range c.CPUs {
		v, err := newVCPU(vm, n)
		if err != nil {
			return err
		}
		vm.cpus = append(vm.cpus, v)
	}
	vm.console = &console{ring: vm.layout.console, w: c.Console, fail: vm.guestFailed}
	if vm.console.bell, err = vm.newBell("console"); err != nil {
		return err
	}
	return vm.kvm.PortDoorbell(abi.PortConsoleBell, int(vm.console.bell.Fd()))
}

func (c *Config) check() error {
	bad := func(format string, a ...any) error {
		return fmt.Errorf("%w: %s", ErrConfig, fmt.Sprintf(format, a...))
	}
	switch {
	case len(c.Args) == 0:
		return bad("no program name in Args")
	case c.Console == nil:
		return bad("no console")
	case c.CPUs < 1 || c.CPUs > abi.MaxVCPUs:
		return bad("%d CPUs; from 1 to %d are possible", c.CPUs, abi.MaxVCPUs)
	case len(c.Devices) > abi.MaxDevices:
		return bad("%d devices; at most %d are possible", len(c.Devices), abi.MaxDevices)
	case slices.ContainsFunc(slices.Concat(c.Args, c.Env), func(s string) bool { return strings.Contains(s, "\x00") }):
		return bad("a NUL byte in the arguments or environment")
	}
	return nil
}

func megabytes(n int64) string {
	if n < 1<<20 {
		return fmt.Sprintf("%dK", n>>10)
	}
	return fmt.Sprintf("%dM", n>>20)
}

func (vm *VM) openKVM() error {
	sys, err := kvm.Open()
	if err != nil {
		return noKVM(err)
	}
	defer sys.Close()
	if most := sys.MaxVCPUs(); vm.cfg.CPUs > most {
		return fmt.Errorf("%w: %d CPUs; this KVM can do %d", ErrConfig, vm.cfg.CPUs, most)
	}
	if vm.cpuid, err = sys.SupportedCPUID(); err == nil {
		vm.kvm, err = sys.CreateVM()
	}
	if err == nil {
		err = vm.kvm.LocalAPICs()
	}
	if err != nil {
		return fmt.Errorf("%w: %w", ErrKVM, err)
	}
	if vm.cpuid.Find(1, 0) == nil {
		return fmt.Errorf("%w: no CPUID leaf 1", ErrKVM)
	}
	return nil
}

// newBell makes an eventfd that goroutines can wait for.
func (vm *VM) newBell(name string) (*os.File, error) {
	fd, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		return nil, fmt.Errorf("eventfd: %w", err)
	}
	return os.NewFile(uintptr(fd), name), nil
}

// Run starts the guest and waits for its end: its exit, its failure, Kill, or
// the end of ctx, whose error it then returns. It may be called once.
func (vm *VM) Run(ctx context.Context) (Status, error) {
	if vm.started.Swap(true) {
		return Status{}, fmt.Errorf("%w: Run was called before", ErrConfig)
	}
	stop := context.AfterFunc(ctx, func() { vm.end(Status{}, context.Cause(ctx)) })
	defer stop()
	n, err := vm.startDevices()
	if err != nil {
		vm.end(Status{}, err)
	}
	var helpers sync.WaitGroup
	helpers.Go(vm.console.run)
	helpers.Go(vm.tick)
	if err == nil {
		if err := vm.cpus[0].start(vm.image.tender, vm.stack); err != nil {
			vm.end(Status{}, err)
		}
		vm.PopulateAhead()
	}
	<-vm.done
	vm.threads.Wait()
	for _, b := range vm.bells {
		b.Close()
	}
	for _, d := range vm.cfg.Devices[:n] {
		d.Stop()
	}
	vm.console.bell.Close()
	helpers.Wait()
	vm.console.flush()
	if vm.status.OutOfMemory {
		program, _ := vm.image.size()
		fmt.Fprintf(vm.cfg.Console, "ringo: out of memory: all %s (-m) are in use, %s of them by the image; give it more, or set GOMEMLIMIT\n",
			megabytes(vm.cfg.Memory), megabytes(int64(program)))
	}
	return vm.status, vm.err
}

// startDevices starts them and returns how many it did.
func (vm *VM) startDevices() (n int, err error) {
	for i, d := range vm.cfg.Devices {
		h := &device.Host{Memory: vm.Space, Interrupt: vm.Interrupt, Fail: vm.guestFailed}
		for q := range d.Queues() {
			b, err := vm.newBell("doorbell")
			if err != nil {
				return i, err
			}
			vm.bells = append(vm.bells, b)
			h.Doorbells = append(h.Doorbells, b)
			gpa := deviceGPA + uint64(i)*device.RegisterSize + device.QueueNotify
			if err := vm.kvm.MMIODoorbell(gpa, uint32(q), int(b.Fd())); err != nil {
				return i, err
			}
		}
		if err := d.Start(h); err != nil {
			return i, fmt.Errorf("device %d (virtio ID %d): %w", i, d.ID(), err)
		}
	}
	return len(vm.cfg.Devices), nil
}

// end stops the VM; the first call says why.
func (vm *VM) end(s Status, err error) {
	vm.endOnce.Do(func() {
		vm.status, vm.err = s, err
		vm.stopping.Store(true)
		close(vm.done)
		for _, v := range vm.cpus {
			v.kick()
		}
	})
}

// exit ends the VM as the guest asked for. What it has sent before is sent.
func (vm *VM) exit(code int) {
	vm.endPoll(vm.pollDevices(nil))
	vm.end(Status{Code: code}, nil)
}

// polled is a device whose descriptor a vCPU watches; see device.Device.Poll.
type polled struct {
	device device.Device
	fd     int
}

// pollDevices serves what the guest has not rung a doorbell for, and appends to
// list the devices that have to be watched until endPoll.
func (vm *VM) pollDevices(list []polled) []polled {
	for _, d := range vm.cfg.Devices {
		if fd := d.Poll(); fd >= 0 {
			list = append(list, polled{d, fd})
		}
	}
	return list
}

// endPoll leaves the devices to themselves again.
func (vm *VM) endPoll(list []polled) {
	for _, p := range list {
		p.device.EndPoll()
	}
}

// guestFailed ends the VM for a reason that is not one vCPU's.
func (vm *VM) guestFailed(err error) {
	if errors.Is(err, space.ErrNoMemory) {
		vm.noMemory()
		return
	}
	vm.end(Status{}, &GuestError{Reason: err.Error(), VCPU: -1})
}

// noMemory ends a guest that reached its limit.
func (vm *VM) noMemory() { vm.end(Status{Code: statusNoMemory, OutOfMemory: true}, nil) }

// Interrupt wakes a vCPU that waits, because a device has news.
func (vm *VM) Interrupt() {
	vm.interrupt.Store(true)
	for _, v := range vm.cpus {
		if v.state.Load() == stateWaiting {
			v.wake()
			return
		}
	}
}

// Signal hands a signal to the program.
func (vm *VM) Signal(sig syscall.Signal) error {
	if sig < 1 || sig > 64 {
		return fmt.Errorf("%w: signal %d", ErrConfig, sig)
	}
	atomic.OrUint64(vm.signals, 1<<(sig-1))
	vm.cpus[0].kick()
	return nil
}

// Kill ends the guest at once; Run returns the status of a killed process.
func (vm *VM) Kill() { vm.end(Status{Code: 128 + int(syscall.SIGKILL)}, nil) }

// Close releases the VM. A running one is killed, and Run has to return first.
func (vm *VM) Close() error {
	vm.end(Status{}, os.ErrClosed)
	for _, v := range vm.cpus {
		v.close()
	}
	if vm.console != nil && vm.console.bell != nil {
		vm.console.bell.Close()
	}
	if vm.kvm != nil {
		vm.kvm.Close()
	}
	if vm.image != nil {
		vm.image.file.Close()
	}
	if vm.layout == nil {
		return nil
	}
	return vm.layout.Close()
}

// setClock pairs the time stamp counter with the host's clocks for the guest.
// Of a few readings it takes the one that was least held up.
func (vm *VM) setClock() {
	vm.clock.Lock()
	defer vm.clock.Unlock()
	var tsc uint64
	var mono, real int64
	least := ^uint64(0)
	for range 3 {
		before := kvm.TSC()
		m, r := monotonic(), time.Now().UnixNano()
		if took := kvm.TSC() - before; took < least {
			least, tsc, mono, real = took, before+took/2, m, r
		}
	}
	c := &vm.boot.Clock
	seq := atomic.AddUint64(&c.Seq, 1)
	atomic.StoreUint64(&c.TSC, tsc)
	atomic.StoreInt64(&c.Mono, mono)
	atomic.StoreInt64(&c.Real, real)
	atomic.StoreUint64(&c.Seq, seq+1)
}

// monotonic reads CLOCK_MONOTONIC.
func monotonic() int64 {
	var t unix.Timespec
	unix.ClockGettime(unix.CLOCK_MONOTONIC, &t) // cannot fail
	return t.Nano()
}
