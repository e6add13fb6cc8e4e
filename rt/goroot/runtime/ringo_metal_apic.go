//go:build ringo

package runtime

// The interrupt controllers: each processor's local APIC, by its registers in
// memory or (x2APIC) by model-specific registers.

// Registers of the local APIC, by their offset in memory (Intel SDM 3A, 11.4).
// As MSRs they are numbered from ringoX2APICBase by 16 bytes of offset.
const (
	ringoAPICEOI       = 0xb0
	ringoAPICSpurious  = 0xf0
	ringoAPICCommand   = 0x300
	ringoAPICTimer     = 0x320
	ringoAPICLINT0     = 0x350
	ringoAPICLINT1     = 0x360
	ringoAPICError     = 0x370
	ringoAPICInitial   = 0x380
	ringoAPICCurrent   = 0x390
	ringoAPICDivide    = 0x3e0
	ringoX2APICBase    = 0x800
	ringoAPICMasked    = 1 << 16
	ringoAPICDeadline  = 2 << 17 // timer mode
	ringoAPICSoftware  = 1 << 8  // in ringoAPICSpurious: enabled
	ringoAPICDivideBy1 = 0xb
)

// ringoAPIC says how the local APIC is reached.
var ringoAPIC struct {
	base uintptr // in the direct map; 0: by MSRs
}

func ringoAPICRead(reg uint32) uint32 {
	if ringoAPIC.base == 0 {
		return uint32(ringoRDMSR(ringoX2APICBase + reg/16))
	}
	return ringoLoad32(ringoAPIC.base + uintptr(reg))
}

func ringoAPICWrite(reg, v uint32) {
	if ringoAPIC.base == 0 {
		ringoWRMSR(ringoX2APICBase+reg/16, uint64(v))
		return
	}
	ringoStore32(ringoAPIC.base+uintptr(reg), v)
}

// ringoAPICEnd ends an interrupt.
func ringoAPICEnd() { ringoAPICWrite(ringoAPICEOI, 0) }

// ringoAPICInit switches on the calling processor's local APIC.
func ringoAPICInit() {
	const (
		msrAPICBase = 0x1b
		enable      = 1 << 11
		x2          = 1 << 10
		hasAPIC     = 1 << 9  // CPUID 1, EDX
		hasX2APIC   = 1 << 21 // CPUID 1, ECX
		addrMask    = 0xffff_f000
	)
	_, _, c, d := ringoCPUID(1, 0)
	if d&hasAPIC == 0 {
		ringoFatal("the processor has no local APIC")
	}
	base := ringoRDMSR(msrAPICBase) | enable
	if c&hasX2APIC != 0 {
		ringoWRMSR(msrAPICBase, base)
		base |= x2
	} else {
		ringoAPIC.base = ringoDirect + uintptr(base&addrMask)
	}
	ringoWRMSR(msrAPICBase, base)
	ringoAPICWrite(ringoAPICLINT0, ringoAPICMasked)
	ringoAPICWrite(ringoAPICLINT1, ringoAPICMasked)
	ringoAPICWrite(ringoAPICError, ringoAPICMasked)
	ringoAPICWrite(ringoAPICTimer, ringoAPICMasked)
	ringoAPICWrite(ringoAPICDivide, ringoAPICDivideBy1)
	ringoAPICWrite(ringoAPICSpurious, ringoAPICSoftware|ringoVectorSpurious)
}

// ringoPICSetup moves the two 8259s' vectors away from the processor's exceptions
// and masks all their lines.
var ringoPICSetup = [...]ringoPortByte{
	{ringoPIC1, 0x11}, {ringoPIC2, 0x11}, // initialise
	{ringoPIC1 + 1, ringoVectorLegacy}, {ringoPIC2 + 1, ringoVectorLegacy + 8},
	{ringoPIC1 + 1, 1 << 2}, {ringoPIC2 + 1, 2}, // how they are connected
	{ringoPIC1 + 1, 1}, {ringoPIC2 + 1, 1}, // 8086 mode
	{ringoPIC1 + 1, 0xff}, {ringoPIC2 + 1, 0xff}, // mask all
}

const ringoPIC1, ringoPIC2 = 0x20, 0xa0

// ringoPortByte is a byte for a port.
type ringoPortByte struct {
	port uint16
	v    uint8
}

// ringoOutAll writes bytes to ports, one after the other.
func ringoOutAll(list []ringoPortByte) {
	for _, b := range list {
		ringoOut8(b.port, b.v)
	}
}

// ringoAPICSend sends an interrupt to virtual CPU n: command is a vector, or
// INIT or start-up with their mode.
func ringoAPICSend(n uint32, command uint32) {
	const (
		high = 0x310 // the destination
		busy = 1 << 12
	)
	id := ringoMetalCPUAt(n).apic
	if ringoAPIC.base == 0 {
		ringoWRMSR(ringoX2APICBase+ringoAPICCommand/16, uint64(id)<<32|uint64(command))
		return
	}
	// Not to be interrupted between the two writes: the handlers send nothing.
	ringoAPICWrite(high, id<<24)
	ringoAPICWrite(ringoAPICCommand, command)
	for ringoAPICRead(ringoAPICCommand)&busy != 0 {
		ringoPause()
	}
}

// ringoMetalWake is ringoPlatWake and ringoPlatKick.
func ringoMetalWake(n uint32) {
	if n == ringoThisCPU().ID {
		c := ringoMetalCPUOf(ringoThisCPU())
		c.woken = 1
		return
	}
	ringoAPICSend(n, ringoVectorWake)
}
