package virtio

import (
	"ringo.dev/ringo/drivers/pci"
	"ringo.dev/ringo/drivers/virtio/spec"
	"ringo.dev/ringo/rt"
)

// Legacy transports: those from before virtio 1.0, which VirtualBox, older
// clouds and QEMU's microvm by default have. A queue's areas are at one address.

// legacyMMIO is the memory-mapped transport, version 1 (4.2.4).
type legacyMMIO struct{ *mmio }

func (legacyMMIO) Legacy() bool { return true }

func (m legacyMMIO) Features() uint64 { return uint64(uint32(m.features)) }

func (m legacyMMIO) SetFeatures(f uint64) {
	m.store(spec.MMIODriverFeaturesSel, 0)
	m.store(spec.MMIODriverFeatures, uint32(f))
	m.store(spec.MMIOGuestPageSize, spec.LegacyPage)
}

func (m legacyMMIO) EnableQueue(q, size int, desc, avail, used uint64) {
	m.store(spec.MMIOQueueSel, uint32(q))
	m.store(spec.MMIOQueueNum, uint32(size))
	m.store(spec.MMIOQueueAlign, spec.LegacyPage)
	m.store(spec.MMIOQueuePFN, uint32(desc/spec.LegacyPage))
}

// legacyPCI is virtio over PCI by I/O ports (4.1.4.8).
type legacyPCI struct {
	id     uint32
	base   uint16
	config uint16 // port of the device's own configuration
	msix   bool
}

// newLegacyPCI returns the transport for a legacy or transitional device on the
// PCI bus, and false if it is none.
func newLegacyPCI(d *pci.Device) (Transport, bool) {
	bar := d.BAR(0)
	if !bar.IO || bar.Addr == 0 || bar.Addr > 0xff00 {
		return nil, false
	}
	t := &legacyPCI{id: virtioID(d), base: uint16(bar.Addr)}
	d.Enable(pci.CommandIO | pci.CommandMemory | pci.CommandMaster)
	t.config = t.base + spec.LegacyConfig
	if t.msix = d.EnableMSIX(); t.msix {
		t.config = t.base + spec.LegacyConfigMSIX
	} else {
		rt.ConnectLine(d.Line(), rt.AckPort8, uintptr(t.base+spec.LegacyISR))
	}
	return t, true
}

func (*legacyPCI) Legacy() bool      { return true }
func (*legacyPCI) FixedQueues() bool { return true }

func (t *legacyPCI) DeviceID() uint32 { return t.id }
func (t *legacyPCI) Features() uint64 { return uint64(rt.In32(t.base + spec.LegacyDeviceFeatures)) }

func (t *legacyPCI) SetFeatures(f uint64) { rt.Out32(t.base+spec.LegacyDriverFeatures, uint32(f)) }
func (t *legacyPCI) Status() uint8        { return rt.In8(t.base + spec.LegacyStatus) }
func (t *legacyPCI) SetStatus(s uint8)    { rt.Out8(t.base+spec.LegacyStatus, s) }

func (t *legacyPCI) QueueMax(q int) int {
	rt.Out16(t.base+spec.LegacyQueueSelect, uint16(q))
	return int(rt.In16(t.base + spec.LegacyQueueSize))
}

func (t *legacyPCI) EnableQueue(q, size int, desc, avail, used uint64) {
	rt.Out16(t.base+spec.LegacyQueueSelect, uint16(q))
	if t.msix {
		rt.Out16(t.base+spec.LegacyQueueVector, 0)
	}
	rt.Out32(t.base+spec.LegacyQueuePFN, uint32(desc/spec.LegacyPage))
}

func (t *legacyPCI) Notify(q int)     { rt.Out16(t.base+spec.LegacyQueueNotify, uint16(q)) }
func (t *legacyPCI) NotifySoon(q int) { t.Notify(q) }

// Config reads byte by byte, which every device allows.
func (t *legacyPCI) Config(off, n int) uint32 {
	v := uint32(0)
	for i := range n {
		v |= uint32(rt.In8(t.config+uint16(off+i))) << (8 * i)
	}
	return v
}
