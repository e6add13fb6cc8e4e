package virtio

import (
	"math/bits"
	"runtime"
	"sync/atomic"

	"ringo.dev/ringo/rt"
)

// allSlots has a bit for each slot of rt.WaitIndex, busySlots those in use.
const allSlots = 1<<16 - 1

var busySlots atomic.Uint32

// WaitIndex is rt.WaitIndex, for a device that is not told when to interrupt, with a
// slot for as long as that takes. With more than 16 goroutines waiting for devices, the
// rest poll.
func WaitIndex(idx *uint16, seen uint16) { waitIndex(idx, seen, nil, 0) }

func waitIndex(idx *uint16, seen uint16, event *uint16, at uint16) {
	for {
		busy := busySlots.Load()
		if busy == allSlots {
			runtime.Gosched()
			return
		}
		slot := bits.TrailingZeros32(^busy)
		if busySlots.CompareAndSwap(busy, busy|1<<slot) {
			rt.WaitIndex(slot, idx, seen, event, at)
			busySlots.And(^uint32(1 << slot))
			return
		}
	}
}
