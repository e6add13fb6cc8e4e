package vmm

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// Lockdown confines the whole process, for good, to what running VMs takes: no
// new privileges, a list of system calls (seccomp.go) beyond which the process
// is killed, and, where the kernel has Landlock, no files but those that the
// resolver reads, and those in shares, which are directories for package share.
// What is open stays open; sockets can still be made, so that user-mode
// networking works. Call it after New and before Run.
//
// A program with cgo has threads that Go does not know, so there Lockdown
// cannot put files under Landlock: such a program calls Restart early.
func Lockdown(shares ...Path) error {
	// TSYNC takes this thread's no_new_privs along to the others.
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("no_new_privs: %w", err)
	}
	if err := restrictFiles(shares); err != nil {
		return fmt.Errorf("landlock: %w", err)
	}
	if err := restrictCalls(len(shares) > 0); err != nil {
		return fmt.Errorf("seccomp: %w", err)
	}
	return nil
}

// Restart is Landlock for programs with cgo: it runs the program again, in the
// same process, with the arguments argv and the environment env, confined to
// keep and to what Lockdown leaves. Descriptors without close-on-exec stay
// open. The program has to know by argv or env that it is the second run. This
// takes a few milliseconds.
//
// Restart returns nil at once where it has nothing to add to Lockdown: without
// cgo, or without Landlock. After an error the program can only end.
func Restart(argv, env []string, keep ...Path) error {
	if _, _, e := syscall.AllThreadsSyscall(unix.SYS_GETPID, 0, 0, 0); e != unix.ENOTSUP {
		return nil
	}
	own, err := ownFiles()
	if err != nil {
		return err
	}
	r, err := newRuleset(slices.Concat(resolverFiles(), own, keep))
	if r == nil || err != nil {
		return err
	}
	defer r.close()
	runtime.LockOSThread() // for good: it is this thread that gets restricted
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("no_new_privs: %w", err)
	}
	if _, _, e := unix.Syscall(unix.SYS_LANDLOCK_RESTRICT_SELF, uintptr(r.fd), 0, 0); e != 0 {
		return os.NewSyscallError("landlock_restrict_self", e)
	}
	return fmt.Errorf("starting again, confined: %w", syscall.Exec(ownExecutable, argv, env))
}

// ownExecutable is the file that this process runs.
const ownExecutable = "/proc/self/exe"

// ownFiles are those that this program needs to start: its executable, the
// libraries that it has mapped, and what the dynamic loader reads.
func ownFiles() ([]Path, error) {
	files := []Path{{Name: ownExecutable, execute: true}, {Name: "/etc/ld.so.cache"}, {Name: "/etc/ld.so.preload"}}
	maps, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		return nil, err
	}
	for line := range strings.Lines(string(maps)) {
		// address perms offset dev inode path; the lines of a file follow each other
		f := strings.Fields(line)
		if len(f) == 6 && filepath.IsAbs(f[5]) && f[5] != files[len(files)-1].Name {
			files = append(files, Path{Name: f[5], execute: true})
		}
	}
	return files, nil
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

// restrictFiles puts all threads under Landlock, in a program without cgo.
func restrictFiles(shares []Path) error {
	_, _, e := syscall.AllThreadsSyscall(unix.SYS_PRCTL, unix.PR_SET_NO_NEW_PRIVS, 1, 0)
	if e == unix.ENOTSUP { // which cgo makes it
		return nil
	} else if e != 0 {
		return os.NewSyscallError("prctl", e)
	}
	r, err := newRuleset(append(resolverFiles(), shares...))
	if r == nil || err != nil {
		return err
	}
	defer r.close()
	if _, _, e := syscall.AllThreadsSyscall(unix.SYS_LANDLOCK_RESTRICT_SELF, uintptr(r.fd), 0, 0); e != 0 {
		return os.NewSyscallError("landlock_restrict_self", e)
	}
	return nil
}
