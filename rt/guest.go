//go:build ringo

package rt

import (
	"syscall"
	"unsafe"

	"ringo.dev/ringo/vmm/abi"
)

// Bare reports whether the program runs in a virtual machine, and not as a
// process of the host's kernel.
//
//go:linkname Bare runtime.ringoIsBare
func Bare() bool

// Config returns the boot configuration: lines of key=value.
//
//go:linkname Config runtime.ringoConfig
func Config() string

// Module returns the i-th file, from 0 on, that the boot loader has put into
// memory, or nil if there are no more. It stays as it is.
//
//go:linkname Module runtime.ringoModule
func Module(i int) []byte

// Devices returns the virtio-mmio devices that the platform knows of.
//
//go:linkname Devices runtime.ringoDevices
func Devices() []abi.Device

// linked returns the entry of a function, or 0.
//
//go:linkname linked runtime.ringoLinked
func linked(name string) uintptr

// AtExit lets do be called before the program ends by exiting or by a panic. It
// may be called once.
//
//go:linkname AtExit runtime.ringoAtExit
func AtExit(do func())

// FatalSignal returns a word that becomes the number of a signal which ends the
// program. From the first call on such a signal does nothing else: the caller
// waits for it (WaitIndex) and ends the machine.
//
//go:linkname FatalSignal runtime.ringoFatalSignal
func FatalSignal() *uint16

// SetKernel installs the kernel. It may be called once.
//
//go:linkname SetKernel runtime.ringoSetKernel
func SetKernel(k *Kernel)

// PollReady wakes the goroutines that wait for pd in the given mode. It never
// blocks and may be called with locks held.
//
//go:linkname PollReady runtime.ringoPollReady
func PollReady(pd PollDesc, mode int32)

// Mapped reports whether the n bytes at addr may be read (and written).
//
//go:linkname Mapped runtime.ringoMapped
func Mapped(addr, n uintptr, write bool) bool

// HasFiles reports whether files may be mapped within the n bytes at addr. Most
// times it tells quickly that they are not.
//
//go:linkname HasFiles runtime.ringoHasFiles
func HasFiles(addr, n uintptr) bool

// AllocDevice returns n bytes of zeroed memory for a device, page aligned,
// contiguous for the device, outside the Go heap, never freed.
//
//go:linkname AllocDevice runtime.ringoAllocDevice
func AllocDevice(n uintptr) unsafe.Pointer

// DeviceAddr returns the address by which devices reach the memory at p. It is
// contiguous up to the end of p's page only, unless AllocDevice gave the
// memory. The memory must stay reachable while the device uses it.
//
//go:linkname DeviceAddr runtime.ringoDeviceAddr
func DeviceAddr(p unsafe.Pointer) uint64

// Load32 and Store32 access a device register by one plain MOV.
//
//go:linkname Load32 runtime.ringoLoad32
func Load32(addr uintptr) uint32

//go:linkname Store32 runtime.ringoStore32
func Store32(addr uintptr, v uint32)

// Access makes accesses to registers of Devices in their order, as Load32 and Store32
// would, at the cost of one. It is not for doorbells.
//
//go:linkname Access runtime.ringoAccess
func Access(list []abi.Access)

// StoreSoon is Store32 of a doorbell register that can wait a little: it is done
// together with others when this CPU has nothing else to do, or at its next
// tick (5 ms) at the latest; on metal, at once if hardly anything else is ready to
// run. Only the last value for an address counts.
//
//go:linkname StoreSoon runtime.ringoStoreSoon
func StoreSoon(addr uintptr, v uint32)

// StoreSoon16 is StoreSoon for a register of 16 bits.
//
//go:linkname StoreSoon16 runtime.ringoStoreSoon16
func StoreSoon16(addr uintptr, v uint16)

// Ring rings the doorbells that StoreSoon put off, for what others wait for.
//
//go:linkname Ring runtime.ringoRing
func Ring()

// ServeDevices has the machine carry out, on this CPU, what stands in the queues of
// its devices without their doorbells having been rung, as far as that does not take
// long. It reports false if the machine does no such thing.
//
//go:linkname ServeDevices runtime.ringoServeDevices
func ServeDevices() bool

// Pause tells the processor, and who emulates it, that this is a loop which waits for
// somebody else's write to memory.
//
//go:linkname Pause runtime.ringoPauseGo
func Pause()

// OthersReady reports whether some goroutines are ready to run on this CPU, besides one
// that has just been woken.
//
//go:linkname OthersReady runtime.ringoOthersReady
func OthersReady() bool

// WaitIndex parks the goroutine until the 16-bit word at idx (a used ring's
// index, written by a device) differs from seen. slot, 0…15, belongs to one
// goroutine. event, if it is not nil, is the word by which the device is told to
// interrupt: it is set to at before somebody goes to sleep who would have to be
// woken, and not while devices are looked at anyway.
//
//go:linkname WaitIndex runtime.ringoWaitIndex
func WaitIndex(slot int, idx *uint16, seen uint16, event *uint16, at uint16)

// ConsoleWrite writes p to the console. It does not block on a slow reader
// before the console's ring is full.
//
//go:linkname ConsoleWrite runtime.ringoConsoleWrite
func ConsoleWrite(p []byte)

// ConsoleListen has the program get the signals that come by the machine's own console, a
// serial port or Xen's, from now on: by the port also while nobody reads. carried says
// that ringo run is at the other end; else somebody types there.
//
//go:linkname ConsoleListen runtime.ringoConsoleListen
func ConsoleListen(carried bool)

// ConsoleInput returns a word that changes when there is input of the machine's own
// console after ConsoleRead has found none, of which WaitIndex can look at the lower
// half; nil if there is no such console.
//
//go:linkname ConsoleInput runtime.ringoConsoleInput
func ConsoleInput() *uint32

// ConsoleRead takes the input that there is, up to len(p) bytes, and does not
// wait. It is for one goroutine at a time.
//
//go:linkname ConsoleRead runtime.ringoConsoleRead
func ConsoleRead(p []byte) int

// HasEntropy reports whether rt's generator was given a seed when the machine
// started, or found one in the processor.
//
//go:linkname HasEntropy runtime.ringoHasEntropy
func HasEntropy() bool

// Random fills p from rt's generator; AddEntropy mixes p into it.
//
//go:linkname Random runtime.ringoRandom
func Random(p []byte)

//go:linkname AddEntropy runtime.ringoAddEntropy
func AddEntropy(p []byte)

// Memory returns the bytes of memory that the machine has, and those not in use.
//
//go:linkname Memory runtime.ringoMemory
func Memory() (total, free uint64)

// Reserve tells the garbage collector that n bytes of the machine's memory are
// used outside the Go heap, or -n no longer. Calls may not overlap.
//
//go:linkname Reserve runtime.ringoReserve
func Reserve(n int64)

// CPUs returns the number of virtual CPUs.
//
//go:linkname CPUs runtime.ringoCPUs
func CPUs() int

// Processor returns the number of the scheduler's processor (P) that runs the caller, less
// than GOMAXPROCS. It may be another one at once.
//
//go:linkname Processor runtime.ringoProcessor
func Processor() int

// CPUTime returns the nanoseconds that the virtual CPUs spent running threads,
// and idle, all CPUs together.
//
//go:linkname CPUTime runtime.ringoCPUTime
func CPUTime() (busy, idle int64)

// Threads returns the number of threads.
//
//go:linkname Threads runtime.ringoThreads
func Threads() int

// Mmap, Unmap, Mprotect and Madvise are the system calls as rt itself answers
// them: for anonymous memory, and without a look at what files are mapped. The
// results are as those of MapFile.
//
//go:linkname Mmap runtime.ringoMmapCall
func Mmap(addr, n uintptr, prot, flags int) (uintptr, syscall.Errno)

//go:linkname Unmap runtime.ringoUnmapCall
func Unmap(addr, n uintptr) syscall.Errno

//go:linkname Mprotect runtime.ringoMprotectCall
func Mprotect(addr, n uintptr, prot int) syscall.Errno

//go:linkname Madvise runtime.ringoMadviseCall
func Madvise(addr, n uintptr, advice int) syscall.Errno

// MapFile takes n bytes of the address space for the pages of a file. Of flags,
// MAP_FIXED and MAP_FIXED_NOREPLACE count. There is nothing to access before
// Alias: until then, and where Alias shows no page, an access is SIGBUS. The
// system calls that change mappings are the kernel's from now on, for the
// addresses between the first and the last that MapFile ever returned.
//
//go:linkname MapFile runtime.ringoMapFile
func MapFile(addr, n uintptr, flags int) (uintptr, syscall.Errno)

// Alias shows memory at a second address: list holds the addresses of pages, which
// from addr on stand for the same memory with the protection prot, without
// PROT_EXEC. The pages are memory of an anonymous shared mapping, or read-only ones
// of the image. 0 in the list is no page. prot 0 takes all pages away and makes an
// access SIGSEGV. A page must not be unmapped before its aliases are.
//
//go:linkname Alias runtime.ringoAlias
func Alias(addr uintptr, list []uintptr, prot int) syscall.Errno

// EachMapping calls f for every mapped region in ascending order. prot is as
// in package abi.
//
//go:linkname EachMapping runtime.ringoEachMapping
func EachMapping(f func(start, end uintptr, prot int))

// Files returns the memory of the image's segment for files (abi.Files), which
// cannot be written, or nil if there is none.
//
//go:linkname Files runtime.ringoFilesMemory
func Files() []byte

// Exit ends the machine with a status.
//
//go:linkname Exit runtime.ringoExit
func Exit(status int)

// Restart starts the machine anew; where nobody does that, it ends with status 0.
//
//go:linkname Restart runtime.ringoRestart
func Restart()

// HasPorts reports whether the machine is a PC of somebody else's making: with
// I/O ports, and perhaps a PCI bus. What follows is for such machines.
//
//go:linkname HasPorts runtime.ringoHasPorts
func HasPorts() bool

// In8 to Out32 access an I/O port.
//
//go:linkname In8 runtime.ringoPortIn8
func In8(port uint16) uint8

//go:linkname In16 runtime.ringoPortIn16
func In16(port uint16) uint16

//go:linkname In32 runtime.ringoPortIn32
func In32(port uint16) uint32

//go:linkname Out8 runtime.ringoPortOut8
func Out8(port uint16, v uint8)

//go:linkname Out16 runtime.ringoPortOut16
func Out16(port uint16, v uint16)

//go:linkname Out32 runtime.ringoPortOut32
func Out32(port uint16, v uint32)

// ECAM returns the physical address at which the configuration spaces of the PCI bus
// 0 are in memory, with those of the buses up to last behind them. It is 0 if they
// are not.
//
//go:linkname ECAM runtime.ringoECAM
func ECAM() (addr uint64, last uint8)

// PCIRoot reports whether no bridge leads to a PCI bus, but the processor.
//
//go:linkname PCIRoot runtime.ringoPCIRoot
func PCIRoot(bus uint8) bool

// PCIWindow returns the physical addresses, without hi, which devices on the PCI bus
// can be given for their registers, if the machine's firmware gives them none.
//
//go:linkname PCIWindow runtime.ringoPCIWindow
func PCIWindow() (lo, hi uint64)

// Xen reports whether the machine is a domain of Xen.
//
//go:linkname Xen runtime.ringoIsXen
func Xen() bool

// XenCall makes a hypercall: with its number, the command that most of them have
// as their first argument, what that points to, and how many of these there
// are. It returns 0 or more, or a negative errno of Xen's.
//
//go:linkname XenCall runtime.ringoXenHypercall
func XenCall(op, cmd uintptr, arg unsafe.Pointer, count uintptr) int64

// Load8 to Store16 are Load32 and Store32 for other sizes.
//
//go:linkname Load8 runtime.ringoLoad8
func Load8(addr uintptr) uint8

//go:linkname Load16 runtime.ringoLoad16
func Load16(addr uintptr) uint16

//go:linkname Store8 runtime.ringoStore8
func Store8(addr uintptr, v uint8)

//go:linkname Store16 runtime.ringoStore16
func Store16(addr uintptr, v uint16)

// MapDevice returns the address at which n bytes of a device's registers, at a
// physical address, can be accessed; 0 if they are out of reach.
//
//go:linkname MapDevice runtime.ringoMapDevice
func MapDevice(pa, n uint64) uintptr

// Message returns the memory write by which a device (MSI, MSI-X) interrupts.
// An interrupt makes rt look at what WaitIndex waits for, and nothing else.
//
//go:linkname Message runtime.ringoMessage
func Message() (addr uint64, data uint32)

// ConnectLine lets a device interrupt by a line of the interrupt controller.
// kind and addr say how the device is made to release it. It reports whether
// there is such a line. It is for one goroutine at a time.
//
//go:linkname ConnectLine runtime.ringoConnectLine
func ConnectLine(line int, kind uint32, addr uintptr) bool
