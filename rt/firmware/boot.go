package firmware

// Boot is what a boot loader says: the memory map, the command line, boot
// modules, where ACPI's tables are. How the loaders say it is in multiboot.go,
// pvh.go and so on.
//
// All of it but the modules is copied, since it lies in memory that the map calls
// free.
type Boot struct {
	Memory Ranges // usable, without what is reserved, the image and the modules
	RSDP   uint64 // the address of ACPI's root pointer, 0 if not told, or NoRSDP
	Named  bool   // the command line begins with the image's file name

	modules  [8]Range // files that the loader has read
	nmodules int
	line     [4096]byte
	length   int
}

// NoRSDP stands for the root pointer's address where the loader says that there is none.
const NoRSDP = 1<<64 - 1

// What Read returns if it cannot go on.
const (
	UnknownLoader  = "the boot loader speaks neither multiboot nor PVH nor Linux's boot protocol"
	NoMemoryMap    = "the boot loader gave no memory map"
	LongLine       = "the command line is longer than 4095 bytes"
	MisplacedFile  = "the boot loader has put a module where there cannot be any"
	TooManyModules = "the boot loader has read more than 8 modules"
)

// usable is the type of usable memory, in all maps and in the firmware's.
const usable = 1

// mostEntries bounds the entries of a memory map. Real ones have a dozen.
const mostEntries = 1024

// Read reads what the loader says. The loader's magic number tells what is at
// info. image are the pages that the program has from the start. Read returns what is
// wrong, or "".
func (b *Boot) Read(m Memory, loader uint32, info uint64, image Range) (problem string) {
	switch {
	case loader == Multiboot:
		problem = b.readMultiboot(m, info)
	case loader == Multiboot2:
		problem = b.readMultiboot2(m, info)
	case loader == PVH && m.Uint32(info) == PVH:
		problem = b.readPVH(m, info)
	case loader == Linux && m.Uint32(info+linuxMagic) == Linux:
		problem = b.readLinux(m, info)
	default:
		problem = UnknownLoader
	}
	if problem != "" {
		return problem
	}
	const firmwares = 1 << 20 // the first MiB is
	b.Memory.Remove(Range{0, firmwares})
	b.Memory.Remove(image)
	for _, r := range b.Modules() {
		b.Memory.Remove(r)
	}
	if len(b.Memory.List()) == 0 {
		return NoMemoryMap
	}
	return ""
}

// Line returns the command line.
func (b *Boot) Line() []byte { return b.line[:b.length] }

// Modules returns where the modules are.
func (b *Boot) Modules() []Range { return b.modules[:b.nmodules] }

// addModule enters a file that the loader has put into memory.
func (b *Boot) addModule(r Range) (problem string) {
	const reach = 4 << 30
	if r.Lo >= r.Hi || r.Hi > reach {
		return MisplacedFile
	}
	if b.nmodules == len(b.modules) {
		return TooManyModules
	}
	b.modules[b.nmodules] = r
	b.nmodules++
	return ""
}

// readLine keeps the command line at addr, which a zero ends.
func (b *Boot) readLine(m Memory, addr uint64) (problem string) {
	for b.length = 0; b.length < len(b.line); b.length++ {
		c := m.Uint8(addr + uint64(b.length))
		if c == 0 {
			return ""
		}
		b.line[b.length] = c
	}
	return LongLine
}

// memoryMap is a list of n entries with size bytes each: where the entry's
// address, length and type are.
type memoryMap struct {
	first, n, size     uint64
	base, length, kind uint64
}

// addMap enters the usable memory of a map, less what the map also calls
// something else.
func (b *Boot) addMap(m Memory, l memoryMap) {
	if l.n > mostEntries {
		l.n = mostEntries
	}
	for _, add := range [...]bool{true, false} {
		for i := range l.n {
			e := l.first + i*l.size
			lo, n := m.Uint64(e+l.base), m.Uint64(e+l.length)
			switch isUsable := m.Uint32(e+l.kind) == usable; {
			case add && isUsable:
				b.Memory.Add(lo, n)
			case !add && !isUsable:
				b.Memory.Remove(Range{lo, lo + min(n, -lo-1)})
			}
		}
	}
}
