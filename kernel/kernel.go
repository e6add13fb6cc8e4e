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
//   - user.go: the one way to the program's memory.
package kernel

import (
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
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

	families     sync.Map // domain int → SocketFamily
	devices      sync.Map // device number uint64 → OpenDevice
	fileSystems  sync.Map // type string → func(source string) (FileSystem, Errno)
	procs        procFiles
	provided     sync.Map // path → func() string
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
	k.families.Store(syscall.AF_UNIX, SocketFamily(k.newUnixSocket))
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

// RegisterFamily lets f make the sockets of an address family (AF_*).
func RegisterFamily(domain int, f SocketFamily) {
	if k := current.Load(); k != nil {
		k.families.Store(domain, f)
	}
}

// RegisterProc adds a file below /proc, such as "net/dev", whose content is
// made by generate when it is opened.
func RegisterProc(name string, generate func() []byte) {
	if k := current.Load(); k != nil {
		k.RegisterProc(name, generate)
	}
}

// RegisterProc adds a file below /proc.
func (k *Kernel) RegisterProc(name string, generate func() []byte) {
	k.procs.mu.Lock()
	defer k.procs.mu.Unlock()
	k.procs.list = append(k.procs.list, procFile{name, generate})
}

// procFiles are the files that others than package procfs have below /proc.
type procFiles struct {
	mu   sync.Mutex
	list []procFile // only ever appended to
}

type procFile struct {
	name     string // path below /proc
	generate func() []byte
}

// Provide offers the content of a file, for parts of the guest that are linked
// only into programs which need it. The file is made, in one of the directories
// that package syscalls names, when that directory is first looked into.
func Provide(name string, content func() string) {
	if k := current.Load(); k != nil {
		k.provided.Store(name, content)
	}
}

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

// EachProvided calls f for every file offered with Provide whose name begins
// with dir, with the rest of the name.
func (k *Kernel) EachProvided(dir string, f func(name string, content func() string)) {
	k.provided.Range(func(name, content any) bool {
		if rest, ok := strings.CutPrefix(name.(string), dir); ok {
			f(rest, content.(func() string))
		}
		return true
	})
}

// EachProc calls f for every file added with RegisterProc.
func (k *Kernel) EachProc(f func(name string, generate func() []byte)) {
	k.procs.mu.Lock()
	list := k.procs.list
	k.procs.mu.Unlock()
	for _, p := range list {
		f(p.name, p.generate)
	}
}
