//go:build ringo

package runtime

import (
	"internal/runtime/atomic"
	"internal/runtime/syscall/linux"
	"ringo.dev/ringo/rt/region"
	ringoabi "ringo.dev/ringo/vmm/abi"
	"unsafe"
)

// The other side of package rt: what the kernel packages may ask. All of it runs
// on goroutines; what needs kernel mode goes through a system call of rt's own.

//go:linkname ringoIsBare
func ringoIsBare() bool { return ringoBare != 0 }

//go:linkname ringoConfig
func ringoConfig() string {
	return unsafe.String((*byte)(unsafe.Pointer(uintptr(ringoBootPage.Config))), int(ringoBootPage.ConfigLen))
}

//go:linkname ringoDevices
func ringoDevices() []ringoabi.Device {
	return ringoBootPage.Devices[:min(ringoBootPage.NDevices, ringoabi.MaxDevices)]
}

// ringoLinked is what rt.Linked asks: the entry of a function, or 0. It looks
// through all names.
//
//go:linkname ringoLinked
func ringoLinked(name string) uintptr {
	for d := &firstmoduledata; d != nil; d = d.next {
		for i := 0; i < len(d.ftab)-1; i++ {
			f := funcInfo{(*_func)(unsafe.Pointer(&d.pclntable[d.ftab[i].funcoff])), d}
			if funcname(f) == name {
				return f.entry()
			}
		}
	}
	return 0
}

//go:linkname ringoMapped
func ringoMapped(addr, n uintptr, write bool) bool {
	w := uintptr(0)
	if write {
		w = 1
	}
	r, _, _ := linux.Syscall6(ringoSysMapped, addr, n, w, 0, 0, 0)
	return r == 1
}

// The results are a value and an error number, which is syscall.Errno.

//go:linkname ringoMmapCall
func ringoMmapCall(addr, n uintptr, prot, flags int) (uintptr, uintptr) {
	r, _, e := linux.Syscall6(ringoSysMmap, addr, n, uintptr(prot), uintptr(flags), ^uintptr(0), 0)
	return r, e
}

//go:linkname ringoUnmapCall
func ringoUnmapCall(addr, n uintptr) uintptr {
	_, _, e := linux.Syscall6(ringoSysMunmap, addr, n, 0, 0, 0, 0)
	return e
}

//go:linkname ringoMprotectCall
func ringoMprotectCall(addr, n uintptr, prot int) uintptr {
	_, _, e := linux.Syscall6(ringoSysMprotect, addr, n, uintptr(prot), 0, 0, 0)
	return e
}

//go:linkname ringoMadviseCall
func ringoMadviseCall(addr, n uintptr, advice int) uintptr {
	_, _, e := linux.Syscall6(ringoSysMadvise, addr, n, uintptr(advice), 0, 0, 0)
	return e
}

//go:linkname ringoMapFile
func ringoMapFile(addr, n uintptr, flags int) (uintptr, uintptr) {
	r, _, e := linux.Syscall6(ringoSysMapFile, addr, n, uintptr(flags), 0, 0, 0)
	return r, e
}

// ringoAlias takes the list apart, so that each call is for pages, or for none.
//
//go:linkname ringoAlias
func ringoAlias(addr uintptr, list []uintptr, prot int) uintptr {
	for len(list) > 0 {
		n := 1
		for n < len(list) && n < ringoabi.MaxAlias && (list[n] == 0) == (list[0] == 0) {
			n++
		}
		_, _, e := linux.Syscall6(ringoSysAlias, addr, uintptr(unsafe.Pointer(&list[0])), uintptr(n), uintptr(prot), 0, 0)
		if e != 0 {
			return e
		}
		addr += uintptr(n) * ringoabi.PageSize
		list = list[n:]
	}
	return 0
}

//go:linkname ringoAllocDevice
func ringoAllocDevice(n uintptr) unsafe.Pointer {
	r, _, _ := linux.Syscall6(ringoSysKernelMemory, ringoPageUp(n), 0, 0, 0, 0, 0)
	return unsafe.Pointer(r)
}

// ringoDeviceAddr: under the tender a device's addresses are the guest's own.
//
//go:linkname ringoDeviceAddr
func ringoDeviceAddr(p unsafe.Pointer) uint64 {
	if ringoMetal != 0 {
		return uint64(ringoPhysical(uintptr(p)))
	}
	return uint64(uintptr(p))
}

//go:linkname ringoLoad32
//go:noinline
func ringoLoad32(addr uintptr) uint32 { return *(*uint32)(unsafe.Pointer(addr)) }

//go:linkname ringoStore32
//go:noinline
func ringoStore32(addr uintptr, v uint32) { *(*uint32)(unsafe.Pointer(addr)) = v }

//go:linkname ringoConsoleWrite
func ringoConsoleWrite(p []byte) {
	linux.Syscall6(ringoSysWrite, 1, uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)), 0, 0, 0)
}

//go:linkname ringoRandom
func ringoRandom(p []byte) {
	linux.Syscall6(ringoSysGetrandom, uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)), 0, 0, 0, 0)
}

//go:linkname ringoAddEntropy
func ringoAddEntropy(p []byte) {
	linux.Syscall6(ringoSysAddEntropy, uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)), 0, 0, 0, 0)
}

//go:linkname ringoMemory
func ringoMemory() (total, free uint64) {
	total = ringoBootPage.MemBytes
	return total, total - min(total, atomic.Load64(&ringoBootPage.MemUsed))
}

//go:linkname ringoCPUs
func ringoCPUs() int { return int(ringoBootPage.VCPUs) }

//go:linkname ringoProcessor
func ringoProcessor() int {
	mp := acquirem()
	id := mp.p.ptr().id
	releasem(mp)
	return int(id)
}

//go:linkname ringoCPUTime
func ringoCPUTime() (busy, idle int64) {
	_, busy, idle = ringoThreadStats()
	return
}

//go:linkname ringoThreads
func ringoThreads() int {
	n, _, _ := ringoThreadStats()
	return n
}

func ringoThreadStats() (n int, busy, idle int64) {
	var times [2]int64
	r, _, _ := linux.Syscall6(ringoSysThreadsAndCPU, uintptr(unsafe.Pointer(&times)), 0, 0, 0, 0, 0)
	return int(r), times[0], times[1]
}

//go:linkname ringoEachMapping
func ringoEachMapping(f func(start, end uintptr, prot int)) {
	m := &firstmoduledata // the image lies below all else
	const page = ringoabi.PageSize - 1
	f(m.text&^page, ringoPageUp(m.etext), ringoabi.ProtRead|ringoabi.ProtExec)
	f(m.rodata&^page, m.noptrdata&^page, ringoabi.ProtRead)
	f(m.noptrdata&^page, ringoPageUp(m.end), ringoabi.ProtRead|ringoabi.ProtWrite)
	for at := uintptr(0); ; {
		var r region.Region
		if ok, _, _ := linux.Syscall6(ringoSysRegion, at, uintptr(unsafe.Pointer(&r)), 0, 0, 0, 0); ok == 0 {
			return
		}
		f(r.Start, r.End, r.Prot)
		at = r.End
	}
}

//go:linkname ringoFilesMemory
func ringoFilesMemory() []byte {
	s := ringoFilesSegment()
	if s == nil {
		return nil
	}
	return unsafe.Slice((*byte)(unsafe.Pointer(s.vaddr)), s.filesz)
}

//go:linkname ringoExit
func ringoExit(status int) {
	linux.Syscall6(ringoSysExitGroup, uintptr(status), 0, 0, 0, 0, 0)
}

// ringoRestart is rt.Restart.
//
//go:linkname ringoRestart
func ringoRestart() { linux.Syscall6(ringoSysRestart, 0, 0, 0, 0, 0, 0) }

// ringoMemoryLimit is the collector's soft limit when GOMEMLIMIT does not say:
// what the machine has, less the image and an eighth for what is not the heap.
func ringoMemoryLimit() int64 {
	free := int64(ringoFreeMemory())
	return free - free/8
}

// ringoReserve lowers the collector's soft limit by n bytes, which are in use
// elsewhere, or raises it by -n. Without a limit there is none to change.
//
//go:linkname ringoReserve
func ringoReserve(n int64) {
	const none = 1<<63 - 1
	if limit := setMemoryLimit(-1); limit != none {
		setMemoryLimit(max(limit-n, 0))
	}
}
