//go:build ringo

package runtime

import (
	"internal/abi"
	"internal/runtime/atomic"
	"internal/stringslite"
	"unsafe"
)

// The runtime ends a program all of whose goroutines wait for each other when no
// thread is left that could run one (checkdead). With a kernel in the same runtime
// that is never so: some thread waits for devices, on behalf of the kernel's
// goroutines, and the network has timers of its own. So before that wait, and when
// all other threads have stopped, it is looked whether anything but the kernel is
// waited for.

// ringoLive is a goroutine that waited for the kernel when that was looked at last.
// It mostly still does, which saves looking at the others.
var ringoLive guintptr

// ringoPollDead is ringoCheckDead for the poller, which calls it before it sleeps.
//
//go:nowritebarrierrec
func ringoPollDead() {
	if !ringoProgramPolls() {
		lock(&sched.lock)
		ringoCheckDead()
		unlock(&sched.lock)
	}
}

// ringoCheckDead ends the program if no goroutine of its own can ever run again:
// none waits for a file, a socket, a signal or time, nor is in a call of the kernel.
// The scheduler's lock is held: without a P nobody runs or changes a timer, and P are
// given out under the lock.
//
//go:nowritebarrierrec
func ringoCheckDead() {
	// The one thread that may be up is the poller. Another one is in a system call, or
	// waits for signals.
	up := mcount() - sched.nmidle - sched.nmidlelocked - sched.nmsys
	if ringoBare == 0 || up > 1 || panicking.Load() > 0 || ringoProgramPolls() ||
		sched.npidle.Load() != gomaxprocs || sched.runq.size != 0 || ringoProgramTimers() {
		return
	}
	if gp := ringoLive.ptr(); gp != nil && readgstatus(gp)&^_Gscan == _Gwaiting && ringoInKernel(gp) {
		return
	}
	var live guintptr
	waiting := 0
	forEachG(func(gp *g) {
		if live != 0 || ringoIsKernels(gp) {
			return
		}
		switch readgstatus(gp) &^ _Gscan {
		case _Gdead, _Gidle, _Gdeadextra, _Gleaked:
		case _Gwaiting, _Gpreempted:
			waiting++
			if ringoInKernel(gp) {
				live.set(gp)
			}
		default:
			live.set(gp)
		}
	})
	ringoLive = live
	if live != 0 {
		return
	}
	unlock(&sched.lock)
	if waiting == 0 {
		fatal("no goroutines (main called runtime.Goexit) - deadlock!")
	}
	fatal("all goroutines are asleep - deadlock!")
}

// ringoProgramPolls reports whether goroutines wait for files or sockets; those that
// wait for devices are the kernel's.
func ringoProgramPolls() bool {
	waiters := netpollWaiters.Load()
	for i := range ringoSlots[:atomic.Load(&ringoSlotsUsed)] {
		if atomic.Load(&ringoSlots[i].state) == ringoSlotArmed {
			waiters--
		}
	}
	return waiters != 0
}

// ringoProgramTimers reports whether there are timers of the program. Nobody has a P,
// and the scheduler's lock is held.
func ringoProgramTimers() bool {
	for _, pp := range allp {
		for _, tw := range pp.timers.heap {
			if !ringoKernelTimer(tw.timer) {
				return true
			}
		}
	}
	return false
}

// ringoKernelTimer reports whether what t calls or wakes is the kernel's.
func ringoKernelTimer(t *timer) bool {
	if t.isChan {
		first := t.hchan().recvq.first
		return first != nil && ringoIsKernels(first.g)
	}
	arg := efaceOf(&t.arg)
	if arg._type == nil {
		return false
	}
	sleep := goroutineReady
	if *(*unsafe.Pointer)(unsafe.Pointer(&t.f)) == *(*unsafe.Pointer)(unsafe.Pointer(&sleep)) {
		return ringoIsKernels((*g)(arg.data))
	}
	return arg._type.Kind() == abi.Func && ringoKernelPC(*(*uintptr)(arg.data))
}

// ringoIsKernels reports whether a goroutine was started by the kernel or the runtime.
func ringoIsKernels(gp *g) bool {
	return isSystemGoroutine(gp, false) || ringoKernelPC(gp.startpc)
}

// ringoInKernel reports whether a waiting goroutine is in a call of the kernel.
func ringoInKernel(gp *g) bool {
	if gp.syscallsp != 0 {
		return true
	}
	var u unwinder
	for u.init(gp, unwindSilentErrors); u.valid(); u.next() {
		if ringoKernelFunc(u.frame.fn) {
			return true
		}
	}
	return false
}

func ringoKernelPC(pc uintptr) bool {
	f := findfunc(pc)
	return f.valid() && ringoKernelFunc(f)
}

// ringoKernelFunc reports whether f is of a package that came by ringo's overlay.
func ringoKernelFunc(f funcInfo) bool {
	return stringslite.HasPrefix(funcname(f), "internal/ringo/")
}
