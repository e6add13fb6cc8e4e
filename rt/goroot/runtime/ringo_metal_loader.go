//go:build ringo

package runtime

import (
	"ringo.dev/ringo/rt/firmware"
	"ringo.dev/ringo/rt/line"
	"unsafe"
)

// What the boot loader and the firmware say, all of which is read before any
// memory is given away. How they say it is in package firmware, and the command
// line's words in package line.

var (
	ringoLoader firmware.Boot
	ringoACPI   firmware.ACPI
	ringoLine   line.Line
)

// ringoPhysicalReach is what of the physical memory the boot code has mapped at
// ringoDirect.
const ringoPhysicalReach = 4 << 30

// ringoDirectReach is what the direct map can hold.
const ringoDirectReach = 512 << 30

// ringoReadMachine reads what the loader says, whose magic number tells what info
// is, and the firmware's tables.
func ringoReadMachine(loader, info uintptr) {
	m := firmware.Memory(unsafe.Slice((*byte)(unsafe.Pointer(uintptr(ringoDirect))), ringoPhysicalReach))
	l := &ringoLoader
	ringoMust(l.Read(m, uint32(loader), uint64(info), ringoImageBounds()))
	l.Memory.Remove(firmware.Range{Lo: ringoDirectReach, Hi: 1<<64 - 1})
	if s := ringoFilesSegment(); s != nil {
		l.Memory.Remove(firmware.Range{Lo: uint64(s.vaddr), Hi: uint64(s.vaddr + s.memsz)})
	}
	ringoMust(ringoLine.Read(l.Line(), l.Named))
	if !ringoXen.present {
		ringoMust(ringoLine.ReadSecond(ringoFWLine()))
	}
	ringoACPI.Read(m, l.RSDP)
}

// ringoMust ends the machine if there is a problem.
func ringoMust(problem string) {
	if problem != "" {
		ringoFatal(problem)
	}
}

// ringoIsDevice reports whether the n bytes at a physical address may be the
// registers of a device: there is no memory, and the direct map reaches them.
func ringoIsDevice(pa, n uint64) bool {
	image := ringoImageBounds()
	return pa < ringoPhysicalReach && n <= ringoPhysicalReach-pa && !ringoLoader.Memory.Has(pa, n) &&
		(pa >= image.Hi || pa+n <= image.Lo)
}

// ringoDeviceRegister is where the registers of a device at a physical address
// are, 0 if there cannot be any.
func ringoDeviceRegister(pa, n uint64) uintptr {
	if !ringoIsDevice(pa, n) {
		return 0
	}
	return ringoDirect + uintptr(pa)
}

// ringoModule is rt.Module. It runs in user mode.
//
//go:linkname ringoModule
func ringoModule(i int) []byte {
	modules := ringoLoader.Modules()
	if i >= len(modules) {
		return nil
	}
	m := modules[i]
	return unsafe.Slice((*byte)(unsafe.Pointer(ringoDirect+uintptr(m.Lo))), int(m.Hi-m.Lo))
}

// ringoSegment is a program header of the image (gABI, "Program Header"), which
// is in memory with its first page.
type ringoSegment struct {
	kind, flags                               uint32
	off, vaddr, paddr, filesz, memsz, aligned uintptr
}

const (
	ringoSegmentLoad  = 1
	ringoSegmentExec  = 1
	ringoSegmentWrite = 2
)

// ringoImageBase is where the image begins, with the headers of the file. Package boot
// insists on it.
const ringoImageBase = 0x400000

// ringoSegments returns the image's program headers.
func ringoSegments() []ringoSegment {
	const phoff, phnum = 32, 56
	n := *(*uint16)(unsafe.Pointer(uintptr(ringoImageBase + phnum)))
	at := ringoImageBase + *(*uintptr)(unsafe.Pointer(uintptr(ringoImageBase + phoff)))
	return unsafe.Slice((*ringoSegment)(unsafe.Pointer(at)), int(n))
}

// ringoFilesSegment returns the segment behind the program's own, in which package
// boot puts files, or nil.
func ringoFilesSegment() *ringoSegment {
	const reach = 1 << 20
	m := &firstmoduledata
	if m.text < ringoImageBase || m.text > ringoImageBase+reach {
		return nil // linked elsewhere, where files cannot be added
	}
	list := ringoSegments()
	for i := range list {
		if s := &list[i]; s.kind == ringoSegmentLoad && s.vaddr >= m.end {
			return s
		}
	}
	return nil
}

// ringoImageBounds returns the pages that the image has from the start: all but the
// late ones, and those of its files.
func ringoImageBounds() firmware.Range {
	return firmware.Range{Lo: ringoImageBase, Hi: uint64(ringoLate())}
}

// ringoLate returns the address from which on the image's pages are late: they
// hold large variables of the program's, which are zero at first, and get memory
// when they are touched. The linker puts variables without pointers last, the
// largest at the end, and rt has none that is larger than ringoMem. Package boot
// knows the address too.
func ringoLate() uintptr {
	return ringoPageUp(uintptr(unsafe.Pointer(&ringoMem)) + ringoMemSize)
}

const ringoMemSize = unsafe.Sizeof(ringoMem)
