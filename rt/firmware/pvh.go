package firmware

// PVH, by which Xen, QEMU, Firecracker and Cloud Hypervisor boot (Xen's
// xen/include/public/arch-x86/hvm/start_info.h): the magic number, offsets in the
// start information, and those in an entry of the memory map and of the list of
// modules.
const (
	PVH             = 0x336ec578
	pvhVersion      = 4
	pvhModules      = 12
	pvhModuleList   = 16
	pvhLine         = 24
	pvhRSDP         = 32
	pvhMap          = 40
	pvhMapEntries   = 48
	pvhEntrySize    = 24
	pvhEntryBase    = 0
	pvhEntryLength  = 8
	pvhEntryType    = 16
	pvhModuleSize   = 32
	pvhModuleLength = 8
)

func (b *Boot) readPVH(m Memory, info uint64) (problem string) {
	if b.RSDP = m.Uint64(info + pvhRSDP); b.RSDP == 0 {
		b.RSDP = NoRSDP // it has looked, or made none
	}
	at := m.Uint64(info + pvhModuleList)
	for n := m.Uint32(info + pvhModules); n > 0; n-- {
		start := m.Uint64(at)
		if problem = b.addModule(Range{start, start + m.Uint64(at+pvhModuleLength)}); problem != "" {
			return problem
		}
		at += pvhModuleSize
	}
	if m.Uint32(info+pvhVersion) >= 1 {
		b.addMap(m, memoryMap{
			first: m.Uint64(info + pvhMap), n: m.addr32(info + pvhMapEntries), size: pvhEntrySize,
			base: pvhEntryBase, length: pvhEntryLength, kind: pvhEntryType,
		})
	}
	if line := m.Uint64(info + pvhLine); line != 0 {
		return b.readLine(m, line)
	}
	return ""
}
