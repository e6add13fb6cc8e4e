package vmm

import (
	"fmt"
	"runtime"

	"golang.org/x/sys/unix"

	"ringo.dev/ringo/vmm/landlock"
)

// Path is a file that a confined process can still open, or a directory with
// all that is below it.
type Path = landlock.Path

// Lockdown confines the whole process, all of its threads, for good, to what
// running VMs takes: no new privileges, a list of system calls (seccomp.go)
// beyond which the process is killed, and, where the kernel has Landlock, no
// files but those that the resolver reads, and those in shares, which are
// directories for package share. What is open stays open; sockets can still be
// made, so that user-mode networking works.
//
// Call it after New and before the first Run; no process must be started
// meanwhile. After an error the process is not confined, or not all of it.
func Lockdown(shares ...Path) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := landlock.Restrict(append(resolverFiles(), shares...)); err != nil {
		return fmt.Errorf("landlock: %w", err)
	}
	// TSYNC takes this thread's no_new_privs along to the others.
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("no_new_privs: %w", err)
	}
	if err := restrictCalls(len(shares) > 0); err != nil {
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
