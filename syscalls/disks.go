package syscalls

import (
	"ringo.dev/ringo/kernel"
	"ringo.dev/ringo/rt"
)

// attachDisks is the function that knows of disks (kernel/disks.Attach), in a
// guest that has it.
const attachDisks = "internal/ringo/kernel/disks.Attach"

// canDisks reports whether the guest has it.
func canDisks() bool { return rt.Linked[func(*kernel.Kernel)](attachDisks) != nil }

// findDisks adds the machine's disks to k, unless the program cannot open files.
func findDisks(k *kernel.Kernel) {
	if attach := rt.Linked[func(*kernel.Kernel)](attachDisks); attach != nil {
		attach(k)
	}
}
