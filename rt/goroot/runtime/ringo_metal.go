//go:build ringo

package runtime

import (
	ringoabi "ringo.dev/ringo/vmm/abi"
	"unsafe"
)

// The metal platform: rt on a machine of its own, in ring 0, with nothing below
// but a hypervisor that imitates a PC. It does for rt what ringo's VMM does for
// the tender: it makes the boot page and the pages of the virtual CPUs, owns
// the page tables and gives memory when it is first touched, and turns
// interrupts and exceptions of Go code into upcalls and traps.
//
// Everything runs in ring 0, and interrupts are on everywhere but in the
// handlers of vectors. "Masked" means to metal what it means to the tender: an
// interrupt in kernel mode leaves Pending behind and goes on. So the doors of
// ringo_entry_amd64.s are the same on both.
//
// The handlers run on stacks of their own (IST), since Go's stacks have no room
// to spare; they are Go code under the rules of kernel mode, and besides must
// not fault: they use memory of the image and of the direct map only.

// ringoMetal is 1 on this platform.
var ringoMetal uint8

// ringoMetalG is what Go code in the handlers of vectors runs as: a g without
// stack bounds.
var ringoMetalG g

var (
	ringoMetalTables  [7 * ringoabi.PageSize]byte // the first page tables, with room to align them
	ringoMetalBoot    ringoabi.Boot
	ringoMetalConsole ringoabi.Console
	ringoMetalSignals uint64
)

// Implemented in ringo_metal_amd64.s.

func ringoMetalEntry()
func ringoMetalStubs()
func ringoMetalCPUEntry()

//go:noescape
func ringoMetalHalt(woken *uint32)
func ringoMetalStop()
func ringoReadCR2() uintptr
func ringoReadCR3() uintptr
func ringoWriteCR3(pa uintptr)
func ringoReadCR4() uintptr
func ringoWriteCR4(v uintptr)
func ringoXSETBV(v uint64)
func ringoInvalidate(addr uintptr)
func ringoZeroPage(p uintptr)
func ringoRDMSR(msr uint32) uint64
func ringoWRMSR(msr uint32, v uint64)

//go:noescape
func ringoLoadTables(gdt, idt *ringoTablePointer, task uint16)
func ringoIn8(port uint16) uint8
func ringoIn16(port uint16) uint16
func ringoIn32(port uint16) uint32
func ringoOut8(port uint16, v uint8)
func ringoOut16(port uint16, v uint16)
func ringoOut32(port uint16, v uint32)

//go:noescape
func ringoOutString(port uint16, p unsafe.Pointer, n uintptr)

// Where things are in the address space, beside the image: what the program
// maps, and at its end the main stack. As under the tender, the start of the
// one and the end of the other are moved at random.
const (
	ringoMetalMapLow    = 64 << 30
	ringoMetalMapSlide  = 512 << 30 // the Go heap begins at 768 GiB
	ringoMetalMapHigh   = 0x7e00_0000_0000
	ringoMetalStackMin  = 0x7f00_0000_0000
	ringoMetalStackMove = 0x80_0000_0000
	ringoMetalStackSize = 8 << 20
)

// ringoMetalStart prepares everything that rt expects of a platform. It returns
// the boot page, and the stack pointer with which the program starts.
//
//go:nowritebarrierrec
func ringoMetalStart(loader, info uintptr) (boot *ringoabi.Boot, sp uintptr) {
	// First: a program for GOAMD64=v3 takes AVX for granted, in memclr and others.
	ringoMetalProcessor()
	boot = &ringoMetalBoot
	boot.Console = uint64(uintptr(unsafe.Pointer(&ringoMetalConsole)))
	*(*uintptr)(unsafe.Pointer(&ringoBootPage)) = uintptr(unsafe.Pointer(boot))
	ringoXenDetect()
	ringoMetalConsoleInit()
	ringoReadMachine(loader, info)
	ringoAPICInit()
	ringoAPICTimerStart()
	ringoMetalSpaceInit()
	ringoMetalCPUInit()
	ringoXenInit()
	ringoKVMInit()
	ringoOutAll(ringoPICSetup[:])
	ringoMetalMMIOInit()
	ringoPowerButtonInit()
	ringoMetalClockInit()

	boot.Magic = ringoabi.Magic
	boot.Version = ringoabi.Version
	boot.Signals = uint64(uintptr(unsafe.Pointer(&ringoMetalSignals)))
	config := ringoLine.Config()
	boot.Config = uint64(uintptr(unsafe.Pointer(unsafe.SliceData(config))))
	boot.ConfigLen = uint64(len(config))
	// The boot seed is the generator's output, of which no other output can be told. It
	// stays empty without anything that cannot be guessed.
	if ringoRandomInit(ringoLine.Seed[:]); ringoHasEntropy() {
		const enough = 32 // bytes, the size of a key
		ringoRandomFill(unsafe.Pointer(&boot.Seed), enough)
	}

	slide := (*[2]uintptr)(unsafe.Pointer(&boot.Seed))
	const align = 2 << 20
	boot.MapLow = ringoMetalMapLow + uint64(slide[0]%ringoMetalMapSlide&^(align-1))
	boot.MapHigh = ringoMetalMapHigh
	boot.StackLow = ringoMetalStackMin + uint64(slide[1]%ringoMetalStackMove&^(align-1))
	boot.StackHigh = boot.StackLow + ringoMetalStackSize
	if ringoMetalMap(uintptr(boot.StackLow), ringoMetalStackSize, ringoabi.ProtRead|ringoabi.ProtWrite) < 0 {
		ringoFatal("no memory for the main stack; give the machine more")
	}
	ringoMetalRun(ringoNanotime())
	return boot, ringoStartStack(uintptr(boot.StackHigh))
}

// ringoMetalProcessor switches on what the processor has for programs.
func ringoMetalProcessor() {
	const (
		cr4FSGSBase = 1 << 16
		cr4OSXSave  = 1 << 18
		hasXSave    = 1 << 26 // CPUID 1, ECX
		hasFSGSBase = 1 << 0  // CPUID 7, EBX
		components  = 0xe7    // x87, SSE, AVX, AVX-512
	)
	cr4 := ringoReadCR4()
	highest, _, _, _ := ringoCPUID(0, 0)
	_, _, features, _ := ringoCPUID(1, 0)
	if features&hasXSave != 0 {
		ringoWriteCR4(cr4 | cr4OSXSave)
		cr4 |= cr4OSXSave
		lo, _, _, _ := ringoCPUID(0xd, 0)
		ringoXSETBV(uint64(lo & components))
	} else {
		ringoNoXSave = 1
	}
	extended := uint32(0)
	if highest >= 7 {
		_, extended, _, _ = ringoCPUID(7, 0)
	}
	if extended&hasFSGSBase != 0 {
		ringoWriteCR4(cr4 | cr4FSGSBase)
	} else {
		ringoNoFSGSBase = 1
	}
}

// ringoStartStack writes what a Linux process finds on its stack at top: argc,
// argv, envp and the auxiliary vector. It returns the stack pointer.
func ringoStartStack(top uintptr) uintptr {
	const atRandom, atPageSize, atSecure, atClkTck = 25, 6, 23, 17
	random := top - 16
	ringoRandomFill(unsafe.Pointer(random), 16)
	from, args, env := ringoLine.Text(), ringoLine.Args(), ringoLine.Env()
	text := random - uintptr(len(from))
	memmove(unsafe.Pointer(text), unsafe.Pointer(unsafe.SliceData(from)), uintptr(len(from)))

	words := 1 + len(args) + 1 + len(env) + 1 + 2*5
	sp := (text - uintptr(words)*8) &^ 15
	at := sp
	put := func(v uintptr) {
		*(*uintptr)(unsafe.Pointer(at)) = v
		at += 8
	}
	put(uintptr(len(args)))
	for _, off := range args {
		put(text + uintptr(off))
	}
	put(0)
	for _, off := range env {
		put(text + uintptr(off))
	}
	put(0)
	for _, pair := range [...][2]uintptr{{atPageSize, ringoabi.PageSize}, {atClkTck, 100}, {atSecure, 0}, {atRandom, random}, {0, 0}} {
		put(pair[0])
		put(pair[1])
	}
	return sp
}

// ringoMetalLook is ringoPlatLook.
func ringoMetalLook() { ringoMetalCPUOf(ringoThisCPU()).woken = 0 }

// ringoMetalWait is ringoPlatWait.
func ringoMetalWait(deadline int64) {
	p := ringoThisCPU()
	c := ringoMetalCPUOf(p)
	c.resting = 1
	if ringoMetalConsoleDrain() {
		ringoTimerBy(c, deadline)
		// What the drivers have written must be seen by the devices before the
		// devices' rings are looked at for the last time. Locked instructions see
		// to that, but not in a QEMU that emulates a single processor: it takes
		// them for ordinary ones. A PAUSE makes it leave the emulated code, which
		// it does with barriers.
		ringoPause()
		if !ringoDeviceReady() {
			ringoMetalHalt(&c.woken)
		}
	}
	c.resting = 0
	// Whatever came is looked at by the idle thread, which called.
	p.Pending = 0
}

// ringoMetalRun is ringoPlatRun.
func ringoMetalRun(now int64) { ringoTimerTick(ringoMetalCPUOf(ringoThisCPU()), now) }
