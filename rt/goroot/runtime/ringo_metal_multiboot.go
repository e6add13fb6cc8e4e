//go:build ringo

package runtime

// The two versions of multiboot, by which GRUB boots, QEMU, and the loader of
// ringo's own images.

// Multiboot Specification 0.6.96, 3.3: offsets in the information, its flags,
// and offsets in entries of the list of modules and of the memory map.
const (
	ringoMultiboot      = 0x2badb002
	multibootFlags      = 0
	multibootLine       = 16
	multibootModules    = 20
	multibootModuleList = 24
	multibootMapLength  = 44
	multibootMap        = 48
	multibootLoaderName = 64
	multibootHasLine    = 1 << 2
	multibootHasModules = 1 << 3
	multibootHasMap     = 1 << 6
	multibootHasName    = 1 << 9
	multibootModuleSize = 16
	multibootModuleEnd  = 4
	multibootEntrySize  = 0
	multibootEntryBase  = 4
	multibootEntryLen   = 12
	multibootEntryType  = 20
)

func ringoReadMultiboot(info uintptr) {
	flags := ringoPhys32(info + multibootFlags)
	if flags&multibootHasModules != 0 {
		at := ringoPhys32(info + multibootModuleList)
		for n := ringoPhys32(info + multibootModules); n > 0; n-- {
			ringoAddModule(ringoPhys32(at), ringoPhys32(at+multibootModuleEnd))
			at += multibootModuleSize
		}
	}
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
		ringoLoader.named = ringoPhys32(name) == qemu
	}
	if flags&multibootHasLine != 0 {
		ringoCopyLine(ringoPhys32(info + multibootLine))
	}
}

// Multiboot2 Specification 2.0, 3.6: the information is a list of tags, each of
// them aligned to 8 bytes.
const (
	ringoMultiboot2   = 0x36d76289
	multiboot2Size    = 0 // of the whole
	multiboot2First   = 8
	multiboot2TagSize = 4
	multiboot2Tag     = 8 // its contents

	multiboot2Line    = 1
	multiboot2Module  = 3
	multiboot2Map     = 6
	multiboot2OldACPI = 14
	multiboot2ACPI    = 15

	multiboot2EntryLength = 8
	multiboot2EntryType   = 16
)

func ringoReadMultiboot2(info uintptr) {
	// Modules come after the map, which must not have their memory.
	for _, pass := range [...]uintptr{multiboot2Module, multiboot2Map} {
		end := info + ringoPhys32(info+multiboot2Size)
		for at := info + multiboot2First; at+multiboot2Tag <= end; {
			size := ringoPhys32(at + multiboot2TagSize)
			kind := ringoPhys32(at)
			if size < multiboot2Tag {
				break
			}
			if (kind == multiboot2Module) == (pass == multiboot2Module) {
				ringoReadTag(kind, at+multiboot2Tag, at+size)
			}
			at += (size + 7) &^ 7
		}
	}
}

// ringoReadTag reads a tag's contents.
func ringoReadTag(kind, at, end uintptr) {
	switch kind {
	case multiboot2Module:
		ringoAddModule(ringoPhys32(at), ringoPhys32(at+4))
	case multiboot2Map:
		size := ringoPhys32(at)
		for at += 8; size != 0 && at+size <= end; at += size {
			if ringoPhys32(at+multiboot2EntryType) == ringoRAM {
				ringoAddRAM(ringoPhys64(at), ringoPhys64(at+multiboot2EntryLength))
			}
		}
	case multiboot2Line:
		ringoCopyLine(at)
	case multiboot2OldACPI, multiboot2ACPI:
		ringoReadRSDP(at)
	}
}
