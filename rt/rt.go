// Package rt is the door to the layer under the Go runtime: what the kernel
// packages (kernel, syscalls, netstack, drivers) may ask of it, and the hooks
// by which it calls them. The layer itself is in rt/goroot/runtime: files that the
// overlay adds to package runtime. The rules of that overlay are in rt/overlay.
//
// Files with the build tag ringo are compiled only into guests; their
// counterparts without it let the kernel packages build and be tested as
// ordinary Go programs on the host.
package rt

import (
	"syscall"
	"unsafe"
)

// Call is one system call on its way through the kernel: a number and six raw
// arguments, answered with a result or an errno.
type Call struct {
	Num   uintptr
	Arg   [6]uintptr
	Ret   uintptr
	Ret2  uintptr // second result register (RDX); seldom used
	Errno uintptr // 0 on success
}

// PollDesc identifies a descriptor in the runtime's network poller.
type PollDesc uintptr

// Kernel holds what rt calls in the kernel. All of them run on goroutines, may
// block and may allocate.
type Kernel struct {
	// Syscall answers a system call that rt does not answer itself. Pointers
	// in c.Arg stay valid until it returns.
	Syscall func(c *Call)
	// PollOpen starts reporting readiness of fd to pd with PollReady, edge
	// triggered, beginning with the present state. It returns an errno.
	PollOpen func(fd int, pd PollDesc) uintptr
	// PollClose ends that.
	PollClose func(fd int) uintptr
	// Fcntl answers fcntl(2) for package os, whose arguments are but numbers. If it is
	// nil, that is a system call like others.
	Fcntl func(fd, cmd, arg int) (int, syscall.Errno)
}

// Modes of PollReady; they may be added.
const (
	PollRead  = 'r'
	PollWrite = 'w'
)

// How a device on an interrupt line is made to release it, for ConnectLine: by
// reading the byte at a port, or the byte or 32-bit word at an address.
const (
	AckPort8  = 1
	AckLoad8  = 2
	AckLoad32 = 3
)

// Linked returns the function of that name ("path/of/package.Name") if it is in
// the program, else nil. F has to be its type. So code can be used that is there
// only because something else in the program refers to it.
func Linked[F any](name string) (f F) {
	if entry := linked(name); entry != 0 {
		closure := &entry // what a func value points to
		f = *(*F)(unsafe.Pointer(&closure))
	}
	return f
}

// Pointer returns the memory that a system call's argument points to.
func Pointer(addr uintptr) unsafe.Pointer { return *(*unsafe.Pointer)(unsafe.Pointer(&addr)) }
