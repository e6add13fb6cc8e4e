// Package kernel is the process as the program sees it: descriptors, files,
// pipes, polling, identity, time. Its files answer in Linux's terms (errno,
// stat, poll events) but know nothing of system call numbers: package syscalls
// holds the table. It is linked through package os, so it and all it imports
// must not import os (nor fmt, log, net).
//
// The pieces, and where to start reading:
//
//   - file.go: File, what a descriptor refers to, and its optional abilities.
//   - description.go, table.go: open file descriptions and the descriptor table.
//   - queue.go, wait.go, poll.go, epoll.go: readiness, from a file's Queue to a
//     blocked call, the runtime's network poller, poll, select and epoll.
//   - vfs.go, walk.go, open.go, path.go: inodes, mounts, path resolution and the
//     calls that take paths. File systems are packages beside this one (tmpfs,
//     procfs); devices are in package dev.
//   - pipe.go, fifo.go, eventfd.go, timerfd.go, inotify.go, unix*.go: files
//     without a file system. socket.go: the calls on sockets of all families.
//   - mapping.go: files in the program's memory.
//   - identity.go, limits.go, lock.go, record.go: what else a process has.
//   - registered.go: what other packages bring along.
//   - user.go: the one way to the program's memory.
package kernel

import (
	"sync/atomic"
	"syscall"
	"time"

	"ringo.dev/ringo/rt"
)

// Kernel is one process and its view of the machine. Create it with New.
type Kernel struct {
	files   table
	vfs     namespace
	flocks  lockTable[flocks]
	records recordTable
	watches watchTable
	unix    unixNames
	ident   identity
	limits  limits
	space   addressSpace
	start   time.Time

	registered   registered
	openDevice   OpenDevice // nil: there are none
	blockDevices blockDevices

	// temp is where memfd_create makes its files.
	temp atomic.Pointer[TempDirectory]
}

// New returns a kernel whose root directory is that of fs.
func New(fs FileSystem) *Kernel {
	k := &Kernel{start: time.Now()}
	k.files.init()
	k.vfs.init(fs)
	k.limits.init()
	k.ident.init()
	return k
}

// Started returns when the kernel was made, which is when the machine booted.
func (k *Kernel) Started() time.Time { return k.start }

// SetTemp sets the directory in which memfd_create makes unnamed files.
func (k *Kernel) SetTemp(d TempDirectory) { k.temp.Store(&d) }

// current is the kernel of this program, for the parts of the guest that are
// linked separately and configure it (netstack).
var current atomic.Pointer[Kernel]

// Install makes k the kernel that the functions of this package mean, as
// RegisterFamily.
func Install(k *Kernel) { current.Store(k) }

// PollOpen is what rt calls for the installed kernel, like the next two (rt.Kernel).
func PollOpen(fd int, pd rt.PollDesc) uintptr { return current.Load().PollOpen(fd, pd) }

// PollClose ends what PollOpen began.
func PollClose(fd int) uintptr { return current.Load().PollClose(fd) }

// Fcntl is fcntl(2).
func Fcntl(fd, cmd, arg int) (int, Errno) { return current.Load().Fcntl(fd, cmd, arg) }

// WriteFile replaces the content of a file, which it creates with permissions
// perm if it is missing. The directory must exist.
func WriteFile(name string, data []byte, perm uint32) Errno {
	k := current.Load()
	if k == nil {
		return syscall.ENOSYS
	}
	return k.WriteFile(name, data, perm)
}

// SetHostname sets the name that uname(2) and /proc/sys/kernel/hostname show.
func SetHostname(name string) {
	if k := current.Load(); k != nil {
		k.SetHostname(name)
	}
}

// SetProgram tells what the program was started with.
func SetProgram(args, env []string) {
	if k := current.Load(); k != nil {
		k.SetProgram(args, env)
	}
}
