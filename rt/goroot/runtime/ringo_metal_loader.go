//go:build ringo

package runtime

import "unsafe"

// What the boot loader says: the memory map, the command line, where ACPI's
// tables are. All of it is copied at once, since it lies in memory that the map
// calls free.

// ringoLoader is the loader's information.
var ringoLoader struct {
	ranges [64]ringoRange // usable memory
	n      int
	rsdp   uintptr // ACPI's root pointer, 0 if the loader did not say
	line   [4096]byte
	length int
	qemu   bool // the command line begins with the image's file name
}

// ringoRange is a range of physical memory.
type ringoRange struct{ lo, hi uintptr }

// Multiboot Specification 0.6.96, 3.3: offsets in the information, its flags,
// and those in an entry of the memory map.
const (
	ringoMultiboot      = 0x2badb002
	multibootFlags      = 0
	multibootLine       = 16
	multibootMapLength  = 44
	multibootMap        = 48
	multibootLoaderName = 64
	multibootHasLine    = 1 << 2
	multibootHasMap     = 1 << 6
	multibootHasName    = 1 << 9
	multibootEntrySize  = 0
	multibootEntryBase  = 4
	multibootEntryLen   = 12
	multibootEntryType  = 20
)

// Xen's xen/include/public/arch-x86/hvm/start_info.h.
const (
	ringoPVH       = 0x336ec578
	pvhVersion     = 4
	pvhLine        = 24
	pvhRSDP        = 32
	pvhMap         = 40
	pvhMapEntries  = 48
	pvhEntrySize   = 24
	pvhEntryLength = 8
	pvhEntryType   = 16
)

// ringoRAM is the type of usable memory, in both maps and in the firmware's.
const ringoRAM = 1

// ringoPhys32 and ringoPhys64 read physical memory, below 4 GiB.
func ringoPhys32(pa uintptr) uintptr {
	return uintptr(*(*uint32)(unsafe.Pointer(ringoDirect + pa)))
}

func ringoPhys64(pa uintptr) uintptr { return *(*uintptr)(unsafe.Pointer(ringoDirect + pa)) }

// ringoReadLoader copies what the loader says.
func ringoReadLoader(loader, info uintptr) {
	switch {
	case loader == ringoMultiboot:
		ringoReadMultiboot(info)
	case loader == ringoPVH && ringoPhys32(info) == ringoPVH:
		ringoReadPVH(info)
	default:
		ringoFatal("the boot loader speaks neither multiboot nor PVH")
	}
	if ringoLoader.n == 0 {
		ringoFatal("the boot loader gave no memory map")
	}
}

func ringoReadMultiboot(info uintptr) {
	flags := ringoPhys32(info + multibootFlags)
	if flags&multibootHasMap != 0 {
		at := ringoPhys32(info + multibootMap)
		end := at + ringoPhys32(info+multibootMapLength)
		for at+multibootEntryType < end {
			if ringoPhys32(at+multibootEntryType) == ringoRAM {
				ringoAddRAM(ringoPhys64(at+multibootEntryBase), ringoPhys64(at+multibootEntryLen))
			}
			at += ringoPhys32(at+multibootEntrySize) + 4
		}
	}
	if flags&multibootHasName != 0 {
		name := ringoPhys32(info + multibootLoaderName)
		const qemu = 'q' | 'e'<<8 | 'm'<<16 | 'u'<<24
		ringoLoader.qemu = ringoPhys32(name) == qemu
	}
	if flags&multibootHasLine != 0 {
		ringoCopyLine(ringoPhys32(info + multibootLine))
	}
}

func ringoReadPVH(info uintptr) {
	ringoLoader.rsdp = ringoPhys64(info + pvhRSDP)
	if ringoPhys32(info+pvhVersion) >= 1 {
		at := ringoPhys64(info + pvhMap)
		for n := ringoPhys32(info + pvhMapEntries); n > 0; n-- {
			if ringoPhys32(at+pvhEntryType) == ringoRAM {
				ringoAddRAM(ringoPhys64(at), ringoPhys64(at+pvhEntryLength))
			}
			at += pvhEntrySize
		}
	}
	if line := ringoPhys64(info + pvhLine); line != 0 {
		ringoCopyLine(line)
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

// ringoAddRAM enters a range of usable memory: whole pages, above the first MiB,
// which is the firmware's, and not those of the image.
func ringoAddRAM(base, length uintptr) {
	const page, low = 4096, 1 << 20
	lo, hi := max(ringoPageUp(base), low), (base+length)&^(page-1)
	imageLow, imageHigh := ringoImageBounds()
	if lo < imageLow && hi > imageLow {
		ringoAddRange(lo, imageLow)
		lo = imageLow
	}
	if lo >= imageLow && lo < imageHigh {
		lo = imageHigh
	}
	ringoAddRange(lo, hi)
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

// ringoImageBounds returns the pages between the image's first and its last.
func ringoImageBounds() (lo, hi uintptr) {
	lo = ^uintptr(0)
	for _, s := range ringoSegments() {
		if s.kind == ringoSegmentLoad {
			lo = min(lo, s.vaddr)
			hi = max(hi, ringoPageUp(s.vaddr+s.memsz))
		}
	}
	return
}
