//go:build ringo

package runtime

import "unsafe"

// What the boot loader says: the memory map, the command line, boot modules,
// where ACPI's tables are. All of it but the modules is copied at once, since it
// lies in memory that the map calls free. How the loaders say it is in
// ringo_metal_multiboot.go and ringo_metal_pvh.go.

// ringoLoader is the loader's information.
var ringoLoader struct {
	ranges   [64]ringoRange // usable memory
	n        int
	modules  [9]ringoRange // files that the loader has read, first those of the image
	nmodules int
	acpi     ringoACPIRoot
	line     [4096]byte
	length   int
	named    bool // the command line begins with the image's file name
}

// ringoRange is a range of physical memory.
type ringoRange struct{ lo, hi uintptr }

// ringoRAM is the type of usable memory, in all maps and in the firmware's.
const ringoRAM = 1

// ringoPhys32 and ringoPhys64 read physical memory, below 4 GiB.
func ringoPhys32(pa uintptr) uintptr {
	return uintptr(*(*uint32)(unsafe.Pointer(ringoDirect + pa)))
}

func ringoPhys64(pa uintptr) uintptr { return *(*uintptr)(unsafe.Pointer(ringoDirect + pa)) }

// ringoReadLoader copies what the loader says. Its name tells what info is.
func ringoReadLoader(loader, info uintptr) {
	if s := ringoFilesSegment(); s != nil {
		ringoAddModule(s.vaddr, s.vaddr+s.memsz)
	}
	switch {
	case loader == ringoMultiboot:
		ringoReadMultiboot(info)
	case loader == ringoMultiboot2:
		ringoReadMultiboot2(info)
	case loader == ringoPVH && ringoPhys32(info) == ringoPVH:
		ringoReadPVH(info)
	default:
		ringoFatal("the boot loader speaks neither multiboot nor PVH")
	}
	if ringoLoader.n == 0 {
		ringoFatal("the boot loader gave no memory map")
	}
}

// ringoCopyLine keeps the command line at pa.
func ringoCopyLine(pa uintptr) {
	l := &ringoLoader
	for l.length < len(l.line) {
		c := *(*byte)(unsafe.Pointer(ringoDirect + pa + uintptr(l.length)))
		if c == 0 {
			return
		}
		l.line[l.length] = c
		l.length++
	}
	ringoFatal("the command line is longer than 4095 bytes")
}

// ringoAddModule enters a file that the loader has put into memory.
func ringoAddModule(start, end uintptr) {
	l := &ringoLoader
	if start >= end || end > 4<<30 {
		ringoFatal("the boot loader has put a module where there cannot be any")
	}
	if l.nmodules == len(l.modules) {
		ringoFatal("the boot loader has read more than 8 modules")
	}
	l.modules[l.nmodules] = ringoRange{start, end}
	l.nmodules++
}

// ringoModule is rt.Module. It runs in user mode.
//
//go:linkname ringoModule
func ringoModule(i int) []byte {
	if i >= ringoLoader.nmodules {
		return nil
	}
	m := ringoLoader.modules[i]
	return unsafe.Slice((*byte)(unsafe.Pointer(ringoDirect+m.lo)), int(m.hi-m.lo))
}

// ringoAddRAM enters a range of usable memory: whole pages, above the first MiB,
// which is the firmware's, and neither those of the image nor of modules.
func ringoAddRAM(base, length uintptr) {
	const page, low = 4096, 1 << 20
	l := &ringoLoader
	lo, hi := max(ringoPageUp(base), low), (base+length)&^(page-1)
	for lo < hi {
		// What is in use first, from lo on.
		var used ringoRange
		used.lo, used.hi = ringoImageBounds()
		if used.hi <= lo {
			used = ringoRange{hi, hi}
		}
		for _, m := range l.modules[:l.nmodules] {
			m.lo, m.hi = m.lo&^(page-1), ringoPageUp(m.hi)
			if m.hi > lo && m.lo < used.lo {
				used = m
			}
		}
		ringoAddRange(lo, min(used.lo, hi))
		lo = max(lo, used.hi)
	}
}

func ringoAddRange(lo, hi uintptr) {
	l := &ringoLoader
	if lo >= hi || l.n == len(l.ranges) {
		return
	}
	l.ranges[l.n] = ringoRange{lo, hi}
	l.n++
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

// ringoSegments returns the image's program headers.
func ringoSegments() []ringoSegment {
	const base, phoff, phnum = 0x400000, 32, 56
	n := *(*uint16)(unsafe.Pointer(uintptr(base + phnum)))
	at := base + *(*uintptr)(unsafe.Pointer(uintptr(base + phoff)))
	return unsafe.Slice((*ringoSegment)(unsafe.Pointer(at)), int(n))
}

// ringoFilesSegment returns the segment behind the program's own, in which package
// boot puts files, or nil.
func ringoFilesSegment() *ringoSegment {
	const base, reach = 0x400000, 1 << 20 // of ringoSegments
	m := &firstmoduledata
	if m.text < base || m.text > base+reach {
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

// ringoImageBounds returns the pages that the image has from the start: those
// between its first and its last, but for the late ones.
func ringoImageBounds() (lo, hi uintptr) {
	lo = ^uintptr(0)
	for _, s := range ringoSegments() {
		if s.kind == ringoSegmentLoad {
			lo = min(lo, s.vaddr)
			hi = max(hi, ringoPageUp(s.vaddr+s.memsz))
		}
	}
	return lo, min(hi, ringoLate())
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
