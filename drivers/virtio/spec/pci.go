package spec

// The PCI transport (4.1). Device IDs: PCIModern plus the virtio device ID; or,
// of transitional devices, from PCITransitional on, with the virtio device ID
// as the subsystem's.
const (
	PCIVendor       = 0x1af4
	PCITransitional = 0x1000
	PCIModern       = 0x1040
)

// Fields of the vendor capability that says where a structure is (4.1.4), and
// the kinds of structures.
const (
	PCICapBAR        = 4
	PCICapOffset     = 8
	PCICapLength     = 12
	PCICapMultiplier = 16 // of PCINotify only

	PCICommon = 1
	PCINotify = 2
	PCIISR    = 3
	PCIDevice = 4
)

// The common configuration structure (4.1.4.3): offsets.
const (
	PCIDeviceFeatureSelect = 0x00
	PCIDeviceFeature       = 0x04
	PCIDriverFeatureSelect = 0x08
	PCIDriverFeature       = 0x0c
	PCIDeviceStatus        = 0x14 // 8 bits
	PCIQueueSelect         = 0x16 // 16 bits, as all that follow
	PCIQueueSize           = 0x18
	PCIQueueMSIXVector     = 0x1a
	PCIQueueEnable         = 0x1c
	PCIQueueNotifyOff      = 0x1e
	PCIQueueDesc           = 0x20 // 64 bits, in two halves
	PCIQueueDriver         = 0x28
	PCIQueueDevice         = 0x30
	PCICommonSize          = 0x38
)

// Registers of legacy devices (4.1.4.8): I/O ports from BAR 0 on. The MSI-X
// vectors are there only while MSI-X is enabled; the device's own configuration
// follows.
const (
	LegacyDeviceFeatures = 0x00 // 32 bits
	LegacyDriverFeatures = 0x04
	LegacyQueuePFN       = 0x08 // the queue's address by LegacyPage
	LegacyQueueSize      = 0x0c // 16 bits
	LegacyQueueSelect    = 0x0e
	LegacyQueueNotify    = 0x10
	LegacyStatus         = 0x12 // 8 bits
	LegacyISR            = 0x13
	LegacyQueueVector    = 0x16 // 16 bits
	LegacyConfig         = 0x14
	LegacyConfigMSIX     = 0x18
)

// LegacyPage is the unit of legacy queues' addresses, and the alignment of
// their used rings.
const LegacyPage = 4096
