//go:build ringo

package runtime

import (
	"internal/abi"
	"internal/runtime/sys"
	ringoabi "ringo.dev/ringo/vmm/abi"
	"unsafe"
)

// rt, the layer under the Go runtime: the operating system that the runtime
// expects, in as much as the runtime itself needs it. The runtime's system
// calls arrive at ringoSyscall, exceptions at ringoTrap, interrupts at
// ringoUpcall (ringo_entry_amd64.s); each is answered in kernel mode.
//
// What must hold in kernel mode, that is in every function that those three
// reach:
//   - upcalls are masked, so it is never interrupted, only faulted on by the
//     platform's demand paging;
//   - it runs on the thread's kernel stack of ringoStackSize bytes with the
//     thread's own g in R14, which has no m: no lock, print, throw or
//     systemstack of the runtime's, no allocation, no write barrier (rt's types
//     are not in the heap), and no call to a function in ABI0 assembly, since
//     the compiler reloads R14 from TLS after these;
//   - of rt's locks, ringoMem.lock is taken last.
//
// Everything that depends on the machine is behind the functions of
// ringo_platform.go.

// ringoBare is 1 when the program runs on a machine of its own, 0 when it is a
// process of the host's kernel. Every patched SYSCALL site tests it.
//
//go:linkname ringoBare
var ringoBare uint8

const (
	ringoStackSize     = 24 << 10 // a thread's kernel stack, its ringoThread included
	ringoStackStride   = 32 << 10 // distance of kernel stacks; the rest is a guard
	ringoBootStackSize = 24 << 10
	ringoFreshStacks   = 5       // how many are mapped at once
	ringoMaxXSize      = 8 << 10 // largest extended state that fits on a kernel stack
	ringoFXSize        = 576     // what FXSAVE writes, and XSAVE's header
)

var (
	ringoBootStack [ringoBootStackSize]byte // kernel stack of the first thread
	ringoThread1   ringoThread
	ringoIdleStack [ringoBootStackSize]byte // that of the first CPU's idle thread
	ringoIdle1     ringoThread
	ringoBootPage  *ringoabi.Boot
	ringoXSize     uintptr // bytes that XSAVE writes

	// What a processor may lack (only metal meets such): then FXSAVE and the
	// FS base's model-specific register take the instructions' place.
	ringoNoXSave    uint8
	ringoNoFSGSBase uint8
)

// Implemented in ringo_entry_amd64.s.

func ringoEntry()

// The assembly of other packages calls it, which the linker of Go 1.27 allows
// only for what is marked so.
//
//go:linkname ringoSyscall
func ringoSyscall()
func ringoUpcall()
func ringoTrap()
func ringoThreadStart()
func ringoIdleStart()
func ringoCPUStart()
func ringoExitThread()
func ringoSwitch(save *uintptr, to uintptr)
func ringoSetFS(base uintptr)
func ringoThisCPU() *ringoabi.VCPU
func ringoPause()
func ringoRDTSC() uint64
func ringoRDRAND() (v uint64, ok bool)
func ringoCPUID(leaf, sub uint32) (a, b, c, d uint32)
func ringoXGETBV() uint64
func ringoHypercall(port, a, b, c uintptr) int64

// ringoCPU is what rt keeps for a virtual CPU, in the words of its page that
// package abi leaves to the guest. Assembly knows the first three offsets.
type ringoCPU struct {
	_      sys.NotInHeap
	kstack uintptr      // top of the running thread's kernel stack
	thread *ringoThread // the running thread
	usersp uintptr      // scratch of the entry code
	idle   *ringoThread // what runs when nothing else does
	since  int64        // when the running thread was last charged for its time
	busy   int64        // ns spent in threads
	slack  int64        // ns spent idle
	rested int64        // when it last had nothing to run
	id     uint32
}

// ringoPage returns virtual CPU n's page.
func ringoPage(n uint32) *ringoabi.VCPU {
	return (*ringoabi.VCPU)(unsafe.Pointer(uintptr(ringoBootPage.VCPU0) + uintptr(n)*ringoabi.PageSize))
}

// ringoCPUAt returns rt's part of that page.
func ringoCPUAt(n uint32) *ringoCPU { return (*ringoCPU)(unsafe.Pointer(&ringoPage(n).Guest)) }

// ringoMe returns the CPU that this runs on. It is stable in kernel mode up to
// the next switch of threads.
func ringoMe() *ringoCPU {
	return (*ringoCPU)(unsafe.Pointer(&ringoThisCPU().Guest))
}

// ringoBoot makes the calling CPU's running code thread 1 and prepares all
// else. It runs on the boot stack, which stays thread 1's kernel stack.
//
//go:nowritebarrierrec
func ringoBoot(boot *ringoabi.Boot) {
	// Stored as a number: a write barrier has no place here, and boot is not in the heap.
	*(*uintptr)(unsafe.Pointer(&ringoBootPage)) = uintptr(unsafe.Pointer(boot))
	if boot.Magic != ringoabi.Magic || boot.Version != ringoabi.Version {
		ringoFatal("the machine monitor speaks another version of ringo's ABI; build both with one ringo")
	}
	ringoXSize = ringoFXSize
	if ringoNoXSave == 0 {
		_, ebx, _, _ := ringoCPUID(0xd, 0)
		ringoXSize = uintptr(ebx)
	}
	if ringoXSize > ringoMaxXSize {
		ringoFatal("the processor's extended state is too large")
	}
	ringoClockInit()
	ringoRandomInit(boot.Seed[:])
	ringoMem.table.Init(uintptr(boot.MapLow), uintptr(boot.MapHigh))
	ringoMapAhead()
	ringoMapStacks()

	t := &ringoThread1
	t.init(uintptr(unsafe.Pointer(&ringoBootStack)))
	t.tid = 1
	t.state = ringoRunning
	ringoSched.threads = t
	ringoSched.count = 1
	ringoSched.lastTid = 1
	ringoSched.ncpu = boot.VCPUs

	now := ringoNanotime()
	for n := uint32(0); n < boot.VCPUs; n++ {
		c := ringoCPUAt(n)
		c.id = n
		c.since = now
		c.idle = ringoNewIdle(n)
		page := ringoPage(n)
		page.UpcallEntry = uint64(abi.FuncPCABI0(ringoUpcall))
		page.TrapEntry = uint64(abi.FuncPCABI0(ringoTrap))
		if n == 0 {
			c.thread = t
			c.kstack = t.kstack
			continue
		}
		c.thread = c.idle
		c.kstack = c.idle.kstack
		ringoPlatStart(n, abi.FuncPCABI0(ringoCPUStart), c.idle.kstack-ringoStackSize/8)
	}
}

// ringoFatal ends the machine because rt cannot go on.
//
//go:nowritebarrierrec
func ringoFatal(why string) {
	ringoConsolePut("ringo: fatal: ")
	ringoConsolePut(why)
	ringoConsolePut("\n")
	ringoPlatExit(2)
}
