// Package landlock takes the host's files out of a process's reach, for good
// (landlock(7)): all but those that it names, in all of the process's threads.
//
// The kernel restricts one thread at a time, and those that this one starts
// later. A Go program has several threads before its first line runs, and with
// cgo some that Go does not know. threads.go is how each of them is reached.
package landlock

import (
	"errors"
	"fmt"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Path is a file that a restricted process can still open, or a directory with
// all that is below it.
type Path struct {
	Name  string // need not exist
	Write bool   // for changes too
}

// Restrict leaves the process the files in paths, and what it has open. It sets
// no_new_privs for all threads. Where the kernel has no Landlock, it does
// nothing. After an error, some threads may be restricted and others not.
//
// Threads that start or end meanwhile do no harm; a process must not be
// started, nor a system call made on all threads (syscall.AllThreadsSyscall,
// setuid and the like). Restrict needs /proc.
func Restrict(paths []Path) error {
	r, err := newRuleset(paths)
	if r == nil || err != nil {
		return err
	}
	defer r.close()
	return restrictThreads(r.fd, patience)
}

// Available reports whether the kernel has Landlock.
func Available() bool {
	_, err := version()
	return err == nil
}

// version returns that of the kernel's Landlock, from 1 on.
func version() (int, error) {
	v, _, e := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, 0, 0, unix.LANDLOCK_CREATE_RULESET_VERSION)
	if e != 0 {
		return 0, os.NewSyscallError("landlock_create_ruleset", e)
	}
	return int(v), nil
}

// ruleset says what can be opened.
type ruleset struct {
	fd      int
	handled uint64 // rights that only its rules give
}

// Rights by the version of Landlock that has them first, for directories and
// for files. Those of ioctl are left alone, as seccomp has a list of them.
const (
	rightsV1 = unix.LANDLOCK_ACCESS_FS_MAKE_SYM<<1 - 1 // lowest to highest
	rightsV2 = rightsV1 | unix.LANDLOCK_ACCESS_FS_REFER
	rightsV3 = rightsV2 | unix.LANDLOCK_ACCESS_FS_TRUNCATE

	rightsRead    = unix.LANDLOCK_ACCESS_FS_READ_FILE | unix.LANDLOCK_ACCESS_FS_READ_DIR
	rightsWrite   = rightsV3 &^ unix.LANDLOCK_ACCESS_FS_EXECUTE
	rightsOfFiles = unix.LANDLOCK_ACCESS_FS_WRITE_FILE | unix.LANDLOCK_ACCESS_FS_READ_FILE |
		unix.LANDLOCK_ACCESS_FS_TRUNCATE
)

// newRuleset returns a ruleset that gives access to paths alone, or nil where
// the kernel has no Landlock.
func newRuleset(paths []Path) (*ruleset, error) {
	v, err := version()
	if errors.Is(err, unix.ENOSYS) || errors.Is(err, unix.EOPNOTSUPP) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	r := new(ruleset)
	switch v {
	case 1:
		r.handled = rightsV1
	case 2:
		r.handled = rightsV2
	default:
		r.handled = rightsV3
	}
	attr := unix.LandlockRulesetAttr{Handled_access_fs: r.handled}
	fd, _, e := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, uintptr(unsafe.Pointer(&attr)), unsafe.Sizeof(attr.Handled_access_fs), 0)
	if e != 0 {
		return nil, os.NewSyscallError("landlock_create_ruleset", e)
	}
	r.fd = int(fd)
	for _, p := range paths {
		if err := r.allow(p); err != nil && !errors.Is(err, os.ErrNotExist) {
			r.close()
			return nil, fmt.Errorf("%s: %w", p.Name, err)
		}
	}
	return r, nil
}

func (r *ruleset) close() { unix.Close(r.fd) }

// allow adds a rule.
func (r *ruleset) allow(p Path) error {
	fd, err := unix.Open(p.Name, unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	rights := uint64(rightsRead)
	if p.Write {
		rights |= rightsWrite
	}
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return err
	}
	if st.Mode&unix.S_IFMT != unix.S_IFDIR {
		rights &= rightsOfFiles
	}
	rule := unix.LandlockPathBeneathAttr{Allowed_access: rights & r.handled, Parent_fd: int32(fd)}
	if _, _, e := unix.Syscall6(unix.SYS_LANDLOCK_ADD_RULE, uintptr(r.fd), unix.LANDLOCK_RULE_PATH_BENEATH, uintptr(unsafe.Pointer(&rule)), 0, 0, 0); e != 0 {
		return os.NewSyscallError("landlock_add_rule", e)
	}
	return nil
}
