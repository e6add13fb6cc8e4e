package firmware

// The two versions of multiboot, by which GRUB boots, QEMU, and the loader of
// ringo's own images.

// Multiboot Specification 0.6.96, 3.3: the magic number, offsets in the
// information, its flags, and offsets in entries of the list of modules and of
// the memory map.
const (
	Multiboot           = 0x2badb002
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
	multibootEntrySize  = 0 // without itself
	multibootEntryBase  = 4
	multibootEntryLen   = 12
	multibootEntryType  = 20
)

func (b *Boot) readMultiboot(m Memory, info uint64) (problem string) {
	flags := m.Uint32(info + multibootFlags)
	if flags&multibootHasModules != 0 {
		at := m.addr32(info + multibootModuleList)
		for n := m.Uint32(info + multibootModules); n > 0; n-- {
			if problem = b.addModule(Range{m.addr32(at), m.addr32(at + multibootModuleEnd)}); problem != "" {
				return problem
			}
			at += multibootModuleSize
		}
	}
	if flags&multibootHasMap != 0 {
		at := m.addr32(info + multibootMap)
		// All entries have one size in practice, and the list of those of
		// another would be no list to addMap.
		size := m.addr32(at+multibootEntrySize) + 4
		if size > multibootEntryType {
			b.addMap(m, memoryMap{
				first: at, n: m.addr32(info+multibootMapLength) / size, size: size,
				base: multibootEntryBase, length: multibootEntryLen, kind: multibootEntryType,
			})
		}
	}
	if flags&multibootHasName != 0 {
		const qemu = 'q' | 'e'<<8 | 'm'<<16 | 'u'<<24
		b.Named = m.Uint32(m.addr32(info+multibootLoaderName)) == qemu
	}
	if flags&multibootHasLine != 0 {
		return b.readLine(m, m.addr32(info+multibootLine))
	}
	return ""
}

// Multiboot2 Specification 2.0, 3.6: the magic number, and the information, which
// is a list of tags, each of them aligned to 8 bytes.
const (
	Multiboot2        = 0x36d76289
	multiboot2Size    = 0 // of the whole
	multiboot2First   = 8
	multiboot2TagSize = 4
	multiboot2Tag     = 8 // its contents

	multiboot2Line    = 1
	multiboot2Module  = 3
	multiboot2Map     = 6
	multiboot2OldACPI = 14
	multiboot2ACPI    = 15

	multiboot2EntrySize   = 0 // in the tag of the map
	multiboot2Entries     = 8
	multiboot2EntryBase   = 0
	multiboot2EntryLength = 8
	multiboot2EntryType   = 16
)

func (b *Boot) readMultiboot2(m Memory, info uint64) (problem string) {
	const mostTags = 1024
	list := m.Part(info, m.addr32(info+multiboot2Size))
	at := uint64(multiboot2First)
	for range mostTags {
		size := list.addr32(at + multiboot2TagSize)
		tag := list.Part(at, size)
		if size < multiboot2Tag || tag == nil {
			break
		}
		switch tag.Uint32(0) {
		case multiboot2Module:
			problem = b.addModule(Range{tag.addr32(multiboot2Tag), tag.addr32(multiboot2Tag + 4)})
		case multiboot2Map:
			contents := tag[multiboot2Tag:]
			if entry := contents.addr32(multiboot2EntrySize); entry > multiboot2EntryType && len(contents) > multiboot2Entries {
				b.addMap(contents, memoryMap{
					first: multiboot2Entries, n: uint64(len(contents)-multiboot2Entries) / entry, size: entry,
					base: multiboot2EntryBase, length: multiboot2EntryLength, kind: multiboot2EntryType,
				})
			}
		case multiboot2Line:
			problem = b.readLine(tag, multiboot2Tag)
		case multiboot2OldACPI, multiboot2ACPI:
			b.RSDP = info + at + multiboot2Tag
		}
		if problem != "" {
			return problem
		}
		at += (size + 7) &^ 7
	}
	return ""
}
