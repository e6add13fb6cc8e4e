//go:build ringo

package runtime

import (
	"internal/runtime/atomic"
	_ "unsafe" // for linkname
)

// Doorbells that can wait. Ringing one costs as much as the work that it
// announces, and often more such work follows at once, so drivers leave it to
// rt (rt.StoreSoon): a CPU rings when it has nothing else to do, and at ticks.
// On metal, whose devices hear of nothing before, it waits only while there are
// others who may have something to announce.

// ringoBell is a doorbell register.
type ringoBell struct {
	addr uintptr
	size uint32 // of the register, in bytes: 2 or 4
	v    uint32
	due  uint32
}

// ring writes the register.
func (b *ringoBell) ring() { ringoStoreSize(b.addr, atomic.Load(&b.size), atomic.Load(&b.v)) }

func ringoStoreSize(addr uintptr, size, v uint32) {
	if size == 2 {
		ringoStore16(addr, uint16(v))
	} else {
		ringoStore32(addr, v)
	}
}

// ringoBells are the doorbells that have been rung so far: those without an address
// come last.
var ringoBells [16]ringoBell

//go:linkname ringoStoreSoon
func ringoStoreSoon(addr uintptr, v uint32) { ringoRingSoon(addr, 4, v) }

//go:linkname ringoStoreSoon16
func ringoStoreSoon16(addr uintptr, v uint16) { ringoRingSoon(addr, 2, uint32(v)) }

func ringoRingSoon(addr uintptr, size, v uint32) {
	for i := range ringoBells {
		b := &ringoBells[i]
		if a := atomic.Loaduintptr(&b.addr); a == addr || a == 0 && atomic.Casuintptr(&b.addr, 0, addr) {
			atomic.Store(&b.size, size)
			atomic.Store(&b.v, v)
			if ringoMetal != 0 && !ringoCrowded() {
				atomic.Store(&b.due, 0)
				break
			}
			atomic.Store(&b.due, 1)
			return
		}
	}
	ringoStoreSize(addr, size, v)
}

// ringoCrowded reports whether several goroutines are ready to run on this P, of whom
// one will often have something to announce, too.
func ringoCrowded() bool {
	const several = 2
	pp := getg().m.p.ptr()
	return pp.runqtail-pp.runqhead >= several
}

// ringoBellsDue reports whether a doorbell waits to be rung.
func ringoBellsDue() bool {
	for i := range ringoBells {
		b := &ringoBells[i]
		if atomic.Loaduintptr(&b.addr) == 0 {
			break
		}
		if atomic.Load(&b.due) != 0 {
			return true
		}
	}
	return false
}

// ringoRing rings the doorbells that are due.
//
//go:linkname ringoRing
func ringoRing() {
	for i := range ringoBells {
		b := &ringoBells[i]
		if atomic.Loaduintptr(&b.addr) == 0 {
			break
		}
		if atomic.Load(&b.due) != 0 && atomic.Xchg(&b.due, 0) != 0 {
			b.ring()
		}
	}
}

// ringoServeDevices is rt.ServeDevices. Before it waits, and be it for a time that has
// passed, the machine serves what it has not been told of.
//
//go:linkname ringoServeDevices
func ringoServeDevices() bool {
	if ringoMetal != 0 {
		return false
	}
	ringoPlatWait(0)
	return true
}

// ringoPauseGo is rt.Pause.
//
//go:linkname ringoPauseGo
func ringoPauseGo() { ringoPause() }

// ringoBellsSeen takes back what is due, for a machine that looks by itself.
func ringoBellsSeen() {
	for i := range ringoBells {
		atomic.Store(&ringoBells[i].due, 0)
	}
}
