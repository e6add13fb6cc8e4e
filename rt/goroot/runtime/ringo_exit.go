//go:build ringo

package runtime

import (
	"internal/runtime/atomic"
	"internal/runtime/exithook"
	_ "unsafe"
)

// What is done before the program ends, however it ends: by exit, by a panic or
// by a signal that it does not handle. A process leaves what it has written to
// the kernel, which lives on; here the kernel ends with the program.

// ringoLast is that. A signal's handler cannot do it: it leaves the signal to a
// goroutine, which ends the program.
var ringoLast struct {
	do     func()
	done   uint32 // 1: do has returned for a panic
	awaits uint32 // 1: a goroutine waits for signal
	signal uint16
}

// ringoAtExit is rt.AtExit.
//
//go:linkname ringoAtExit
func ringoAtExit(do func()) {
	ringoLast.do = do
	exithook.Add(exithook.Hook{F: do, RunOnFailure: true})
}

// ringoFatalSignal is rt.FatalSignal.
//
//go:linkname ringoFatalSignal
func ringoFatalSignal() *uint16 {
	atomic.Store(&ringoLast.awaits, 1)
	return &ringoLast.signal
}

// ringoEndLater hands the signal by which the program ends to the goroutine that
// waits for it. It returns false if there is none.
//
//go:nowritebarrierrec
func ringoEndLater(sig uint32) bool {
	if atomic.Load(&ringoLast.awaits) == 0 {
		return false
	}
	ringoLast.signal = uint16(sig)
	return true
}

// ringoBeforePanic does what is to be done before the program ends, for a panic.
// The panic may have come in the middle of just that, or where it needs a lock:
// so it is given some time and no more.
func ringoBeforePanic() {
	if ringoLast.do == nil {
		return
	}
	go func() {
		ringoLast.do()
		atomic.Store(&ringoLast.done, 1)
	}()
	Gosched()
	const longest, step = 3_000_000_000, 1_000_000 // ns
	for waited := 0; atomic.Load(&ringoLast.done) == 0 && waited < longest; waited += step {
		timeSleep(step)
	}
}
