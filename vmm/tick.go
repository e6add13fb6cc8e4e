package vmm

import (
	"sync/atomic"
	"time"
)

// tickPeriod is how often a vCPU that does not wait gets an upcall.
const tickPeriod = 5 * time.Millisecond

// ticker is the state of VM.tick: it sleeps for good while all vCPUs wait.
type ticker struct {
	asleep atomic.Bool
	wake   chan struct{} // holds one
}

// resume wakes the ticker after a vCPU became busy.
func (t *ticker) resume() {
	if t.asleep.Load() && t.asleep.Swap(false) {
		t.wake <- struct{}{}
	}
}

// tick kicks every vCPU that was busy for a whole period, or that wants every
// tick and is busy.
func (vm *VM) tick() {
	waits := make([]uint32, len(vm.cpus))
	for i, v := range vm.cpus {
		waits[i] = v.waits.Load() - 1 // the first period begins now
	}
	for {
		busy := false
		for i, v := range vm.cpus {
			if !v.busy() {
				continue
			}
			busy = true
			if w := v.waits.Load(); w != waits[i] && atomic.LoadUint32(&v.page.EveryTick) == 0 {
				waits[i] = w
			} else {
				v.kick()
			}
		}
		var next <-chan time.Time
		if busy || !vm.tickerSleeps() {
			next = time.After(tickPeriod)
		}
		select {
		case <-vm.done:
			return
		case <-next:
		case <-vm.ticker.wake:
		}
	}
}

// tickerSleeps puts the ticker to sleep unless a vCPU has just become busy.
func (vm *VM) tickerSleeps() bool {
	vm.ticker.asleep.Store(true)
	for _, v := range vm.cpus {
		if v.busy() {
			return !vm.ticker.asleep.Swap(false) // false: resume sent its token, or will
		}
	}
	return true
}

func (v *vcpu) busy() bool {
	s := v.state.Load()
	return s == stateHost || s == stateGuest
}
