// Package signals handles signals of this process behind the back of Go's runtime.
//
// Package os/signal has a thread of its own, and for each signal that it is told of,
// that thread and the caller's take turns: some tenths of a millisecond in all, before
// a guest starts and again after its end. Here a handler of a few instructions marks
// the signal and writes to an eventfd, which a goroutine reads (Catch). Others have
// handlers of their own (Handle).
package signals

import (
	"os"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Action is what becomes of a signal: the kernel's struct sigaction.
type Action struct {
	handler  uintptr
	flags    uint64
	restorer uintptr
	mask     uint64
}

const (
	saSiginfo  = 0x4
	saRestorer = 0x04000000
	saOnStack  = 0x08000000 // a goroutine's stack may be too small
	saRestart  = 0x10000000
)

// Handle makes a function in assembly the signal's handler, in all threads, and
// returns what was to become of the signal before.
//
// The kernel calls it as a C function: DI is the signal, SI its siginfo_t, DX the
// context. The thread may be anybody's, and g anything: so nothing of Go's may be
// called or used. All signals are blocked in it. Calls that it interrupts go on
// afterwards or fail with EINTR, as with any signal of Go's runtime.
func Handle(sig syscall.Signal, handler uintptr) (before *Action, err error) {
	return set(sig, &Action{handler, saSiginfo | saRestorer | saOnStack | saRestart, restorerAddress(), ^uint64(0)})
}

// Restore makes a again what becomes of a signal.
func (a *Action) Restore(sig syscall.Signal) error {
	_, err := set(sig, a)
	return err
}

func set(sig syscall.Signal, a *Action) (before *Action, err error) {
	before = new(Action)
	_, _, e := unix.RawSyscall6(unix.SYS_RT_SIGACTION, uintptr(sig), uintptr(unsafe.Pointer(a)), uintptr(unsafe.Pointer(before)), unsafe.Sizeof(a.mask), 0, 0)
	if e != 0 {
		return nil, os.NewSyscallError("rt_sigaction", e)
	}
	return before, nil
}

// restorerAddress returns that of what a handler returns to.
func restorerAddress() uintptr
