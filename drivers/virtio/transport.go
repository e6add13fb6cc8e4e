// Package virtio holds the guest's drivers for virtio devices (virtio 1.x):
// the network card, the disk, the file system, the entropy source and the console,
// over any Transport.
//
// A driver is built in three steps: a Transport finds the registers
// (Find), negotiate agrees on features, and each virtqueue (queue) carries
// requests. All memory of a queue comes from rt.AllocDevice, all addresses
// given to a device from rt.DeviceAddr. There are no interrupts: a driver
// polls the used index, and sleeps in rt.WaitIndex.
//
// A device is not trusted: what it writes is checked, and a device that breaks
// the protocol yields an error that wraps ErrDevice, after which its driver is
// dead, and nothing else.
package virtio

import (
	"errors"

	"ringo.dev/ringo/drivers/virtio/spec"
)

// ErrDevice is wrapped by every error that is the device's fault.
var ErrDevice = errors.New("virtio: device error")

// deviceError describes what a device did wrong.
type deviceError string

func (e deviceError) Error() string { return "virtio: " + string(e) }
func (e deviceError) Unwrap() error { return ErrDevice }

// callError is an error of the driver's caller, not of the device.
type callError string

func (e callError) Error() string { return string(e) }

// Transport is how a driver reaches the registers of its device: virtio-mmio or
// virtio over PCI, each also as before virtio 1.0. Its methods are for one goroutine at a time, except
// Notify. Queues are numbered from 0, as in the device's section of the
// specification.
type Transport interface {
	// Legacy reports whether the device is as before virtio 1.0: it has the low 32
	// feature bits only, and does not confirm them.
	Legacy() bool
	// DeviceID is the virtio device ID (5.).
	DeviceID() uint32
	// Features are those that the device offers.
	Features() uint64
	// SetFeatures tells the device which of them the driver uses.
	SetFeatures(f uint64)
	// Status and SetStatus access the device status (2.1). Writing 0 resets
	// the device.
	Status() uint8
	SetStatus(s uint8)
	// QueueMax is the largest number of descriptors of queue q; 0 means that
	// there is no such queue.
	QueueMax(q int) int
	// FixedQueues reports whether queues have the size that QueueMax says, and not one
	// up to it.
	FixedQueues() bool
	// EnableQueue gives queue q its size and the device addresses of its
	// areas. desc, avail and used lie in one piece of memory in this order,
	// used aligned to 4096 bytes, as legacy devices want it.
	EnableQueue(q, size int, desc, avail, used uint64)
	// Notify rings the doorbell of queue q; NotifySoon does it before the
	// machine sleeps, or a few milliseconds later.
	Notify(q int)
	NotifySoon(q int)
	// Config reads n (1, 2 or 4) bytes at offset off of the device's own
	// configuration space.
	Config(off, n int) uint32
}

// vendored is a Transport that knows the device's vendor.
type vendored interface{ vendor() uint32 }

// negotiate resets the device and agrees on features: of those wanted the ones
// that are offered, provided that they include all that are required. The
// device is left to have its queues enabled and then be started by ready.
//
// What every device is asked for comes on top: version 1 of the specification unless
// it is legacy, and FeaturePlatform, without which a device that has it refuses to
// work. Nobody sets up an IOMMU, so its addresses are those of other devices.
func negotiate(t Transport, wanted, required uint64) (uint64, error) {
	wanted |= spec.FeaturePlatform
	if !t.Legacy() {
		required |= spec.FeatureVersion1
	}
	t.SetStatus(0)
	t.SetStatus(spec.StatusAcknowledge)
	t.SetStatus(spec.StatusAcknowledge | spec.StatusDriver)
	f := t.Features() & (wanted | required)
	if f&required != required {
		t.SetStatus(spec.StatusFailed)
		return 0, deviceError("the device lacks a feature that the driver needs")
	}
	t.SetFeatures(f)
	if t.Legacy() {
		return f, nil
	}
	t.SetStatus(spec.StatusAcknowledge | spec.StatusDriver | spec.StatusFeaturesOK)
	if t.Status()&spec.StatusFeaturesOK == 0 {
		t.SetStatus(spec.StatusFailed)
		return 0, deviceError("the device refuses the features that it offers")
	}
	return f, nil
}

// ready ends the set-up that negotiate began: the device may work, with these queues. It
// does not notify the driver before it is asked to (queue.wait).
func ready(t Transport, queues ...*queue) {
	for _, q := range queues {
		q.muffle(q.seen)
	}
	if t.Legacy() {
		t.SetStatus(spec.StatusAcknowledge | spec.StatusDriver | spec.StatusDriverOK)
		return
	}
	t.SetStatus(spec.StatusAcknowledge | spec.StatusDriver | spec.StatusFeaturesOK | spec.StatusDriverOK)
}
