// Package suites runs tests that others have written inside guests: those of Go's
// standard library, bbolt and sqlite.
package suites

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"ringo.dev/ringo/tests/harness"
	"ringo.dev/ringo/tools/files"
)

// Suite is the tests of a package.
type Suite struct {
	Name    string // its import path
	Root    string // what the tests read, from the package's directory on; empty is that itself
	Also    string // a directory beside it that they read, too
	Memory  string
	Short   bool // leave out what wants the Internet
	Skip    []Skip
	Timeout time.Duration
}

// Skip names tests that cannot pass, and why.
type Skip struct {
	Tests string // a pattern of -test.skip
	Why   string
}

const noProcesses = "starts a process"

// All are the suites, in the order in which they run.
var All = []Suite{
	{Name: "io/fs", Root: "..", Memory: "256M", Timeout: 2 * time.Minute},
	{Name: "path/filepath", Root: "..", Memory: "256M", Timeout: 2 * time.Minute, Skip: []Skip{
		{"TestBug3486", "reads the whole of Go's source"},
	}},
	{Name: "os/signal", Memory: "256M", Timeout: 5 * time.Minute, Skip: []Skip{
		{"TestAllThreadsSyscallSignals", "prctl with PR_SET_KEEPCAPS: there are no capabilities to keep"},
		{"TestAtomicStop|TestNotifyContextNotifications|TestTerminalSignal|TestDetectNohup|TestNohup", noProcesses},
	}},
	{Name: "os", Memory: "1G", Timeout: 5 * time.Minute, Skip: []Skip{
		{"TestOpenFileNonBlocking|TestExecutable$", "opens its executable file, which is not in the guest"},
		{"TestFileChdirTestlog|TestStdPipe|TestReadNonblockingFd|TestProcessWithHandleLinux|TestKillFindProcess|TestGetppid|TestKillStartProcess|TestStatStdin|TestStartProcess|TestPidfdLeak", noProcesses},
		{"TestChdirAndGetwd|TestReaddirnamesOneAtATime", "needs /usr/bin"},
	}},
	{Name: "net", Also: "../testdata", Memory: "512M", Timeout: 5 * time.Minute, Short: true, Skip: []Skip{
		{"TestSplice$", noProcesses},
		{"TestTCPReadWriteAllocs|TestAllocs$", "counts allocations: here the network stack is in the program, and allocates"},
	}},
	{Name: "net/http", Memory: "1G", Timeout: 10 * time.Minute, Short: true},
	// One test of bbolt puts a value of 2 GiB.
	{Name: "go.etcd.io/bbolt", Memory: "4G", Timeout: 20 * time.Minute},
	{Name: "modernc.org/sqlite", Memory: "2G", Timeout: 40 * time.Minute, Skip: []Skip{
		{"TestConcurrentGoroutines", "runs the go command"},
	}},
}

// Runner runs suites.
type Runner struct {
	Ringo *harness.Ringo
	Dir   string // for what is built; it stays the caller's
	Go    string // the directory of the module tests/conformance/modules
	Short bool   // leave out what a package's authors call long
	Disk  bool   // TMPDIR is on a disk, not on tmpfs
}

// Result is what became of a suite.
type Result struct {
	Passed, Skipped int
	Failed          []string
	Took            time.Duration
	Output          string
}

// results matches the lines by which a test says how it ended; tests within tests are
// indented.
var results = regexp.MustCompile(`(?m)^--- (PASS|FAIL|SKIP): (\S+)`)

// Run runs a suite. The error is that it did not run to its end.
func (r *Runner) Run(ctx context.Context, s *Suite) (*Result, error) {
	file, err := r.build(ctx, s)
	if err != nil {
		return nil, err
	}
	args := []string{"-m", s.Memory, "--timeout", s.Timeout.String(), "-w", path.Join("/src", r.base(s))}
	if r.Disk {
		disk := filepath.Join(r.Dir, "disk.img")
		if err := os.RemoveAll(disk); err != nil {
			return nil, err
		}
		if out, err := r.Ringo.Command(ctx, "volume", "create", "--size", "4G", disk).CombinedOutput(); err != nil {
			return nil, fmt.Errorf("ringo volume create: %w\n%s", err, out)
		}
		args = append(args, "--disk", disk+":/data", "-e", "TMPDIR=/data")
	}
	args = append(args, file, "--", "-test.v", "-test.timeout=0")
	if skip := s.skip(); skip != "" {
		args = append(args, "-test.skip="+skip)
	}
	if r.Short || s.Short {
		args = append(args, "-test.short")
	}
	start := time.Now()
	got, err := r.Ringo.Run(ctx, args...)
	if err != nil {
		return nil, err
	}
	res := &Result{Took: time.Since(start), Output: got.Output}
	for _, m := range results.FindAllStringSubmatch(got.Output, -1) {
		switch m[1] {
		case "PASS":
			res.Passed++
		case "SKIP":
			res.Skipped++
		case "FAIL":
			res.Failed = append(res.Failed, m[2])
		}
	}
	if got.Status != 0 && len(res.Failed) == 0 {
		return res, fmt.Errorf("%s ended with status %d", s.Name, got.Status)
	}
	return res, nil
}

// skip returns the pattern of all tests to skip.
func (s *Suite) skip() string {
	var all []string
	for _, k := range s.Skip {
		all = append(all, k.Tests)
	}
	if len(all) == 0 {
		return ""
	}
	return "^(" + strings.Join(all, "|") + ")"
}

// base returns where, below Root, the package is.
func (r *Runner) base(s *Suite) string {
	if s.Root == "" {
		return ""
	}
	return path.Base(s.Name)
}

// build builds the test, with the sources that it reads, and returns the file.
func (r *Runner) build(ctx context.Context, s *Suite) (string, error) {
	text, err := r.Ringo.Command(ctx, "env", "--json").Output()
	if err != nil {
		return "", fmt.Errorf("ringo env: %w", err)
	}
	var env map[string]string
	if err := json.Unmarshal(text, &env); err != nil {
		return "", fmt.Errorf("ringo env: %w", err)
	}
	goCommand := func(args ...string) ([]byte, error) {
		cmd := exec.CommandContext(ctx, "go", args...)
		cmd.Dir = r.Go
		cmd.Env = os.Environ()
		for name, value := range env {
			cmd.Env = append(cmd.Env, name+"="+value)
		}
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		out, err := cmd.Output()
		if err != nil {
			err = fmt.Errorf("go %s: %w\n%s", args[0], err, stderr.Bytes())
		}
		return out, err
	}
	file := filepath.Join(r.Dir, strings.ReplaceAll(s.Name, "/", "-")+".test")
	if _, err := goCommand("test", "-c", "-o", file, s.Name); err != nil {
		return "", err
	}
	source, err := goCommand("list", "-f", "{{.Dir}}", s.Name)
	if err != nil {
		return "", err
	}
	dir, err := filepath.EvalSymlinks(filepath.Join(strings.TrimSpace(string(source)), s.Root))
	if err != nil {
		return "", errors.Join(errors.New("the package's source"), err)
	}
	mounts := []files.Mount{{Dir: dir, Path: "/src"}}
	if s.Also != "" {
		mounts = append(mounts, files.Mount{Dir: filepath.Join(dir, s.Also), Path: path.Join("/src", s.Also)})
	}
	return file, files.Add(file, mounts)
}
