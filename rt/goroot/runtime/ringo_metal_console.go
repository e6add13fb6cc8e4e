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
	for ringoMetalConsoleDrain(); atomic.Load(&ring.Head) != atomic.Load(&ring.Tail); ringoMetalConsoleDrain() {
		if ringoXen.console != nil {
			ringoXenYield()
		}
		ringoPause()
	}
	if ringoUARTPresent {
		ringoUARTFlush()
	}
}
