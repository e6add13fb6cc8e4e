//go:build ringo

package runtime

import (
	"internal/runtime/atomic"
	ringoabi "ringo.dev/ringo/vmm/abi"
	"unsafe"
)

// The platform is what rt stands on: these functions, and the entries in
// ringo_entry_amd64.s that it calls (ringoEntry, ringoUpcall, ringoTrap,
// ringoIdleStart). Nothing else in rt knows the machine. There are two: the
// tender, ring 3 under ringo's own VMM, where each is a hypercall of package
// abi; and metal (ringo_metal.go), ring 0 under other hypervisors.

// ringoPlatMap makes [addr, addr+n) accessible with prot (abi.Prot*, ProtShare
// for memory that ringoPlatAlias can show elsewhere), zeroed
// when first touched; memory that was mapped keeps its contents.
func ringoPlatMap(addr, n uintptr, prot int) int64 {
	if ringoMetal != 0 {
		return ringoMetalMap(addr, n, prot)
	}
	return ringoHypercall(ringoabi.PortMap, addr, n, uintptr(prot))
}

// ringoPlatMapNew is ringoPlatMap for addresses where nothing is mapped. The caller
// holds ringoMem.lock.
func ringoPlatMapNew(addr, n uintptr, prot int) int64 {
	if ringoMetal != 0 {
		return ringoMetalMap(addr, n, prot)
	}
	p := (*ringoabi.Posted)(unsafe.Pointer(uintptr(ringoBootPage.Posted)))
	if p.Head-atomic.Load(&p.Tail) >= ringoabi.MaxPosted {
		return ringoPlatMap(addr, n, prot)
	}
	m := &p.Mapping[p.Head%ringoabi.MaxPosted]
	m.Addr, m.Len, m.Prot = uint64(addr), uint64(n), uint64(prot)
	atomic.Store(&p.Head, p.Head+1)
	return 0
}

// ringoPlatMapsAhead reports whether the first touch of each mapping costs much, and a
// larger one hardly more than a small one.
func ringoPlatMapsAhead() bool { return ringoMetal == 0 }

// ringoPlatUnmap takes [addr, addr+n) and its contents away.
func ringoPlatUnmap(addr, n uintptr) {
	if ringoMetal != 0 {
		ringoMetalUnmap(addr, n)
		return
	}
	ringoHypercall(ringoabi.PortUnmap, addr, n, 0)
}

// ringoPlatDiscard gives the contents of [addr, addr+n) back to the machine; it
// reads as zeroes from then on.
func ringoPlatDiscard(addr, n uintptr) {
	if ringoMetal != 0 {
		ringoMetalDiscard(addr, n)
		return
	}
	ringoHypercall(ringoabi.PortDiscard, addr, n, 0)
}

// ringoPlatAlias makes the n pages from addr on the same memory as those whose
// addresses are in a list, with a protection of its own; 0 is no page. The
// addresses have no other memory than aliases.
func ringoPlatAlias(addr uintptr, list *uintptr, n uintptr, prot int) int64 {
	if ringoMetal != 0 {
		return ringoMetalAlias(addr, list, n, prot)
	}
	return ringoHypercall(ringoabi.PortAlias, addr, uintptr(unsafe.Pointer(list)), n<<8|uintptr(prot))
}

// ringoPlatWait sleeps until the deadline (-1: none), or until a wake-up of this CPU
// or a device's signal that has come since ringoPlatLook. It may return early.
// Doorbells that are due need not be rung before: the VMM looks at all queues when
// a CPU goes to sleep.
func ringoPlatWait(deadline int64) {
	if ringoMetal != 0 {
		ringoRing()
		ringoMetalWait(deadline)
		return
	}
	ringoBellsSeen()
	ringoHypercall(ringoabi.PortWait, uintptr(deadline), 0, 0)
}

// ringoPlatLook says that this CPU, which is idle, is about to look for work:
// ringoPlatWait sleeps unless something has come since.
func ringoPlatLook() {
	if ringoMetal != 0 {
		ringoMetalLook()
	}
}

// ringoPlatRun says that this CPU, which was idle, is about to run a thread: from
// the time now on it has to be interrupted by ticks.
func ringoPlatRun(now int64) {
	if ringoMetal != 0 {
		ringoMetalRun(now)
	}
}

// ringoPlatSpinTime returns how long, in ns, an idle CPU should look for work
// before it waits: about what waiting costs.
func ringoPlatSpinTime() int64 {
	if ringoMetal != 0 {
		return 0
	}
	const hypercall = 20_000
	return hypercall
}

// ringoPlatPollTime returns how long, in ns, the poller should look at the devices
// before it sleeps; 0 if that does not pay.
func ringoPlatPollTime() int64 {
	if ringoMetal == 0 || !ringoMetalTime.emulated {
		return 0
	}
	const answer = 100_000 // a packet's way to a client and the next one's back, with some to spare
	return answer
}

// ringoPlatWake ends ringoPlatWait on CPU n, now or when it is next called.
func ringoPlatWake(n uint32) {
	if ringoMetal != 0 {
		ringoMetalWake(n)
		return
	}
	ringoHypercall(ringoabi.PortWake+uintptr(n), 0, 0, 0)
}

// ringoPlatKick interrupts CPU n if it runs Go code, and wakes it if it waits.
func ringoPlatKick(n uint32) {
	if ringoMetal != 0 {
		ringoMetalWake(n)
		return
	}
	ringoHypercall(ringoabi.PortKick, uintptr(n), 0, 0)
}

// ringoPlatStart starts CPU n at pc with the stack pointer sp.
func ringoPlatStart(n uint32, pc, sp uintptr) {
	if ringoMetal != 0 {
		ringoMetalStartCPU(n, pc, sp)
		return
	}
	ringoHypercall(ringoabi.PortStart, uintptr(n), pc, sp)
}

// ringoPlatExit ends the machine.
func ringoPlatExit(status uintptr) {
	if ringoMetal != 0 {
		ringoMetalExit(status)
	}
	for {
		ringoHypercall(ringoabi.PortExit, status&0xff, 0, 0)
	}
}

// ringoPlatRestart starts the machine anew. Ringo's VMM ends with the machine, so
// there it is the end.
func ringoPlatRestart() {
	if ringoMetal != 0 {
		ringoMetalRestart()
	}
	ringoPlatExit(0)
}

// ringoPlatClock returns the machine's monotonic and real time in ns.
func ringoPlatClock() (mono, real int64) {
	if ringoMetal != 0 {
		return ringoMetalClock()
	}
	ringoHypercall(ringoabi.PortClock, 0, 0, 0)
	_, mono, real = ringoPlatClockBefore()
	return
}

// ringoPlatClockBefore returns the two times at some moment before, or now, and the
// time stamp counter then.
func ringoPlatClockBefore() (tsc uint64, mono, real int64) {
	if ringoMetal != 0 {
		before := ringoRDTSC()
		mono, real = ringoMetalClock()
		return before + (ringoRDTSC()-before)/2, mono, real
	}
	c := &ringoBootPage.Clock
	for {
		seq := atomic.Load64(&c.Seq)
		tsc, mono, real = c.TSC, c.Mono, c.Real
		if seq&1 == 0 && atomic.Load64(&c.Seq) == seq {
			return
		}
	}
}

// ringoPlatConsole writes out what is in the console's ring.
func ringoPlatConsole() {
	if ringoMetal != 0 {
		ringoMetalConsoleFlush()
		return
	}
	ringoHypercall(ringoabi.PortConsole, 0, 0, 0)
}

// ringoPlatConsoleBell says that there is something in the console's ring.
func ringoPlatConsoleBell() {
	if ringoMetal != 0 {
		ringoMetalConsoleDrain()
		return
	}
	ringoHypercall(ringoabi.PortConsoleBell, 0, 0, 0)
}

// ringoAccess is rt.Access.
//
//go:linkname ringoAccess
func ringoAccess(list []ringoabi.Access) {
	if ringoMetal == 0 && len(list) <= ringoabi.MaxAccess {
		ringoHypercall(ringoabi.PortAccess, uintptr(unsafe.Pointer(unsafe.SliceData(list))), uintptr(len(list)), 0)
		return
	}
	for i := range list {
		if a := &list[i]; a.Write != 0 {
			ringoStore32(uintptr(a.Addr), a.Value)
		} else {
			a.Value = ringoLoad32(uintptr(a.Addr))
		}
	}
}

// ringoPlatMemory returns n bytes of memory for devices, zeroed and contiguous
// for them, or 0.
func ringoPlatMemory(n uintptr) uintptr {
	if ringoMetal != 0 {
		return ringoMetalMemory(n)
	}
	return ringoKernelMemory(n, n)
}

// ringoPlatSignals takes the signals that the machine has for the program: bit
// n-1 stands for signal n.
func ringoPlatSignals() uint64 {
	word := (*uint64)(unsafe.Pointer(uintptr(ringoBootPage.Signals)))
	if atomic.Load64(word) == 0 {
		return 0
	}
	return atomic.Xchg64(word, 0)
}

// ringoPlatTrap returns what the exception just reported was.
func ringoPlatTrap() (vector, code, addr uintptr) {
	p := ringoThisCPU()
	return uintptr(p.TrapVector), uintptr(p.TrapError), uintptr(p.TrapCR2)
}
