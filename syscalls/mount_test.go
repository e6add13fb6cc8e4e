package syscalls

import (
	"syscall"
	"testing"

	"ringo.dev/ringo/kernel"
)

// mounted returns a kernel after mountAll.
func mounted(t *testing.T, mounts ...Mount) (*kernel.Kernel, error) {
	t.Helper()
	config := &Settings{Mounts: mounts}
	k, err := Build(config)
	if err != 0 {
		t.Fatal(err)
	}
	return k, mountAll(k, config)
}

func TestMountAll(t *testing.T) {
	k, err := mounted(t, Mount{"mount.0", "tmpfs,rw,none,/data/of, a program"},
		Mount{"mount.1", "tmpfs,ro,none,/data/of, a program/below//there/"})
	if err != nil {
		t.Fatal(err)
	}
	if err := k.WriteFile("/data/of, a program/f", []byte("x"), 0o600); err != 0 {
		t.Errorf("writing: %v", err)
	}
	if err := k.WriteFile("/data/of, a program/below/there/f", []byte("x"), 0o600); err != syscall.EROFS {
		t.Errorf("writing below a read-only mount: %v", err)
	}
	if err := k.Mkdir(kernel.FDCWD, "/data/x", 0o700); err != 0 {
		t.Errorf("a directory beside the mount: %v", err)
	}
}

func TestMountAllWrong(t *testing.T) {
	for line, want := range map[string]string{
		"":                   "mount : invalid argument",
		"tmpfs,rw,none":      "mount tmpfs,rw,none: invalid argument",
		"tmpfs,no,none,/x":   "mount tmpfs,no,none,/x: invalid argument",
		"tmpfs,rw,none,x":    "mount tmpfs,rw,none,x: invalid argument",
		"nofs,rw,none,/x":    "mount nofs,rw,none,/x: no such device",
		"volume,rw,/dev/a,/": "mount volume,rw,/dev/a,/: the program opens no files, and so has no code for disks: no such device",
	} {
		if _, err := mounted(t, Mount{"mount.0", line}); err == nil || err.Error() != want {
			t.Errorf("%q: %v, want %s", line, err, want)
		}
	}
	const some = "tmpfs,rw,none,/x"
	if _, err := mounted(t, Mount{"mount.0", some + "/"}); err != nil {
		t.Error(err)
	}
	if _, err := mounted(t, Mount{"mount.0", some}, Mount{"mount.2", some}); err == nil || err.Error() != "there is no mount.1, and a mount with a higher number: invalid argument" {
		t.Errorf("a gap: %v", err)
	}
}
