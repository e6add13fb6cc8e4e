//go:build ringo

package runtime

import (
	ringoabi "ringo.dev/ringo/vmm/abi"
)

// Devices that metal itself knows: virtio over MMIO, from the command line.

// ringoMetalMMIO enters a virtio-mmio device.
func ringoMetalMMIO(addr, size uintptr, irq uint32) {
	b := &ringoMetalBoot
	if b.NDevices == ringoabi.MaxDevices {
		return
	}
	const deviceID = 8
	b.Devices[b.NDevices] = ringoabi.Device{Addr: uint64(ringoDirect + addr), Size: uint64(size)}
	b.Devices[b.NDevices].ID = uint64(ringoLoad32(ringoDirect + addr + deviceID))
	b.NDevices++
}

// ringoMetalAcknowledge lets devices take their interrupt lines back.
func ringoMetalAcknowledge() {
	const status, acknowledge = 0x60, 0x64
	b := &ringoMetalBoot
	for i := uint64(0); i < b.NDevices; i++ {
		base := uintptr(b.Devices[i].Addr)
		if v := ringoLoad32(base + status); v != 0 {
			ringoStore32(base+acknowledge, v)
		}
	}
}
