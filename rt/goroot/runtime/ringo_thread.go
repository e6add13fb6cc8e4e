//go:build ringo

package runtime

import (
	"internal/abi"
	"internal/runtime/atomic"
	"internal/runtime/sys"
	"unsafe"
)

// ringoFrame is the registers of a thread in user mode, on its kernel stack.
// After a system call rcx, r11 and rflags are not kept.
type ringoFrame struct {
	_                                    sys.NotInHeap
	r15, r14, r13, r12, r11, r10, r9, r8 uintptr
	rbp, rdi, rsi, rdx, rcx, rbx, rax    uintptr
	rip, rflags, rsp                     uintptr
	xstate                               uintptr // address of the XSAVE area, 0 if there is none to restore
}

// A thread's states.
const (
	ringoRunnable = iota
	ringoRunning
	ringoInFutex
	ringoInSleep
	ringoInPoll
	ringoDead
)

// ringoThread is a thread: a kernel stack, and the registers saved on it. It
// lies at the low end of its stack's memory, but for the first one.
type ringoThread struct {
	_      sys.NotInHeap
	sp     uintptr // kernel stack pointer while it does not run
	fs     uintptr // FS base
	kstack uintptr // top of the kernel stack
	g      g       // what Go code in kernel mode runs as; only its stack bounds are used

	tid   int32
	state uint8
	timed bool         // in the list of timers
	next  *ringoThread // in the run queue, a futex's queue, or the free list
	all   *ringoThread // next in the list of all threads

	futex    uintptr // address waited for
	deadline int64
	later    *ringoThread // next in the list of timers
	result   int64        // what a blocked call returns

	sigmask  uint64
	sigpend  uint64
	sigcode  [65]int32 // si_code of pending signals
	altstack stackt

	ran      int64 // ns of CPU time
	profTick int64 // interval of the profiling timer, 0 if none
	profLeft int64
}

// ringoSpin is a lock between virtual CPUs in kernel mode.
type ringoSpin struct{ v uint32 }

func (l *ringoSpin) lock() {
	for !atomic.Cas(&l.v, 0, 1) {
		for n := 1; atomic.Load(&l.v) != 0; n++ {
			ringoSpinPause(n)
		}
	}
}

// ringoSpinPause is the nth pause while another virtual CPU is waited for. When
// it takes long, that one may not be running.
func ringoSpinPause(n int) {
	const long = 1000
	if n%long == 0 && ringoXen.present {
		ringoXenYield()
	}
	ringoPause()
}

func (l *ringoSpin) unlock() { atomic.Store(&l.v, 0) }

// ringoQueue is a FIFO of threads.
type ringoQueue struct{ head, tail *ringoThread }

func (q *ringoQueue) push(t *ringoThread) {
	t.next = nil
	if q.tail == nil {
		q.head = t
	} else {
		q.tail.next = t
	}
	q.tail = t
}

func (q *ringoQueue) pop() *ringoThread {
	t := q.head
	if t != nil {
		q.head = t.next
		if q.head == nil {
			q.tail = nil
		}
		t.next = nil
	}
	return t
}

// remove takes t out and reports whether it was in.
func (q *ringoQueue) remove(t *ringoThread) bool {
	var before *ringoThread
	for x := q.head; x != nil; before, x = x, x.next {
		if x != t {
			continue
		}
		if before == nil {
			q.head = x.next
		} else {
			before.next = x.next
		}
		if q.tail == x {
			q.tail = before
		}
		x.next = nil
		return true
	}
	return false
}

// ringoSched is the scheduler of threads. All is under lock, which a switch of
// threads hands from the one to the other: whoever is switched to holds it.
var ringoSched struct {
	lock    ringoSpin
	runq    ringoQueue
	ready   uint32       // threads in runq; read without the lock by idle CPUs
	timers  *ringoThread // by deadline
	idle    uint64       // CPUs that wait, by bit
	ncpu    uint32
	threads *ringoThread
	free    *ringoThread
	fresh   [ringoFreshStacks]uintptr // kernel stacks that are mapped and were not used yet
	nfresh  int
	count   int32
	lastTid int32
	poller  *ringoThread // the thread in ringoPollWait
	broken  bool         // ringoPollBreak came
}

// init prepares t, whose kernel stack begins at lo.
func (t *ringoThread) init(lo uintptr) {
	t.kstack = lo + ringoStackSize
	bottom := lo
	if at := uintptr(unsafe.Pointer(t)); at == lo {
		bottom += unsafe.Sizeof(*t)
	}
	t.g.stack.lo = bottom
	t.g.stack.hi = t.kstack
	t.g.stackguard0 = bottom + stackGuard
	t.g.stackguard1 = bottom + stackGuard
}

// ringoNewThread returns a thread with an empty kernel stack, or nil if there is
// no memory. The scheduler's lock is held, or needless yet.
func ringoNewThread() *ringoThread {
	t := ringoSched.free
	if t != nil {
		ringoSched.free = t.next
		lo := uintptr(unsafe.Pointer(t))
		memclrNoHeapPointers(unsafe.Pointer(t), unsafe.Sizeof(*t))
		t.init(lo)
		return t
	}
	if ringoSched.nfresh == 0 {
		ringoMapStacks()
	}
	if ringoSched.nfresh == 0 {
		return nil
	}
	ringoSched.nfresh--
	lo := ringoSched.fresh[ringoSched.nfresh]
	t = (*ringoThread)(unsafe.Pointer(lo))
	t.init(lo)
	return t
}

// ringoMapStacks maps some kernel stacks, since a program seldom has one thread: in the
// tender the first touch of any of them costs an exit.
func ringoMapStacks() {
	for range ringoFreshStacks {
		lo := ringoKernelMemory(ringoStackSize, ringoStackStride)
		if lo == 0 {
			return
		}
		ringoSched.fresh[ringoSched.nfresh] = lo
		ringoSched.nfresh++
	}
}

// prepare makes t start at pc when it is first switched to, with SP at frame's place.
func (t *ringoThread) prepare(sp, pc uintptr) {
	words := (*[3]uintptr)(unsafe.Pointer(sp - 24))
	words[0] = uintptr(unsafe.Pointer(&t.g)) // R14
	words[1] = 0                             // BP
	words[2] = pc
	t.sp = sp - 24
}

// ringoNewIdle returns CPU n's idle thread. That of the first is a variable's, as the
// first thread itself: so the machine starts before anything is mapped.
func ringoNewIdle(n uint32) *ringoThread {
	t := &ringoIdle1
	if n == 0 {
		t.init(uintptr(unsafe.Pointer(&ringoIdleStack)))
	} else if t = ringoNewThread(); t == nil {
		ringoFatal("no memory for the first threads; give the machine more")
	}
	t.prepare(t.kstack-ringoStackSize/8, abi.FuncPCABI0(ringoIdleStart))
	return t
}

// ringoForked is set when the program has been told that it cannot have processes.
var ringoForked uint32

// ringoClone answers clone(2) for a new thread of the Go runtime: it continues
// where its parent does, with result 0 and its stack pointer at stack.
func ringoClone(f *ringoFrame, flags, stack, tls uintptr) int64 {
	const thread = cloneFlags &^ _CLONE_SYSVSEM // of which there is nothing to share
	if flags&thread != thread {
		if atomic.Cas(&ringoForked, 0, 1) {
			ringoConsolePut("ringo: system call 56 (clone) of another process is not supported (ENOSYS)\n")
		}
		return -ringoENOSYS
	}
	parent := ringoMe().thread
	ringoSched.lock.lock()
	t := ringoNewThread()
	if t == nil {
		ringoSched.lock.unlock()
		return -ringoEAGAIN
	}
	ringoSched.lastTid++
	t.tid = ringoSched.lastTid
	t.all = ringoSched.threads
	ringoSched.threads = t
	ringoSched.count++
	t.fs = parent.fs
	if flags&_CLONE_SETTLS != 0 {
		t.fs = tls
	}
	t.sigmask = parent.sigmask
	child := (*ringoFrame)(unsafe.Pointer(t.kstack - unsafe.Sizeof(ringoFrame{})))
	*child = *f
	child.rax = 0
	child.rsp = stack
	child.rflags = ringoUserFlags
	child.xstate = 0
	t.prepare(uintptr(unsafe.Pointer(child)), abi.FuncPCABI0(ringoThreadStart))
	tid := t.tid
	ringoReady(t)
	ringoSched.lock.unlock()
	return int64(tid)
}

// ringoThreadEnter is the first that a new thread runs.
//
//go:nowritebarrierrec
func ringoThreadEnter(f *ringoFrame) {
	ringoSched.lock.unlock()
	ringoDeliver(ringoMe().thread, f)
}

// ringoThreadExit ends the calling thread. wait, if not nil, is cleared when its
// stack is no longer in use.
//
//go:nowritebarrierrec
func ringoThreadExit(wait *uint32) {
	t := ringoMe().thread
	ringoSched.lock.lock()
	if wait != nil {
		atomic.Store(wait, 0)
	}
	for at := &ringoSched.threads; *at != nil; at = &(*at).all {
		if *at == t {
			*at = t.all
			break
		}
	}
	ringoSched.count--
	t.state = ringoDead
	if t != &ringoThread1 {
		t.next = ringoSched.free // reused only by who holds the lock: after the switch
		ringoSched.free = t
	}
	ringoResched(t)
	ringoFatal("a thread that had ended ran on")
}

// ringoReady makes t runnable and sees to it that an idle CPU takes it.
func ringoReady(t *ringoThread) {
	t.state = ringoRunnable
	ringoSched.runq.push(t)
	atomic.Store(&ringoSched.ready, ringoSched.ready+1)
	ringoWakeIdle()
}

// ringoWakeIdle wakes a CPU that waits, if there is one.
func ringoWakeIdle() {
	if ringoSched.idle == 0 {
		return
	}
	n := uint32(sys.TrailingZeros64(ringoSched.idle))
	ringoSched.idle &^= 1 << n
	ringoPlatWake(n)
}

// ringoNext takes the next thread to run, or nil.
func ringoNext() *ringoThread {
	t := ringoSched.runq.pop()
	if t != nil {
		atomic.Store(&ringoSched.ready, ringoSched.ready-1)
	}
	return t
}

// ringoResched gives the CPU to another thread; it returns when the calling
// thread t, which its caller has put where somebody will make it ready, runs again.
func ringoResched(t *ringoThread) {
	c := ringoMe()
	next := ringoNext()
	if next == t {
		t.state = ringoRunning
		return
	}
	now := ringoNanotime()
	if next == nil {
		if ringoSched.ncpu == 1 && t.state != ringoDead {
			// Mostly t is the next to run, too: no need to leave its stack, which no
			// other CPU could take meanwhile.
			ringoIdle(c, t, now)
			return
		}
		next = c.idle
	}
	ringoSwitchTo(c, t, next, now)
}

// ringoSwitchTo continues at the time now with next in place of t.
func ringoSwitchTo(c *ringoCPU, t, next *ringoThread, now int64) {
	ringoCharge(c, now)
	c.thread = next
	c.kstack = next.kstack
	next.state = ringoRunning
	ringoSetFS(next.fs)
	ringoSwitch(&t.sp, next.sp)
}

// ringoCharge adds the time from the last charge to now to the running thread's.
func ringoCharge(c *ringoCPU, now int64) {
	d := now - c.since
	c.since = now
	if c.thread == c.idle {
		c.slack += d
		return
	}
	c.busy += d
	c.thread.ran += d
	if c.thread.profTick != 0 {
		c.thread.profLeft -= d
	}
}

// ringoBlock puts the calling thread t to sleep until ringoWake, or until the
// deadline (-1: none) with the result -ETIMEDOUT, or a signal with -EINTR.
func ringoBlock(t *ringoThread, state uint8, deadline int64) int64 {
	if t.sigpend&^t.sigmask != 0 {
		return -ringoEINTR
	}
	t.state = state
	if deadline >= 0 {
		ringoTimerAdd(t, deadline)
	}
	ringoResched(t)
	return t.result
}

// ringoWake ends the sleep of t with a result.
func ringoWake(t *ringoThread, result int64) {
	switch t.state {
	case ringoInFutex:
		ringoFutexBucket(t.futex).remove(t)
	case ringoInPoll:
		ringoSched.poller = nil
	}
	if t.timed {
		ringoTimerRemove(t)
	}
	t.result = result
	ringoReady(t)
}

// ringoYield answers sched_yield(2).
func ringoYield(t *ringoThread) {
	ringoSched.lock.lock()
	if ringoSched.ready != 0 {
		ringoReady(t)
		ringoResched(t)
	}
	ringoSched.lock.unlock()
}

// ringoCPUEnter is the first that a CPU other than the first runs.
//
//go:nowritebarrierrec
func ringoCPUEnter() {
	ringoSched.lock.lock()
	ringoIdleEnter()
}

// ringoIdleEnter is what a CPU's idle thread runs. It holds the scheduler's lock when it
// begins, as whatever is switched to, and never returns.
//
//go:nowritebarrierrec
func ringoIdleEnter() {
	for c := ringoMe(); ; {
		ringoIdle(c, c.idle, ringoNanotime())
	}
}

// ringoIdle is what a CPU does from the time now on, when no thread is ready, on the
// kernel stack of t: its idle thread, or the thread that was the last to run. It returns
// when t runs. The scheduler's lock is held.
func ringoIdle(c *ringoCPU, t *ringoThread, now int64) {
	ringoCharge(c, now)
	c.thread = c.idle
	spun := false
	for {
		ringoPlatLook()
		c.rested = now
		ringoHousekeep(now)
		if next := ringoNext(); next != nil {
			ringoPlatRun(now)
			if next != t {
				ringoSwitchTo(c, t, next, now)
				return // as switched to
			}
			ringoCharge(c, now)
			c.thread = t
			t.state = ringoRunning
			return
		}
		if spin := ringoPlatSpinTime(); spin != 0 && !spun && !ringoBellsDue() {
			ringoSched.lock.unlock()
			ringoSpinForWork(now + spin)
			spun = true
			ringoSched.lock.lock()
			now = ringoNanotime()
			continue
		}
		deadline := ringoNextTimer()
		ringoSched.idle |= 1 << c.id
		ringoSched.lock.unlock()
		ringoPlatWait(deadline)
		spun = false
		ringoSched.lock.lock()
		ringoSched.idle &^= 1 << c.id
		now = ringoNanotime()
		ringoClockSync(now)
	}
}

// ringoSpinForWork returns when there may be something to do, or at the deadline.
func ringoSpinForWork(until int64) {
	timer := int64(1<<63 - 1)
	if t := ringoSched.timers; t != nil { // a hint only: read without the lock
		timer = t.deadline
	}
	for {
		if atomic.Load(&ringoSched.ready) != 0 || ringoDeviceReady() {
			return
		}
		now := ringoNanotime()
		if now >= until || now >= timer {
			return
		}
		for i := 0; i < 16; i++ {
			ringoPause()
		}
	}
}

// ringoHousekeep does what is due: timers, the poller's devices, signals from
// the machine. The scheduler's lock is held.
func ringoHousekeep(now int64) {
	for t := ringoSched.timers; t != nil && t.deadline <= now; t = ringoSched.timers {
		ringoWake(t, -ringoETIMEDOUT)
	}
	if p := ringoSched.poller; p != nil && ringoDeviceReady() {
		ringoWake(p, 0)
	}
	ringoAlarm(now)
	ringoTakeSignals()
}

// ringoUpcallEnter answers an interrupt of Go code: it does what is due and lets
// other threads have their turn.
//
//go:nowritebarrierrec
func ringoUpcallEnter(f *ringoFrame) {
	c := ringoMe()
	t := c.thread
	ringoSched.lock.lock()
	ringoCharge(c, ringoNanotime())
	ringoHousekeep(c.since)
	ringoProfTick(t)
	ringoWakeSysmon(c)
	ringoRing()
	if ringoSched.ready != 0 {
		ringoReady(t)
		ringoResched(t)
	}
	ringoSched.lock.unlock()
	ringoDeliver(t, f)
}
