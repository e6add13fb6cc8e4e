//go:build ringo

package runtime

import (
	"internal/runtime/atomic"
	_ "unsafe"
)

// Input of the machine's own console, the first serial port or Xen's. What comes by the
// port is taken at once and kept until somebody reads it, for there may be signals in
// it; what there is no room for stays in the port. Xen's input stays in Xen's page until
// it is read.

// ringoInput is what came.
var ringoInput struct {
	interrupts uint32 // how often the serial port has interrupted
	put, taken uint32 // bytes of buffer, counted from the start; they run freely
	quoted     bool   // the next byte means nothing but itself
	carried    bool   // by ringo run; else it is typed
	buffer     [4096]byte
}

// Interrupts of the serial port, in ringoUARTEnable.
const (
	ringoUARTNone     = 0
	ringoUARTReceived = 1 << 0
)

// ringoConsoleListen is rt.ConsoleListen. It runs in user mode.
//
//go:linkname ringoConsoleListen
func ringoConsoleListen(carried bool) {
	ringoInput.carried = carried
	if ringoMetal != 0 && ringoUARTPresent {
		const line = 4 // of the first serial port
		ringoIOAPICConnect(line, ringoVectorSerial)
		ringoOut8(ringoUARTEnable, ringoUARTReceived)
	}
}

// ringoConsoleInput is rt.ConsoleInput. It runs in user mode.
//
//go:linkname ringoConsoleInput
func ringoConsoleInput() *uint32 {
	switch {
	case ringoMetal == 0:
		return nil
	case ringoUARTPresent:
		return &ringoInput.interrupts
	case ringoXen.console != nil:
		return &ringoXen.console.inProd
	}
	return nil
}

// ringoConsoleRead is rt.ConsoleRead. It runs in user mode.
//
//go:linkname ringoConsoleRead
func ringoConsoleRead(p []byte) (n int) {
	if !ringoUARTPresent {
		n = ringoXenConsoleRead(p)
		for _, c := range p[:n] {
			ringoConsoleSignal(c)
		}
		return n
	}
	in := &ringoInput
	put := atomic.Load(&in.put)
	for ; n < len(p) && in.taken != put; n++ {
		p[n] = in.buffer[in.taken%uint32(len(in.buffer))]
		atomic.Store(&in.taken, in.taken+1)
	}
	if n == 0 {
		// It was turned off if there was no room.
		ringoOut8(ringoUARTEnable, ringoUARTReceived)
	}
	return n
}

// ringoSerialInterrupt handles the serial port's interrupt: it has input.
func ringoSerialInterrupt() {
	const ready = 1 << 0
	in := &ringoInput
	for ringoIn8(ringoUARTStatus)&ready != 0 {
		size := uint32(len(in.buffer))
		if in.put-atomic.Load(&in.taken) == size {
			ringoOut8(ringoUARTEnable, ringoUARTNone)
			break
		}
		c := ringoIn8(ringoUARTData)
		in.buffer[in.put%size] = c
		atomic.Store(&in.put, in.put+1)
		ringoConsoleSignal(c)
	}
	atomic.Xadd(&in.interrupts, 1)
}

// ringoConsoleSignal sends the program the signal that a byte of input stands for, if it
// does: Ctrl-C and Ctrl-\ where somebody types, 0x80 + signal from ringo run. Package
// kernel/dev, which reads the same bytes, says what ringo run writes.
func ringoConsoleSignal(c byte) {
	const quote, interrupt, quit = 'V' & 31, 'C' & 31, '\\' & 31
	const signals, number = 0x80, 31
	in := &ringoInput
	sig := byte(0)
	switch {
	case in.quoted:
		in.quoted = false
	case c == quote:
		in.quoted = true
	case in.carried && c&^number == signals:
		sig = c & number
	case !in.carried && c == interrupt:
		sig = _SIGINT
	case !in.carried && c == quit:
		sig = _SIGQUIT
	}
	if sig != 0 {
		atomic.Or64(&ringoMetalSignals, 1<<(sig-1))
	}
}
