//go:build ringo

package runtime

// PVH, by which Xen, QEMU, Firecracker and Cloud Hypervisor boot (Xen's
// xen/include/public/arch-x86/hvm/start_info.h): offsets in the start
// information, and those in an entry of the memory map and of the list of
// modules.
const (
	ringoPVH        = 0x336ec578
	pvhVersion      = 4
	pvhModules      = 12
	pvhModuleList   = 16
	pvhLine         = 24
	pvhRSDP         = 32
	pvhMap          = 40
	pvhMapEntries   = 48
	pvhEntrySize    = 24
	pvhEntryLength  = 8
	pvhEntryType    = 16
	pvhModuleSize   = 32
	pvhModuleLength = 8
)

func ringoReadPVH(info uintptr) {
	ringoReadRSDP(ringoPhys64(info + pvhRSDP))
	at := ringoPhys64(info + pvhModuleList)
	for n := ringoPhys32(info + pvhModules); n > 0; n-- {
		start := ringoPhys64(at)
		ringoAddModule(start, start+ringoPhys64(at+pvhModuleLength))
		at += pvhModuleSize
	}
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
