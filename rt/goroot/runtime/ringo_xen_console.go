//go:build ringo

package runtime

import (
	"internal/runtime/atomic"
	"internal/runtime/sys"
	"unsafe"
)

// ringoXenConsole is struct xencons_interface (io/console.h): the page that the
// domain shares with its console's back end. Indices run freely.
type ringoXenConsole struct {
	_               sys.NotInHeap
	in              [1024]byte
	out             [2048]byte
	inCons, inProd  uint32
	outCons, outPut uint32 // the other side's, ours
}

// ringoXenConsoleInit finds the console. Nothing else of Xen need be set up.
func ringoXenConsoleInit() {
	if !ringoXen.present {
		return
	}
	frame := uintptr(ringoXenGetParam(xenParamConsoleFrame))
	if frame == 0 || frame >= 1<<(32-12) {
		return
	}
	ringoXen.port = uint32(ringoXenGetParam(xenParamConsolePort))
	ringoXen.console = (*ringoXenConsole)(unsafe.Pointer(ringoDirect + frame<<12))
}

// ringoXenConsoleSend gives the console up to n bytes at p. It returns how many
// it has taken.
func ringoXenConsoleSend(p unsafe.Pointer, n uint32) uint32 {
	c := ringoXen.console
	size := uint32(len(c.out))
	used := c.outPut - atomic.Load(&c.outCons)
	if used > size {
		return n // the other side is broken
	}
	k := min(n, size-used)
	if k == 0 {
		return 0
	}
	// Ticks call this. memmove takes the wide vector registers, of which an interrupt
	// saves only what compiled code changes.
	for i := range k {
		c.out[(c.outPut+i)%size] = *(*byte)(add(p, uintptr(i)))
	}
	atomic.Store(&c.outPut, c.outPut+k)
	ringoXenNotify(ringoXen.port)
	return k
}

// ringoXenConsoleRead takes what the console has, up to len(p) bytes.
func ringoXenConsoleRead(p []byte) int {
	c := ringoXen.console
	size := uint32(len(c.in))
	have := atomic.Load(&c.inProd) - c.inCons
	if have > size {
		return 0 // the other side is broken
	}
	n := min(have, uint32(len(p)))
	for i := range n {
		p[i] = c.in[(c.inCons+i)%size]
	}
	if n > 0 {
		atomic.Store(&c.inCons, c.inCons+n)
		ringoXenNotify(ringoXen.port)
	}
	return int(n)
}

// ringoXenConsoleFlush waits until the other side has all that was sent, but not
// long: it may have gone, or never been there.
func ringoXenConsoleFlush() {
	const patience = 5_000_000_000 // ns
	c := ringoXen.console
	if c == nil || ringoXen.shared == nil {
		return
	}
	start, _ := ringoPVClock()
	for atomic.Load(&c.outCons) != c.outPut {
		if now, _ := ringoPVClock(); now-start > patience {
			return
		}
		ringoXenYield()
	}
}

// ringoXenYield lets other domains run that share the processor.
func ringoXenYield() { ringoXenCall(ringoXenSched, xenYield, nil, 0) }
