package syscalls

import (
	"strconv"
	"sync/atomic"
	"syscall"

	"ringo.dev/ringo/kernel"
	"ringo.dev/ringo/rt"
)

// Table answers system calls with a kernel. Create it with NewTable.
type Table struct {
	kernel *kernel.Kernel
	trace  bool
	missed [maxCalls]atomic.Uint32 // calls that are not supported, by number
}

// maxCalls is more than the greatest number in the table.
const maxCalls = 512

// NewTable returns a table whose calls go to k. With trace they are printed on
// the console.
func NewTable(k *kernel.Kernel, trace bool) *Table { return &Table{kernel: k, trace: trace} }

// Syscall answers one call (rt.Kernel).
func (t *Table) Syscall(c *rt.Call) {
	call := find(c.Num)
	var ret uintptr
	err := syscall.ENOSYS
	if call != nil && call.handler != nil {
		ret, err = call.handler(&task{t.kernel, c.Arg})
	}
	if err == syscall.ENOSYS && (call == nil || call.status != probed) {
		t.missing(c.Num, call)
	}
	if err != 0 {
		ret = ^uintptr(0)
	}
	c.Ret, c.Ret2, c.Errno = ret, 0, uintptr(err)
	if t.trace {
		rt.ConsoleWrite(traceLine(call, c))
	}
}

// find returns the line of a call, or nil.
func find(num uintptr) *call {
	lo, hi := 0, len(calls)
	for lo < hi {
		mid := (lo + hi) / 2
		if uintptr(calls[mid].num) < num {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	if lo < len(calls) && uintptr(calls[lo].num) == num {
		return &calls[lo]
	}
	return nil
}

// missing counts a call that is not supported, and names it the first time.
func (t *Table) missing(num uintptr, call *call) {
	if t.missed[min(num, maxCalls-1)].Add(1) > 1 {
		return
	}
	line := "ringo: system call " + strconv.FormatUint(uint64(num), 10)
	if call != nil {
		line += " (" + call.name + ")"
	}
	rt.ConsoleWrite([]byte(line + " is not supported (ENOSYS)\n"))
}

// Missed returns how often a call was answered with ENOSYS.
func (t *Table) Missed(num int) int {
	if num < 0 || num >= maxCalls {
		return 0
	}
	return int(t.missed[num].Load())
}
