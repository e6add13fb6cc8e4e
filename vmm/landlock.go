package vmm

import (
	"errors"
	"fmt"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Path is a file that a confined process can still open, or a directory with
// all that is below it.
type Path struct {
	Name    string // need not exist
	Write   bool   // for changes too
	execute bool
}

// ruleset is one of Landlock (landlock(7)).
type ruleset struct {
	fd      int
	handled uint64 // rights that only its rules give
}

// Rights by the version of Landlock that has them first, for directories and
// for files. Those of ioctl are left alone, as seccomp has a list of them.
const (
	landlockV1 = unix.LANDLOCK_ACCESS_FS_MAKE_SYM<<1 - 1 // lowest to highest
	landlockV2 = landlockV1 | unix.LANDLOCK_ACCESS_FS_REFER
	landlockV3 = landlockV2 | unix.LANDLOCK_ACCESS_FS_TRUNCATE

	rightsRead    = unix.LANDLOCK_ACCESS_FS_READ_FILE | unix.LANDLOCK_ACCESS_FS_READ_DIR
	rightsExecute = unix.LANDLOCK_ACCESS_FS_EXECUTE
	rightsWrite   = landlockV3 &^ rightsExecute
	rightsOfFiles = unix.LANDLOCK_ACCESS_FS_EXECUTE | unix.LANDLOCK_ACCESS_FS_WRITE_FILE |
		unix.LANDLOCK_ACCESS_FS_READ_FILE | unix.LANDLOCK_ACCESS_FS_TRUNCATE
)

// newRuleset returns a ruleset that gives access to paths alone, or nil where
// the kernel has no Landlock.
func newRuleset(paths []Path) (*ruleset, error) {
	version, _, e := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, 0, 0, unix.LANDLOCK_CREATE_RULESET_VERSION)
	if e == unix.ENOSYS || e == unix.EOPNOTSUPP {
		return nil, nil
	}
	r := new(ruleset)
	switch version {
	case 1:
		r.handled = landlockV1
	case 2:
		r.handled = landlockV2
	default:
		r.handled = landlockV3
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
	if p.execute {
		rights |= rightsExecute
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
