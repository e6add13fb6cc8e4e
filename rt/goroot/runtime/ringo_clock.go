//go:build ringo

package runtime

import (
	"internal/runtime/atomic"
	"math/bits"
)

// ringoTime converts the time stamp counter to the clocks: at counter value tsc
// the monotonic clock stood at mono, and each count since then is mult/2^32 ns.
// The real clock is offset ns ahead. Readers (ringo_clock_amd64.s) retry while seq is
// odd or changes.
var ringoTime struct {
	seq    uint32
	_      uint32
	tsc    uint64
	mult   uint64
	mono   int64
	offset int64
}

var (
	ringoTimeMult   uint64 // mult as the counter's nominal frequency has it
	ringoTimeSynced int64  // when ringoClockSync last did its work
	ringoTimeLock   ringoSpin
)

func ringoClockInit() {
	ringoTimeMult = (1e9<<32 + ringoBootPage.TSCHz/2) / ringoBootPage.TSCHz
	tsc, mono, real := ringoPlatClockBefore()
	ringoTime.tsc = tsc
	ringoTime.mult = ringoTimeMult
	ringoTime.mono = mono
	ringoTime.offset = real - mono
	ringoTimeSynced = mono
}

// ringoNanotime is the monotonic clock.
func ringoNanotime() int64

// ringoClockSync keeps the clocks to the machine's. It is called now and then, with the
// monotonic clock's time. Once a second it measures by how much the monotonic clock is off and sets its speed so that the error
// is gone a second later: the clock never jumps. The real clock is set.
func ringoClockSync(now int64) {
	const interval = 1_000_000_000
	if now-ringoTimeSynced < interval {
		return
	}
	ringoTimeLock.lock()
	before := ringoRDTSC()
	mono, real := ringoPlatClock()
	tsc := before + (ringoRDTSC()-before)/2
	hi, lo := bits.Mul64(tsc-ringoTime.tsc, ringoTime.mult)
	ours := ringoTime.mono + int64(hi<<32|lo>>32)
	off := min(max(mono-ours, -interval/2000), interval/2000)
	mult := ringoTimeMult + uint64(off*int64(ringoTimeMult/1000)/(interval/1000))

	atomic.Store(&ringoTime.seq, ringoTime.seq+1)
	ringoTime.tsc = tsc
	ringoTime.mono = ours
	ringoTime.mult = mult
	ringoTime.offset = real - mono
	atomic.Store(&ringoTime.seq, ringoTime.seq+1)
	ringoTimeSynced = ours
	ringoTimeLock.unlock()
}

// ringoClock answers clock_gettime(2).
func ringoClock(t *ringoThread, clock uintptr, ts *timespec) int64 {
	var ns int64
	switch clock {
	case 0, 5, 11: // REALTIME, REALTIME_COARSE, TAI
		ns = ringoNanotime() + ringoTime.offset
	case 1, 4, 6, 7: // MONOTONIC, _RAW, _COARSE, BOOTTIME
		ns = ringoNanotime()
	case 2: // PROCESS_CPUTIME_ID
		ns, _ = ringoCPUTimes()
	case 3: // THREAD_CPUTIME_ID
		ns = t.ran + ringoNanotime() - ringoMe().since
	default:
		return -ringoEINVAL
	}
	ts.tv_sec, ts.tv_nsec = ns/1e9, ns%1e9
	return 0
}

// ringoCPUTimes returns the ns that the CPUs spent in threads and idle.
func ringoCPUTimes() (busy, idle int64) {
	for n := uint32(0); n < ringoSched.ncpu; n++ {
		c := ringoCPUAt(n)
		busy += c.busy
		idle += c.slack
	}
	return
}
