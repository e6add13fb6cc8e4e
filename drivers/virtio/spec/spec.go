// Package spec is the part of virtio 1.x ("the specification") that a driver
// and a device must agree on: numbers, and the layout of what both see in
// memory. Ringo's guest drivers (drivers/virtio) and its device models
// (vmm/virtio) both build on it. Section numbers are those of virtio 1.2.
package spec

// Device IDs (5.).
const (
	DeviceNet     = 1
	DeviceBlock   = 2
	DeviceConsole = 3
	DeviceRNG     = 4
	DeviceFS      = 26
)

// Device status bits (2.1).
const (
	StatusAcknowledge = 1
	StatusDriver      = 2
	StatusDriverOK    = 4
	StatusFeaturesOK  = 8
	StatusNeedsReset  = 64
	StatusFailed      = 128
)

// Feature bits for every device (6.), as masks.
const (
	FeatureIndirect = 1 << 28
	FeatureEventIdx = 1 << 29
	FeatureVersion1 = 1 << 32
	// FeaturePlatform: the device reaches memory as the platform says, by an IOMMU
	// if one is set up.
	FeaturePlatform = 1 << 33
)

// Registers of the MMIO transport, version 2 (4.2.2): offsets in the register
// page. All are 32 bits wide, but for the device's own from MMIOConfig on.
const (
	MMIOMagicValue        = 0x000
	MMIOVersion           = 0x004
	MMIODeviceID          = 0x008
	MMIOVendorID          = 0x00c
	MMIODeviceFeatures    = 0x010
	MMIODeviceFeaturesSel = 0x014
	MMIODriverFeatures    = 0x020
	MMIODriverFeaturesSel = 0x024
	MMIOQueueSel          = 0x030
	MMIOQueueNumMax       = 0x034
	MMIOQueueNum          = 0x038
	MMIOQueueReady        = 0x044
	MMIOQueueNotify       = 0x050
	MMIOInterruptStatus   = 0x060
	MMIOInterruptACK      = 0x064
	MMIOStatus            = 0x070
	MMIOQueueDescLow      = 0x080
	MMIOQueueDescHigh     = 0x084
	MMIOQueueDriverLow    = 0x090
	MMIOQueueDriverHigh   = 0x094
	MMIOQueueDeviceLow    = 0x0a0
	MMIOQueueDeviceHigh   = 0x0a4
	MMIOConfigGeneration  = 0x0fc
	MMIOConfig            = 0x100

	MMIOMagic = 0x74726976 // "virt"

	// MMIOVendorRingo is the vendor of ringo's own devices ("RNGO"). Of those,
	// a disk's flush covers all writes that were made available before it, also
	// those that are not completed yet.
	MMIOVendorRingo = 0x4f474e52
)

// Registers that only version 1 of the MMIO transport has (4.2.4).
const (
	MMIOGuestPageSize = 0x028
	MMIOQueueAlign    = 0x03c
	MMIOQueuePFN      = 0x040 // the queue's address by MMIOGuestPageSize
)

// A console with one port: its queues (5.3.2), a feature bit as a mask (5.3.3),
// and offsets in its configuration space (5.3.4).
const (
	ConsoleQueueRX = 0
	ConsoleQueueTX = 1

	ConsoleSize = 1 << 0 // the size of the terminal is in the configuration

	ConsoleConfigColumns = 0 // 16 bits
	ConsoleConfigRows    = 2 // 16 bits
)
