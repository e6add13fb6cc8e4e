//go:build ringo

package runtime

import "unsafe"

// The first serial port (16550A).

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
	ringoUARTSent     = 1 << 6 // all bytes are on the wire
	ringoUARTFIFOSize = 16
)

// ringoUARTPresent is whether there is such a port.
var ringoUARTPresent bool

// ringoUARTSetup sets the port to 115200 bits a second, 8 bits, no parity.
var ringoUARTSetup = [...]ringoPortByte{
	{ringoUARTEnable, 0},
	{ringoUARTLine, 0x80}, // the next two are the divisor
	{ringoUARTData, 1},
	{ringoUARTEnable, 0},
	{ringoUARTLine, 3},   // 8 bits
	{ringoUARTFIFO, 7},   // on, and empty
	{ringoUARTModem, 11}, // DTR, RTS, interrupts
}

// ringoUARTInit prepares the port. It reports whether it is there.
func ringoUARTInit() bool {
	const sign = 0x5a
	ringoOut8(ringoUARTOwn, sign)
	ringoUARTPresent = ringoIn8(ringoUARTOwn) == sign
	if ringoUARTPresent {
		ringoOutAll(ringoUARTSetup[:])
	}
	return ringoUARTPresent
}

// ringoUARTSend puts up to n bytes at p into the port's FIFO, if that is empty.
// It returns how many.
func ringoUARTSend(p unsafe.Pointer, n uint32) uint32 {
	if ringoIn8(ringoUARTStatus)&ringoUARTEmpty == 0 {
		return 0
	}
	n = min(n, ringoUARTFIFOSize)
	ringoOutString(ringoUARTData, p, uintptr(n))
	return n
}

// ringoUARTFlush waits until the FIFO is on the wire: bochs takes its time, as
// ports do that are none of a virtual machine.
func ringoUARTFlush() {
	for range ringoUARTPatience {
		if ringoIn8(ringoUARTStatus)&ringoUARTSent != 0 {
			return
		}
		ringoPause()
	}
}

// ringoUARTPatience is far more looks at the status than the bytes take.
const ringoUARTPatience = 1 << 20
