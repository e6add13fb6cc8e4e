package vmm

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"

	"ringo.dev/ringo/vmm/abi"
	"ringo.dev/ringo/vmm/device"
	"ringo.dev/ringo/vmm/kvm"
	"ringo.dev/ringo/vmm/space"
)

// vcpu is one virtual CPU and the OS thread that runs it.
//
// Others get its attention with kick, which works as follows. The kicker sets
// kicked, asks KVM for an exit, and then looks at state; the thread sets state
// and then enters. So either the kicker sees that the vCPU is in the guest (or
// waits) and interrupts that, or KVM sees the request on entry.
type vcpu struct {
	id    int
	vm    *VM
	page  *abi.VCPU
	event int // eventfd: doorbell of PortWake, and what wait sleeps on

	state  atomic.Uint32
	kicked atomic.Bool   // an upcall, or the end of the VM, is due
	waits  atomic.Uint32 // times that the guest waited; for the ticker
	counts counters
	polled []polled      // scratch of wait
	fds    []unix.PollFd // scratch of wait

	mu  sync.Mutex // guards kvm and tid against kick
	kvm *kvm.VCPU  // nil unless its thread lives
	tid int

	started atomic.Bool
}

// Values of vcpu.state.
const (
	stateStopped uint32 = iota
	stateHost           // in the VMM
	stateGuest          // in KVM_RUN, or about to be
	stateWaiting        // in PortWait
)

func newVCPU(vm *VM, id int) (*vcpu, error) {
	fd, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		return nil, fmt.Errorf("eventfd: %w", err)
	}
	v := &vcpu{id: id, vm: vm, page: vm.vcpuPage(id), event: fd}
	if err := vm.kvm.PortDoorbell(abi.PortWake+uint16(id), fd); err != nil {
		unix.Close(fd)
		return nil, err
	}
	return v, nil
}

func (v *vcpu) close() { unix.Close(v.event) }

// start runs the vCPU in a thread of its own, and returns when that is set up.
func (v *vcpu) start(rip, rsp uint64) error {
	if v.started.Swap(true) {
		return unix.EBUSY
	}
	ready := make(chan error)
	v.vm.threads.Go(func() {
		runtime.LockOSThread() // for good: the thread ends with the vCPU
		err := v.setup(rip, rsp)
		ready <- err
		if err != nil {
			return
		}
		v.run()
		v.mu.Lock()
		defer v.mu.Unlock()
		v.kvm.Close()
		v.kvm = nil
	})
	return <-ready
}

func (v *vcpu) setup(rip, rsp uint64) error {
	c, err := v.vm.kvm.CreateVCPU(v.id)
	if err != nil {
		return err
	}
	if err := v.configure(c, rip, rsp); err != nil {
		c.Close()
		return err
	}
	unix.Prctl(unix.PR_SET_TIMERSLACK, 1, 0, 0, 0) // only makes wait more exact
	v.mu.Lock()
	v.kvm, v.tid = c, unix.Gettid()
	v.mu.Unlock()
	v.state.Store(stateHost)
	v.vm.ticker.resume()
	return nil
}

func (v *vcpu) configure(c *kvm.VCPU, rip, rsp uint64) error {
	vm := v.vm
	if err := c.SetCPUID(vm.cpuid); err != nil {
		return err
	}
	if leaf := vm.cpuid.Find(0xd, 0); leaf != nil {
		if err := c.SetXCR0(uint64(leaf.EDX)<<32 | uint64(leaf.EAX)); err != nil {
			return err
		}
	}
	if err := c.SetMSRs(vm.ring0.syscallMSRs()...); err != nil {
		return err
	}
	if err := c.AlignTSC(); err != nil {
		return err
	}
	if v.id != 0 {
		if err := c.SetRunnable(); err != nil {
			return err
		}
	} else {
		hz, err := c.TSCHz()
		if err != nil {
			return err
		}
		vm.boot.TSCHz = hz
		vm.setClock()
	}
	sregs, err := c.ReadSregs()
	if err != nil {
		return err
	}
	vm.ring0.sregs(&sregs, v.id, vm.Root(), v.page.Self)
	c.Sregs = sregs
	c.Regs = kvm.Regs{RIP: rip, RSP: rsp, RDI: vm.bootAddr, RFLAGS: rflags}
	c.ValidRegs = kvm.SyncRegs | kvm.SyncSregs
	c.DirtyRegs = kvm.SyncRegs | kvm.SyncSregs
	return nil
}

// rflags are the flags that a vCPU starts with: IOPL 3, for OUT. userFlags are
// those that are the guest's own: ID, AC, OF, DF, IF, TF, SF, ZF, AF, PF, CF.
const (
	rflags    = 0x3002
	userFlags = 0x240fd5
)

// run is the vCPU's life.
func (v *vcpu) run() {
	defer v.state.Store(stateStopped)
	settled := true // false: the last exit's instruction is not complete yet
	for !v.vm.stopping.Load() {
		if v.kicked.Load() {
			if settled {
				v.kicked.Store(false)
				v.upcall()
			} else {
				v.kvm.RequestExit()
			}
		}
		v.state.Store(stateGuest)
		err := v.kvm.Enter()
		v.state.Store(stateHost)
		v.kvm.ClearExit()
		v.kvm.DirtyRegs = 0
		settled = false
		switch {
		case err == unix.EINTR:
			settled = true
			v.counts.add(countInterrupt)
		case err != nil:
			v.fail(fmt.Sprintf("KVM cannot run it: %v", err))
		default:
			v.exit()
		}
	}
}

// exit handles what made the guest stop.
func (v *vcpu) exit() {
	switch v.kvm.ExitReason {
	case kvm.ExitIO:
		io := kvm.Exit[kvm.IO](v.kvm.Run)
		switch {
		case io.Out == 0 || io.Size != 1 || io.Count != 1:
			v.fail(fmt.Sprintf("an access to port %#x that is no hypercall", io.Port))
		case io.Port == abi.PortTrap:
			v.trap()
		default:
			v.hypercall(io.Port)
		}
	case kvm.ExitMMIO:
		v.counts.add(countMMIO)
		v.mmio(kvm.Exit[kvm.MMIO](v.kvm.Run))
	case kvm.ExitIntr:
		v.counts.add(countInterrupt)
	case kvm.ExitShutdown:
		v.fail("triple fault")
	case kvm.ExitInternalError:
		e := kvm.Exit[kvm.Internal](v.kvm.Run)
		v.fail(fmt.Sprintf("KVM cannot run it: internal error %d, %#x", e.Suberror, e.Data[:min(e.NData, 16)]))
	case kvm.ExitFailEntry:
		e := kvm.Exit[kvm.Internal](v.kvm.Run)
		v.fail(fmt.Sprintf("KVM cannot run it: entry failure %#x", e.Suberror))
	default:
		v.fail(fmt.Sprintf("KVM exit %d", v.kvm.ExitReason))
	}
}

// fail ends the VM because of what this vCPU did.
func (v *vcpu) fail(reason string) {
	v.vm.end(Status{}, &GuestError{Reason: reason, VCPU: v.id, Regs: v.kvm.Regs})
}

// mmio answers a register access.
func (v *vcpu) mmio(m *kvm.MMIO) {
	i, off := (m.Addr-deviceGPA)/device.RegisterSize, (m.Addr-deviceGPA)%device.RegisterSize
	if m.Addr < deviceGPA || i >= uint64(len(v.vm.cfg.Devices)) || m.Len > 8 || off+uint64(m.Len) > device.RegisterSize {
		v.fail(fmt.Sprintf("an access to %#x, where no device is", m.Addr))
		return
	}
	word := (*uint64)(unsafe.Pointer(&m.Data))
	d, size := v.vm.cfg.Devices[i], int(m.Len)
	if m.Write == 0 {
		*word = d.ReadRegister(off, size)
		return
	}
	d.WriteRegister(off, size, *word&(1<<(8*size)-1))
}

// trap handles an exception, or the SYSCALL instruction: a page fault by
// giving the page, everything else by passing it on to the guest.
func (v *vcpu) trap() {
	vm, r := v.vm, &v.kvm.Regs
	vector, ok := vm.ring0.vector(r.RIP)
	if !ok {
		v.fail("an access to port 0x50 that is no hypercall")
		return
	}
	f := frame{RIP: r.RCX, RFLAGS: r.R11, RSP: r.RSP}
	if vector != abi.VectorSyscall {
		if f, ok = vm.ring0.frame(v.id, r.RSP); !ok {
			v.fail(fmt.Sprintf("exception %d in ring 0", vector))
			return
		}
	}
	if f.RIP == vm.ring0.syscallEntry() {
		// A KVM that emulates ring 0 goes on at the stub without leaving CPL 3,
		// and faults there.
		vector, f.Error, f.RIP, f.RFLAGS = abi.VectorSyscall, 0, r.RCX, r.R11
	}
	r.RIP, r.RSP, r.RFLAGS = f.RIP, f.RSP, f.RFLAGS&userFlags|rflags
	userSegments(&v.kvm.Sregs)
	v.kvm.DirtyRegs = kvm.SyncRegs | kvm.SyncSregs
	if vector == vectorPF {
		switch err := vm.Fault(v.kvm.Sregs.CR2, faultAccess(f.Error)); {
		case err == nil:
			v.counts.add(countPageFault)
			return
		case errors.Is(err, space.ErrNoMemory):
			vm.noMemory()
			return
		}
	}
	v.counts.add(countTrap)
	p := v.page
	entry := atomic.LoadUint64(&p.TrapEntry)
	if entry == 0 || atomic.LoadUint32(&p.Masked) != 0 {
		v.fail(fmt.Sprintf("exception %d in its kernel, error code %#x, address %#x", vector, f.Error, v.kvm.Sregs.CR2))
		return
	}
	p.TrapRIP, p.TrapRFLAGS = f.RIP, r.RFLAGS
	p.TrapVector, p.TrapError, p.TrapCR2 = uint64(vector), f.Error, v.kvm.Sregs.CR2
	atomic.StoreUint32(&p.Masked, 1)
	r.RIP = entry
}

// faultAccess is the access that a page fault's error code tells of.
func faultAccess(code uint64) int {
	const write, fetch = 2, 16
	switch {
	case code&fetch != 0:
		return abi.ProtExec
	case code&write != 0:
		return abi.ProtWrite
	}
	return abi.ProtRead
}

// upcall makes the guest continue at its upcall entry, if it lets us.
func (v *vcpu) upcall() {
	r, p := &v.kvm.Regs, v.page
	if _, ring0 := v.vm.ring0.vector(r.RIP); ring0 {
		v.kicked.Store(true) // its exception exits first
		return
	}
	entry := atomic.LoadUint64(&p.UpcallEntry)
	if atomic.LoadUint32(&p.Masked) != 0 || entry == 0 {
		atomic.StoreUint32(&p.Pending, 1)
		return
	}
	queued, err := v.kvm.EventQueued()
	if err != nil {
		v.fail(err.Error())
		return
	}
	if queued {
		v.kicked.Store(true) // its exception exits first, and must find its own RIP
		return
	}
	v.counts.add(countUpcall)
	p.RIP, p.RFLAGS = r.RIP, r.RFLAGS
	atomic.StoreUint32(&p.Masked, 1)
	r.RIP = entry
	v.kvm.DirtyRegs |= kvm.SyncRegs
}

// kick makes the vCPU look at kicked and at the VM's state soon.
func (v *vcpu) kick() {
	v.kicked.Store(true)
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.kvm == nil {
		return
	}
	v.kvm.RequestExit()
	switch v.state.Load() {
	case stateGuest:
		unix.Tgkill(os.Getpid(), v.tid, unix.SIGURG) // a signal that Go programs ignore
	case stateWaiting:
		v.wake()
	}
}

// wake ends the vCPU's present wait, or the next one.
func (v *vcpu) wake() {
	one := [8]byte{1}
	unix.Write(v.event, one[:]) // fails only when it is signalled 2^64-1 times already
}

// wait sleeps until the deadline (ns of CLOCK_MONOTONIC; negative: none) or
// until woken.
func (v *vcpu) wait(deadline int64) {
	v.polled = v.vm.pollDevices(v.polled[:0])
	if deadline >= 0 && deadline <= monotonic() {
		v.vm.endPoll(v.polled)
		return
	}
	v.waits.Add(1)
	v.state.Store(stateWaiting)
	defer func() {
		v.state.Store(stateHost)
		v.vm.interrupt.Store(false)
		v.vm.endPoll(v.polled)
		v.vm.ticker.resume()
	}()
	if v.kicked.Load() || v.vm.interrupt.Load() {
		return
	}
	v.fds = append(v.fds[:0], unix.PollFd{Fd: int32(v.event), Events: unix.POLLIN})
	for _, p := range v.polled {
		v.fds = append(v.fds, unix.PollFd{Fd: int32(p.fd), Events: unix.POLLIN})
	}
	var timeout *unix.Timespec
	if deadline >= 0 {
		t := unix.NsecToTimespec(max(0, deadline-monotonic()))
		timeout = &t
	}
	n, _ := unix.Ppoll(v.fds, timeout, nil) // an interrupted wait is a short one
	v.state.Store(stateHost)                // what follows need not wake this vCPU
	if n > 0 && v.fds[0].Revents != 0 {
		var count [8]byte
		unix.Read(v.event, count[:])
	}
	for i, p := range v.polled {
		if n > 0 && v.fds[i+1].Revents != 0 {
			p.device.Poll()
		}
	}
}
