//go:build ringo

package runtime

import (
	"internal/runtime/sys"
	"unsafe"
)

// Signals as Linux delivers them: pending per thread, delivered on the way back
// to user mode by a frame on the thread's signal stack, ended by rt_sigreturn.

// ringoActions holds what sigaction(2) set; the scheduler's lock guards it.
var ringoActions [65]sigactiont

// ringoProcessPending holds signals for the process that every thread blocks.
var ringoProcessPending uint64

// ringoUserFlags is RFLAGS where none were saved: interrupts on, reserved bit 1.
const ringoUserFlags = 0x202

const (
	ringoSigDefault  = 0
	ringoSigIgnore   = 1
	ringoSaOnstack   = 0x08000000
	ringoSaNodefer   = 0x40000000
	ringoSaResethand = 0x80000000
	ringoSsDisable   = 2
)

// ringoSignalFrame is what a handler finds on its stack (the kernel's
// rt_sigframe, with the runtime's own idea of ucontext).
type ringoSignalFrame struct {
	_       sys.NotInHeap
	ret     uintptr
	context ucontext
	info    siginfo
}

func ringoBit(sig int32) uint64 { return 1 << (uint(sig) - 1) }

// ringoPend makes a signal pending for t and sees to it that t notices: it ends
// its sleep, or the CPU that runs it is interrupted. One that is pending already
// is not queued again, and keeps its code. The scheduler's lock is held.
func ringoPend(t *ringoThread, sig, code int32) {
	if t.sigpend&ringoBit(sig) == 0 {
		t.sigcode[sig] = code
	}
	t.sigpend |= ringoBit(sig)
	if t.sigmask&ringoBit(sig) != 0 || ringoIgnored(sig) {
		return
	}
	switch t.state {
	case ringoInFutex, ringoInSleep, ringoInPoll:
		ringoWake(t, -ringoEINTR)
	case ringoRunning:
		for n := uint32(0); n < ringoSched.ncpu; n++ {
			if c := ringoCPUAt(n); c.thread == t && c != ringoMe() {
				ringoPlatKick(n)
			}
		}
	}
}

// ringoPendProcess makes a signal pending for some thread that does not block
// it: the running one, if it can, for then a program that signals itself has
// the signal before kill(2) returns.
func ringoPendProcess(sig, code int32) {
	if c := ringoMe(); c.thread != c.idle && c.thread.sigmask&ringoBit(sig) == 0 {
		ringoPend(c.thread, sig, code)
		return
	}
	for t := ringoSched.threads; t != nil; t = t.all {
		if t.sigmask&ringoBit(sig) == 0 {
			ringoPend(t, sig, code)
			return
		}
	}
	ringoProcessPending |= ringoBit(sig)
}

// ringoTakeSignals turns what the machine has for the program into signals.
func ringoTakeSignals() {
	for set := ringoPlatSignals(); set != 0; set &= set - 1 {
		const user = 0 // SI_USER
		ringoPendProcess(int32(sys.TrailingZeros64(set))+1, user)
	}
}

// ringoIgnored reports whether the signal's action is to do nothing.
func ringoIgnored(sig int32) bool {
	switch ringoActions[sig].sa_handler {
	case ringoSigIgnore:
		return true
	case ringoSigDefault:
		return sig == _SIGCHLD || sig == _SIGURG || sig == _SIGWINCH || sig == _SIGCONT
	}
	return false
}

// ringoDeliver makes f continue in the handler of t's next pending signal, if
// there is one, and reports whether it did. Signals that follow are delivered
// when the handler's own system calls or its return come by.
func ringoDeliver(t *ringoThread, f *ringoFrame) bool {
	if (t.sigpend|ringoProcessPending)&^t.sigmask == 0 {
		return false
	}
	ringoSched.lock.lock()
	t.sigpend |= ringoProcessPending &^ t.sigmask
	ringoProcessPending &= t.sigmask
	for {
		ready := t.sigpend &^ t.sigmask
		if ready == 0 {
			ringoSched.lock.unlock()
			return false
		}
		sig := int32(sys.TrailingZeros64(ready)) + 1
		t.sigpend &^= ringoBit(sig)
		if ringoIgnored(sig) {
			continue
		}
		act := ringoActions[sig]
		if act.sa_flags&ringoSaResethand != 0 {
			ringoActions[sig].sa_handler = ringoSigDefault
		}
		ringoSched.lock.unlock()
		var info siginfo
		info.si_signo = sig
		info.si_code = t.sigcode[sig]
		ringoHandle(t, f, sig, &act, &info, 0, 0)
		return true
	}
}

// ringoForce delivers a signal that an exception of t itself caused.
func ringoForce(t *ringoThread, f *ringoFrame, sig, code int32, addr, vector, errcode uintptr) {
	ringoSched.lock.lock()
	act := ringoActions[sig]
	ringoSched.lock.unlock()
	if t.sigmask&ringoBit(sig) != 0 || act.sa_handler == ringoSigIgnore {
		act.sa_handler = ringoSigDefault // cannot be put off: fatal, as on Linux
	}
	if act.sa_handler == ringoSigDefault {
		ringoConsolePut("ringo: exception ")
		ringoConsoleNumber(vector)
		ringoConsolePut(" at ")
		ringoConsoleNumber(f.rip)
		ringoConsolePut(", address ")
		ringoConsoleNumber(addr)
		ringoConsolePut("\n")
	}
	var info siginfo
	info.si_signo = sig
	info.si_code = code
	info.si_addr = uint64(addr)
	ringoHandle(t, f, sig, &act, &info, vector, errcode)
}

// ringoHandle builds the signal frame and points f at the handler; without a
// handler the signal is fatal, with the status that a shell would show.
func ringoHandle(t *ringoThread, f *ringoFrame, sig int32, act *sigactiont, info *siginfo, vector, errcode uintptr) {
	if act.sa_handler == ringoSigDefault {
		ringoPlatExit(128 + uintptr(sig))
	}
	sp := f.rsp
	if alt := uintptr(unsafe.Pointer(t.altstack.ss_sp)); act.sa_flags&ringoSaOnstack != 0 && t.altstack.ss_size != 0 &&
		t.altstack.ss_flags&ringoSsDisable == 0 && (sp < alt || sp > alt+t.altstack.ss_size) {
		sp = alt + t.altstack.ss_size
	} else {
		sp -= 128
	}
	xstate := uintptr(0)
	if f.xstate != 0 {
		sp = (sp - ringoXSize) &^ 63
		xstate = sp
	}
	sp = (sp-unsafe.Sizeof(ringoSignalFrame{}))&^15 - 8
	if !ringoMappedRange(sp, unsafe.Sizeof(ringoSignalFrame{}), true) {
		ringoConsolePut("ringo: no stack for a signal\n")
		ringoPlatExit(128 + _SIGSEGV)
	}
	if xstate != 0 {
		memmove(unsafe.Pointer(xstate), unsafe.Pointer(f.xstate), ringoXSize)
	}
	s := (*ringoSignalFrame)(unsafe.Pointer(sp))
	memclrNoHeapPointers(unsafe.Pointer(s), unsafe.Sizeof(*s))
	s.ret = act.sa_restorer
	s.info = *info
	s.context.uc_sigmask.__val[0] = t.sigmask
	r := (*sigcontext)(unsafe.Pointer(&s.context.uc_mcontext))
	r.r8, r.r9, r.r10, r.r11 = uint64(f.r8), uint64(f.r9), uint64(f.r10), uint64(f.r11)
	r.r12, r.r13, r.r14, r.r15 = uint64(f.r12), uint64(f.r13), uint64(f.r14), uint64(f.r15)
	r.rdi, r.rsi, r.rbp, r.rbx = uint64(f.rdi), uint64(f.rsi), uint64(f.rbp), uint64(f.rbx)
	r.rdx, r.rax, r.rcx, r.rsp = uint64(f.rdx), uint64(f.rax), uint64(f.rcx), uint64(f.rsp)
	r.rip, r.eflags = uint64(f.rip), uint64(f.rflags)
	r.cs, r.err, r.trapno, r.oldmask, r.cr2 = 0x33, uint64(errcode), uint64(vector), t.sigmask, info.si_addr
	*(*uintptr)(unsafe.Pointer(&r.fpstate)) = xstate

	t.sigmask |= act.sa_mask
	if act.sa_flags&ringoSaNodefer == 0 {
		t.sigmask |= ringoBit(sig)
	}
	const direction, trap = 1 << 10, 1 << 8
	f.rip = act.sa_handler
	f.rsp = sp
	f.rflags &^= direction | trap
	f.rdi = uintptr(sig)
	f.rsi = uintptr(unsafe.Pointer(&s.info))
	f.rdx = uintptr(unsafe.Pointer(&s.context))
	f.rax = 0
	f.xstate = 0
}

// ringoSigreturn answers rt_sigreturn(2): f continues as the signal frame at
// its stack pointer says.
func ringoSigreturn(t *ringoThread, f *ringoFrame) {
	c := (*ucontext)(unsafe.Pointer(f.rsp))
	if !ringoMappedRange(f.rsp, unsafe.Sizeof(ucontext{}), false) {
		ringoConsolePut("ringo: bad signal frame\n")
		ringoPlatExit(128 + _SIGSEGV)
	}
	r := (*sigcontext)(unsafe.Pointer(&c.uc_mcontext))
	f.r8, f.r9, f.r10, f.r11 = uintptr(r.r8), uintptr(r.r9), uintptr(r.r10), uintptr(r.r11)
	f.r12, f.r13, f.r14, f.r15 = uintptr(r.r12), uintptr(r.r13), uintptr(r.r14), uintptr(r.r15)
	f.rdi, f.rsi, f.rbp, f.rbx = uintptr(r.rdi), uintptr(r.rsi), uintptr(r.rbp), uintptr(r.rbx)
	f.rdx, f.rax, f.rcx, f.rsp = uintptr(r.rdx), uintptr(r.rax), uintptr(r.rcx), uintptr(r.rsp)
	f.rip, f.rflags = uintptr(r.rip), uintptr(r.eflags)
	f.xstate = uintptr(unsafe.Pointer(r.fpstate))
	if f.xstate != 0 && (f.xstate&63 != 0 || !ringoMappedRange(f.xstate, ringoXSize, false)) {
		f.xstate = 0
	}
	t.sigmask = c.uc_sigmask.__val[0] &^ (ringoBit(_SIGKILL) | ringoBit(_SIGSTOP))
}

// ringoSigaction answers rt_sigaction(2).
func ringoSigaction(sig int32, new, old *sigactiont) int64 {
	if sig < 1 || sig > 64 || new != nil && (sig == _SIGKILL || sig == _SIGSTOP) {
		return -ringoEINVAL
	}
	ringoSched.lock.lock()
	if old != nil {
		*old = ringoActions[sig]
	}
	if new != nil {
		ringoActions[sig] = *new
	}
	ringoSched.lock.unlock()
	return 0
}

// ringoSigprocmask answers rt_sigprocmask(2).
func ringoSigprocmask(t *ringoThread, how uintptr, new, old *uint64) int64 {
	if old != nil {
		*old = t.sigmask
	}
	if new == nil {
		return 0
	}
	set := *new &^ (ringoBit(_SIGKILL) | ringoBit(_SIGSTOP))
	switch how {
	case _SIG_BLOCK:
		t.sigmask |= set
	case _SIG_UNBLOCK:
		t.sigmask &^= set
	case _SIG_SETMASK:
		t.sigmask = set
	default:
		return -ringoEINVAL
	}
	return 0
}

// ringoSigaltstack answers sigaltstack(2).
func ringoSigaltstack(t *ringoThread, new, old *stackt) int64 {
	if old != nil {
		*(*[3]uintptr)(unsafe.Pointer(old)) = *(*[3]uintptr)(unsafe.Pointer(&t.altstack))
	}
	if new != nil {
		*(*[3]uintptr)(unsafe.Pointer(&t.altstack)) = *(*[3]uintptr)(unsafe.Pointer(new))
	}
	return 0
}

// ringoKill answers kill, tgkill and tkill(2). tid is 0 for the process.
func ringoKill(tid, sig int32) int64 {
	const user, thread = 0, -6 // SI_USER, SI_TKILL
	if sig < 0 || sig > 64 {
		return -ringoEINVAL
	}
	r := int64(-ringoESRCH)
	ringoSched.lock.lock()
	if tid == 0 {
		r = 0
		if sig == _SIGKILL {
			ringoPlatExit(128 + _SIGKILL)
		}
		if sig != 0 {
			ringoPendProcess(sig, user)
		}
	}
	for t := ringoSched.threads; t != nil && tid != 0; t = t.all {
		if t.tid == tid {
			r = 0
			if sig != 0 {
				ringoPend(t, sig, thread)
			}
			break
		}
	}
	ringoSched.lock.unlock()
	return r
}

// ringoTrapEnter answers an exception of Go code: a signal to its thread.
//
//go:nowritebarrierrec
func ringoTrapEnter(f *ringoFrame) {
	const (
		divide, debug, breakpoint, opcode   = 0, 1, 3, 6
		protection, page, x87, align, simd  = 13, 14, 16, 17, 19
		strayCall                           = 256
		trapBreak, illOpn, alignBus, kernel = 1, 2, 1, 0x80
		noPageBus                           = 2 // BUS_ADRERR
	)
	t := ringoMe().thread
	vector, code, addr := ringoPlatTrap()
	switch vector {
	case divide:
		ringoForce(t, f, _SIGFPE, _FPE_INTDIV, f.rip, vector, code)
	case debug, breakpoint:
		ringoForce(t, f, _SIGTRAP, trapBreak, f.rip, vector, code)
	case opcode:
		ringoForce(t, f, _SIGILL, illOpn, f.rip, vector, code)
	case page:
		if ringoBeyondFile(addr) {
			ringoForce(t, f, _SIGBUS, noPageBus, addr, vector, code)
			break
		}
		why := int32(_SEGV_MAPERR)
		if code&1 != 0 {
			why = _SEGV_ACCERR
		}
		ringoForce(t, f, _SIGSEGV, why, addr, vector, code)
	case x87, simd:
		ringoForce(t, f, _SIGFPE, _FPE_FLTINV, f.rip, vector, code)
	case align:
		ringoForce(t, f, _SIGBUS, alignBus, addr, vector, code)
	case strayCall:
		// A SYSCALL instruction that no rule replaced: slow, but right. The
		// calls that need Go code to answer are out of reach here.
		ringoSyscallEnter(f)
	default:
		ringoForce(t, f, _SIGSEGV, kernel, 0, vector, code)
	}
}
