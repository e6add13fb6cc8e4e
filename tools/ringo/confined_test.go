package main

import (
	"bytes"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"testing"

	"golang.org/x/sys/unix"
)

// TestRunConfined makes every thread of a ringo that runs a guest open files: one
// that user-mode networking needs, and one that nothing does. Refused is what this
// guest's network does not need, with cgo and without.
func TestRunConfined(t *testing.T) {
	needKVM(t)
	if _, _, e := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, 0, 0, unix.LANDLOCK_CREATE_RULESET_VERSION); e != 0 {
		t.Skip("this kernel has no Landlock")
	}
	image := buildTest(t, nil, "signals")
	for network, hosts := range map[string]error{"user": nil, "none": unix.EACCES} {
		t.Run(network, func(t *testing.T) {
			testConfined(t, ringo(t, nil, "run", "--net", network, image, "--", "stay"),
				map[string]error{"/etc/hosts": hosts, "/etc/passwd": unix.EACCES})
		})
	}
}

// testConfined runs a guest that stays, and makes all of the command's threads open
// files, with what has to come of it.
func testConfined(t *testing.T, cmd *exec.Cmd, files map[string]error) {
	out := start(t, cmd)
	if _, err := out.ReadString('\n'); err != nil { // ready
		t.Fatal(err)
	}
	runtime.LockOSThread() // of which the tracees are
	defer runtime.UnlockOSThread()
	tasks, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*", cmd.Process.Pid))
	if err != nil || len(tasks) < 2 {
		t.Fatalf("threads %v, %v", tasks, err)
	}
	var threads []int
	defer func() {
		cmd.Process.Kill()
		for _, tid := range threads {
			if tid != cmd.Process.Pid { // that one is the command's to wait for
				for {
					if _, err := waitStop(tid); err != nil {
						break
					}
				}
			}
		}
	}()
	for _, task := range tasks {
		tid, err := strconv.Atoi(filepath.Base(task))
		if err != nil {
			t.Fatal(err)
		}
		threads = append(threads, tid)
		if err := hold(tid); err != nil {
			t.Fatalf("thread %d: %v", tid, err)
		}
	}
	site, err := syscallSite(threads)
	if err != nil {
		t.Fatal(err)
	}
	tried := 0
	for _, tid := range threads {
		if kernels(tid) {
			continue
		}
		tried++
		for path, want := range files {
			if err := openIn(tid, site, path); err != want {
				t.Errorf("thread %d of %d opening %s: %v, want %v", tid, len(threads), path, err, want)
			}
		}
	}
	if tried < 2 {
		t.Errorf("%d of %d threads were tried", tried, len(threads))
	}
}

// kernels reports whether a thread that is held is one that KVM made: it is
// never in user mode.
func kernels(tid int) bool {
	var regs unix.PtraceRegs
	err := unix.PtraceGetRegs(tid, &regs)
	return err == nil && regs.Rip == 0
}

// hold stops a thread to trace it.
func hold(tid int) error {
	if err := unix.PtraceSeize(tid); err != nil {
		return fmt.Errorf("seize: %w", err)
	}
	if err := unix.PtraceInterrupt(tid); err != nil {
		return fmt.Errorf("interrupt: %w", err)
	}
	_, err := waitStop(tid)
	return err
}

func waitStop(tid int) (unix.Signal, error) {
	var ws unix.WaitStatus
	for {
		switch _, err := unix.Wait4(tid, &ws, unix.WALL, nil); {
		case err == unix.EINTR:
			continue
		case err != nil:
			return 0, fmt.Errorf("wait: %w", err)
		case !ws.Stopped():
			return 0, fmt.Errorf("wait status %#x", ws)
		}
		return ws.StopSignal(), nil
	}
}

// syscallSite returns the address of a SYSCALL instruction: one of those in
// which the threads wait.
func syscallSite(threads []int) (uint64, error) {
	for _, tid := range threads {
		var regs unix.PtraceRegs
		if err := unix.PtraceGetRegs(tid, &regs); err != nil {
			return 0, fmt.Errorf("registers: %w", err)
		}
		var code [2]byte
		site := regs.Rip - uint64(len(code))
		if _, err := unix.PtracePeekText(tid, uintptr(site), code[:]); err == nil && bytes.Equal(code[:], []byte{0x0f, 0x05}) {
			return site, nil
		}
	}
	return 0, errors.New("no thread waits in a system call")
}

// openIn makes a thread that is held open a file for reading. The thread cannot
// go on from there.
func openIn(tid int, site uint64, path string) error {
	var regs unix.PtraceRegs
	if err := unix.PtraceGetRegs(tid, &regs); err != nil {
		return fmt.Errorf("registers: %w", err)
	}
	name := regs.Rsp // what stands on its stack is of no use any more
	if _, err := unix.PtracePokeData(tid, uintptr(name), append([]byte(path), 0)); err != nil {
		return fmt.Errorf("poke: %w", err)
	}
	at := unix.AT_FDCWD
	regs.Rip, regs.Rax, regs.Orig_rax = site, unix.SYS_OPENAT, ^uint64(0)
	regs.Rdi, regs.Rsi, regs.Rdx = uint64(at), name, unix.O_RDONLY|unix.O_CLOEXEC
	if err := unix.PtraceSetRegs(tid, &regs); err != nil {
		return fmt.Errorf("setting registers: %w", err)
	}
	for regs.Rip == site { // signals stop it before
		if err := unix.PtraceSingleStep(tid); err != nil {
			return fmt.Errorf("step: %w", err)
		}
		if _, err := waitStop(tid); err != nil {
			return err
		}
		if err := unix.PtraceGetRegs(tid, &regs); err != nil {
			return fmt.Errorf("registers: %w", err)
		}
	}
	if result := int64(regs.Rax); result < 0 {
		return unix.Errno(-result)
	}
	return nil
}
