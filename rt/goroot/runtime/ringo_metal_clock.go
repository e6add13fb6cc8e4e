//go:build ringo

package runtime

import (
	"math/bits"
)

// Time: the time stamp counter as the clock, its frequency from the hypervisor
// (ringo_metal_pvclock.go) or measured (ringo_metal_measure.go), the local APIC's
// timer for ticks and deadlines, and the real-time clock for the time of day.

var ringoMetalTime struct {
	start    uint64 // the counter at the beginning of the monotonic clock
	real     int64  // the time of day then, ns
	mult     uint64 // ns by count of the counter, times 2^32
	apicHz   uint64 // frequency of the local APIC's timer; 0: TSC deadlines
	mode     uint32 // of the local APIC timer, with its vector
	inverse  uint64 // counts of that timer, or of the TSC, by ns, times 2^32
	emulated bool   // by QEMU without KVM
}

// ringoMetalClockInit finds out how fast time goes, and what it is.
func ringoMetalClockInit() {
	const hasDeadline = 1 << 24 // CPUID 1, ECX
	t := &ringoMetalTime
	t.emulated = ringoIsHypervisor(ringoHypervisorLeaf, "TCGTCGTCGTCG")
	_, _, c, _ := ringoCPUID(1, 0)
	deadline := c&hasDeadline != 0
	tsc, apic := ringoHypervisorClock()
	switch {
	case tsc == 0 && apic == 0:
		r := ringoFindReference()
		tsc, apic = r.measure()
	case tsc == 0 || apic == 0 && !deadline:
		tsc, apic = ringoMeasureByAPIC(tsc, apic)
	}
	if tsc == 0 {
		ringoFatal("the machine has nothing to measure the processor's clock with")
	}
	ringoAPICWrite(ringoAPICInitial, 0)
	ringoMetalBoot.TSCHz = tsc
	t.mult = (1e9<<32 + tsc/2) / tsc
	t.mode = ringoVectorTimer
	if deadline {
		t.mode |= ringoAPICDeadline
		t.inverse = ringoRatio(tsc)
	} else {
		t.apicHz = apic
		t.inverse = ringoRatio(apic)
	}
	ringoAPICWrite(ringoAPICTimer, t.mode)
	if ringoPV.time != nil {
		return
	}
	t.real = ringoReadRTC()
	t.start = ringoRDTSC()
}

// ringoRatio returns hz/1e9, times 2^32.
func ringoRatio(hz uint64) uint64 { return hz/1e9<<32 + hz%1e9<<32/1e9 }

// ringoHypervisorClock returns the frequencies of the time stamp counter and of
// the local APIC's timer as the processor or the hypervisor tells them, or 0.
func ringoHypervisorClock() (tsc, apic uint64) {
	// Both KVM's and QEMU's local APIC counts nanoseconds.
	const nano = 1_000_000_000
	switch {
	case ringoPV.time != nil && ringoXen.present:
		return ringoPVTSC(), 0
	case ringoPV.time != nil:
		return ringoPVTSC(), nano
	case ringoMetalTime.emulated:
		return 0, nano
	}
	if ringoHasHypervisor() {
		const frequencies = ringoHypervisorLeaf + 0x10 // VMware's leaf, which others have too: kHz
		if highest, _, _, _ := ringoCPUID(ringoHypervisorLeaf, 0); highest >= frequencies && highest < 0x4001_0000 {
			t, a, _, _ := ringoCPUID(frequencies, 0)
			return uint64(t) * 1000, uint64(a) * 1000
		}
	}
	if highest, _, _, _ := ringoCPUID(0, 0); highest >= 0x15 {
		if den, num, crystal, _ := ringoCPUID(0x15, 0); den != 0 && num != 0 && crystal != 0 {
			return uint64(crystal) * uint64(num) / uint64(den), uint64(crystal)
		}
	}
	return 0, 0
}

// ringoMetalClock is ringoPlatClock.
func ringoMetalClock() (mono, real int64) {
	if ringoPV.time != nil {
		system, real := ringoPVClock()
		return system - ringoPV.start, real
	}
	t := &ringoMetalTime
	hi, lo := bits.Mul64(ringoRDTSC()-t.start, t.mult)
	mono = int64(hi<<32 | lo>>32)
	return mono, t.real + mono
}

// ringoTimerBy makes the calling CPU's timer interrupt at a time of the monotonic
// clock, -1 for never, or earlier: a timer that is set to go off before is left
// alone, since setting it costs more than that it goes off in vain. It reports
// whether the timer was set.
func ringoTimerBy(c *ringoMetalCPU, deadline int64) bool {
	if c.armed >= 0 && (deadline < 0 || c.armed <= deadline) || c.armed == deadline {
		return false
	}
	c.armed = deadline
	ringoTimerArm(deadline)
	return true
}

// ringoTimerArm sets the timer of the calling CPU.
func ringoTimerArm(deadline int64) {
	t := &ringoMetalTime
	if deadline < 0 {
		if t.apicHz == 0 {
			ringoWRMSR(ringoMSRDeadline, 0)
		} else {
			ringoAPICWrite(ringoAPICInitial, 0)
		}
		return
	}
	ns := uint64(max(deadline-ringoNanotime(), 0))
	hi, lo := bits.Mul64(ns, t.inverse)
	counts := uint64(1<<63 - 1)
	if hi < 1<<30 {
		counts = hi<<32 | lo>>32
	}
	if t.apicHz == 0 {
		ringoWRMSR(ringoMSRDeadline, ringoRDTSC()+max(counts, 1))
		return
	}
	// The timer has 32 bits; coming early does no harm.
	ringoAPICWrite(ringoAPICInitial, uint32(min(max(counts, 1), 1<<32-1)))
}

const ringoMSRDeadline = 0x6e0

// ringoTimerFired follows an interrupt of the timer. A CPU that runs threads gets
// its next tick; one that waits sets the timer itself.
func ringoTimerFired(c *ringoMetalCPU) {
	c.armed = -1
	if c.resting == 0 {
		ringoTimerTick(c, ringoNanotime())
		ringoMetalConsoleDrain()
	}
}

// ringoTimerTick sees to it that the timer interrupts the CPU, which runs threads
// at the time now, after a tick at the latest.
func ringoTimerTick(c *ringoMetalCPU, now int64) {
	if ringoTimerBy(c, now+ringoTick) {
		c.ticks++
		ringoGrowTLB(c.ticks)
	}
}

// ringoGrowTLB is called with the number of a tick. The emulated TLB of QEMU
// without KVM has 256 entries, and grows when it is found to be full while it is
// flushed. Nothing else flushes it here, and a program runs at half the speed
// without. So it is flushed now and then, ever less often.
func ringoGrowTLB(tick uint32) {
	if ringoMetalTime.emulated && tick&(tick-1) == 0 {
		ringoWriteCR3(ringoSpace.root)
	}
}

// ringoReadRTC returns the time of day, ns since 1970, from the real-time clock
// (MC146818), which is taken to run in UTC. Without one it returns 0.
func ringoReadRTC() int64 {
	const (
		seconds, minutes, hours, day, month, year = 0, 2, 4, 7, 8, 9
		statusA, statusB                          = 10, 11
		updating                                  = 1 << 7
		binary, full                              = 1 << 2, 1 << 1 // formats of status B
		afternoon                                 = 1 << 7
	)
	if ringoReadCMOS(statusA) == 0xff {
		return 0
	}
	var now, before [6]int64
	for try := 0; try < 1000; try++ {
		for ringoReadCMOS(statusA)&updating != 0 && try < 1000 {
			try++
		}
		for i, reg := range [...]uint8{seconds, minutes, hours, day, month, year} {
			now[i] = int64(ringoReadCMOS(reg))
		}
		if now == before {
			break
		}
		before = now
	}
	format := ringoReadCMOS(statusB)
	pm := format&full == 0 && now[2]&afternoon != 0
	now[2] &^= afternoon
	if format&binary == 0 {
		for i, v := range now {
			now[i] = v>>4*10 + v&15
		}
	}
	if format&full == 0 {
		now[2] %= 12
		if pm {
			now[2] += 12
		}
	}
	return ((ringoDays(now[5]+2000, now[4], now[3])*24+now[2])*60+now[1])*60e9 + now[0]*1e9
}

func ringoReadCMOS(reg uint8) uint8 {
	const address, data = 0x70, 0x71
	ringoOut8(address, reg)
	return ringoIn8(data)
}

// ringoDays returns the days from 1970-01-01 to a day of the Gregorian calendar.
func ringoDays(year, month, day int64) int64 {
	if month <= 2 { // years begin in March, so that leap days come last
		year--
		month += 12
	}
	return 365*year + year/4 - year/100 + year/400 + (153*month-457)/5 + day - 719469
}
