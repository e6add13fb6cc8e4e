package syscalls

import (
	"strconv"
	"strings"
	"syscall"

	"ringo.dev/ringo/kernel"
	"ringo.dev/ringo/rt"
)

// mountAll makes the mounts that the boot configuration asks for:
//
//	mount.N=TYPE,rw,SOURCE,PATH
//
// with N from 0 on, in this order. TYPE is one that RegisterFileSystem knows,
// "ro" in the place of "rw" makes it read-only, SOURCE is what the type takes it
// for, and PATH is absolute; what is missing of it is made. A mount that fails
// is reported on the console.
func mountAll(k *kernel.Kernel, config map[string]string) Errno {
	for n := 0; ; n++ {
		line, ok := config["mount."+strconv.Itoa(n)]
		if !ok {
			return 0
		}
		if err := mountLine(k, line); err != 0 {
			rt.ConsoleWrite([]byte("ringo: mount " + line + ": " + err.Error() + "\n"))
			return err
		}
	}
}

func mountLine(k *kernel.Kernel, line string) Errno {
	const fields = 4
	f := strings.SplitN(line, ",", fields)
	if len(f) < fields || f[1] != "rw" && f[1] != "ro" || !strings.HasPrefix(f[3], "/") {
		return syscall.EINVAL
	}
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
