package vmm

import (
	"fmt"
	"runtime"
	"slices"

	"golang.org/x/sys/unix"

	"ringo.dev/ringo/vmm/landlock"
)

// Path is a file that a confined process can still open, or a directory with
// all that is below it.
type Path = landlock.Path

// Reach is what of the host a confined process can use beside what it has open.
type Reach struct {
	Network bool   // sockets, and the files by which names are resolved, for package gateway
	Shares  []Path // directories, for package share
}

// Lockdown confines the whole process, all of its threads, for good, to what
// running VMs takes: no new privileges, a list of system calls (seccomp.go)
// beyond which the process is killed, and, where the kernel has Landlock, no
// files, except for what is within reach. What is open stays open.
//
// Call it after New and before the first Run; no process must be started
// meanwhile. After an error the process is not confined, or not all of it.
func Lockdown(within Reach) error {
	paths := within.Shares
	if within.Network {
		paths = slices.Concat(resolverFiles(), paths)
	}
	if err := landlock.Restrict(paths); err != nil {
		return fmt.Errorf("landlock: %w", err)
	}
	// Not before: it may start a thread, which would have to be told of Landlock, too.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	// TSYNC takes this thread's no_new_privs along to the others.
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("no_new_privs: %w", err)
	}
	if err := restrictCalls(within); err != nil {
		return fmt.Errorf("seccomp: %w", err)
	}
	return nil
}

// resolverFiles are what Go's resolver and listeners read.
func resolverFiles() []Path {
	var files []Path
	for _, name := range []string{
		"/etc/resolv.conf", "/etc/hosts", "/etc/nsswitch.conf", "/etc/services", "/etc/protocols",
		"/etc/localtime", "/usr/share/zoneinfo", "/proc/sys/net/core/somaxconn",
	} {
		files = append(files, Path{Name: name})
	}
	return files
}
