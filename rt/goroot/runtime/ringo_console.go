//go:build ringo

package runtime

import (
	"internal/runtime/atomic"
	ringoabi "ringo.dev/ringo/vmm/abi"
	"unsafe"
)

var ringoConsoleLock ringoSpin

// ringoConsoleWrite puts n bytes at p into the console's ring. When the ring is
// full it has the machine empty it.
func ringoConsoleWrite1(p unsafe.Pointer, n uintptr) {
	ring := (*ringoabi.Console)(unsafe.Pointer(uintptr(ringoBootPage.Console)))
	ringoConsoleLock.lock()
	for n > 0 {
		head := ring.Head
		room := ringoabi.ConsoleSize - uintptr(head-atomic.Load(&ring.Tail))
		if room == 0 || room > ringoabi.ConsoleSize {
			ringoPlatConsole()
			continue
		}
		at := uintptr(head) % ringoabi.ConsoleSize
		k := min(n, room, ringoabi.ConsoleSize-at)
		memmove(unsafe.Pointer(&ring.Data[at]), p, k)
		atomic.Store(&ring.Head, head+uint32(k))
		p = add(p, k)
		n -= k
	}
	ringoConsoleLock.unlock()
	if atomic.Load(&ring.Idle) != 0 && atomic.Xchg(&ring.Idle, 0) != 0 {
		ringoPlatConsoleBell()
	}
}

// ringoConsolePut writes a message of rt's own.
func ringoConsolePut(s string) {
	ringoConsoleWrite1(unsafe.Pointer(unsafe.StringData(s)), uintptr(len(s)))
}

// ringoConsoleNumber writes v in hexadecimal.
func ringoConsoleNumber(v uintptr) {
	var b [18]byte
	i := len(b)
	for {
		i--
		b[i] = "0123456789abcdef"[v&15]
		v >>= 4
		if v == 0 {
			break
		}
	}
	i -= 2
	b[i], b[i+1] = '0', 'x'
	ringoConsoleWrite1(unsafe.Pointer(&b[i]), uintptr(len(b)-i))
}
