package syscalls

import (
	"strconv"
	"strings"
	"syscall"

	"ringo.dev/ringo/kernel"
	"ringo.dev/ringo/rt/line"
)

// mountAll makes the mounts that the boot configuration asks for:
//
//	mount.N=TYPE,rw,SOURCE,PATH
//
// with N from 0 on, in this order and without a gap. TYPE is one that RegisterFileSystem knows,
// "ro" in the place of "rw" makes it read-only, SOURCE is what the type takes it
// for, and PATH is absolute; what is missing of it is made. It stops at the first
// mount that fails.
func mountAll(k *kernel.Kernel, config *Settings) error {
	for n := range config.Mounts {
		key := "mount." + strconv.Itoa(n)
		m := config.mount(key)
		if m == nil {
			return &placeError{"there is no " + key + ", and a mount with a higher number", syscall.EINVAL}
		}
		if err := mountLine(k, key, m.Value); err != 0 {
			what := "mount " + m.Value
			if err == syscall.ENODEV && strings.HasPrefix(m.Value, "volume,") && !canDisks() {
				what += ": the program opens no files, and so has no code for disks"
			}
			return &placeError{what, err}
		}
	}
	return nil
}

func mountLine(k *kernel.Kernel, key, value string) Errno {
	if line.Problem(key, value) != "" {
		return syscall.EINVAL
	}
	f := strings.SplitN(value, ",", 4)
	fs, err := k.MakeFileSystem(f[0], f[2])
	if err != 0 {
		return err
	}
	if err := mkdirAll(k, f[3]); err != 0 {
		return err
	}
	return k.Mount(fs, f[3], f[2], f[1] == "ro")
}

// mkdirAll makes the directories of an absolute path.
func mkdirAll(k *kernel.Kernel, path string) Errno {
	for at := 1; at < len(path); at++ {
		end := at + strings.IndexByte(path[at:], '/')
		if end < at {
			end = len(path)
		}
		if end > at {
			if err := k.Mkdir(kernel.FDCWD, path[:end], 0o755); err != 0 && err != syscall.EEXIST {
				return err
			}
		}
		at = end
	}
	return 0
}
