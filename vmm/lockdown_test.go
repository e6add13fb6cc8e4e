package vmm

import (
	"context"
	"errors"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"ringo.dev/ringo/vmm/landlock"
	"ringo.dev/ringo/vmm/testguest"
)

// lockedActs are what a locked-down process does in TestLockdown, and whether
// that has to kill it.
var lockedActs = map[string]struct {
	act     func() error
	dies    bool
	network bool
	share   bool // the directory of tests is shared with the guest
}{
	"nothing": {act: func() error { return nil }},
	"listen and dial": {act: func() error {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		defer l.Close()
		c, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			return err
		}
		return c.Close()
	}, network: true},
	"resolve": {act: func() error {
		_, err := (&net.Resolver{PreferGo: true}).LookupHost(context.Background(), "localhost")
		return err
	}, network: true},
	"signals": {act: func() error {
		c := make(chan os.Signal, 1)
		signal.Notify(c, syscall.SIGUSR1)
		unix.Kill(os.Getpid(), unix.SIGUSR1)
		<-c
		return nil
	}},
	"write a file": {act: func() error {
		if err := os.WriteFile(os.TempDir()+"/ringo-locked", nil, 0o600); !errors.Is(err, os.ErrPermission) {
			return errors.New("writing was not refused: " + err.Error())
		}
		return nil
	}},
	"read a file": {act: func() error {
		if _, err := os.ReadFile("/etc/passwd"); hasLandlock && !errors.Is(err, os.ErrPermission) {
			return errors.New("reading was not refused")
		}
		return nil
	}, network: true},
	"read a file of the network": {act: func() error {
		if _, err := os.ReadFile("/etc/hosts"); hasLandlock && !errors.Is(err, os.ErrPermission) {
			return errors.New("reading was not refused")
		}
		return nil
	}},
	"socket without a network": {act: func() error {
		_, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0)
		return err
	}, dies: true},
	"write a shared file": {act: func() error {
		dir, err := unix.Open(os.Getenv(sharedEnv), unix.O_PATH|unix.O_DIRECTORY, 0)
		if err != nil {
			return err
		}
		if err := unix.Mkdirat(dir, "new", 0o755); err != nil {
			return err
		}
		fd, err := unix.Openat(dir, "new/file", unix.O_CREAT|unix.O_RDWR, 0o644)
		if err != nil {
			return err
		}
		return errors.Join(unix.Ftruncate(fd, 4096), unix.Renameat2(dir, "new/file", dir, "file", 0), unix.Unlinkat(dir, "file", 0))
	}, share: true},
	"write elsewhere": {act: func() error {
		if err := os.WriteFile(os.Getenv(sharedEnv)+"/../ringo-locked", nil, 0o600); hasLandlock && !errors.Is(err, os.ErrPermission) {
			return errors.New("writing was not refused")
		}
		return nil
	}, share: true},
	"exec":          {act: func() error { return unix.Exec("/bin/true", []string{"true"}, nil) }, dies: true},
	"ptrace":        {act: func() error { return unix.PtraceAttach(1) }, dies: true},
	"fork":          {act: func() error { _, err := syscall.ForkExec("/bin/true", nil, nil); return err }, dies: true},
	"remove a file": {act: func() error { return os.Remove("/nowhere") }, dies: true},
	"executable pages": {act: func() error {
		_, err := unix.Mmap(-1, 0, 4096, unix.PROT_EXEC, unix.MAP_ANON|unix.MAP_PRIVATE)
		return err
	}, dies: true},
	"signal others": {act: func() error { return unix.Kill(os.Getppid(), 0) }, dies: true},
	"unix socket":   {act: func() error { _, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM, 0); return err }, dies: true, network: true},
}

// hasLandlock says that the kernel has it.
var hasLandlock = landlock.Available()

const (
	lockedEnv = "RINGO_TEST_LOCKED" // the act's name
	sharedEnv = "RINGO_TEST_SHARED" // the directory of tests with a share
)

// TestLockdown runs a guest in a locked-down process, which then does one act.
func TestLockdown(t *testing.T) {
	for name, a := range lockedActs {
		t.Run(name, func(t *testing.T) {
			cmd := exec.Command(os.Args[0], "-test.run=^TestLockedProcess$", "-test.v")
			cmd.Env = append(os.Environ(), lockedEnv+"="+name, "TMPDIR="+t.TempDir(), sharedEnv+"="+t.TempDir())
			out, err := cmd.CombinedOutput()
			if !strings.Contains(string(out), "the guest ran") {
				t.Fatalf("%v\n%s", err, out)
			}
			var exit *exec.ExitError
			killed := errors.As(err, &exit) && exit.Sys().(syscall.WaitStatus).Signal() == syscall.SIGSYS
			if killed != a.dies || !a.dies && err != nil {
				t.Errorf("ended with %v, killed %v, want %v\n%s", err, killed, a.dies, out)
			}
		})
	}
}

// TestLockedProcess is the process of TestLockdown.
func TestLockedProcess(t *testing.T) {
	a, ok := lockedActs[os.Getenv(lockedEnv)]
	if !ok {
		t.Skip("only a part of TestLockdown")
	}
	vm, out := newVM(t, testguest.Hello, nil)
	within := Reach{Network: a.network}
	if a.share {
		within.Shares = []Path{{Name: os.Getenv(sharedEnv), Write: true}}
	}
	if err := Lockdown(within); err != nil {
		t.Fatal(err)
	}
	if s, err := run(t, vm); err != nil || s.Code != 7 || out.String() != "hello\n" {
		t.Fatalf("got %v, %v, %q", s, err, out)
	}
	t.Log("the guest ran")
	err := a.act()
	os.Stdout.WriteString("done\n")
	if err != nil {
		os.Stdout.WriteString(err.Error() + "\n")
		os.Exit(1)
	}
	os.Exit(0) // before the removal of files, which is refused here
}

// TestFilter compares the program for the kernel with the rules, for all calls.
func TestFilter(t *testing.T) {
	long := make([]rule, 300) // more code than a conditional jump reaches over
	for i := range long {
		long[i] = rule{uint32(3 * i), orErrno(unix.Errno(i))}
	}
	for what, list := range map[string][]rule{
		"tap":     rules(Reach{}),
		"network": rules(Reach{Network: true}),
		"all":     rules(Reach{Network: true, Shares: []Path{{Name: "/"}}}),
		"long":    long,
	} {
		want := map[uint32]rule{}
		for _, r := range list {
			want[r.call] = r
		}
		if len(want) != len(list) {
			t.Errorf("%s: a call has two rules", what)
		}
		program := filter(list)
		t.Logf("%s: %d instructions", what, len(program))
		for call := range uint32(1000) {
			got := program[reached(t, program, call):]
			check := want[call].check
			switch _, listed := want[call]; {
			case !listed:
				check = []unix.SockFilter{verdict(unix.SECCOMP_RET_KILL_PROCESS)}
			case check == nil:
				check = []unix.SockFilter{verdict(unix.SECCOMP_RET_ALLOW)}
			}
			if !slices.Equal(got[:min(len(check), len(got))], check) {
				t.Fatalf("%s: call %d gets %v, want %v", what, call, got[0], check)
			}
		}
	}
}

// reached returns the place in a filter at which a call's number has been looked up.
func reached(t *testing.T, program []unix.SockFilter, call uint32) (at int) {
	accumulator := uint32(unix.AUDIT_ARCH_X86_64)
	for ; ; at++ {
		in := program[at]
		jump := map[bool]uint8{true: in.Jt, false: in.Jf}
		switch in.Code {
		case unix.BPF_LD | unix.BPF_W | unix.BPF_ABS:
			if in.K == dataCall {
				accumulator = call
			} else if in.K != dataArch {
				return at
			}
		case unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K:
			at += int(jump[accumulator == in.K])
		case unix.BPF_JMP | unix.BPF_JGE | unix.BPF_K:
			at += int(jump[accumulator >= in.K])
		case unix.BPF_JMP | unix.BPF_JA:
			at += int(in.K)
		case unix.BPF_RET | unix.BPF_K:
			return at
		default:
			t.Fatalf("instruction %d: %+v", at, in)
		}
	}
}
