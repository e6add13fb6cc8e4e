package syscalls

import (
	"syscall"
	"testing"

	"ringo.dev/ringo/kernel"
)

func TestMountAll(t *testing.T) {
	k, err := Build(&Settings{Mounts: []Mount{
		{"mount.0", "tmpfs,rw,none,/data/of, a program"},
		{"mount.1", "tmpfs,ro,none,/data/of, a program/below//there/"},
	}})
	if err != 0 {
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
	for line, want := range map[string]kernel.Errno{
		"":                  syscall.EINVAL,
		"tmpfs,rw,none":     syscall.EINVAL,
		"tmpfs,no,none,/x":  syscall.EINVAL,
		"tmpfs,rw,none,x":   syscall.EINVAL,
		"nofs,rw,none,/x":   syscall.ENODEV,
		"tmpfs,rw,none,/x/": 0,
	} {
		if _, err := Build(&Settings{Mounts: []Mount{{"mount.0", line}}}); err != want {
			t.Errorf("%q: %v, want %v", line, err, want)
		}
	}
	const some = "tmpfs,rw,none,/x"
	if _, err := Build(&Settings{Mounts: []Mount{{"mount.0", some}, {"mount.2", some}}}); err != syscall.EINVAL {
		t.Errorf("a gap: %v", err)
	}
}
