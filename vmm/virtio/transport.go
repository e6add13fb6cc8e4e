// Package virtio has the VMM's models of virtio devices: network card, disk, file
// system, entropy source and console, behind virtio-mmio registers (virtio 1.x).
//
// A Device is the transport; a model is what makes it one kind of device. The
// model's goroutines take requests from virtqueues (queue), whose code alone
// follows the guest's addresses, and checks all of them. A guest that breaks
// the protocol is reported with device.Host.Fail, which ends it.
package virtio

import (
	"errors"
	"fmt"
	"sync"

	"ringo.dev/ringo/drivers/virtio/spec"
	"ringo.dev/ringo/vmm/device"
)

// model is one kind of device.
type model interface {
	id() uint32
	// features are those offered, apart from the transport's and the queues'.
	features() uint64
	// queueSizes are the largest sizes of the queues.
	queueSizes() []int
	// config is the content of the device's configuration space.
	config() []byte
	// start begins service with the agreed features. All queues are set up.
	start(features uint64, queues []*queue) error
	// stop ends it, and waits for all goroutines that use the queues. They
	// have been told: waiting for a doorbell fails.
	stop()
}

// poller is a model that brings the guest something from outside.
type poller interface {
	// poll and endPoll are Poll and EndPoll of device.Device.
	poll() int
	endPoll()
}

const (
	mmioVersion = 2

	transportFeatures = spec.FeatureVersion1 | spec.FeatureEventIdx | spec.FeatureIndirect
)

// Device is a virtio-mmio device (4.2). It implements device.Device.
type Device struct {
	model model
	host  *device.Host

	mu        sync.RWMutex // guards what follows; Poll holds it for reading
	status    uint32
	offerSel  uint32
	acceptSel uint32
	accepted  uint64 // features that the driver asked for
	queueSel  uint32
	setups    []setup
	queues    []*queue // nil while not ready
	running   bool
}

var _ device.Device = (*Device)(nil)

// setup is what the driver has written about a queue.
type setup struct {
	size              uint32
	desc, avail, used uint64
}

func newDevice(m model) *Device {
	d := &Device{model: m}
	d.clear()
	return d
}

// ID implements device.Device.
func (d *Device) ID() uint32 { return d.model.id() }

// Queues implements device.Device.
func (d *Device) Queues() int { return len(d.model.queueSizes()) }

// Start implements device.Device.
func (d *Device) Start(h *device.Host) error {
	if len(h.Doorbells) != d.Queues() {
		return fmt.Errorf("virtio device %d: %d doorbells for %d queues", d.ID(), len(h.Doorbells), d.Queues())
	}
	d.host = h
	return nil
}

// Poll implements device.Device.
func (d *Device) Poll() int {
	d.mu.RLock()
	defer d.mu.RUnlock()
	if !d.running {
		return -1
	}
	for _, q := range d.queues {
		q.poll()
	}
	if p, ok := d.model.(poller); ok {
		return p.poll()
	}
	return -1
}

// EndPoll implements device.Device.
func (d *Device) EndPoll() { d.model.(poller).endPoll() }

// Stop implements device.Device.
func (d *Device) Stop() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.reset()
}

// reset ends service and forgets everything that the driver has set up.
func (d *Device) reset() {
	if d.running {
		for _, q := range d.queues {
			q.stop()
		}
		d.model.stop()
		d.running = false
	}
	d.clear()
}

func (d *Device) clear() {
	d.status, d.offerSel, d.acceptSel, d.accepted, d.queueSel = 0, 0, 0, 0, 0
	d.queues = make([]*queue, d.Queues())
	d.setups = make([]setup, d.Queues())
}

// ReadRegister implements device.Device.
func (d *Device) ReadRegister(off uint64, size int) uint64 {
	if off >= spec.MMIOConfig {
		return d.readConfig(off-spec.MMIOConfig, size)
	}
	if size != 4 {
		return 0
	}
	d.mu.RLock()
	defer d.mu.RUnlock()
	switch off {
	case spec.MMIOMagicValue:
		return spec.MMIOMagic
	case spec.MMIOVersion:
		return mmioVersion
	case spec.MMIODeviceID:
		return uint64(d.ID())
	case spec.MMIOVendorID:
		return spec.MMIOVendorRingo
	case spec.MMIODeviceFeatures:
		return half(d.Features(), d.offerSel)
	case spec.MMIOQueueNumMax:
		if d.queueSel < uint32(len(d.setups)) {
			return uint64(d.model.queueSizes()[d.queueSel])
		}
	case spec.MMIOQueueReady:
		if d.queueSel < uint32(len(d.queues)) && d.queues[d.queueSel] != nil {
			return 1
		}
	case spec.MMIOStatus:
		return uint64(d.status)
	}
	return 0
}

// readConfig reads the device's configuration space, little endian. There is
// nothing beyond its end.
func (d *Device) readConfig(off uint64, size int) uint64 {
	c := d.model.config()
	var v uint64
	for i := range uint64(size) {
		if off+i < uint64(len(c)) {
			v |= uint64(c[off+i]) << (8 * i)
		}
	}
	return v
}

// Features implements device.Device.
func (d *Device) Features() uint64 { return d.model.features() | transportFeatures }

// half returns 32 bits of a feature word.
func half(f uint64, sel uint32) uint64 {
	if sel > 1 {
		return 0
	}
	return f >> (32 * sel) & 0xffffffff
}

// WriteRegister implements device.Device. Registers that cannot be written, or
// not now, ignore it.
func (d *Device) WriteRegister(off uint64, size int, v uint64) {
	if size != 4 {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	w := uint32(v)
	switch off {
	case spec.MMIODeviceFeaturesSel:
		d.offerSel = w
	case spec.MMIODriverFeaturesSel:
		d.acceptSel = w
	case spec.MMIODriverFeatures:
		if d.status&spec.StatusFeaturesOK == 0 && d.acceptSel <= 1 {
			shift := 32 * d.acceptSel
			d.accepted = d.accepted&^(0xffffffff<<shift) | uint64(w)<<shift
		}
	case spec.MMIOQueueSel:
		d.queueSel = w
	case spec.MMIOStatus:
		d.writeStatus(w)
	default:
		if d.queueSel < uint32(len(d.queues)) && !d.running {
			d.writeQueue(off, int(d.queueSel), w)
		}
	}
}

// writeQueue handles the registers of queue i.
func (d *Device) writeQueue(off uint64, i int, w uint32) {
	s := &d.setups[i]
	switch off {
	case spec.MMIOQueueNum:
		s.size = w
	case spec.MMIOQueueDescLow:
		setLow(&s.desc, w)
	case spec.MMIOQueueDescHigh:
		setHigh(&s.desc, w)
	case spec.MMIOQueueDriverLow:
		setLow(&s.avail, w)
	case spec.MMIOQueueDriverHigh:
		setHigh(&s.avail, w)
	case spec.MMIOQueueDeviceLow:
		setLow(&s.used, w)
	case spec.MMIOQueueDeviceHigh:
		setHigh(&s.used, w)
	case spec.MMIOQueueReady:
		d.queues[i] = nil
		if w != 1 {
			return
		}
		q, err := newQueue(d.host, i, d.model.queueSizes()[i], *s, d.accepted)
		if err != nil {
			d.fail(err)
			return
		}
		d.queues[i] = q
	}
}

func setLow(a *uint64, w uint32)  { *a = *a&^0xffffffff | uint64(w) }
func setHigh(a *uint64, w uint32) { *a = *a&0xffffffff | uint64(w)<<32 }

// writeStatus handles the device status (2.1, 3.1).
func (d *Device) writeStatus(w uint32) {
	if w == 0 {
		d.reset()
		return
	}
	added := w &^ d.status
	d.status |= added
	if added&spec.StatusFeaturesOK != 0 && (d.accepted&^d.Features() != 0 || d.accepted&spec.FeatureVersion1 == 0) {
		d.status &^= spec.StatusFeaturesOK
	}
	if added&spec.StatusDriverOK == 0 {
		return
	}
	if err := d.run(); err != nil {
		d.fail(err)
	}
}

// run starts the model.
func (d *Device) run() error {
	if d.status&spec.StatusFeaturesOK == 0 {
		return errors.New("the driver starts it before agreeing on features")
	}
	for i, q := range d.queues {
		if q == nil {
			return fmt.Errorf("the driver starts it without queue %d", i)
		}
	}
	if err := d.model.start(d.accepted, d.queues); err != nil {
		return err
	}
	d.running = true
	return nil
}

// fail ends the guest for what it did.
func (d *Device) fail(err error) {
	d.status |= spec.StatusNeedsReset
	d.host.Fail(fmt.Errorf("virtio device %d: %w", d.ID(), err))
}
