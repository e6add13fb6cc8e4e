package virtio

import (
	"ringo.dev/ringo/drivers/virtio/spec"
	"ringo.dev/ringo/rt"
)

// Registers accesses the 32-bit registers of a virtio-mmio device, by offset in
// its register page.
type Registers interface {
	Load32(off uintptr) uint32
	Store32(off uintptr, v uint32)
	StoreSoon32(off uintptr, v uint32) // see rt.StoreSoon
}

// Page is the address of a register page, as in abi.Device.
type Page uintptr

// Load32 implements Registers.
func (p Page) Load32(off uintptr) uint32 { return rt.Load32(uintptr(p) + off) }

// Store32 implements Registers.
func (p Page) Store32(off uintptr, v uint32) { rt.Store32(uintptr(p)+off, v) }

// StoreSoon32 implements Registers.
func (p Page) StoreSoon32(off uintptr, v uint32) { rt.StoreSoon(uintptr(p)+off, v) }

// mmio is the memory-mapped transport, version 2 (4.2).
type mmio struct {
	r        Registers
	id       uint32
	features uint64 // offered; 0: not read yet
}

// NewMMIO returns the transport with the registers r.
func NewMMIO(r Registers) (Transport, error) {
	if r.Load32(spec.MMIOMagicValue) != spec.MMIOMagic {
		return nil, deviceError("no virtio-mmio register page at this address")
	}
	m := &mmio{r: r, id: r.Load32(spec.MMIODeviceID)}
	if m.id == 0 {
		return nil, deviceError("no device behind this virtio-mmio register page")
	}
	switch r.Load32(spec.MMIOVersion) {
	case 1:
		return legacyMMIO{m}, nil
	case 2:
		return m, nil
	}
	return nil, deviceError("the virtio-mmio device is of an unknown version")
}

func (m *mmio) DeviceID() uint32 { return m.id }
func (m *mmio) vendor() uint32   { return m.r.Load32(spec.MMIOVendorID) }

func (m *mmio) Features() uint64 {
	if m.features != 0 {
		return m.features
	}
	for i := range uint32(2) {
		m.r.Store32(spec.MMIODeviceFeaturesSel, i)
		m.features |= uint64(m.r.Load32(spec.MMIODeviceFeatures)) << (32 * i)
	}
	return m.features
}

func (m *mmio) SetFeatures(f uint64) {
	for i := range uint32(2) {
		m.r.Store32(spec.MMIODriverFeaturesSel, i)
		m.r.Store32(spec.MMIODriverFeatures, uint32(f>>(32*i)))
	}
}

func (m *mmio) Status() uint8     { return uint8(m.r.Load32(spec.MMIOStatus)) }
func (m *mmio) SetStatus(s uint8) { m.r.Store32(spec.MMIOStatus, uint32(s)) }

func (m *mmio) QueueMax(q int) int {
	m.r.Store32(spec.MMIOQueueSel, uint32(q))
	return int(min(m.r.Load32(spec.MMIOQueueNumMax), spec.MaxQueueSize))
}

func (m *mmio) EnableQueue(q, size int, desc, avail, used uint64) {
	m.r.Store32(spec.MMIOQueueSel, uint32(q))
	m.r.Store32(spec.MMIOQueueNum, uint32(size))
	for _, a := range [...]struct {
		reg  uintptr
		addr uint64
	}{
		{spec.MMIOQueueDescLow, desc},
		{spec.MMIOQueueDriverLow, avail},
		{spec.MMIOQueueDeviceLow, used},
	} {
		m.r.Store32(a.reg, uint32(a.addr))
		m.r.Store32(a.reg+4, uint32(a.addr>>32))
	}
	m.r.Store32(spec.MMIOQueueReady, 1)
}

func (m *mmio) Notify(q int) { m.r.Store32(spec.MMIOQueueNotify, uint32(q)) }

// NotifySoon implements Transport. There is one register for all queues, of
// which one transmits.
func (m *mmio) NotifySoon(q int) { m.r.StoreSoon32(spec.MMIOQueueNotify, uint32(q)) }

// Config reads whole aligned words and cuts the field out: that rt offers no
// narrower access bothers no device, though 4.2.2.2 asks for it.
func (m *mmio) Config(off, n int) uint32 {
	v := m.r.Load32(spec.MMIOConfig+uintptr(off&^3)) >> (8 * uint(off&3))
	if n < 4 {
		v &= 1<<(8*uint(n)) - 1
	}
	return v
}
