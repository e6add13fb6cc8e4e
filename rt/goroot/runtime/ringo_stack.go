//go:build ringo

package runtime

import (
	"internal/runtime/atomic"
	"unsafe"
)

// ringoKeepsStack reports whether a goroutine that has ended keeps a stack of n bytes,
// for the one that it becomes next. Those of connections are all of a size, which
// is some times what a goroutine starts with, since the kernel runs on them too; to
// grow there was a sixth of what a connection cost. A collection frees them.
func ringoKeepsStack(n uintptr) bool {
	const most = 16 << 10
	least := uintptr(startingStackSize)
	return n == least || ringoBare != 0 && n > least && n <= most
}

// ringoNewStack returns the size of a new goroutine's stack. Those of a program's first
// goroutines begin as large as what starts the network, and receives packets, needs: each
// time that one grows, the tables of all functions on it are read, which at the start
// are read for the first time.
func ringoNewStack() int32 {
	const first, size = 64, 16 << 10
	if ringoBare == 0 || allglen >= first {
		return stackMin
	}
	return size
}

// ringoStackCeiling is the largest stack that a goroutine may have, which is n on
// Linux. A stack is copied to one of twice its size, so that one of more than the
// machine has cannot be: then an endless recursion ends with a trace, as it does on
// Linux, and not when the memory is at its end.
func ringoStackCeiling(n uintptr) uintptr {
	if ringoBare == 0 {
		return n
	}
	return min(n, uintptr(ringoFreeMemory()))
}

// ringoStackFree returns a large stack's memory to the machine at once: the stack that
// it was copied to needs it more than the heap, which gives it back some time later.
func ringoStackFree(s *mspan) {
	const large = 1 << 20
	if n := s.npages * pageSize; ringoBare != 0 && n >= large {
		madvise(unsafe.Pointer(s.base()), n, _MADV_DONTNEED)
	}
}

// ringoFreeMemory is the machine's memory, in bytes, that is not in use.
func ringoFreeMemory() uint64 {
	total := ringoBootPage.MemBytes
	return total - min(total, atomic.Load64(&ringoBootPage.MemUsed))
}
