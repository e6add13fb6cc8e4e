//go:build ringo

package runtime

import (
	"internal/runtime/atomic"
	"internal/runtime/sys"
	"unsafe"
)

// Xen, below a PVH or HVM domain. It gives metal a console (ringo_xen_console.go),
// a clock that needs no measuring, interrupts from other domains (event
// channels), and a way to tell why the machine ends. What goes through other
// domains (network cards) is in package drivers/xen, which needs only
// hypercalls for it.
//
// The interface is that of Xen's public headers (xen/include/public): the names
// of what is taken from there are in the comments.

// ringoXen is what rt knows of Xen.
var ringoXen struct {
	present bool
	intel   bool             // hypercalls are VMCALL, not VMMCALL
	shared  *ringoXenShared  // nil until ringoXenInit
	console *ringoXenConsole // nil: none
	port    uint32           // event channel of the console
}

// ringoXenShared is struct shared_info, for 64-bit guests. Xen writes to it at
// any time.
type ringoXenShared struct {
	_       sys.NotInHeap
	vcpu    [32]ringoXenVCPU
	pending [64]uint64 // event channels, a bit each
	mask    [64]uint64
	wall    ringoPVWall
}

// ringoXenVCPU is struct vcpu_info.
type ringoXenVCPU struct {
	upcall  uint8 // evtchn_upcall_pending
	_       [7]uint8
	pending uint64 // evtchn_pending_sel: a bit for each word of ringoXenShared.pending
	_       [2]uint64
	time    ringoPVTime
}

// Hypercalls (xen.h), and their commands.
const (
	ringoXenMemory = 12 // memory_op
	ringoXenSched  = 29 // sched_op
	ringoXenEvent  = 32 // event_channel_op
	ringoXenHVM    = 34 // hvm_op

	xenAddToPhysmap = 7 // memory_op
	xenSharedInfo   = 0 // its address spaces

	xenYield    = 0 // sched_op
	xenShutdown = 2

	xenEventSend = 4 // event_channel_op

	xenSetParam        = 0 // hvm_op
	xenGetParam        = 1
	xenSetUpcallVector = 23

	xenSelf = 0x7ff0 // DOMID_SELF
)

// Parameters of a domain (hvm/params.h).
const (
	xenParamCallback     = 0 // HVM_PARAM_CALLBACK_IRQ
	xenParamStoreFrame   = 1
	xenParamConsoleFrame = 17
	xenParamConsolePort  = 18
)

// Implemented in ringo_xen_amd64.s.

//go:noescape
func ringoXenCall(op, cmd uintptr, arg unsafe.Pointer, count uintptr) int64

// ringoXenDetect finds out whether Xen is below, by CPUID. Where it imitates
// Hyper-V as well, its leaves are the second of their kind.
func ringoXenDetect() {
	const name = "XenVMMXenVMM"
	ringoXen.present = ringoIsHypervisor(ringoHypervisorLeaf, name) || ringoIsHypervisor(ringoHypervisorLeaf+0x100, name)
	const genuineIntel = 'G' | 'e'<<8 | 'n'<<16 | 'u'<<24
	_, vendor, _, _ := ringoCPUID(0, 0)
	ringoXen.intel = vendor == genuineIntel
}

// ringoXenInit maps the shared information, and has event channels interrupt
// the first CPU.
func ringoXenInit() {
	if !ringoXen.present {
		return
	}
	frame := ringoAllocFrame()
	if frame == 0 {
		ringoFatal("no memory for what Xen shares; give the machine more")
	}
	add := struct { // struct xen_add_to_physmap
		domain, size uint16
		space        uint32
		index, frame uint64
	}{domain: xenSelf, space: xenSharedInfo, frame: uint64(frame >> 12)}
	if ringoXenCall(ringoXenMemory, xenAddToPhysmap, unsafe.Pointer(&add), 0) != 0 {
		ringoFatal("Xen does not share its information")
	}
	ringoXen.shared = (*ringoXenShared)(unsafe.Pointer(ringoDirect + frame))
	ringoPVSet(&ringoXen.shared.vcpu[0].time, &ringoXen.shared.wall)
	for i := range ringoXen.shared.mask {
		ringoXen.shared.mask[i] = 0
	}
	ringoXenCache(ringoXenGetParam(xenParamConsoleFrame))
	ringoXenCache(ringoXenGetParam(xenParamStoreFrame))
	ringoXenListen()
}

// ringoXenListen has event channels interrupt the first CPU, through its local
// APIC, which must be on. (The older way, HVM_PARAM_CALLBACK_IRQ with a vector,
// keeps interrupting until it is seen to, and a QEMU that emulates AMD-V has been
// seen to deliver that vector a second time on top of the first.)
func ringoXenListen() {
	// Xen's tools take a domain that has set this for one that knows of Xen.
	param := ringoXenParam{domain: xenSelf, index: xenParamCallback, value: 1}
	ringoXenCall(ringoXenHVM, xenSetParam, unsafe.Pointer(&param), 0)
	upcall := struct { // struct xen_hvm_evtchn_upcall_vector
		vcpu   uint32
		vector uint8
	}{vector: ringoVectorXen}
	if ringoXenCall(ringoXenHVM, xenSetUpcallVector, unsafe.Pointer(&upcall), 0) != 0 {
		ringoFatal("Xen does not take an interrupt's vector; it is older than 4.6")
	}
}

// ringoXenCache has a page of Xen's cached, as other domains have it: it is
// memory, though it lies where the direct map has devices.
func ringoXenCache(frame uint64) {
	if pa := uintptr(frame) << 12; frame != 0 && frame < 1<<(32-12) {
		*ringoDirectEntry(pa) &^= ringoNoCache | ringoThrough
		ringoInvalidate(ringoDirect + pa)
	}
}

// ringoXenParam is struct xen_hvm_param.
type ringoXenParam struct {
	domain uint16
	index  uint32
	value  uint64
}

// ringoXenGetParam returns a parameter of this domain, 0 if there is none.
func ringoXenGetParam(index uint32) uint64 {
	param := ringoXenParam{domain: xenSelf, index: index}
	if ringoXenCall(ringoXenHVM, xenGetParam, unsafe.Pointer(&param), 0) != 0 {
		return 0
	}
	return param.value
}

// ringoXenEvents takes the events for CPU n. Which they are does not matter:
// whoever waits for one looks at an index in memory. What was pending is taken
// back before they look, so that none is lost.
func ringoXenEvents(n uint32) {
	s := ringoXen.shared
	if s == nil || n >= uint32(len(s.vcpu)) {
		return
	}
	v := &s.vcpu[n]
	atomic.Store8(&v.upcall, 0)
	for words := atomic.Xchg64(&v.pending, 0); words != 0; words &= words - 1 {
		atomic.Xchg64(&s.pending[sys.TrailingZeros64(words)], 0)
	}
}

// ringoXenNotify sends an event.
func ringoXenNotify(port uint32) {
	ringoXenCall(ringoXenEvent, xenEventSend, unsafe.Pointer(&port), 0)
}

// ringoXenExit ends the domain. A status other than 0 is a crash to Xen, for
// its setting on_crash, but not the end by a signal that asks for it.
func ringoXenExit(status uintptr) {
	const interrupted, terminated = 128 + 2, 128 + 15 // by SIGINT and SIGTERM
	if status == 0 || status == interrupted || status == terminated {
		ringoXenShutdown(xenPowerOff)
	}
	ringoXenShutdown(xenCrash)
}

// Reasons for a domain to end (SHUTDOWN_poweroff and so on).
const (
	xenPowerOff = 0
	xenReboot   = 1
	xenCrash    = 3
)

func ringoXenShutdown(reason uint32) {
	ringoXenCall(ringoXenSched, xenShutdown, unsafe.Pointer(&reason), 0)
}
