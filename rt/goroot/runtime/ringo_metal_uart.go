//go:build ringo

package runtime

import (
	"internal/runtime/atomic"
	ringoabi "ringo.dev/ringo/vmm/abi"
	"unsafe"
)

// The console is the first serial port (16550A), behind the same ring that the
// tender has. Whoever writes to the ring starts it; ticks and idle CPUs send
// the rest, a FIFO's worth at a time, so that a program that prints a line does
// not wait for a slow port.

// Registers of the port.
const (
	ringoCOM1       = 0x3f8
	ringoUARTData   = ringoCOM1
	ringoUARTEnable = ringoCOM1 + 1 // interrupts; the divisor's high byte
	ringoUARTFIFO   = ringoCOM1 + 2
	ringoUARTLine   = ringoCOM1 + 3
	ringoUARTModem  = ringoCOM1 + 4
	ringoUARTStatus = ringoCOM1 + 5
	ringoUARTOwn    = ringoCOM1 + 7 // scratch

	ringoUARTEmpty    = 1 << 5 // status: the FIFO can take ringoUARTFIFOSize bytes
	ringoUARTFIFOSize = 16
)

var ringoUART struct {
	present bool
	busy    uint32 // a CPU is sending
}

// ringoUARTInit sets the port to 115200 bits a second, 8 bits, no parity.
func ringoUARTInit() {
	ringoMetalConsole.Idle = 1
	ringoOut8(ringoUARTOwn, 0x5a)
	if ringoIn8(ringoUARTOwn) != 0x5a {
		return
	}
	ringoUART.present = true
	const divisorAccess, bits8 = 0x80, 3
	ringoOut8(ringoUARTEnable, 0)
	ringoOut8(ringoUARTLine, divisorAccess)
	ringoOut8(ringoUARTData, 1)
	ringoOut8(ringoUARTEnable, 0)
	ringoOut8(ringoUARTLine, bits8)
	const fifo, dtrRTS = 7, 3
	ringoOut8(ringoUARTFIFO, fifo)
	ringoOut8(ringoUARTModem, dtrRTS)
}

// ringoUARTDrain sends what the port takes now of what is in the ring. It
// reports whether the ring is empty.
func ringoUARTDrain() bool {
	ring := &ringoMetalConsole
	if atomic.Load(&ring.Head) == atomic.Load(&ring.Tail) {
		return true
	}
	if !atomic.Cas(&ringoUART.busy, 0, 1) {
		return true // another CPU is at it
	}
	for {
		tail := ring.Tail
		n := min(atomic.Load(&ring.Head)-tail, ringoUARTFIFOSize, ringoabi.ConsoleSize-tail%ringoabi.ConsoleSize)
		if n == 0 || !ringoUART.present || ringoIn8(ringoUARTStatus)&ringoUARTEmpty == 0 {
			if !ringoUART.present {
				atomic.Store(&ring.Tail, atomic.Load(&ring.Head))
				n = 0
			}
			atomic.Store(&ringoUART.busy, 0)
			return n == 0
		}
		ringoOutString(ringoUARTData, unsafe.Pointer(&ring.Data[tail%ringoabi.ConsoleSize]), uintptr(n))
		atomic.Store(&ring.Tail, tail+n)
	}
}

// ringoUARTFlush sends all that is in the ring.
func ringoUARTFlush() {
	for !ringoUARTDrain() {
		ringoPause()
	}
}
