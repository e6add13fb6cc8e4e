//go:build !ringo

package rt

import (
	"crypto/rand"
	"os"
	"runtime"
	"syscall"
	"unsafe"

	"ringo.dev/ringo/vmm/abi"
)

// The counterparts of guest.go for tests of the kernel packages on the host.
// Their documentation is there.

func Files() []byte                              { return nil }
func Bare() bool                                 { return false }
func Config() string                             { return "" }
func Module(i int) []byte                        { return nil }
func Devices() []abi.Device                      { return nil }
func SetKernel(k *Kernel)                        {}
func PollReady(pd PollDesc, mode int32)          {}
func Mapped(addr, n uintptr, write bool) bool    { return addr >= 4096 && addr+n >= addr }
func ConsoleWrite(p []byte)                      { os.Stderr.Write(p) }
func ConsoleListen(carried bool)                 {}
func ConsoleInput() *uint32                      { return nil }
func ConsoleRead(p []byte) int                   { return 0 }
func HasEntropy() bool                           { return true }
func Random(p []byte)                            { rand.Read(p) }
func AddEntropy(p []byte)                        {}
func Memory() (total, free uint64)               { return 64 << 20, 32 << 20 }
func Reserve(n int64)                            {}
func CPUs() int                                  { return runtime.NumCPU() }
func CPUTime() (busy, idle int64)                { return 0, 0 }
func Threads() int                               { return 1 }
func EachMapping(f func(s, e uintptr, prot int)) {}
func Exit(status int)                            { os.Exit(status) }
func Restart()                                   { os.Exit(0) }
func DeviceAddr(p unsafe.Pointer) uint64         { return uint64(uintptr(p)) }
func Load32(addr uintptr) uint32                 { return *(*uint32)(Pointer(addr)) }
func Store32(addr uintptr, v uint32)             { *(*uint32)(Pointer(addr)) = v }

func StoreSoon(addr uintptr, v uint32)   { Store32(addr, v) }
func Ring()                              {}
func StoreSoon16(addr uintptr, v uint16) { Store16(addr, v) }

func Access(list []abi.Access) {
	for i := range list {
		if a := &list[i]; a.Write != 0 {
			Store32(uintptr(a.Addr), a.Value)
		} else {
			a.Value = Load32(uintptr(a.Addr))
		}
	}
}

func HasPorts() bool                                       { return false }
func ECAM() (addr uint64, last uint8)                      { return 0, 0 }
func PCIRoot(bus uint8) bool                               { return bus == 0 }
func PCIWindow() (lo, hi uint64)                           { return 0, 0 }
func In8(port uint16) uint8                                { return 0xff }
func In16(port uint16) uint16                              { return 0xffff }
func In32(port uint16) uint32                              { return 0xffffffff }
func Out8(port uint16, v uint8)                            {}
func Out16(port uint16, v uint16)                          {}
func Out32(port uint16, v uint32)                          {}
func Load8(addr uintptr) uint8                             { return *(*uint8)(Pointer(addr)) }
func Load16(addr uintptr) uint16                           { return *(*uint16)(Pointer(addr)) }
func Store8(addr uintptr, v uint8)                         { *(*uint8)(Pointer(addr)) = v }
func Store16(addr uintptr, v uint16)                       { *(*uint16)(Pointer(addr)) = v }
func MapDevice(pa, n uint64) uintptr                       { return 0 }
func Message() (addr uint64, data uint32)                  { return 0, 0 }
func ConnectLine(line int, kind uint32, addr uintptr) bool { return false }

func Xen() bool                                                        { return false }
func XenCall(op, cmd uintptr, arg unsafe.Pointer, count uintptr) int64 { return -38 }

// Files cannot be mapped on the host: MapFile and Alias only seem to work.

func HasFiles(addr, n uintptr) bool                               { return false }
func MapFile(addr, n uintptr, flags int) (uintptr, syscall.Errno) { return 1 << 40, 0 }
func Alias(addr uintptr, list []uintptr, prot int) syscall.Errno  { return 0 }

func Mmap(addr, n uintptr, prot, flags int) (uintptr, syscall.Errno) {
	r, _, err := syscall.Syscall6(syscall.SYS_MMAP, addr, n, uintptr(prot), uintptr(flags), ^uintptr(0), 0)
	return r, err
}

func Unmap(addr, n uintptr) syscall.Errno {
	_, _, err := syscall.Syscall(syscall.SYS_MUNMAP, addr, n, 0)
	return err
}

func Mprotect(addr, n uintptr, prot int) syscall.Errno {
	_, _, err := syscall.Syscall(syscall.SYS_MPROTECT, addr, n, uintptr(prot))
	return err
}

func Madvise(addr, n uintptr, advice int) syscall.Errno {
	_, _, err := syscall.Syscall(syscall.SYS_MADVISE, addr, n, uintptr(advice))
	return err
}

func Processor() int             { return 0 }
func linked(name string) uintptr { return 0 }
func ServeDevices() bool         { return false }
func Pause()                     {}
func AtExit(do func())           {}
func FatalSignal() *uint16       { return new(uint16) }

func AllocDevice(n uintptr) unsafe.Pointer {
	b := make([]byte, n+abi.PageSize)
	off := -uintptr(unsafe.Pointer(&b[0])) & (abi.PageSize - 1)
	return unsafe.Pointer(&b[off])
}

// OthersReady does not know.
func OthersReady() bool { return true }

// WaitIndex reads a word that is otherwise accessed as half of an atomic one.
//
//go:norace
func WaitIndex(slot int, idx *uint16, seen uint16, event *uint16, at uint16) {
	if event != nil {
		*event = at
	}
	for *(*uint16)(unsafe.Pointer(idx)) == seen {
		runtime.Gosched()
	}
}
