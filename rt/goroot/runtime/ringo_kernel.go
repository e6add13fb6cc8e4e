//go:build ringo

package runtime

import (
	"internal/abi"
	"internal/runtime/atomic"
	"internal/runtime/sys"
	"internal/runtime/syscall/linux"
	"unsafe"
)

// The kernel's side of rt: how system calls that rt does not answer reach the
// kernel packages, and what these may call (package rt documents it).

// ringoCall is rt.Call.
type ringoCall struct {
	num       uintptr
	arg       [6]uintptr
	ret, ret2 uintptr
	errno     uintptr
}

// ringoKernelHooks is rt.Kernel.
type ringoKernelHooks struct {
	syscall   func(c *ringoCall)
	pollOpen  func(fd int, pd *pollDesc) uintptr
	pollClose func(fd int) uintptr
	fcntl     func(fd, cmd, arg int) (result int, errno uintptr)
}

var ringoKernel *ringoKernelHooks

//go:linkname ringoSetKernel
func ringoSetKernel(k *ringoKernelHooks) { ringoKernel = k }

// A kernel call may not run on the goroutine that makes it: its arguments may be
// the addresses of variables on that goroutine's stack, which must not move,
// so it must not grow. The caller is parked as if it were in a system call
// (syscallsp is set, so that the collector does not shrink the stack) and a
// worker goroutine runs the call. The two change places without a trip through
// the scheduler, as coroutines do.

// ringoWorker is a goroutine that runs kernel calls, one after the other.
type ringoWorker struct {
	gp     *g
	caller *g
	call   uintptr // the caller's *ringoCall: on its stack, so no pointer for the collector
	next   *ringoWorker
}

// ringoWorkers are the workers without a call.
var ringoWorkers struct {
	lock mutex
	free *ringoWorker
}

// ringoKernelCall runs a system call: in rt if it is rt's, else in the kernel.
// It is nosplit up to the switch of stacks, for the reason above.
//
//go:linkname ringoKernelCall
//go:nosplit
//go:uintptrkeepalive
func ringoKernelCall(num, a1, a2, a3, a4, a5, a6 uintptr) (r1, r2, errno uintptr) {
	gp := getg()
	if ringoKernel == nil || gp != gp.m.curg || ringoIsOwn(num, a1, a2, a4) {
		return linux.Syscall6(num, a1, a2, a3, a4, a5, a6)
	}
	call := ringoCall{num: num, arg: [6]uintptr{a1, a2, a3, a4, a5, a6}}
	gp.syscallsp = sys.GetCallerSP()
	gp.syscallpc = sys.GetCallerPC()
	gp.syscallbp = getcallerfp()
	// Without a write barrier, for which there is no stack in a build without optimization.
	*(*uintptr)(unsafe.Pointer(&gp.param)) = uintptr(noescape(unsafe.Pointer(&call)))
	mcall(ringoHandOver)
	gp.syscallsp = 0
	return call.ret, call.ret2, call.errno
}

// ringoFcntl makes the system call of runtime.fcntl, which needs no worker.
//
//go:nosplit
func ringoFcntl(num, a1, a2, a3, a4, a5, a6 uintptr) (r1, r2, errno uintptr) {
	if ringoKernel != nil && ringoKernel.fcntl != nil {
		r, errno := ringoKernel.fcntl(int(a1), int(a2), int(a3))
		return uintptr(r), 0, errno
	}
	if ringoBare != 0 {
		return ringoKernelCall(num, a1, a2, a3, a4, a5, a6)
	}
	return linux.Syscall6(num, a1, a2, a3, a4, a5, a6)
}

// ringoHandOver parks the caller gp and continues with a worker. It runs on the
// system stack.
func ringoHandOver(gp *g) {
	call := uintptr(gp.param)
	gp.param = nil
	lock(&ringoWorkers.lock)
	w := ringoWorkers.free
	if w != nil {
		ringoWorkers.free = w.next
	}
	unlock(&ringoWorkers.lock)
	if w == nil {
		start := ringoWork
		w = new(ringoWorker)
		w.gp = newproc1(*(**funcval)(unsafe.Pointer(&start)), getg(), abi.FuncPCABIInternal(ringoHandOver), true, waitReasonIOWait)
		w.gp.param = unsafe.Pointer(w)
	}
	w.caller = gp
	w.call = call
	if gp.bubble != nil {
		gp.bubble.incActive() // a goroutine in a system call is not idle
	}
	ringoExchange(gp, w.gp)
}

// ringoHandBack parks the worker gp and continues with its caller.
func ringoHandBack(gp *g) {
	w := (*ringoWorker)(gp.param)
	caller := w.caller
	w.caller = nil
	w.call = 0
	// The worker is free before it has stopped. Whoever takes it waits in
	// ringoExchange until it has.
	lock(&ringoWorkers.lock)
	w.next = ringoWorkers.free
	ringoWorkers.free = w
	unlock(&ringoWorkers.lock)
	ringoExchange(gp, caller)
	// ringoExchange does not return.
}

// ringoExchange makes next run in the place of gp, which waits, on the same
// thread: what coroswitch_m does, without its checks of who belongs to whom.
func ringoExchange(gp, next *g) {
	mp := gp.m
	trace := traceAcquire()
	locked := gp.lockedm != 0
	if locked {
		gp.lockedm.set(nil)
	}
	if trace.ok() {
		trace.GoSwitch(next, false)
	}
	gp.waitreason = waitReasonIOWait
	casgstatus(gp, _Grunning, _Gwaiting)
	// Only now: a goroutine that runs has an m, at which the collector may look.
	// Without one, gp is free to be run by another thread.
	setMNoWB(&gp.m, nil)

	setGNoWB(&mp.curg, next)
	for readgstatus(next)&^_Gscan != _Gwaiting || atomic.Loadp(unsafe.Pointer(&next.m)) != nil {
		osyield() // a worker on its way to rest, on another thread
	}
	setMNoWB(&next.m, mp)
	if goroutineProfile.active {
		tryRecordGoroutineProfile(next, nil, osyield)
	}
	casgstatus(next, _Gwaiting, _Grunnable)
	casgstatus(next, _Grunnable, _Grunning)
	if locked {
		mp.lockedg.set(next)
		next.lockedm.set(mp)
	}
	if trace.ok() {
		traceRelease(trace)
	}
	if bubble := next.bubble; bubble != nil {
		bubble.decActive()
	}
	gogo(&next.sched)
}

// ringoWork is the body of a worker. The name's prefix makes it one of the
// runtime's own goroutines, which tracebacks and the deadlock detector pass over.
func ringoWork() {
	gp := getg()
	w := (*ringoWorker)(gp.param)
	for {
		gp.param = nil // the call waits for things, which uses it
		ringoKernel.syscall((*ringoCall)(unsafe.Pointer(w.call)))
		gp.param = unsafe.Pointer(w)
		mcall(ringoHandBack)
	}
}
