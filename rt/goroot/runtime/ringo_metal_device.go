//go:build ringo

package runtime

import (
	"internal/runtime/atomic"
	"internal/runtime/syscall/linux"
	"ringo.dev/ringo/rt/firmware"
	ringoabi "ringo.dev/ringo/vmm/abi"
	"unsafe"
)

// What drivers ask of metal: registers in memory and at ports, and interrupts.
// All of a device's interrupts are the same to rt: a CPU leaves its rest, or Go
// code is interrupted, and the poller looks at the devices' rings.

// ringoAck says how a device on an interrupt line is made to release it; see
// rt.Ack.
type ringoAck struct {
	kind uint32
	addr uintptr
}

// Kinds of ringoAck.
const (
	ringoAckPort8  = 1 // reading the byte at a port
	ringoAckLoad8  = 2 // reading the byte at an address
	ringoAckLoad32 = 3 // reading the word at an address
	ringoAckMMIO   = 4 // writing what a virtio device may have to say to the word at an address
)

// ringoAcks are the devices with interrupt lines. Entries below n are complete.
var ringoAcks struct {
	n    uint32
	list [32]ringoAck
}

// ringoMetalAcknowledge lets the devices release their interrupt lines.
func ringoMetalAcknowledge() {
	for _, a := range ringoAcks.list[:atomic.Load(&ringoAcks.n)] {
		switch a.kind {
		case ringoAckPort8:
			ringoIn8(uint16(a.addr))
		case ringoAckLoad8:
			ringoLoad8(a.addr)
		case ringoAckLoad32:
			ringoLoad32(a.addr)
		case ringoAckMMIO:
			// What it does have to say need not be asked: the rings are looked at
			// after this, and nobody wants to know of changes of a configuration.
			const usedBuffer, configuration = 1, 2
			ringoStore32(a.addr, usedBuffer|configuration)
		}
	}
}

// ringoMetalMMIOInit enters the virtio-mmio devices, of the command line and of
// ACPI, and connects their lines. Those of the command line interrupt as ISA's
// do, by edges.
func ringoMetalMMIOInit() {
	for _, d := range ringoLine.Devices() {
		ringoAddMMIO(firmware.MMIO{Addr: d.Addr, Size: d.Size, Line: d.Line, Edge: true})
	}
	for _, d := range ringoACPI.MMIO() {
		ringoAddMMIO(d)
	}
}

func ringoAddMMIO(m firmware.MMIO) {
	const least = 0x100 // bytes of the registers that all devices have
	b := &ringoMetalBoot
	at := ringoDeviceRegister(m.Addr, m.Size)
	if at == 0 || m.Size < least || b.NDevices == ringoabi.MaxDevices || ringoAcks.n == uint32(len(ringoAcks.list)) {
		return
	}
	for _, d := range b.Devices[:b.NDevices] {
		if d.Addr == uint64(at) {
			return
		}
	}
	const deviceID, interruptACK = 0x08, 0x64
	id := ringoLoad32(at + deviceID)
	if id == 0 {
		return // an empty slot
	}
	b.Devices[b.NDevices] = ringoabi.Device{ID: uint64(id), Addr: uint64(at), Size: m.Size}
	b.NDevices++
	ringoAcks.list[ringoAcks.n] = ringoAck{ringoAckMMIO, at + interruptACK}
	ringoAcks.n++
	ringoIOAPICConnect(m.Line, ringoVectorDevice|ringoIOAPICMode(m.Edge))
}

// The IOAPIC's registers (82093AA).
const (
	ringoIOAPICFirst  = 0xfec0_0000 // where PCs have the first one
	ringoIOAPICSelect = 0x00
	ringoIOAPICData   = 0x10
	ringoIOAPICEntry  = 0x10 // first entry: two registers each
	ringoIOAPICLevel  = 1 << 15
	ringoIOAPICMost   = 120 // inputs
)

// ringoFindIOAPIC returns where the registers of a line's controller are, and the
// line's number there.
func ringoFindIOAPIC(line uint32) (base uintptr, input uint32) {
	best := firmware.IOAPIC{Addr: ringoIOAPICFirst}
	for _, c := range ringoACPI.IOAPICs() {
		if c.First <= line && c.First >= best.First && ringoIsDevice(c.Addr, ringoabi.PageSize) {
			best = c
		}
	}
	return ringoDirect + uintptr(best.Addr), line - best.First
}

// ringoIOAPICConnect makes a line interrupt the first CPU, with the given vector
// and mode bits.
func ringoIOAPICConnect(line, mode uint32) {
	base, input := ringoFindIOAPIC(line)
	if input >= ringoIOAPICMost {
		return
	}
	reg := ringoIOAPICEntry + 2*input
	ringoStore32(base+ringoIOAPICSelect, reg+1)
	ringoStore32(base+ringoIOAPICData, ringoMetalCPUAt(0).apic<<24)
	ringoStore32(base+ringoIOAPICSelect, reg)
	ringoStore32(base+ringoIOAPICData, mode)
}

// ringoIOAPICMode returns the mode bits of a line that interrupts by edges, or by
// its level.
func ringoIOAPICMode(edge bool) uint32 {
	if edge {
		return 0
	}
	return ringoIOAPICLevel
}

// ringoHasPorts is rt.HasPorts.
//
//go:linkname ringoHasPorts
func ringoHasPorts() bool { return ringoMetal != 0 }

// ringoConnectLine is rt.ConnectLine. It runs in user mode.
//
//go:linkname ringoConnectLine
func ringoConnectLine(line int, kind uint32, addr uintptr) bool {
	n := ringoAcks.n
	if line < 0 || line > 23 || n == uint32(len(ringoAcks.list)) {
		return false
	}
	ringoAcks.list[n] = ringoAck{kind, addr}
	atomic.Store(&ringoAcks.n, n+1)
	ringoIOAPICConnect(uint32(line), ringoVectorDevice|ringoIOAPICLevel)
	return true
}

// ringoIsXen is rt.Xen.
//
//go:linkname ringoIsXen
func ringoIsXen() bool { return ringoXen.present }

// ringoXenHypercall is rt.XenCall.
//
//go:linkname ringoXenHypercall
func ringoXenHypercall(op, cmd uintptr, arg unsafe.Pointer, count uintptr) int64 {
	return ringoXenCall(op, cmd, arg, count)
}

// ringoMessage is rt.Message.
//
//go:linkname ringoMessage
func ringoMessage() (addr uint64, data uint32) {
	const messages = 0xfee0_0000
	return messages | uint64(ringoMetalCPUAt(0).apic)<<12, ringoVectorDevice
}

// ringoDeviceWindow is where registers are mapped that the direct map does not
// reach: some firmware puts large devices above all memory.
const ringoDeviceWindow = 0xffff_9000_0000_0000

// ringoDeviceNext is the first free address in the window. ringoSpace.lock guards
// it.
var ringoDeviceNext uintptr = ringoDeviceWindow

// ringoMapDevice is rt.MapDevice.
//
//go:linkname ringoMapDevice
func ringoMapDevice(pa, n uint64) uintptr {
	const direct, reach, large = 4 << 30, 1 << 52, 1 << 30
	switch {
	case pa < direct && n <= direct-pa:
		return ringoDirect + uintptr(pa)
	case pa < direct || pa >= reach || n > large || ringoMetal == 0:
		return 0
	}
	addr, _, _ := linux.Syscall6(ringoSysMapDevice, uintptr(pa), uintptr(n), 0, 0, 0, 0)
	return addr
}

// ringoMetalMapDevice maps n bytes of registers at pa into the window. It returns
// their address, 0 if there is no memory for page tables.
func ringoMetalMapDevice(pa, n uintptr) uintptr {
	first := pa &^ (ringoabi.PageSize - 1)
	end := ringoPageUp(pa + n)
	ringoSpace.lock.lock()
	at := ringoDeviceNext
	for page := first; page < end; page += ringoabi.PageSize {
		e := ringoMakeLeaf(at + page - first)
		if e == nil {
			ringoSpace.lock.unlock()
			return 0
		}
		*e = uint64(page) | ringoPresent | ringoWrite | ringoNoCache | ringoThrough | ringoNoExec
	}
	ringoDeviceNext = at + end - first
	ringoSpace.lock.unlock()
	return at + pa - first
}

// Registers of devices: each access is one plain MOV of its size.

//go:linkname ringoLoad8
//go:noinline
func ringoLoad8(addr uintptr) uint8 { return *(*uint8)(unsafe.Pointer(addr)) }

//go:linkname ringoLoad16
//go:noinline
func ringoLoad16(addr uintptr) uint16 { return *(*uint16)(unsafe.Pointer(addr)) }

//go:linkname ringoStore8
//go:noinline
func ringoStore8(addr uintptr, v uint8) { *(*uint8)(unsafe.Pointer(addr)) = v }

//go:linkname ringoStore16
//go:noinline
func ringoStore16(addr uintptr, v uint16) { *(*uint16)(unsafe.Pointer(addr)) = v }

// Ports, for drivers.

//go:linkname ringoPortIn8
func ringoPortIn8(port uint16) uint8 { return ringoIn8(port) }

//go:linkname ringoPortIn16
func ringoPortIn16(port uint16) uint16 { return ringoIn16(port) }

//go:linkname ringoPortIn32
func ringoPortIn32(port uint16) uint32 { return ringoIn32(port) }

//go:linkname ringoPortOut8
func ringoPortOut8(port uint16, v uint8) { ringoOut8(port, v) }

//go:linkname ringoPortOut16
func ringoPortOut16(port uint16, v uint16) { ringoOut16(port, v) }

//go:linkname ringoPortOut32
func ringoPortOut32(port uint16, v uint32) { ringoOut32(port, v) }
