//go:build ringo

package runtime

import (
	"internal/abi"
	"internal/runtime/atomic"
	"internal/runtime/sys"
	ringoabi "ringo.dev/ringo/vmm/abi"
	"unsafe"
)

// Interrupts and exceptions. Their handlers do what ringo's VMM does under the
// tender: demand paging unseen, and all else by letting the processor continue
// at the entry for upcalls or for traps, with what they need in its page.

// Vectors of interrupts, above the processor's exceptions. The legacy interrupt
// controllers, which are masked, have 16 to themselves.
const (
	ringoVectorLegacy   = 0x20
	ringoVectorTimer    = 0x30
	ringoVectorDevice   = 0x31
	ringoVectorWake     = 0x32
	ringoVectorFlush    = 0x33
	ringoVectorXen      = 0x34 // event channels
	ringoVectorPower    = 0x35 // ACPI's events
	ringoVectorSerial   = 0x36 // the first serial port's input
	ringoVectorSpurious = 0x3f // its low four bits must be set
	ringoVectors        = 0x40
)

// Exceptions that the handler looks at.
const (
	ringoExceptionNMI     = 2
	ringoExceptionOpcode  = 6
	ringoExceptionDouble  = 8
	ringoExceptionPage    = 14
	ringoExceptionMachine = 18
)

// ringoMetalFrame is the registers that an interrupt or exception found.
type ringoMetalFrame struct {
	_                                    sys.NotInHeap
	r15, r14, r13, r12, r11, r10, r9, r8 uintptr
	rbp, rdi, rsi, rdx, rcx, rbx, rax    uintptr
	stub                                 uintptr // return address in ringoMetalStubs
	code                                 uintptr // the processor's error code
	rip, cs, rflags, rsp, ss             uintptr
}

// Stacks of the handlers, by their number in the task segment. Page faults may
// come in kernel mode at any time, the last kind even in other handlers.
const (
	ringoStackInterrupt = 1
	ringoStackTrap      = 2
	ringoStackPage      = 3
	ringoStackFatal     = 4
	ringoStacks         = 4

	ringoVectorStackSize = 16 << 10
)

// ringoInterruptFlag is the bit of RFLAGS that is set while interrupts are on.
const ringoInterruptFlag = 1 << 9

// ringoTablePointer is the operand of LGDT and LIDT.
type ringoTablePointer [10]byte

func (p *ringoTablePointer) set(addr uintptr, size uintptr) {
	*(*uint16)(unsafe.Pointer(&p[0])) = uint16(size - 1)
	*(*uintptr)(unsafe.Pointer(&p[2])) = addr
}

// ringoTask is a 64-bit task state segment.
type ringoTask struct {
	_      uint32
	rsp    [3][2]uint32
	_      [2]uint32
	ist    [7][2]uint32 // stack pointers 1 to 7
	_      [2]uint32
	_      uint16
	iomap  uint16
	_align [6]uint32
}

// ringoDescriptors are a virtual CPU's tables: null, code, stack, task (2 words).
type ringoDescriptors struct {
	_    sys.NotInHeap
	gdt  [5]uint64
	task ringoTask
}

// ringoIDT is the interrupt descriptor table, the same for all CPUs.
var ringoIDT [ringoVectors][2]uint64

// Selectors and descriptors of segments. The processor runs handlers without a stack
// segment. That for all other code is not marked as one of 32 bits, which means nothing
// in 64-bit mode, but QEMU without KVM would translate what both run for each of the two.
const (
	ringoSelectorCode  = 0x08
	ringoSelectorStack = 0x10
	ringoSelectorTask  = 0x18

	ringoCodeSegment  = 0x00af_9b00_0000_ffff // 64-bit
	ringoStackSegment = 0x008f_9300_0000_ffff
)

// ringoVectorMemory returns the address of memory for a virtual CPU's tables and its
// handlers' stacks.
func ringoVectorMemory() uintptr {
	mem := ringoAllocFrames(1 + ringoStacks*ringoVectorStackSize/ringoabi.PageSize)
	if mem == 0 {
		ringoFatal(ringoNoCPUMemory)
	}
	return mem
}

// ringoMetalVectorInit makes the calling processor virtual CPU n: with its page
// at GS, and the tables by which interrupts reach it, which are made in mem, its
// ringoVectorMemory.
func ringoMetalVectorInit(n uint32, mem uintptr) {
	const msrGSBase = 0xc000_0101
	const page = ringoabi.PageSize
	ringoWRMSR(msrGSBase, ringoMetalBoot.VCPU0+uint64(n)*page)

	d := (*ringoDescriptors)(unsafe.Pointer(ringoDirect + mem))
	for i := uintptr(0); i < ringoStacks; i++ {
		top := ringoDirect + mem + page + (i+1)*ringoVectorStackSize
		d.task.ist[i] = [2]uint32{uint32(top), uint32(top >> 32)}
	}
	d.task.iomap = uint16(unsafe.Sizeof(d.task))
	task := uint64(uintptr(unsafe.Pointer(&d.task)))
	const taskType = 0x89
	d.gdt[1], d.gdt[2] = ringoCodeSegment, ringoStackSegment
	d.gdt[3] = uint64(unsafe.Sizeof(d.task)-1) | task&0xff_ffff<<16 | taskType<<40 | task>>24&0xff<<56
	d.gdt[4] = task >> 32

	if n == 0 {
		for v := range ringoIDT {
			ringoIDT[v] = ringoGate(uintptr(v))
		}
	}
	var gdt, idt ringoTablePointer
	gdt.set(uintptr(unsafe.Pointer(&d.gdt)), unsafe.Sizeof(d.gdt))
	idt.set(uintptr(unsafe.Pointer(&ringoIDT)), unsafe.Sizeof(ringoIDT))
	ringoLoadTables(&gdt, &idt, ringoSelectorTask)
}

// ringoGate returns the descriptor of a vector's stub: an interrupt gate, which
// turns interrupts off.
func ringoGate(v uintptr) [2]uint64 {
	const gateType = 0x8e
	stack := uint64(ringoStackTrap)
	switch {
	case v == ringoExceptionPage:
		stack = ringoStackPage
	case v == ringoExceptionNMI, v == ringoExceptionDouble, v == ringoExceptionMachine:
		stack = ringoStackFatal
	case v >= ringoVectorLegacy:
		stack = ringoStackInterrupt
	}
	at := uint64(abi.FuncPCABI0(ringoMetalStubs) + v*8)
	return [2]uint64{
		at&0xffff | ringoSelectorCode<<16 | stack<<32 | gateType<<40 | at>>16&0xffff<<48,
		at >> 32,
	}
}

// ringoMetalVector handles an interrupt or exception: the processor continues
// with f as this leaves it.
//
//go:nowritebarrierrec
func ringoMetalVector(f *ringoMetalFrame) {
	vector := (f.stub - abi.FuncPCABI0(ringoMetalStubs)) / 8
	p := ringoThisCPU()
	if vector < ringoVectorLegacy {
		ringoMetalException(p, f, vector)
		return
	}
	if vector == ringoVectorSpurious || vector < ringoVectorTimer {
		return
	}
	if f.rflags&ringoInterruptFlag == 0 {
		// The frame has taken the place of the handler's that it interrupted.
		ringoConsoleLock.v = 0 // whoever holds it does not come back
		ringoFatal("the machine interrupts a processor that has interrupts off")
	}
	if vector == ringoVectorFlush {
		ringoFlushHere(ringoMetalCPUOf(p))
		ringoAPICEnd()
		return
	}
	ringoMetalCPUOf(p).woken = 1
	switch vector {
	case ringoVectorTimer:
		ringoTimerFired(ringoMetalCPUOf(p))
	case ringoVectorDevice:
		ringoMetalAcknowledge()
	case ringoVectorPower:
		ringoPowerButton()
	case ringoVectorSerial:
		ringoSerialInterrupt()
	case ringoVectorXen:
		ringoXenEvents(p.ID)
	}
	ringoAPICEnd()
	if p.Masked != 0 {
		p.Pending = 1
		return
	}
	if vector == ringoVectorDevice && atomic.Loadp(unsafe.Pointer(&ringoSched.poller)) == nil {
		return // the poller is not asleep: it looks by itself
	}
	p.Masked = 1
	p.RIP = uint64(f.rip)
	p.RFLAGS = uint64(f.rflags)
	f.rip = uintptr(p.UpcallEntry)
}

// ringoMetalException handles an exception.
func ringoMetalException(p *ringoabi.VCPU, f *ringoMetalFrame, vector uintptr) {
	addr := uintptr(0)
	rip := f.rip
	switch vector {
	case ringoExceptionPage:
		addr = ringoReadCR2()
		if ringoMetalFault(addr, f.code) {
			return
		}
	case ringoExceptionNMI, ringoExceptionDouble, ringoExceptionMachine:
		ringoMetalDie(f, vector, addr)
	case ringoExceptionOpcode:
		const syscall = 0x050f // SYSCALL is not switched on
		if p.Masked == 0 && *(*uint16)(unsafe.Pointer(f.rip)) == syscall {
			vector = ringoabi.VectorSyscall
			rip += 2
		}
	}
	if p.Masked != 0 {
		ringoMetalDie(f, vector, addr)
	}
	p.Masked = 1
	p.TrapRIP = uint64(rip)
	p.TrapRFLAGS = uint64(f.rflags)
	p.TrapVector = uint64(vector)
	p.TrapError = uint64(f.code)
	p.TrapCR2 = uint64(addr)
	f.rip = uintptr(p.TrapEntry)
	const trap, direction = 1 << 8, 1 << 10
	f.rflags &^= trap | direction
}

// ringoMetalDie reports an exception in rt itself, and ends the machine.
func ringoMetalDie(f *ringoMetalFrame, vector, addr uintptr) {
	ringoMetalEnd()
	ringoConsoleSeize()
	ringoConsolePut("ringo: fatal: exception ")
	ringoConsoleNumber(vector)
	ringoConsolePut(" in the kernel at ")
	ringoConsoleNumber(f.rip)
	ringoConsolePut(", error ")
	ringoConsoleNumber(f.code)
	ringoConsolePut(", address ")
	ringoConsoleNumber(addr)
	ringoConsolePut(", stack ")
	ringoConsoleNumber(f.rsp)
	ringoConsolePut("\n")
	ringoPlatExit(2)
}
