package main

import (
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"
)

// noKVM is set in the environment where there is no KVM.
const noKVM = "RINGO_TEST_NOKVM"

// needKVM skips a test where that was asked for; otherwise KVM has to be there.
func needKVM(t *testing.T) {
	t.Helper()
	if os.Getenv(noKVM) != "" {
		t.Skip(noKVM + " is set")
	}
}

// TestRun boots a package, twice with other arguments, without building it again.
func TestRun(t *testing.T) {
	needKVM(t)
	eachRelease(t, func(t *testing.T, env []string) {
		for _, greeting := range []string{"hello", "hi"} {
			stdout, stderr, status := output(t, ringo(t, env, "run", "--net=none", "-e", "GREETING="+greeting, "./testdata/hello", "--", "7", "x y"))
			if want := greeting + " [7 x y]\n"; stdout != want || stderr != "" || status != 7 {
				t.Errorf("%q, %q, status %d; want %q, status 7", stdout, stderr, status, want)
			}
		}
	})
}

// TestRunWeb serves HTTP from a guest, through a forwarded port.
func TestRunWeb(t *testing.T) {
	needKVM(t)
	eachRelease(t, func(t *testing.T, env []string) {
		port := freePort(t)
		image := buildTest(t, env, "web")
		out := start(t, ringo(t, nil, "run", "-p", fmt.Sprintf("127.0.0.1:%d:80", port), image, "--", ":80"))
		if _, err := out.ReadString('\n'); err != nil {
			t.Fatal(err)
		}
		checkWeb(t, fmt.Sprintf("127.0.0.1:%d", port), strings.TrimPrefix(env[0], "GOTOOLCHAIN="))
	})
}

// freePort returns a port on which nobody listens.
func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// TestRunSignals sends the first signal to the program, and ends the VM with the second.
func TestRunSignals(t *testing.T) {
	needKVM(t)
	image := buildTest(t, nil, "signals")
	for _, test := range []struct {
		arg    string
		send   []syscall.Signal
		status int
	}{
		{"exit", []syscall.Signal{syscall.SIGINT}, 5},
		{"exit", []syscall.Signal{syscall.SIGTERM}, 5},
		{"stay", []syscall.Signal{syscall.SIGTERM, syscall.SIGTERM}, 128 + 9},
		{"stay", []syscall.Signal{syscall.SIGINT, syscall.SIGTERM}, 128 + 9},
	} {
		t.Run(fmt.Sprint(test.arg, test.send), func(t *testing.T) {
			cmd := ringo(t, nil, "run", "--net=none", image, "--", test.arg)
			out := start(t, cmd)
			for _, sig := range test.send {
				if _, err := out.ReadString('\n'); err != nil { // ready, or got terminated
					t.Fatal(err)
				}
				time.Sleep(100 * time.Millisecond) // what comes at once is the same request to end
				if err := cmd.Process.Signal(sig); err != nil {
					t.Fatal(err)
				}
			}
			if _, err := io.Copy(io.Discard, out); err != nil {
				t.Fatal(err)
			}
			cmd.Wait()
			if got := cmd.ProcessState.ExitCode(); got != test.status {
				t.Errorf("status %d, want %d", got, test.status)
			}
		})
	}
}

// TestRunTimeout ends a program that does not end.
func TestRunTimeout(t *testing.T) {
	needKVM(t)
	begin := time.Now()
	stdout, stderr, status := output(t, ringo(t, nil, "run", "--net=none", "--timeout=2s", "./testdata/signals"))
	if status != 124 || stdout != "ready\n" || !strings.Contains(stderr, "2s") {
		t.Errorf("%q, %q, status %d", stdout, stderr, status)
	}
	if d := time.Since(begin); d < 2*time.Second {
		t.Errorf("it took %v only", d)
	}
}

// TestRunErrors are errors of machines.
func TestRunErrors(t *testing.T) {
	needKVM(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	image := buildTest(t, nil, "hello")
	for _, test := range []struct {
		name string
		args []string
		want string
	}{
		{"little memory", []string{"-m", "1M"}, "-m"},
		{"no CPU", []string{"--smp", "0"}, "CPU"},
		{"port in use", []string{"-p", l.Addr().String() + ":80"}, "in use"},
		{"no tap", []string{"--net", "tap:ringo-none"}, "ip tuntap"},
	} {
		t.Run(test.name, func(t *testing.T) {
			cmd := ringo(t, nil, append(append([]string{"run"}, test.args...), image)...)
			stdout, stderr, status := output(t, cmd)
			if status != exitFatal || stdout != "" || strings.Count(stderr, "\n") != 1 || !strings.Contains(stderr, test.want) {
				t.Errorf("%q, %q, status %d", stdout, stderr, status)
			}
		})
	}
}

// TestRunProcess runs programs as processes by ringo run.
func TestRunProcess(t *testing.T) {
	stdout, stderr, status := output(t, ringo(t, nil, "run", "--vmm=process", "-e", "GREETING=hi", "./testdata/hello", "--", "3", "-p"))
	if stdout != "hi [3 -p]\n" || stderr != "" || status != 3 {
		t.Errorf("%q, %q, status %d", stdout, stderr, status)
	}
	_, stderr, status = output(t, ringo(t, nil, "run", "--vmm=process", "--timeout=300ms", "./testdata/web"))
	if status != 124 || !strings.Contains(stderr, "300ms") {
		t.Errorf("time limit: %q, status %d", stderr, status)
	}
}

// TestRunFile checks that a file runs without a go command.
func TestRunFile(t *testing.T) {
	image := buildTest(t, nil, "hello")
	stdout, stderr, status := output(t, ringo(t, []string{"PATH=" + t.TempDir()}, "run", "--vmm=process", image, "--", "4"))
	if stdout != " [4]\n" || status != 4 {
		t.Errorf("%q, %q, status %d", stdout, stderr, status)
	}
}
