package harness

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"syscall"

	"golang.org/x/sys/unix"
)

// Mount is something to change in the files that a process sees.
type Mount struct {
	Source string // what is to be seen at Target; "": an empty directory
	Target string
	Denied bool // Target's devices cannot be opened
}

// mounts is the environment variable with the mounts for MountAndExec.
const mounts = "RINGO_TESTS_MOUNTS"

// See changes a command of this machine so that it sees the mounts. This
// program's main function has to call MountAndExec first.
func See(cmd *exec.Cmd, list ...Mount) error {
	text, err := json.Marshal(list)
	if err != nil {
		return err
	}
	cmd.Args = append([]string{"mount", cmd.Path}, cmd.Args[1:]...)
	cmd.Path = "/proc/self/exe"
	cmd.Env = append(cmd.Environ(), mounts+"="+string(text))
	cmd.SysProcAttr = namespaces(syscall.CLONE_NEWNS)
	return nil
}

// MountAndExec does what See asked for, and then becomes the command. It
// returns only if nothing was asked for.
func MountAndExec() {
	text, asked := os.LookupEnv(mounts)
	if !asked {
		return
	}
	err := mountAndExec([]byte(text))
	fmt.Fprintln(os.Stderr, "mounting:", err)
	os.Exit(1)
}

func mountAndExec(text []byte) error {
	var list []Mount
	if err := json.Unmarshal(text, &list); err != nil {
		return err
	}
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return err
	}
	for _, m := range list {
		if err := m.do(); err != nil {
			return fmt.Errorf("%s: %w", m.Target, err)
		}
	}
	if err := os.Unsetenv(mounts); err != nil {
		return err
	}
	return syscall.Exec(os.Args[1], os.Args[1:], os.Environ())
}

func (m *Mount) do() error {
	if m.Source == "" {
		return unix.Mount("tmpfs", m.Target, "tmpfs", 0, "")
	}
	if err := unix.Mount(m.Source, m.Target, "", unix.MS_BIND, ""); err != nil {
		return err
	}
	if !m.Denied {
		return nil
	}
	return unix.Mount("", m.Target, "", unix.MS_BIND|unix.MS_REMOUNT|unix.MS_NODEV, "")
}
