package vmm

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Lockdown confines the whole process, for good, to what running VMs takes: no
// new privileges, a list of system calls (seccomp.go) beyond which the process
// is killed, and, where the kernel has Landlock, no files but those that the
// resolver reads. What is open stays open; sockets can still be made, so that
// user-mode networking works. Call it after New and before Run.
//
// Landlock reaches all threads only in a program built without cgo; with cgo
// it is left out.
func Lockdown() error {
	// TSYNC takes this thread's no_new_privs along to the others.
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("no_new_privs: %w", err)
	}
	if err := restrictFiles(); err != nil {
		return fmt.Errorf("landlock: %w", err)
	}
	if err := restrictCalls(); err != nil {
		return fmt.Errorf("seccomp: %w", err)
	}
	return nil
}

// readable are the files and directories that Go's resolver and listeners read.
var readable = []string{
	"/etc/resolv.conf", "/etc/hosts", "/etc/nsswitch.conf", "/etc/services", "/etc/protocols",
	"/etc/localtime", "/usr/share/zoneinfo", "/proc/sys/net/core/somaxconn",
}

func restrictFiles() error {
	const readRights = unix.LANDLOCK_ACCESS_FS_READ_FILE
	const allRights = unix.LANDLOCK_ACCESS_FS_MAKE_SYM<<1 - 1 // those of the first version, lowest to highest
	attr := unix.LandlockRulesetAttr{Handled_access_fs: allRights}
	fd, _, e := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, uintptr(unsafe.Pointer(&attr)), unsafe.Sizeof(attr.Handled_access_fs), 0)
	if e == unix.ENOSYS || e == unix.EOPNOTSUPP {
		return nil // this kernel has none
	}
	if e != 0 {
		return e
	}
	defer unix.Close(int(fd))
	for _, path := range readable {
		if err := allowReading(int(fd), path, readRights); err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("%s: %w", path, err)
		}
	}
	_, _, err := syscall.AllThreadsSyscall(unix.SYS_PRCTL, unix.PR_SET_NO_NEW_PRIVS, 1, 0)
	if err == 0 {
		_, _, err = syscall.AllThreadsSyscall(unix.SYS_LANDLOCK_RESTRICT_SELF, fd, 0, 0)
	}
	if err != 0 && err != unix.ENOTSUP { // which cgo makes it
		return err
	}
	return nil
}

// allowReading adds a file, or what is below a directory, to a ruleset.
func allowReading(ruleset int, path string, rights uint64) error {
	path, err := filepath.EvalSymlinks(path)
	if err != nil {
		return err
	}
	fd, err := unix.Open(path, unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	rule := unix.LandlockPathBeneathAttr{Allowed_access: rights, Parent_fd: int32(fd)}
	if _, _, e := unix.Syscall6(unix.SYS_LANDLOCK_ADD_RULE, uintptr(ruleset), unix.LANDLOCK_RULE_PATH_BENEATH, uintptr(unsafe.Pointer(&rule)), 0, 0, 0); e != 0 {
		return e
	}
	return nil
}
