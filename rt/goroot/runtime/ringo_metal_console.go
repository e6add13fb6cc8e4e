//go:build ringo

package runtime

import (
	"internal/runtime/atomic"
	ringoabi "ringo.dev/ringo/vmm/abi"
	"unsafe"
)

// The console is behind the same ring that the tender has. Whoever writes to the
// ring starts it; ticks and idle CPUs send the rest, as much at a time as is
// taken at once, so that a program that prints a line does not wait for a slow
// port.

// ringoMetalConsoleBusy is 1 while a CPU is sending.
var ringoMetalConsoleBusy uint32

// ringoMetalConsoleInit finds what takes the console's output: the first serial
// port, or else Xen's console.
func ringoMetalConsoleInit() {
	ringoMetalConsole.Idle = 1
	if !ringoUARTInit() {
		ringoXenConsoleInit()
	}
}

// ringoMetalConsoleSend sends up to n bytes at p. It returns how many were
// taken, all if there is nothing that takes them.
func ringoMetalConsoleSend(p unsafe.Pointer, n uint32) uint32 {
	switch {
	case ringoUARTPresent:
		return ringoUARTSend(p, n)
	case ringoXen.console != nil:
		return ringoXenConsoleSend(p, n)
	}
	return n
}

// ringoMetalConsoleDrain sends what is taken now of what is in the ring. It
// reports whether the CPU may rest: the ring is empty, or an interrupt will say
// when to go on.
func ringoMetalConsoleDrain() bool {
	ring := &ringoMetalConsole
	if atomic.Load(&ring.Head) == atomic.Load(&ring.Tail) {
		return true
	}
	if !atomic.Cas(&ringoMetalConsoleBusy, 0, 1) {
		return true // another CPU is at it
	}
	for {
		tail := ring.Tail
		n := min(atomic.Load(&ring.Head)-tail, ringoabi.ConsoleSize-tail%ringoabi.ConsoleSize)
		if n != 0 {
			n = ringoMetalConsoleSend(unsafe.Pointer(&ring.Data[tail%ringoabi.ConsoleSize]), n)
		}
		if n == 0 {
			atomic.Store(&ringoMetalConsoleBusy, 0)
			return atomic.Load(&ring.Head) == tail || !ringoUARTPresent
		}
		atomic.Store(&ring.Tail, tail+n)
	}
}

// ringoMetalConsoleFlush sends all that is in the ring.
func ringoMetalConsoleFlush() {
	ring := &ringoMetalConsole
	tail, still := ring.Tail, 0
	for ringoMetalConsoleDrain(); atomic.Load(&ring.Head) != atomic.Load(&ring.Tail); ringoMetalConsoleDrain() {
		if ringoXen.console != nil {
			ringoXenYield()
		}
		ringoPause()
		if t := atomic.Load(&ring.Tail); t != tail {
			tail, still = t, 0
		} else if still++; still == ringoConsolePatience && atomic.Load(&ringoMetalEnder) != 0 {
			atomic.Store(&ringoMetalConsoleBusy, 0)
		}
	}
	if ringoUARTPresent {
		ringoUARTFlush()
	}
}

// ringoConsolePatience is how many pauses the CPU that ends the machine waits for
// another one that has the console and does nothing with it. After that it is
// rather this CPU that has it, and was interrupted by a fault. To wait too long costs
// time in that case, to wait too short garbles the last lines.
const ringoConsolePatience = 1 << 22

// ringoConsoleSeize gives this CPU, which ends the machine, the right to write to
// the console's ring, if need be without the consent of the one that has it.
func ringoConsoleSeize() {
	for n := 1; n < ringoConsolePatience && atomic.Load(&ringoConsoleLock.v) != 0; n++ {
		ringoSpinPause(n)
	}
	ringoConsoleLock.v = 0
}
