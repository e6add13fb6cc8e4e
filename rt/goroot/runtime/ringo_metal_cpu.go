//go:build ringo

package runtime

import (
	"internal/abi"
	"internal/runtime/atomic"
	"internal/runtime/sys"
	ringoabi "ringo.dev/ringo/vmm/abi"
	"unsafe"
)

// The virtual CPUs: those in ACPI's table, each with a page that GS points to.
// The first is the one that booted; the others are started from there.

// ringoMetalCPU is what metal keeps for a virtual CPU, in the part of its page
// that rt does not use.
type ringoMetalCPU struct {
	_       sys.NotInHeap
	woken   uint32 // an interrupt has come since the CPU last looked for work
	apic    uint32 // its local APIC's ID
	started uint32 // it runs
	resting uint32 // it is in ringoMetalWait
	ticks   uint32 // that it had since it runs threads
	armed   int64  // when the timer will interrupt, -1: never
	flush   uint32 // how often it was asked to flush its TLB
	flushed uint32 // the last of these that it has done
}

// ringoMetalCPUOffset is where in the page a ringoMetalCPU lies.
const ringoMetalCPUOffset = 2048

// ringoMetalCPUOf returns metal's part of a virtual CPU's page.
func ringoMetalCPUOf(page *ringoabi.VCPU) *ringoMetalCPU {
	return (*ringoMetalCPU)(unsafe.Pointer(uintptr(unsafe.Pointer(page)) + ringoMetalCPUOffset))
}

// ringoMetalCPUAt returns metal's part of virtual CPU n's page.
func ringoMetalCPUAt(n uint32) *ringoMetalCPU {
	return ringoMetalCPUOf((*ringoabi.VCPU)(unsafe.Pointer(uintptr(ringoMetalBoot.VCPU0) + uintptr(n)*ringoabi.PageSize)))
}

const ringoNoCPUMemory = "no memory for the processors; give the machine more"

// ringoMetalCPUInit makes the pages of the virtual CPUs and prepares the first,
// which runs this.
func ringoMetalCPUInit() {
	n := max(len(ringoACPI.CPUs()), 1)
	pages := ringoAllocFrames(uintptr(n))
	if pages == 0 {
		ringoFatal(ringoNoCPUMemory)
	}
	ringoMetalBoot.VCPUs = uint32(n)
	ringoMetalBoot.VCPU0 = uint64(ringoDirect + pages)
	for i := 0; i < n; i++ {
		p := (*ringoabi.VCPU)(unsafe.Pointer(ringoDirect + pages + uintptr(i)*ringoabi.PageSize))
		p.Self = uint64(uintptr(unsafe.Pointer(p)))
		p.ID = uint32(i)
		p.Masked = 1
		ringoMetalCPUOf(p).armed = -1
	}
	_, b, _, _ := ringoCPUID(1, 0)
	ringoMetalCPUAt(0).apic = b >> 24
	ringoMetalCPUAt(0).started = 1
	next := uint32(1)
	for _, id := range ringoACPI.CPUs() {
		if id != b>>24 && next < uint32(n) {
			ringoMetalCPUAt(next).apic = id
			next++
		}
	}
	ringoMetalVectorInit(0, ringoVectorMemory())
}

// ringoStarting is the CPU being started, for ringoMetalCPUEntry; it knows the
// offsets of the first two.
var ringoStarting struct {
	sp, pc uintptr
	vector uintptr // its ringoVectorMemory
	n      uint32
	try    uint32 // which try it is, counted from 1, or ringoNoTry; 0: the CPU has started
}

// A processor starts in real mode, at a page below 1 MiB. It takes ringoTrampoline
// to the processor's 64-bit mode and the address space, in which the page is
// mapped for as long as processors start.
const (
	ringoTrampolinePage = 0x8000

	// What follows the code in that page.
	ringoTrampolineGDTR  = 0x80
	ringoTrampolineGDT   = 0x88
	ringoTrampolineCR3   = 0xa0
	ringoTrampolineEntry = 0xa8
)

// ringoTrampoline is the code of that page: 16-bit up to the far jump.
var ringoTrampoline = [...]byte{
	0xfa,       // cli
	0x8c, 0xc8, // mov ax, cs
	0x8e, 0xd8, // mov ds, ax
	0x66, 0x0f, 0x01, 0x16, ringoTrampolineGDTR, 0x00, // lgdt [GDTR]
	0x66, 0xb8, 0x20, 0x06, 0x00, 0x00, // mov eax, OSXMMEXCPT|OSFXSR|PAE
	0x0f, 0x22, 0xe0, // mov cr4, eax
	0x66, 0xa1, ringoTrampolineCR3, 0x00, // mov eax, [CR3]
	0x0f, 0x22, 0xd8, // mov cr3, eax
	0x66, 0xb9, 0x80, 0x00, 0x00, 0xc0, // mov ecx, EFER
	0x0f, 0x32, // rdmsr
	0x66, 0x0d, 0x00, 0x09, 0x00, 0x00, // or eax, NXE|LME
	0x0f, 0x30, // wrmsr
	0x66, 0xb8, 0x23, 0x00, 0x01, 0x80, // mov eax, PG|WP|NE|MP|PE
	0x0f, 0x22, 0xc0, // mov cr0, eax
	0x66, 0xea, 0x48, 0x80, 0x00, 0x00, 0x08, 0x00, // jmp 8:page+0x48
	0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90,
	0x48, 0x8b, 0x05, ringoTrampolineEntry - 0x48 - 7, 0x00, 0x00, 0x00, // mov rax, [Entry]
	0xff, 0xe0, // jmp rax
}

// ringoNoTry is the value of ringoStarting.try while no CPU is to start: one that does
// is late, and will be reset.
const ringoNoTry = 1<<32 - 1

// ringoMetalStartCPU is ringoPlatStart. Without a processor that does not start,
// and those after it, the machine has fewer.
func ringoMetalStartCPU(n uint32, pc, sp uintptr) {
	const assertInit, startUp = 0x4500, 0x4600
	ringoStarting.n, ringoStarting.pc, ringoStarting.sp = n, pc, sp
	atomic.Store(&ringoStarting.try, ringoNoTry)
	ringoSpace.lock.lock() // the CPUs that run already may need memory
	ringoStarting.vector = ringoVectorMemory()
	leaf := ringoMakeLeaf(ringoTrampolinePage)
	ringoSpace.lock.unlock()
	if leaf == nil {
		ringoFatal(ringoNoCPUMemory)
	}
	*leaf = ringoLeaf(ringoTrampolinePage, ringoabi.ProtRead|ringoabi.ProtExec)
	ringoFillTrampoline()
	// The long pause after INIT is for old processors. Most can do without. The
	// long patience is for hosts that are busy.
	started := false
	for i, t := range [...]struct{ pause, patience uint64 }{{100, 300_000}, {10_000, 10_000_000}} {
		const step = 100
		try := uint32(i + 1)
		ringoAPICSend(n, assertInit)
		ringoDelay(t.pause)
		atomic.Store(&ringoStarting.try, try)
		for sent := 0; sent < 2 && atomic.Load(&ringoStarting.try) != 0; sent++ {
			ringoAPICSend(n, startUp|ringoTrampolinePage>>12)
			for left := t.patience; left > 0 && atomic.Load(&ringoStarting.try) != 0; left -= step {
				ringoDelay(step)
			}
		}
		// It may be on its way, and must not be reset once it runs.
		if started = !atomic.Cas(&ringoStarting.try, try, ringoNoTry); started {
			break
		}
	}
	if !started {
		ringoAPICSend(n, assertInit)
		ringoMetalBoot.VCPUs = n
		ringoSched.ncpu = n
		ringoConsolePut("ringo: a processor does not start; going on with fewer\n")
	}
	*leaf = 0
	ringoInvalidate(ringoTrampolinePage)
}

// ringoFillTrampoline writes the page that a processor starts at.
func ringoFillTrampoline() {
	const page = ringoDirect + ringoTrampolinePage
	memmove(unsafe.Pointer(uintptr(page)), unsafe.Pointer(&ringoTrampoline), unsafe.Sizeof(ringoTrampoline))
	*(*uint16)(unsafe.Pointer(uintptr(page + ringoTrampolineGDTR))) = 3*8 - 1
	*(*uint32)(unsafe.Pointer(uintptr(page + ringoTrampolineGDTR + 2))) = ringoTrampolinePage + ringoTrampolineGDT
	*(*[3]uint64)(unsafe.Pointer(uintptr(page + ringoTrampolineGDT))) = [3]uint64{1: ringoCodeSegment, 2: ringoStackSegment}
	*(*uint32)(unsafe.Pointer(uintptr(page + ringoTrampolineCR3))) = uint32(ringoSpace.root)
	*(*uintptr)(unsafe.Pointer(uintptr(page + ringoTrampolineEntry))) = abi.FuncPCABI0(ringoMetalCPUEntry)
}

// ringoMetalCPUStart prepares the calling processor, which has just been
// started; then it continues at ringoStarting.pc. It may be reset on the way, and
// begin anew, so it takes nothing that it would have to give back.
//
//go:nowritebarrierrec
func ringoMetalCPUStart() {
	try := atomic.Load(&ringoStarting.try)
	c := ringoMetalCPUAt(ringoStarting.n)
	c.armed = -1 // a reset stops the timer
	ringoMetalProcessor()
	ringoMetalVectorInit(ringoStarting.n, ringoStarting.vector)
	ringoAPICInit()
	ringoAPICWrite(ringoAPICTimer, ringoMetalTime.mode)
	ringoMetalRun(ringoNanotime())
	if try == ringoNoTry || !atomic.Cas(&ringoStarting.try, try, 0) {
		for { // until it is reset
			ringoMetalStop()
		}
	}
	atomic.Store(&c.started, 1)
}

// ringoDelay waits some microseconds.
func ringoDelay(us uint64) {
	cycles := us * (ringoMetalBoot.TSCHz / 1_000_000)
	for start := ringoRDTSC(); ringoRDTSC()-start < cycles; {
		ringoPause()
	}
}
