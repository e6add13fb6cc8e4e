package firmware

// Linux's 64-bit boot protocol (Documentation/arch/x86/boot.rst and zero-page.rst),
// by which monitors boot that load a kernel as an ELF file: the magic number of
// the boot parameters, and offsets in them.
const (
	Linux            = 'H' | 'd'<<8 | 'r'<<16 | 'S'<<24
	linuxRSDP        = 0x070
	linuxModuleHigh  = 0x0c0
	linuxLineHigh    = 0x0c8
	linuxMapEntries  = 0x1e8 // a byte
	linuxMagic       = 0x202
	linuxModule      = 0x218
	linuxModuleSize  = 0x21c
	linuxLine        = 0x228
	linuxMap         = 0x2d0
	linuxEntrySize   = 20
	linuxEntryBase   = 0
	linuxEntryLength = 8
	linuxEntryType   = 16
)

func (b *Boot) readLinux(m Memory, info uint64) (problem string) {
	b.RSDP = m.Uint64(info + linuxRSDP)
	if size := m.addr32(info + linuxModuleSize); size != 0 {
		start := m.addr32(info+linuxModule) | m.addr32(info+linuxModuleHigh)<<32
		if problem = b.addModule(Range{start, start + size}); problem != "" {
			return problem
		}
	}
	b.addMap(m, memoryMap{
		first: info + linuxMap, n: uint64(m.Uint8(info + linuxMapEntries)), size: linuxEntrySize,
		base: linuxEntryBase, length: linuxEntryLength, kind: linuxEntryType,
	})
	if line := m.addr32(info+linuxLine) | m.addr32(info+linuxLineHigh)<<32; line != 0 {
		return b.readLine(m, line)
	}
	return ""
}
