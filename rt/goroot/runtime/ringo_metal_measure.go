//go:build ringo

package runtime

import "ringo.dev/ringo/rt/calibrate"

// Frequencies that nobody tells are measured against a timer whose frequency is
// known: ACPI's, the HPET, or the PC's interval timer, whichever is there.

// ringoReference is such a timer.
type ringoReference struct {
	kind uint8
	addr uintptr // a port, or an address
	hz   uint64
	mask uint32 // of the bits that count
}

// Kinds of ringoReference.
const (
	ringoNoReference = iota
	ringoReferencePM
	ringoReferenceHPET
	ringoReferencePIT
)

// Registers of the HPET (IA-PC HPET 1.0a, 2.3), and of the 8254.
const (
	ringoHPETPeriod  = 0x004 // of one count, in fs
	ringoHPETEnable  = 0x010
	ringoHPETCounter = 0x0f0
	ringoHPETSize    = 0x400

	ringoPITData    = 0x40 // of channel 0
	ringoPITCommand = 0x43
)

// ringoFindReference returns a timer, running.
func ringoFindReference() ringoReference {
	const pmHz, pitHz, whole = 3_579_545, 1_193_182, 1<<32 - 1
	if port := ringoACPI.Fixed.Timer; port != 0 {
		r := ringoReference{ringoReferencePM, uintptr(port), pmHz, 1<<24 - 1}
		if r.runs() {
			return r
		}
	}
	if hpet := ringoDeviceRegister(ringoACPI.HPET, ringoHPETSize); hpet != 0 && ringoACPI.HPET != 0 {
		const femto = 1_000_000_000_000_000
		if period := ringoLoad32(hpet + ringoHPETPeriod); period > 0 && period <= 100_000_000 {
			ringoStore32(hpet+ringoHPETEnable, ringoLoad32(hpet+ringoHPETEnable)|1)
			r := ringoReference{ringoReferenceHPET, hpet + ringoHPETCounter, femto / uint64(period), whole}
			if r.runs() {
				return r
			}
		}
	}
	const countDown = 0x30 // channel 0, both bytes, mode 0
	ringoOut8(ringoPITCommand, countDown)
	ringoOut8(ringoPITData, 0xff)
	ringoOut8(ringoPITData, 0xff)
	r := ringoReference{ringoReferencePIT, ringoPITData, pitHz, 1<<16 - 1}
	if r.runs() {
		return r
	}
	return ringoReference{}
}

// runs reports whether the timer counts.
func (r *ringoReference) runs() bool {
	const patience = 1000
	first := r.read()
	for i := 0; i < patience; i++ {
		if r.read() != first {
			return true
		}
	}
	return false
}

// read returns what the timer shows. All count up here.
func (r *ringoReference) read() uint32 {
	v := uint32(0)
	switch r.kind {
	case ringoReferencePM:
		v = ringoIn32(uint16(r.addr))
	case ringoReferenceHPET:
		v = ringoLoad32(r.addr)
	case ringoReferencePIT:
		const latch = 0
		ringoOut8(ringoPITCommand, latch)
		lo := ringoIn8(ringoPITData)
		v = -(uint32(ringoIn8(ringoPITData))<<8 | uint32(lo))
	}
	return v & r.mask
}

// reading returns the shortest of a few readings: in a long one the hypervisor
// gave the processor to somebody else.
func (r *ringoReference) reading() (best calibrate.Reading) {
	for i := 0; i < 8; i++ {
		var now calibrate.Reading
		before := ringoRDTSC()
		now.Ref = r.read()
		now.APIC = ringoAPICRead(ringoAPICCurrent)
		now.Width = ringoRDTSC() - before
		now.TSC = before + now.Width/2
		if i == 0 || now.Width < best.Width {
			best = now
		}
	}
	return best
}

// measure returns the frequencies of the time stamp counter and of the local
// APIC's timer, 0 without a reference.
func (r *ringoReference) measure() (tsc, apic uint64) {
	if r.kind == ringoNoReference {
		return 0, 0
	}
	ringoAPICWrite(ringoAPICInitial, ^uint32(0))
	enough := uint32(r.hz / 500) // 2 ms
	var spans calibrate.Spans
	first := r.reading()
	for {
		for (r.read()-first.Ref)&r.mask < enough {
			ringoPause()
		}
		last := r.reading()
		s, done := spans.Add(calibrate.Between(&first, &last, r.mask))
		if done {
			return calibrate.Frequency(s.TSC, r.hz, s.Ref), calibrate.Frequency(s.APIC, r.hz, s.Ref)
		}
		first = last
	}
}

// ringoAPICStarted is a reading at the time when the local APIC's timer was started.
var ringoAPICStarted calibrate.Reading

// ringoAPICTimerStart starts the local APIC's timer, to measure by it or to measure
// it. The sooner, the less has to be waited for later.
func ringoAPICTimerStart() {
	var none ringoReference
	ringoAPICWrite(ringoAPICInitial, ^uint32(0))
	ringoAPICStarted = none.reading()
}

// ringoMeasureByAPIC measures one of the time stamp counter and the local APIC's
// timer by the other, whose frequency is known: tsc or apic is not 0. It measures since
// ringoAPICTimerStart.
func ringoMeasureByAPIC(tsc, apic uint64) (uint64, uint64) {
	var none ringoReference
	for {
		last := none.reading()
		s := calibrate.Between(&ringoAPICStarted, &last, 0)
		switch {
		case last.APIC == 0: // it has run out, and stands
			ringoAPICTimerStart()
		case tsc != 0 && s.TSC >= tsc/500: // 2 ms
			return tsc, calibrate.Frequency(s.APIC, tsc, s.TSC)
		case apic != 0 && s.APIC >= apic/500:
			return calibrate.Frequency(s.TSC, apic, s.APIC), apic
		}
	}
}
