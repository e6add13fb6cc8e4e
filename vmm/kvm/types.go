package kvm

// The structures of the kernel's <asm/kvm.h> and <linux/kvm.h> for x86, field by field.

// Regs are the general registers.
type Regs struct {
	RAX, RBX, RCX, RDX uint64
	RSI, RDI, RSP, RBP uint64
	R8, R9, R10, R11   uint64
	R12, R13, R14, R15 uint64
	RIP, RFLAGS        uint64
}

// Segment is a segment register with its hidden part.
type Segment struct {
	Base                                        uint64
	Limit                                       uint32
	Selector                                    uint16
	Type, Present, DPL, DB, S, L, G, AVL, Unuse uint8
	_                                           uint8
}

// Table is a descriptor table register.
type Table struct {
	Base  uint64
	Limit uint16
	_     [3]uint16
}

// Sregs are the system registers.
type Sregs struct {
	CS, DS, ES, FS, GS, SS  Segment
	TR, LDT                 Segment
	GDT, IDT                Table
	CR0, CR2, CR3, CR4, CR8 uint64
	EFER                    uint64
	APICBase                uint64
	InterruptBitmap         [4]uint64
}

// Run is the page that a vCPU shares with the kernel (struct kvm_run).
type Run struct {
	request       uint32 // see RequestExit
	_             uint32
	ExitReason    uint32
	_             uint32
	CR8, APICBase uint64
	Exit          [256]byte // see IO, MMIO, Internal
	ValidRegs     uint64    // Sync* bits: what the kernel stores after an exit
	DirtyRegs     uint64    // Sync* bits: what it loads before the next entry
	Regs          Regs
	Sregs         Sregs
}

// Bits of Run.ValidRegs and Run.DirtyRegs.
const (
	SyncRegs  = 1
	SyncSregs = 2
)

// Values of Run.ExitReason.
const (
	ExitIO            = 2
	ExitHLT           = 5
	ExitMMIO          = 6
	ExitShutdown      = 8
	ExitFailEntry     = 9
	ExitIntr          = 10
	ExitInternalError = 17
)

// IO is Run.Exit after ExitIO.
type IO struct {
	Out        uint8
	Size       uint8
	Port       uint16
	Count      uint32
	DataOffset uint64
}

// MMIO is Run.Exit after ExitMMIO.
type MMIO struct {
	Addr  uint64
	Data  [8]byte
	Len   uint32
	Write uint8
}

// Internal is Run.Exit after ExitInternalError and, in its first field, ExitFailEntry.
type Internal struct {
	Suberror uint32
	NData    uint32
	Data     [16]uint64
}

// CPUIDEntry is one leaf of CPUID.
type CPUIDEntry struct {
	Function, Index, Flags uint32
	EAX, EBX, ECX, EDX     uint32
	_                      [3]uint32
}

const maxCPUID = 256

// CPUID is a table of leaves (struct kvm_cpuid2).
type CPUID struct {
	N       uint32
	_       uint32
	Entries [maxCPUID]CPUIDEntry
}

// Find returns the leaf, or nil.
func (c *CPUID) Find(function, index uint32) *CPUIDEntry {
	for i := range c.Entries[:c.N] {
		if e := &c.Entries[i]; e.Function == function && e.Index == index {
			return e
		}
	}
	return nil
}

// MSR is a model-specific register and its value.
type MSR struct {
	Index uint32
	_     uint32
	Data  uint64
}

type memoryRegion struct {
	slot, flags   uint32
	guest         uint64
	size          uint64
	userspaceAddr uint64
}

type ioeventfd struct {
	datamatch uint64
	addr      uint64
	len       uint32
	fd        int32
	flags     uint32
	_         [36]byte
}

type xcrs struct {
	n, flags uint32
	xcr      [16]struct {
		index, _ uint32
		value    uint64
	}
	_ [16]uint64
}

type deviceAttr struct {
	flags, group uint32
	attr         uint64
	addr         *uint64
}

// enableCap is struct kvm_enable_cap.
type enableCap struct {
	cap, flags uint32
	args       [4]uint64
	_          [64]byte
}
