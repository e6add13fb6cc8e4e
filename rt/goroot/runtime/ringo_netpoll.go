//go:build ringo

package runtime

import (
	"internal/runtime/atomic"
	"internal/runtime/syscall/linux"
	"unsafe"
)

// The runtime's network poller. A process of the host's kernel uses epoll as
// ever (netpoll_epoll.go, whose functions the overlay renames to epoll…). On a
// machine of its own there is nobody to ask: the kernel's files say at once
// when they become ready (ringoPollReady), and what is polled are the devices'
// used rings, for the goroutines that drive the devices.

// ringoSlot is where a goroutine waits for a device to move its index.
type ringoSlot struct {
	state uint32 // ringoSlot*
	seen  uint16
	at    uint16
	idx   *uint16
	event *uint16 // set to at, it makes the device interrupt; nil: none
	gp    guintptr
}

const (
	ringoSlotEmpty = iota
	ringoSlotArmed
	ringoSlotTaken
)

var ringoSlots [16]ringoSlot

// ringoSlotsUsed is the number of slots, from the first on, of which some have been
// in use: mostly two or three, and they are looked at all the time.
var ringoSlotsUsed uint32

// moved reports whether the goroutine in the slot has something to do.
func (s *ringoSlot) moved() bool {
	return atomic.Load(&s.state) == ringoSlotArmed && *(*uint16)(unsafe.Pointer(s.idx)) != s.seen
}

// ringoDeviceReady reports whether netpoll would find a goroutine to wake.
func ringoDeviceReady() bool {
	for i := range ringoSlots[:atomic.Load(&ringoSlotsUsed)] {
		if ringoSlots[i].moved() {
			return true
		}
	}
	return false
}

// ringoOthersReady is rt.OthersReady.
//
//go:linkname ringoOthersReady
func ringoOthersReady() bool {
	pp := getg().m.p.ptr()
	return pp.runqhead != pp.runqtail
}

// ringoWaitIndex is rt.WaitIndex.
//
//go:linkname ringoWaitIndex
func ringoWaitIndex(slot int, idx *uint16, seen uint16, event *uint16, at uint16) {
	netpollGenericInit()
	s := &ringoSlots[slot]
	for n := atomic.Load(&ringoSlotsUsed); n <= uint32(slot); n = atomic.Load(&ringoSlotsUsed) {
		atomic.Cas(&ringoSlotsUsed, n, uint32(slot)+1)
	}
	s.idx, s.seen = idx, seen
	s.event, s.at = event, at
	netpollAdjustWaiters(1)
	gopark(ringoSlotCommit, unsafe.Pointer(s), waitReasonIOWait, traceBlockNet, 2)
}

// ringoSlotCommit makes a slot one that is looked at. From here on it may be somebody
// else's at any moment. Its device need be told to interrupt only if the poller sleeps
// already; see ringoTellDevices.
func ringoSlotCommit(gp *g, slot unsafe.Pointer) bool {
	s := (*ringoSlot)(slot)
	s.gp.set(gp)
	atomic.Store(&s.state, ringoSlotArmed)
	if ringoPollerSleeps() {
		linux.Syscall6(ringoSysPollTell, 0, 0, 0, 0, 0, 0)
	}
	return true
}

// ringoPollReady is rt.PollReady.
//
//go:linkname ringoPollReady
func ringoPollReady(pd *pollDesc, mode int32) {
	var list gList
	delta := netpollready(&list, pd, mode)
	for !list.empty() {
		goready(list.pop(), 1)
	}
	netpollAdjustWaiters(delta)
}

func netpollinit() {
	if ringoBare == 0 {
		epollinit()
	}
}

func netpollIsPollDescriptor(fd uintptr) bool {
	return ringoBare == 0 && epollIsPollDescriptor(fd)
}

func netpollopen(fd uintptr, pd *pollDesc) uintptr {
	if ringoBare == 0 {
		return epollopen(fd, pd)
	}
	if ringoKernel == nil {
		return ringoEPERM
	}
	return ringoKernel.pollOpen(int(fd), pd)
}

func netpollclose(fd uintptr) uintptr {
	if ringoBare == 0 {
		return epollclose(fd)
	}
	return ringoKernel.pollClose(int(fd))
}

func netpollBreak() {
	if ringoBare == 0 {
		epollBreak()
		return
	}
	linux.Syscall6(ringoSysPollBreak, 0, 0, 0, 0, 0, 0)
}

// netpoll checks for goroutines of devices that have something to do; see
// netpoll_epoll.go for its contract.
func netpoll(delay int64) (gList, int32) {
	if ringoBare == 0 {
		return epoll(delay)
	}
	if delay != 0 && !ringoDeviceReady() {
		ringoPollDead()
		deadline := int64(-1)
		if delay > 0 {
			deadline = nanotime() + delay
			if deadline < 0 {
				deadline = 1<<63 - 1
			}
		}
		linux.Syscall6(ringoSysPollWait, uintptr(deadline), 0, 0, 0, 0, 0)
	}
	var list gList
	delta := int32(0)
	for i := range ringoSlots[:atomic.Load(&ringoSlotsUsed)] {
		s := &ringoSlots[i]
		if s.moved() && atomic.Cas(&s.state, ringoSlotArmed, ringoSlotTaken) {
			list.push(s.gp.ptr())
			delta--
		}
	}
	return list, delta
}

// ringoPollerSleeps reports whether the poller sleeps, or is about to.
func ringoPollerSleeps() bool { return atomic.Loadp(unsafe.Pointer(&ringoSched.poller)) != nil }

// ringoPollSleep blocks the thread until a device has something, the deadline,
// or ringoPollEnd. Only one thread polls: the runtime sees to that.
func ringoPollSleep(t *ringoThread, deadline int64) int64 {
	if ringoPollAwake(deadline) {
		return 0
	}
	ringoSched.lock.lock()
	r := int64(0)
	// A device's interrupt that finds no poller to wake is one of a ring that is looked
	// at after this, a locked instruction.
	atomic.StorepNoWB(unsafe.Pointer(&ringoSched.poller), unsafe.Pointer(t))
	ringoTellDevices()
	if !ringoSched.broken && !ringoDeviceReady() {
		r = ringoBlock(t, ringoInPoll, deadline)
	}
	if ringoSched.poller == t {
		ringoSched.poller = nil
	}
	ringoSched.broken = false
	ringoSched.lock.unlock()
	return r
}

// ringoTellDevices makes the devices of all armed slots interrupt when they move their
// indices. The scheduler's lock is held, and the poller is set.
//
// While the poller is set, each armed slot's device has been told: by who set it, or by
// the goroutine that armed the slot later. Both first say what they do, that there is a
// poller or that the slot is armed, with a locked instruction, and then look at what the
// other has said, so at least one of them sees it. A slot's goroutine may go and come
// back while this looks at the slot, so that a device, or that of another slot, is told
// what was; but then the goroutine has seen the poller, and its own call waits for the
// lock, and puts that right.
func ringoTellDevices() {
	for i := range ringoSlots[:atomic.Load(&ringoSlotsUsed)] {
		if s := &ringoSlots[i]; atomic.Load(&s.state) == ringoSlotArmed && s.event != nil {
			*(*uint16)(unsafe.Pointer(s.event)) = s.at
		}
	}
	// The devices must see it before their rings are looked at: a locked instruction.
	atomic.Or(&ringoSlotsUsed, 0)
}

// ringoPollTell is ringoTellDevices for a goroutine that has armed a slot.
func ringoPollTell() {
	ringoSched.lock.lock()
	if p := ringoSched.poller; p != nil {
		ringoTellDevices()
		if ringoDeviceReady() {
			ringoWake(p, 0)
		}
	}
	ringoSched.lock.unlock()
}

// ringoPollEnd ends ringoPollSleep, now or when it is next called.
func ringoPollEnd() {
	ringoSched.lock.lock()
	if p := ringoSched.poller; p != nil {
		ringoWake(p, 0)
	} else {
		ringoSched.broken = true
	}
	ringoSched.lock.unlock()
}
