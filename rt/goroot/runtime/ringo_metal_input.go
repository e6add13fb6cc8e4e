//go:build ringo

package runtime

import (
	"internal/runtime/atomic"
	_ "unsafe"
)

// Input of the machine's own console, the first serial port or Xen's. It stays
// there until somebody asks for it; only then does the port interrupt, once.

// ringoInterrupts is how often the serial port has interrupted.
var ringoInterrupts uint32

// ringoConsoleInput is rt.ConsoleInput. It runs in user mode.
//
//go:linkname ringoConsoleInput
func ringoConsoleInput() *uint32 {
	const line = 4 // of the first serial port
	switch {
	case ringoMetal == 0:
		return nil
	case ringoUARTPresent:
		ringoIOAPICConnect(line, ringoVectorSerial)
		return &ringoInterrupts
	case ringoXen.console != nil:
		return &ringoXen.console.inProd
	}
	return nil
}

// ringoConsoleRead is rt.ConsoleRead. It runs in user mode.
//
//go:linkname ringoConsoleRead
func ringoConsoleRead(p []byte) int {
	if !ringoUARTPresent {
		return ringoXenConsoleRead(p)
	}
	n := ringoUARTReceive(p)
	if n == 0 && len(p) > 0 {
		const received = 1 << 0
		ringoOut8(ringoUARTEnable, received)
	}
	return n
}

// ringoSerialInterrupt handles the serial port's interrupt: it has input.
func ringoSerialInterrupt() {
	ringoOut8(ringoUARTEnable, 0)
	atomic.Xadd(&ringoInterrupts, 1)
}

// ringoUARTReceive takes what the serial port's FIFO has, up to len(p) bytes.
func ringoUARTReceive(p []byte) (n int) {
	const ready = 1 << 0
	for n < len(p) && ringoIn8(ringoUARTStatus)&ready != 0 {
		p[n] = ringoIn8(ringoUARTData)
		n++
	}
	return n
}
