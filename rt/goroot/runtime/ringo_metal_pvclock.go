//go:build ringo

package runtime

import (
	"internal/runtime/atomic"
	"math/bits"
	"unsafe"
)

// The clock that Xen and KVM give to a machine: memory that tells how the time
// stamp counter stands to the system time, and the time of day at system time 0.
// Its layout is that of Xen's vcpu_time_info and shared_info (public/xen.h),
// which KVM has taken over (Linux, Documentation/virt/kvm/x86/msr.rst).

// ringoPVTime: at counter value tsc the system time was system, and it goes on by
// mul/2^32 ns for each 2^-shift counts.
type ringoPVTime struct {
	version uint32 // odd while the hypervisor changes the rest
	_       uint32
	tsc     uint64
	system  uint64
	mul     uint32
	shift   int8
	flags   uint8
	_       [2]uint8
}

// ringoPVWall is the time of day at system time 0.
type ringoPVWall struct{ version, sec, nsec, secHigh uint32 }

// ringoPV is the clock in use; time is nil if there is none. It is the first
// CPU's, and holds for the others: their counters go alike.
var ringoPV struct {
	time  *ringoPVTime
	wall  *ringoPVWall
	start int64 // the system time at the beginning of the monotonic clock
}

// ringoPVSet uses a clock whose memory the hypervisor has.
func ringoPVSet(time *ringoPVTime, wall *ringoPVWall) {
	// Numbers, as in ringoBoot: what is stored is not in the heap.
	*(*uintptr)(unsafe.Pointer(&ringoPV.time)) = uintptr(unsafe.Pointer(time))
	*(*uintptr)(unsafe.Pointer(&ringoPV.wall)) = uintptr(unsafe.Pointer(wall))
	ringoPV.start, _ = ringoPVClock()
}

// ringoPVClock returns the system time, which does not stop, and the time of day.
func ringoPVClock() (system, real int64) {
	for t := ringoPV.time; ; ringoPause() {
		version := atomic.Load(&t.version)
		delta := ringoRDTSC() - t.tsc
		if t.shift < 0 {
			delta >>= uint8(-t.shift) & 63
		} else {
			delta <<= uint8(t.shift) & 63
		}
		hi, lo := bits.Mul64(delta, uint64(t.mul))
		system = int64(t.system) + int64(hi<<32|lo>>32)
		if version&1 == 0 && atomic.Load(&t.version) == version {
			break
		}
	}
	for w := ringoPV.wall; ; ringoPause() {
		version := atomic.Load(&w.version)
		real = int64(uint64(w.secHigh)<<32|uint64(w.sec))*1e9 + int64(w.nsec) + system
		if version&1 == 0 && atomic.Load(&w.version) == version {
			return system, real
		}
	}
}

// ringoPVTSC returns the time stamp counter's frequency as the clock scales it, 0
// if it does not.
func ringoPVTSC() uint64 {
	t := ringoPV.time
	if t.mul == 0 {
		return 0
	}
	hz := 1_000_000_000 << 32 / uint64(t.mul)
	if t.shift < 0 {
		return hz << (uint8(-t.shift) & 63)
	}
	return hz >> (uint8(t.shift) & 63)
}

// ringoKVMInit uses KVM's clock if there is one that holds for all processors.
func ringoKVMInit() {
	const (
		features            = ringoHypervisorLeaf + 1
		hasClock, hasStable = 1 << 3, 1 << 24
		msrWall, msrTime    = 0x4b56_4d00, 0x4b56_4d01
		enable, isStable    = 1, 1
		wallAt              = 64 // after the time, in one page
	)
	if !ringoIsHypervisor(ringoHypervisorLeaf, "KVMKVMKVM\x00\x00\x00") {
		return
	}
	have, _, _, _ := ringoCPUID(features, 0)
	if have&hasClock == 0 || have&hasStable == 0 {
		return
	}
	page := ringoAllocFrame()
	if page == 0 {
		ringoFatal(ringoNoCPUMemory)
	}
	time := (*ringoPVTime)(unsafe.Pointer(ringoDirect + page))
	wall := (*ringoPVWall)(unsafe.Pointer(ringoDirect + page + wallAt))
	ringoWRMSR(msrWall, uint64(page+wallAt))
	ringoWRMSR(msrTime, uint64(page)|enable)
	if time.mul == 0 || time.flags&isStable == 0 {
		ringoWRMSR(msrTime, 0)
		ringoFreeFrame(page, page)
		return
	}
	ringoPVSet(time, wall)
}
