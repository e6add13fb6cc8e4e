//go:build ringo

package runtime

import (
	"math/bits"
)

// Time: the time stamp counter as the clock, its frequency from the hypervisor
// or measured against the PC's interval timer, the local APIC's timer for
// ticks and deadlines, and the real-time clock for the time of day.

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
	if tsc == 0 {
		tsc, apic = ringoMeasureClock()
	} else if apic == 0 && !deadline {
		apic = ringoMeasureAPIC(tsc)
	}
	if tsc == 0 {
		ringoFatal("the machine has nothing to measure the processor's clock with")
	}
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
	if ringoXen.present {
		ringoXen.start, _ = ringoXenClock()
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
	if ringoXen.present {
		return ringoXenTSC(), 0
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

// ringoMeasureAPIC measures the local APIC's timer against the time stamp
// counter, whose frequency is known.
func ringoMeasureAPIC(tsc uint64) uint64 {
	ringoAPICWrite(ringoAPICInitial, ^uint32(0))
	first := ringoBestReading()
	for ringoRDTSC()-first.tsc < tsc/500 { // 2 ms
		ringoPause()
	}
	last := ringoBestReading()
	ringoAPICWrite(ringoAPICInitial, 0)
	const k = 1000 // of both frequencies, so that the product fits
	return uint64(first.apic-last.apic) * (tsc / k) / ((last.tsc - first.tsc) / k)
}

// ringoMeasureClock measures the time stamp counter and the local APIC's timer
// against channel 0 of the interval timer (8254). It returns 0 without one.
func ringoMeasureClock() (tsc, apic uint64) {
	const (
		command, channel0 = 0x43, 0x40
		countDown         = 0x30 // channel 0, both bytes, mode 0
		pitHz             = 1193182
		enough            = pitHz / 250 // 4 ms
		patience          = 1000        // readings without a change
	)
	ringoOut8(command, countDown)
	ringoOut8(channel0, 0xff)
	ringoOut8(channel0, 0xff)
	ringoAPICWrite(ringoAPICInitial, ^uint32(0))
	first := ringoBestReading()
	last, same := first, 0
	for first.pit-last.pit < enough {
		r := ringoReadTimers()
		if r.pit == last.pit {
			if same++; same == patience {
				return 0, 0
			}
			continue
		}
		last, same = r, 0
	}
	last = ringoBestReading()
	ringoAPICWrite(ringoAPICInitial, 0)
	gone := uint64(first.pit - last.pit)
	return (last.tsc - first.tsc) * pitHz / gone, uint64(first.apic-last.apic) * pitHz / gone
}

// ringoReading is what the timers show at one time.
type ringoReading struct {
	tsc   uint64 // in the middle of the reading
	width uint64 // how long it took
	apic  uint32 // counts down
	pit   uint16 // counts down
}

func ringoReadTimers() (r ringoReading) {
	const command, channel0, latch = 0x43, 0x40, 0
	before := ringoRDTSC()
	ringoOut8(command, latch)
	r.apic = ringoAPICRead(ringoAPICCurrent)
	r.width = ringoRDTSC() - before
	r.tsc = before + r.width/2
	lo := ringoIn8(channel0)
	r.pit = uint16(ringoIn8(channel0))<<8 | uint16(lo)
	return r
}

// ringoBestReading returns the shortest of a few readings: in a long one the
// hypervisor gave the processor to somebody else.
func ringoBestReading() ringoReading {
	best := ringoReadTimers()
	for i := 0; i < 7; i++ {
		if r := ringoReadTimers(); r.width < best.width {
			best = r
		}
	}
	return best
}

// ringoMetalClock is ringoPlatClock.
func ringoMetalClock() (mono, real int64) {
	if ringoXen.present {
		system, real := ringoXenClock()
		return system - ringoXen.start, real
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
		ringoTimerTick(c)
		ringoMetalConsoleDrain()
	}
}

// ringoTimerTick sees to it that the timer interrupts the CPU, which runs threads
// now, after a tick at the latest.
func ringoTimerTick(c *ringoMetalCPU) {
	if ringoTimerBy(c, ringoNanotime()+ringoTick) {
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
