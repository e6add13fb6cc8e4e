package main

import (
	"runtime"

	"golang.org/x/sys/unix"
)

// The CPUs of the client and of what it measures, if there are two.
const (
	clientCPU = 0
	serverCPU = 1
)

// pinned calls start with this thread on the given CPUs, so that the process
// which it starts runs there, with all of its threads.
func pinned(start func() error, cpus ...int) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var before, now unix.CPUSet
	if err := unix.SchedGetaffinity(0, &before); err != nil {
		return err
	}
	for _, cpu := range cpus {
		now.Set(cpu)
	}
	if err := unix.SchedSetaffinity(0, &now); err != nil {
		return start() // there is no such CPU for us: share what there is
	}
	defer unix.SchedSetaffinity(0, &before)
	return start()
}
