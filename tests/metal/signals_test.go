package metal

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"ringo.dev/ringo/tests/harness"
)

// again is how soon ringo takes a signal for another one.
const again = 100 * time.Millisecond

// signalsProgram says what signals come and never reads its input.
const signalsProgram = "tools/ringo/testdata/signals"

// qemuRun returns ringo run --vmm qemu with a program, its argument and more flags.
func qemuRun(ctx context.Context, t *testing.T, pkg, arg string, flags ...string) *exec.Cmd {
	t.Helper()
	image, err := ringo.Program(pkg)
	if err != nil {
		t.Fatal(err)
	}
	args := append([]string{"run", "--vmm", "qemu", "--net", "none"}, flags...)
	return ringo.Command(ctx, append(args, image, "--", arg)...)
}

// signalled is a program that says what signals come, in ringo run --vmm qemu.
type signalled struct {
	*harness.Guest
	ctx context.Context
	t   *testing.T
}

func (s *signalled) await(text string) {
	s.t.Helper()
	if err := s.Await(s.ctx, text); err != nil {
		s.t.Fatal(err)
	}
}

// send sends signals to the process pid, or the process group -pid.
func (s *signalled) send(pid int, signals ...syscall.Signal) {
	s.t.Helper()
	for _, sig := range signals {
		if err := syscall.Kill(pid, sig); err != nil {
			s.t.Fatal(err)
		}
	}
}

// ends wants the end, with a status.
func (s *signalled) ends(status int) {
	s.t.Helper()
	if r, err := s.Wait(s.ctx); err != nil || r.Status != status {
		s.t.Errorf("status %d, %v, want %d\n%s", r.Status, err, status, r.Output)
	}
}

// start starts cmd in a process group of its own. Where temporary files go is the
// test's, and wanted to be empty at the end.
func start(ctx context.Context, t *testing.T, cmd *exec.Cmd) *signalled {
	t.Helper()
	temporary := t.TempDir()
	cmd.Env = append(cmd.Env, "TMPDIR="+temporary)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	g, err := harness.StartGuest(cmd)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		g.Stop()
		if left, err := os.ReadDir(temporary); len(left) > 0 || err != nil {
			t.Errorf("%v is left, %v", left, err)
		}
	})
	return &signalled{g, ctx, t}
}

// TestRunSignals wants the first signal to reach the program, whatever its input is, and
// the second one to end the machine.
func TestRunSignals(t *testing.T) {
	open, noInput, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer open.Close()
	defer noInput.Close()
	for _, c := range []struct {
		name  string
		flags []string
		input io.Reader
	}{
		{"microvm, an open pipe", []string{"--machine", "microvm"}, open},
		{"microvm with 2 CPUs, /dev/null", []string{"--machine", "microvm", "--smp", "2"}, nil},
		{"pc, a file", []string{"--machine", "pc"}, file(t, strings.Repeat("\x16\x03\x8f", 100_000))},
		{"q35 from a disk, a pipe", []string{"--machine", "q35", "--boot", "bios"}, strings.NewReader("hi\n")},
	} {
		t.Run(c.name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			command := func(arg string) *exec.Cmd {
				cmd := qemuRun(ctx, t, signalsProgram, arg, c.flags...)
				cmd.Stdin = c.input
				return cmd
			}
			s := start(ctx, t, command("exit"))
			pid := s.Process().Pid
			s.await("ready")
			s.send(-pid, syscall.SIGINT)
			s.send(pid, syscall.SIGINT) // like timeout(1), to the group as well
			s.await("got terminated")
			s.ends(5)

			s = start(ctx, t, command("stay"))
			pid = s.Process().Pid
			s.await("ready")
			s.send(pid, syscall.SIGHUP)
			s.await("got hangup")
			s.send(pid, syscall.SIGQUIT)
			s.await("got quit")
			s.send(pid, syscall.SIGTERM)
			s.await("got terminated")
			time.Sleep(again)
			s.send(pid, syscall.SIGINT)
			s.ends(128 + 2)
		})
	}
}

// file returns a file that holds text.
func file(t *testing.T, text string) *os.File {
	t.Helper()
	name := filepath.Join(t.TempDir(), "input")
	if err := os.WriteFile(name, []byte(text), 0o666); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

// TestRunSignalEarly sends the signal before the guest runs. The program ends by it,
// whether it is ready for signals by then or not.
func TestRunSignalEarly(t *testing.T) {
	for _, kind := range []string{"microvm", "q35"} {
		t.Run(kind, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			s := start(ctx, t, qemuRun(ctx, t, signalsProgram, "exit", "--machine", kind))
			awaitQEMU(ctx, t, s.Process().Pid)
			s.send(s.Process().Pid, syscall.SIGTERM)
			if r, err := s.Wait(ctx); err != nil || r.Status != 5 && r.Status != 128+15 {
				t.Errorf("status %d, %v\n%s", r.Status, err, r.Output)
			}
		})
	}
}

// awaitQEMU waits until the process ringo has started QEMU, and returns that.
func awaitQEMU(ctx context.Context, t *testing.T, ringo int) (pid int) {
	t.Helper()
	for ctx.Err() == nil {
		lists, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", ringo))
		for _, name := range lists {
			list, _ := os.ReadFile(name)
			for _, child := range strings.Fields(string(list)) {
				line, err := os.ReadFile("/proc/" + child + "/cmdline")
				if err == nil && bytes.HasPrefix(line, []byte("qemu")) || bytes.Contains(line, []byte("/qemu-system")) {
					pid, _ = strconv.Atoi(child)
					return pid
				}
			}
		}
		time.Sleep(time.Millisecond)
	}
	t.Fatal("QEMU was not started")
	return 0
}

// TestRunHung wants the second signal to end a machine that does nothing any more.
func TestRunHung(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	s := start(ctx, t, qemuRun(ctx, t, signalsProgram, "exit", "--machine", "microvm"))
	pid := s.Process().Pid
	s.await("ready")
	s.send(awaitQEMU(ctx, t, pid), syscall.SIGSTOP)
	s.send(pid, syscall.SIGTERM)
	select {
	case <-s.Done():
		t.Error("it ended with the first signal")
	case <-time.After(again):
	}
	s.send(pid, syscall.SIGTERM)
	s.ends(128 + 15)
}

// TestRunTerminal types lines, the end and Ctrl-C at ringo run's own terminal, whose
// modes stay as they are.
func TestRunTerminal(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	inTerminal := func(cmd *exec.Cmd) (*signalled, *harness.Terminal) {
		g, tty, err := harness.StartInTerminal(cmd, 132, 43)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			g.Stop()
			tty.Close()
		})
		return &signalled{g, ctx, t}, tty
	}
	s, tty := inTerminal(qemuRun(ctx, t, "tests/programs/input", "lines", "--machine", "microvm"))
	s.await("ready")
	tty.Type("hello\rx\x7fwrong\x15right\r") // with Backspace, and Ctrl-U
	s.await(`line "right"`)
	tty.Type("\x04")
	s.await("end")
	s.ends(0)
	if n := strings.Count(s.Output(), "hello"); n != 2 {
		t.Errorf("what was typed shows %d times, want it as typed and as read:\n%s", n, s.Output())
	}

	s, tty = inTerminal(qemuRun(ctx, t, signalsProgram, "stay", "--machine", "microvm"))
	before, err := tty.Modes()
	if err != nil {
		t.Fatal(err)
	}
	s.await("ready")
	tty.Type("line\r\x03")
	s.await("got terminated")
	if now, err := tty.Modes(); now != before || err != nil {
		t.Errorf("modes %v, %v, were %v", now, err, before)
	}
	time.Sleep(again)
	tty.Type("\x03")
	s.ends(128 + 2)
}
