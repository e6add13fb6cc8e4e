// Package abi is all that ringo's VMM and its guest share: how the guest is
// entered, the pages that both see, and the hypercalls.
//
// The guest runs at CPL 3 only. It is entered at the address in its ELF note
// (NoteName) with the Linux start-up stack (argc, argv, envp, auxv) in RSP,
// and the guest-virtual address of a Boot page in RDI. Every address in this
// package is a guest-virtual one, also those in virtio rings: the VMM owns the
// page tables, so it alone can and does translate and check them.
//
// A hypercall is a one-byte OUT to one of the ports below (in DX), with arguments in
// RDI, RSI and R10; the result comes back in RAX, negative errno on failure.
// A byte written to PortWake+n is a doorbell (ioeventfd, no exit to the VMM).
//
// An upcall is the reverse: the VMM stores the interrupted RIP and RFLAGS in
// the vCPU's page, sets VCPU.Masked, and continues at VCPU.UpcallEntry (a timer
// tick, a kick, a signal) or at VCPU.TrapEntry (a CPU exception), with all
// other registers untouched. While Masked is 1 no upcall is made; Pending is
// set instead and the guest looks at it when it unmasks. An exception while
// Masked is 1 is a fault in the guest's own kernel, which cannot go on: the VMM
// ends the VM with a report. (Demand paging is no exception in this sense: the
// VMM does it unseen, whatever Masked says.)
//
// A SYSCALL instruction in the guest arrives at TrapEntry with TrapVector
// VectorSyscall, TrapRIP behind the instruction, where the processor allows.
package abi

// Version is the ABI version: in the note and in Boot. The VMM refuses others.
const Version = 2

// The ELF note by which an image says that it is a ringo guest.
// Its descriptor is a Note.
const (
	NoteName = "Ringo"
	NoteType = 1
)

// Note is the descriptor of the ELF note, little endian.
type Note struct {
	Version uint32
	Level   uint32 // N of GOAMD64=vN; 0 if that is not known
	Entry   uint64 // guest-virtual address of the tender entry point
}

// PageSize is the unit of every mapping.
const PageSize = 4096

// Hypercall ports. Lengths and addresses are multiples of PageSize.
const (
	PortExit    = 0x40  // RDI: exit status 0…255. Ends the VM, after it has served the transmit queues, as for PortWait.
	PortMap     = 0x41  // RDI: address, RSI: length, R10: Prot. Zero pages, given when first touched. Replaces what was mapped there, except that a region with another protection keeps its contents (mprotect).
	PortUnmap   = 0x42  // RDI: address, RSI: length. Contents and region are gone.
	PortDiscard = 0x43  // RDI: address, RSI: length. Contents go back to the host, the region stays and reads as zeroes.
	PortWait    = 0x44  // RDI: absolute time on the clock of Clock.Mono, in ns, or -1. Sleeps until then, or until woken (doorbell, device, signal, kick), and may return early. Before, the VMM serves what stands in the queues: going to sleep is a doorbell for all of them. With a time that has passed it does no more than that.
	PortKick    = 0x45  // RDI: vCPU. An upcall is made there if it runs; it is woken if it waits.
	PortStart   = 0x46  // RDI: vCPU, RSI: RIP, R10: RSP. Starts a vCPU whose GS base is its own page.
	PortClock   = 0x47  // Refreshes Boot.Clock.
	PortConsole = 0x48  // Writes out what is in the console ring before it returns.
	PortAlias   = 0x49  // RDI: address, RSI: address of a list of 64-bit words, R10: their number<<8 | Prot. From the address on, the pages whose addresses the list holds are mapped once more: the same memory, with a protection of its own, without ProtExec; a word of 0 is no page. It replaces what was mapped there. The pages are those of a region with ProtShare, or read-only ones of the image. At most MaxAlias words.
	PortAccess  = 0x4a  // RDI: address of a list of Access, RSI: their number. Makes these accesses to registers of devices in their order, which costs one exit instead of one for each. Doorbells are not rung. At most MaxAccess.
	PortTrap    = 0x50  // Used by the VMM's own ring-0 stubs, refused from CPL 3.
	PortWake    = 0x100 // PortWake+n: doorbell that wakes vCPU n from PortWait.
)

// VectorSyscall is VCPU.TrapVector for a SYSCALL instruction.
const VectorSyscall = 256

// Prot bits of PortMap. Write and Exec together are refused.
const (
	ProtRead  = 1
	ProtWrite = 2
	ProtExec  = 4
	// ProtShare, in PortMap only, asks for memory that PortAlias can show at a
	// second address. Whoever unmaps it first unmaps the aliases.
	ProtShare = 8
)

// MaxAlias is the most pages that one PortAlias maps.
const MaxAlias = 4096

// MaxAccess is the most accesses of one PortAccess.
const MaxAccess = 64

// Access is an access to a 32-bit register of a device, in a list aligned to 8 bytes.
type Access struct {
	Addr  uint64 // in the page of one of Boot.Devices
	Value uint32 // what is written, or was read
	Write uint32 // 1: write
}

// MaxVCPUs and MaxDevices bound the tables in Boot.
const (
	MaxVCPUs   = 64
	MaxDevices = 16
)

// Magic is the first word of the Boot page ("RINGOBT1").
const Magic = 0x315442_4f474e4952

// Boot is the first shared page. The guest can read it, not write it.
type Boot struct {
	Magic     uint64
	Version   uint32
	VCPUs     uint32
	MemBytes  uint64 // memory that the guest may use in all, image included
	MemUsed   uint64 // what of it is in use; kept current by the VMM
	TSCHz     uint64 // frequency of the time stamp counter
	VCPU0     uint64 // address of the first VCPU page; page n follows at n*PageSize
	MapLow    uint64 // PortMap works within [MapLow, MapHigh)
	MapHigh   uint64
	StackLow  uint64 // the main stack, mapped by the VMM
	StackHigh uint64
	Console   uint64 // address of the Console ring
	Config    uint64 // address of the configuration text: lines of key=value
	ConfigLen uint64
	Clock     Clock
	Signals   uint64 // address of one writable word: bit n-1 is set by the VMM when signal n is for the program; the guest clears it atomically
	Posted    uint64 // address of the Posted ring
	Seed      [64]byte
	NDevices  uint64
	Devices   [MaxDevices]Device
}

// MaxPosted is the size of the ring in Posted: a power of two.
const MaxPosted = 32

// Posted is a ring of mappings, each as by PortMap, of addresses where nothing is
// mapped. The guest writes Mapping and then Head. The VMM looks there, and advances
// Tail, when a page is touched that has no memory yet, and before all other changes
// of mappings; so this costs no exit of its own. A mapping that cannot be made is
// none. Head and Tail count mappings and wrap at 2^32.
type Posted struct {
	Head    uint32
	Tail    uint32
	Mapping [MaxPosted]Mapping
}

// Mapping has the arguments of a PortMap.
type Mapping struct {
	Addr, Len, Prot uint64
}

// Clock pairs the time stamp counter with the host's clocks. Seq is odd while
// the VMM writes.
type Clock struct {
	Seq  uint64
	TSC  uint64
	Mono int64 // CLOCK_MONOTONIC, ns
	Real int64 // CLOCK_REALTIME, ns
}

// Device is one virtio-mmio register page (virtio 1.x, 4.2).
type Device struct {
	ID   uint64 // virtio device ID (5.)
	Addr uint64
	Size uint64
	// Features are those that the device offers, if its registers are known to be
	// of version 2; 0 if the driver has to look.
	Features uint64
}

// VCPU is the page of one virtual CPU; GS base points to it. The guest owns all
// but what is marked. The words from Guest on are the guest's alone.
type VCPU struct {
	Self        uint64 // its own address; set by the VMM once
	ID          uint32 // set by the VMM once
	Masked      uint32 // 1: no upcalls. Set by the VMM on delivery and by the guest
	Pending     uint32 // set by the VMM when it had an upcall and Masked was 1
	EveryTick   uint32 // set by the guest: 1 asks for ticks also when it slept in between, as a profiler needs
	UpcallEntry uint64 // set by the guest
	TrapEntry   uint64 // set by the guest
	RIP         uint64 // where an upcall interrupted; written by the VMM
	RFLAGS      uint64
	TrapRIP     uint64 // where an exception occurred; written by the VMM
	TrapRFLAGS  uint64
	TrapVector  uint64
	TrapError   uint64
	TrapCR2     uint64
	Guest       [64]uint64
}

// Offsets in VCPU for assembly, checked by a test.
const (
	VCPUMasked      = 12
	VCPUPending     = 16
	VCPUUpcallEntry = 24
	VCPUTrapEntry   = 32
	VCPURIP         = 40
	VCPURFLAGS      = 48
	VCPUTrapRIP     = 56
	VCPUTrapRFLAGS  = 64
	VCPUTrapVector  = 72
	VCPUTrapError   = 80
	VCPUTrapCR2     = 88
	VCPUGuest       = 96
)

// ConsoleSize is the size of the ring's data: a power of two.
const ConsoleSize = 64 << 10

// Console is the output ring: the guest writes Data and Head, the VMM reads
// and advances Tail. Both count bytes and wrap at 2^32. The guest rings
// PortConsoleBell when Idle is 1 (the VMM sleeps) and clears it; when the ring
// is full it makes the PortConsole hypercall.
type Console struct {
	Head uint32
	_    [15]uint32
	Tail uint32
	Idle uint32
	_    [14]uint32
	Data [ConsoleSize]byte
}

// PortConsoleBell is the console's doorbell.
const PortConsoleBell = 0x1ff
