//go:build ringo

package runtime

import (
	"internal/runtime/atomic"
	"unsafe"
)

// Threads that wait on a futex stand in a bucket chosen by the word's address.
// The scheduler's lock guards them.
var ringoFutexes [64]ringoQueue

func ringoFutexBucket(addr uintptr) *ringoQueue {
	return &ringoFutexes[(addr>>2^addr>>8)%uintptr(len(ringoFutexes))]
}

// ringoFutex answers futex(2): FUTEX_WAIT with a relative timeout and
// FUTEX_WAKE, private or not, which is what the runtime and package sync use.
func ringoFutex(t *ringoThread, addr *uint32, op, val uintptr, ts *timespec) int64 {
	const wait, wake, private = 0, 1, 128
	a := uintptr(unsafe.Pointer(addr))
	if !ringoMappedRange(a, 4, true) {
		return -ringoEFAULT
	}
	switch op &^ private {
	case wait:
		deadline := ringoDeadline(ts)
		ringoSched.lock.lock()
		if atomic.Load(addr) != uint32(val) {
			ringoSched.lock.unlock()
			return -ringoEAGAIN
		}
		t.futex = a
		q := ringoFutexBucket(a)
		q.push(t)
		r := ringoBlock(t, ringoInFutex, deadline)
		if r == -ringoEINTR {
			q.remove(t) // it may not have slept at all
		}
		ringoSched.lock.unlock()
		return r
	case wake:
		ringoSched.lock.lock()
		n := ringoFutexWake(a, val)
		ringoSched.lock.unlock()
		return int64(n)
	}
	return -ringoENOSYS
}

// ringoFutexWake wakes up to val of the threads that wait on the word at addr, and
// returns how many. The scheduler's lock is held.
func ringoFutexWake(addr, val uintptr) (n uintptr) {
	for x := ringoFutexBucket(addr).head; x != nil && n < val; {
		next := x.next
		if x.futex == addr {
			ringoWake(x, 0)
			n++
		}
		x = next
	}
	return n
}
