package landlock

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"ringo.dev/ringo/vmm/signals"
)

func needLandlock(t *testing.T) {
	t.Helper()
	if !Available() {
		t.Skip("this kernel has no Landlock")
	}
}

// TestRestrict has all kinds of threads try to open files in a program that has
// restricted itself (testdata/threads), built without cgo and with it.
func TestRestrict(t *testing.T) {
	needLandlock(t)
	dir := t.TempDir()
	var files []string
	for _, name := range []string{"allowed", "refused"} {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		files = append(files, file)
	}
	for cgo, threads := range map[string]int{"0": 8, "1": 16} {
		t.Run("CGO_ENABLED="+cgo, func(t *testing.T) {
			if cgo == "1" {
				if _, err := exec.LookPath("gcc"); err != nil {
					t.Skip("needs gcc: apt-get install gcc libc6-dev")
				}
			}
			program := filepath.Join(dir, "threads"+cgo)
			build := exec.Command("go", "build", "-o", program, "./testdata/threads")
			build.Env = append(os.Environ(), "CGO_ENABLED="+cgo)
			if out, err := build.CombinedOutput(); err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			for range 10 {
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				out, err := exec.CommandContext(ctx, program, files...).CombinedOutput()
				cancel()
				if err != nil {
					t.Fatalf("%v\n%s", err, out)
				}
				if n, err := strconv.Atoi(strings.TrimSpace(string(out))); err != nil || n < threads {
					t.Fatalf("%q, want at least %d threads", out, threads)
				}
			}
		})
	}
}

// stubbornEnv is set in the process of TestStubbornThread.
const stubbornEnv = "RINGO_TEST_STUBBORN"

// TestStubbornThread has a thread that blocks the signal, and one that cannot be
// restricted: both are errors.
func TestStubbornThread(t *testing.T) {
	needLandlock(t)
	for what, want := range map[string]string{"deaf": "does not take signals", "no ruleset": unix.EBADFD.Error()} {
		cmd := exec.Command(os.Args[0], "-test.run=^TestStubbornProcess$")
		cmd.Env = append(os.Environ(), stubbornEnv+"="+what)
		out, err := cmd.CombinedOutput()
		var exit *exec.ExitError
		if !errors.As(err, &exit) || !strings.Contains(string(out), want) {
			t.Errorf("%s: %v, want an error with %q\n%s", what, err, want, out)
		}
	}
}

// TestStubbornProcess is the process of TestStubbornThread.
func TestStubbornProcess(t *testing.T) {
	what := os.Getenv(stubbornEnv)
	if what == "" {
		t.Skip("only a part of TestStubbornThread")
	}
	r, err := newRuleset(nil)
	if err != nil {
		t.Fatal(err)
	}
	switch what {
	case "deaf":
		deaf := make(chan bool)
		go func() {
			runtime.LockOSThread()
			mask := ^uint64(0)
			unix.RawSyscall6(unix.SYS_RT_SIGPROCMASK, unix.SIG_SETMASK, uintptr(unsafe.Pointer(&mask)), 0, unsafe.Sizeof(mask), 0, 0)
			close(deaf)
			select {}
		}()
		<-deaf
		err = restrictThreads(r.fd, 100*time.Millisecond)
	case "no ruleset":
		// This thread is told, as another one would be.
		runtime.LockOSThread()
		if _, err := signals.Handle(signal, handlerAddress()); err != nil {
			t.Fatal(err)
		}
		rulesetFD = 2
		err = restrictSome([]int{unix.Gettid()}, time.Now().Add(patience), map[int]bool{})
	}
	if err != nil {
		t.Fatal(err)
	}
}
