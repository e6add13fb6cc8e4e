package virtio

import (
	"ringo.dev/ringo/drivers/pci"
	"ringo.dev/ringo/drivers/virtio/spec"
	"ringo.dev/ringo/rt"
)

// pciTransport is virtio over PCI (4.1), by the capabilities of virtio 1.0.
type pciTransport struct {
	id         uint32
	common     uintptr // the common configuration
	device     uintptr // the device's own configuration; 0: none
	notify     uintptr // where the doorbells are
	multiplier uint32  // distance of doorbells
	doorbell   []uintptr
	msix       bool
}

// virtioID returns the virtio device ID of a PCI device, 0 if it has none.
func virtioID(d *pci.Device) uint32 {
	switch {
	case d.Vendor != spec.PCIVendor:
	case d.ID >= spec.PCIModern && d.ID <= spec.PCIModern+0x3f:
		return uint32(d.ID - spec.PCIModern)
	case d.ID >= spec.PCITransitional && d.ID < spec.PCIModern:
		return uint32(d.Subsystem)
	}
	return 0
}

// newPCI returns the transport for a virtio device on the PCI bus, and false if
// the device is none that this driver can use.
func newPCI(d *pci.Device) (Transport, bool) {
	t := &pciTransport{id: virtioID(d)}
	var isr uintptr
	for id, at := range d.Capabilities() {
		if id != pci.CapVendor {
			continue
		}
		kind := uint8(d.Read32(at) >> 24)
		bar := int(d.Read8(at + spec.PCICapBAR))
		off, n := uint64(d.Read32(at+spec.PCICapOffset)), uint64(d.Read32(at+spec.PCICapLength))
		if bar > 5 {
			continue
		}
		switch {
		case kind == spec.PCICommon && t.common == 0 && n >= spec.PCICommonSize:
			t.common = d.Map(bar, off, n)
		case kind == spec.PCINotify && t.notify == 0:
			t.notify = d.Map(bar, off, n)
			t.multiplier = d.Read32(at + spec.PCICapMultiplier)
		case kind == spec.PCIISR && isr == 0:
			isr = d.Map(bar, off, n)
		case kind == spec.PCIDevice && t.device == 0:
			t.device = d.Map(bar, off, n)
		}
	}
	if t.common == 0 || t.notify == 0 {
		return nil, false
	}
	d.Enable(pci.CommandMemory | pci.CommandMaster)
	if t.msix = d.EnableMSIX(); !t.msix && isr != 0 {
		rt.ConnectLine(d.Line(), rt.AckLoad8, isr)
	}
	return t, true
}

func (t *pciTransport) Legacy() bool      { return false }
func (t *pciTransport) FixedQueues() bool { return false }

func (t *pciTransport) DeviceID() uint32 { return t.id }

func (t *pciTransport) Features() uint64 {
	var f uint64
	for i := range uint32(2) {
		rt.Store32(t.common+spec.PCIDeviceFeatureSelect, i)
		f |= uint64(rt.Load32(t.common+spec.PCIDeviceFeature)) << (32 * i)
	}
	return f
}

func (t *pciTransport) SetFeatures(f uint64) {
	for i := range uint32(2) {
		rt.Store32(t.common+spec.PCIDriverFeatureSelect, i)
		rt.Store32(t.common+spec.PCIDriverFeature, uint32(f>>(32*i)))
	}
}

func (t *pciTransport) Status() uint8 { return rt.Load8(t.common + spec.PCIDeviceStatus) }

// SetStatus waits for the end of a reset (4.1.4.3.2).
func (t *pciTransport) SetStatus(s uint8) {
	rt.Store8(t.common+spec.PCIDeviceStatus, s)
	for s == 0 && t.Status() != 0 {
	}
}

func (t *pciTransport) QueueMax(q int) int {
	rt.Store16(t.common+spec.PCIQueueSelect, uint16(q))
	return int(rt.Load16(t.common + spec.PCIQueueSize))
}

func (t *pciTransport) EnableQueue(q, size int, desc, avail, used uint64) {
	rt.Store16(t.common+spec.PCIQueueSelect, uint16(q))
	rt.Store16(t.common+spec.PCIQueueSize, uint16(size))
	if t.msix {
		rt.Store16(t.common+spec.PCIQueueMSIXVector, 0)
	}
	for _, a := range [...]struct {
		reg  uintptr
		addr uint64
	}{
		{spec.PCIQueueDesc, desc},
		{spec.PCIQueueDriver, avail},
		{spec.PCIQueueDevice, used},
	} {
		rt.Store32(t.common+a.reg, uint32(a.addr))
		rt.Store32(t.common+a.reg+4, uint32(a.addr>>32))
	}
	for len(t.doorbell) <= q {
		t.doorbell = append(t.doorbell, 0)
	}
	t.doorbell[q] = t.notify + uintptr(rt.Load16(t.common+spec.PCIQueueNotifyOff))*uintptr(t.multiplier)
	rt.Store16(t.common+spec.PCIQueueEnable, 1)
}

func (t *pciTransport) Notify(q int) { rt.Store16(t.doorbell[q], uint16(q)) }

// NotifySoon implements Transport.
func (t *pciTransport) NotifySoon(q int) { rt.StoreSoon16(t.doorbell[q], uint16(q)) }

func (t *pciTransport) Config(off, n int) uint32 {
	if t.device == 0 {
		return 0
	}
	at := t.device + uintptr(off)
	switch n {
	case 1:
		return uint32(rt.Load8(at))
	case 2:
		return uint32(rt.Load16(at))
	}
	return rt.Load32(at)
}
