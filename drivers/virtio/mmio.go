package virtio

import (
	"ringo.dev/ringo/drivers/virtio/spec"
	"ringo.dev/ringo/rt"
	"ringo.dev/ringo/vmm/abi"
)

// Registers accesses the 32-bit registers of a virtio-mmio device, by offset in
// its register page.
type Registers interface {
	// Access makes accesses in their order. It is not for doorbells.
	Access(list []abi.Access)
	Store32(off uintptr, v uint32)
	StoreSoon32(off uintptr, v uint32) // see rt.StoreSoon
}

// Page is the address of a register page, as in abi.Device.
type Page uintptr

// Access implements Registers.
func (p Page) Access(list []abi.Access) {
	for i := range list {
		list[i].Addr += uint64(p)
	}
	rt.Access(list)
}

// Store32 implements Registers.
func (p Page) Store32(off uintptr, v uint32) { rt.Store32(uintptr(p)+off, v) }

// StoreSoon32 implements Registers.
func (p Page) StoreSoon32(off uintptr, v uint32) { rt.StoreSoon(uintptr(p)+off, v) }

// mmio is the memory-mapped transport, version 2 (4.2).
//
// What is written is posted: it reaches the device with the next register that is
// read, or when the driver has finished, as each access by itself may be an exit.
type mmio struct {
	r        Registers
	id       uint32
	features uint64       // offered
	posted   []abi.Access // writes that wait
	ahead    *ahead       // what Status has read, until the status is written; or nil
}

// ahead is what a driver reads when the device has accepted its features, but for what
// seldom matters.
type ahead struct {
	queueMax [2]uint32
	config   [3]uint32
}

// NewMMIO returns the transport with the registers r. What is wanted of every device is
// read at once.
func NewMMIO(r Registers) (Transport, error) {
	m := newMMIO(r, 0, 0)
	magic, id, version := m.loadSoon(spec.MMIOMagicValue), m.loadSoon(spec.MMIODeviceID), m.loadSoon(spec.MMIOVersion)
	m.store(spec.MMIODeviceFeaturesSel, 1)
	high := m.loadSoon(spec.MMIODeviceFeatures)
	m.store(spec.MMIODeviceFeaturesSel, 0)
	low := m.load32(spec.MMIODeviceFeatures)
	m.id, m.features = id.Value, uint64(high.Value)<<32|uint64(low)
	if magic.Value != spec.MMIOMagic {
		return nil, deviceError("no virtio-mmio register page at this address")
	}
	if m.id == 0 {
		return nil, deviceError("no device behind this virtio-mmio register page")
	}
	switch version.Value {
	case 1:
		return legacyMMIO{m}, nil
	case 2:
		return m, nil
	}
	return nil, deviceError("the virtio-mmio device is of an unknown version")
}

// openMMIO returns the transport of a device that the platform knows of. What the
// platform says about it need not be read.
func openMMIO(d *abi.Device) (Transport, error) {
	if d.Features == 0 {
		return NewMMIO(Page(d.Addr))
	}
	return newMMIO(Page(d.Addr), uint32(d.ID), d.Features), nil
}

func newMMIO(r Registers, id uint32, features uint64) *mmio {
	return &mmio{r: r, id: id, features: features, posted: make([]abi.Access, 0, abi.MaxAccess)}
}

// store posts a write.
func (m *mmio) store(off uintptr, v uint32) {
	if len(m.posted) == cap(m.posted) {
		m.flush()
	}
	m.posted = append(m.posted, abi.Access{Addr: uint64(off), Value: v, Write: 1})
}

// flush makes the writes that wait.
func (m *mmio) flush() {
	m.r.Access(m.posted)
	m.posted = m.posted[:0]
}

// load reads registers, after the writes that wait. The answer is good until the
// next access.
func (m *mmio) load(offs ...uintptr) []abi.Access {
	if len(m.posted)+len(offs) > cap(m.posted) {
		m.flush()
	}
	first := len(m.posted)
	for _, off := range offs {
		m.posted = append(m.posted, abi.Access{Addr: uint64(off)})
	}
	read := m.posted[first:]
	m.flush()
	return read
}

// maxAhead is the most accesses from one that loadSoon posts to the end of the next load.
const maxAhead = 8

// loadSoon posts a read: the answer is there after the next load.
func (m *mmio) loadSoon(off uintptr) *abi.Access {
	if len(m.posted)+maxAhead > cap(m.posted) {
		m.flush()
	}
	m.posted = append(m.posted, abi.Access{Addr: uint64(off)})
	return &m.posted[len(m.posted)-1]
}

func (m *mmio) load32(off uintptr) uint32 { return m.load(off)[0].Value }

func (m *mmio) Legacy() bool      { return false }
func (m *mmio) FixedQueues() bool { return false }

func (m *mmio) DeviceID() uint32 { return m.id }
func (m *mmio) vendor() uint32   { return m.load32(spec.MMIOVendorID) }

func (m *mmio) Features() uint64 { return m.features }

func (m *mmio) SetFeatures(f uint64) {
	for i := range uint32(2) {
		m.store(spec.MMIODriverFeaturesSel, i)
		m.store(spec.MMIODriverFeatures, uint32(f>>(32*i)))
	}
}

// Status reads ahead, too: each load may be an exit.
func (m *mmio) Status() uint8 {
	m.store(spec.MMIOQueueSel, 1)
	second := m.loadSoon(spec.MMIOQueueNumMax)
	m.store(spec.MMIOQueueSel, 0)
	v := m.load(spec.MMIOQueueNumMax, spec.MMIOStatus, spec.MMIOConfig, spec.MMIOConfig+4, spec.MMIOConfig+8)
	m.ahead = &ahead{
		queueMax: [...]uint32{v[0].Value, second.Value},
		config:   [...]uint32{v[2].Value, v[3].Value, v[4].Value},
	}
	return uint8(v[1].Value)
}

func (m *mmio) SetStatus(s uint8) {
	m.ahead = nil
	m.store(spec.MMIOStatus, uint32(s))
	if s&(spec.StatusDriverOK|spec.StatusFailed) != 0 {
		m.flush()
	}
}

func (m *mmio) QueueMax(q int) int {
	if m.ahead != nil && q < len(m.ahead.queueMax) {
		return int(min(m.ahead.queueMax[q], spec.MaxQueueSize))
	}
	m.store(spec.MMIOQueueSel, uint32(q))
	return int(min(m.load32(spec.MMIOQueueNumMax), spec.MaxQueueSize))
}

func (m *mmio) EnableQueue(q, size int, desc, avail, used uint64) {
	m.store(spec.MMIOQueueSel, uint32(q))
	m.store(spec.MMIOQueueNum, uint32(size))
	for _, a := range [...]struct {
		reg  uintptr
		addr uint64
	}{
		{spec.MMIOQueueDescLow, desc},
		{spec.MMIOQueueDriverLow, avail},
		{spec.MMIOQueueDeviceLow, used},
	} {
		m.store(a.reg, uint32(a.addr))
		m.store(a.reg+4, uint32(a.addr>>32))
	}
	m.store(spec.MMIOQueueReady, 1)
}

func (m *mmio) Notify(q int) { m.r.Store32(spec.MMIOQueueNotify, uint32(q)) }

// NotifySoon implements Transport. There is one register for all queues, of
// which one transmits.
func (m *mmio) NotifySoon(q int) { m.r.StoreSoon32(spec.MMIOQueueNotify, uint32(q)) }

// Config reads whole aligned words and cuts the field out: that rt offers no
// narrower access bothers no device, though 4.2.2.2 asks for it.
func (m *mmio) Config(off, n int) uint32 {
	var v uint32
	if word := off / 4; m.ahead != nil && word < len(m.ahead.config) {
		v = m.ahead.config[word]
	} else {
		v = m.load32(spec.MMIOConfig + uintptr(off&^3))
	}
	v >>= 8 * uint(off&3)
	if n < 4 {
		v &= 1<<(8*uint(n)) - 1
	}
	return v
}
