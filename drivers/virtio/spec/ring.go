package spec

import (
	"sync/atomic"
	"unsafe"
)

// Desc is an entry of a split virtqueue's descriptor table (2.7.5).
type Desc struct {
	Addr  uint64
	Len   uint32
	Flags uint16
	Next  uint16
}

// DescSize is the size of a Desc in memory.
const DescSize = 16

// Flags of a descriptor.
const (
	DescNext     = 1 // Next is valid: the chain goes on there
	DescWrite    = 2 // the device writes the buffer; otherwise it reads it
	DescIndirect = 4 // the buffer is a table of descriptors (2.7.5.3)
)

// MaxQueueSize is the largest number of descriptors in a split virtqueue.
const MaxQueueSize = 32768

// A descriptor area has n Descs. The driver and device areas begin with a
// 32-bit word of flags (low half) and index (high half), followed by n
// elements, followed by the 16-bit index at which the other side wants to be
// notified next (2.7.6, 2.7.8, 2.7.7.1).
const (
	ringElements  = 4
	AvailElemSize = 2 // one uint16: the chain's first descriptor
	UsedElemSize  = 8 // two uint32: the chain's first descriptor, bytes written
)

// DescBytes is the size in bytes of the descriptors of a virtqueue with n of them.
func DescBytes(n int) int { return n * DescSize }

// AvailBytes is the size in bytes of such a queue's driver area.
func AvailBytes(n int) int { return ringElements + n*AvailElemSize + 2 }

// UsedBytes is the size in bytes of such a queue's device area.
func UsedBytes(n int) int { return ringElements + n*UsedElemSize + 2 }

// AvailElem is the offset of element i in the driver area.
func AvailElem(i int) int { return ringElements + i*AvailElemSize }

// UsedElem is the offset of element i in the device area.
func UsedElem(i int) int { return ringElements + i*UsedElemSize }

// AvailEvent is the offset of the index behind the device area's n elements, which the
// device writes: at which it wants to be told of the driver's.
func AvailEvent(n int) int { return UsedElem(n) }

// UsedEvent is the offset of the index behind the driver area's n elements, which the
// driver writes: at which it wants to be told of the device's.
func UsedEvent(n int) int { return AvailElem(n) }

// NeedEvent reports whether moving an index from old to now passes event, so
// that the other side wants a notification (2.7.10).
func NeedEvent(event, now, old uint16) bool {
	return now-event-1 < now-old
}

// Load16 reads the 16-bit word at p, which is 2-byte aligned, atomically.
func Load16(p unsafe.Pointer) uint16 {
	w, shift := word(p)
	return uint16(atomic.LoadUint32(w) >> shift)
}

// Store16 writes the 16-bit word at p, which is 2-byte aligned, atomically and
// as a full barrier: loads that follow it see what was written elsewhere
// before the other side saw the store. Its neighbour in the aligned 32-bit
// word around it may be written by others at the same time.
func Store16(p unsafe.Pointer, v uint16) {
	w, shift := word(p)
	for {
		old := atomic.LoadUint32(w)
		if atomic.CompareAndSwapUint32(w, old, old&^(0xffff<<shift)|uint32(v)<<shift) {
			return
		}
	}
}

// word returns the aligned 32-bit word that contains the 16 bits at p. It is
// in the same page.
func word(p unsafe.Pointer) (w *uint32, shift uint) {
	odd := uintptr(p) & 2
	return (*uint32)(unsafe.Add(p, -int(odd))), uint(odd * 8)
}
