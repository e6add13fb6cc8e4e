// Package device is what the VMM and its device models know of each other: a
// Device answers register accesses of the guest, and a Host gives it the
// guest's memory, its doorbells and a way to wake the guest. It depends on
// nothing else, so that devices are built and tested without a VM.
package device

import "os"

// RegisterSize is the size in bytes of a device's register page.
const RegisterSize = 4096

// QueueNotify is the register whose writes become doorbells (virtio-mmio,
// virtio 1.x section 4.2.2). The VMM answers them itself: a 4-byte write of
// queue number n makes Host.Doorbells[n] readable without an exit.
const QueueNotify = 0x50

// Device is one virtio-mmio device. Everything that the guest says through it
// is hostile input.
type Device interface {
	// ID is the virtio device ID (virtio 1.x section 5).
	ID() uint32
	// Features are those that it offers, or 0 if the guest has to look.
	Features() uint64
	// Queues is the number of virtqueues, and so of doorbells.
	Queues() int
	// Start is called once, before the guest runs. h stays valid until Stop returns.
	Start(h *Host) error
	// ReadRegister and WriteRegister access size (1, 2, 4 or 8) bytes at offset
	// off of the register page; off+size is within RegisterSize. They are
	// called on vCPU threads, several at a time, and hold up the vCPU.
	ReadRegister(off uint64, size int) uint64
	WriteRegister(off uint64, size int, v uint64)
	// Poll serves what the guest has asked for without a doorbell. It is called
	// on a vCPU's thread when that vCPU goes to sleep. It may return a
	// descriptor: when that becomes readable before EndPoll is called, Poll is
	// to be called again, as the device has then left it to the vCPU to notice
	// what comes in. Otherwise it returns -1, and EndPoll is not called.
	Poll() int
	EndPoll()
	// Stop ends the device's goroutines and waits for them. It is called once,
	// after the last vCPU has stopped, if Start succeeded.
	Stop()
}

// Host is what the VMM gives a device.
type Host struct {
	Memory Memory
	// Doorbells has one eventfd per queue, in non-blocking mode: an 8-byte Read
	// waits for a doorbell. The VMM closes them before it calls Stop, which
	// makes a waiting Read return.
	Doorbells []*os.File
	// Interrupt tells the guest that a used ring moved: it wakes a vCPU that
	// waits; if none does, the next wait returns at once. It never blocks.
	Interrupt func()
	// Fail ends the VM because the guest broke the device's protocol. It does
	// not wait for that.
	Fail func(error)
}

// Memory is the guest's memory as devices reach it: by guest-virtual address,
// checked against what the guest itself may do there.
type Memory interface {
	// Slices appends to dst the host memory behind the n bytes at addr, in
	// order; a buffer that is not contiguous in the host yields several pieces.
	// It fails, with nothing appended, if any of it is not mapped in the guest
	// (or not writable, when write is set). Pages that the guest has not yet
	// touched are faulted in.
	//
	// The guest may read and write the pieces meanwhile: read each word once.
	// Pieces stay memory of the guest until the VM is closed, but when the
	// guest unmaps the address they may turn up elsewhere in it: do not keep
	// them beyond a request. (Those of a ring, and of a buffer that waits to be
	// filled, are kept: a guest that unmaps them harms itself.)
	Slices(dst [][]byte, addr, n uint64, write bool) ([][]byte, error)
}
