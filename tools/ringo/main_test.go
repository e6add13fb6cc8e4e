package main

import (
	"bufio"
	"bytes"
	"debug/elf"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// asCommand is set in the environment of the test's own executable to make it
// the ringo command.
const asCommand = "RINGO_TEST_COMMAND"

func TestMain(m *testing.M) {
	if os.Getenv(asCommand) != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

// ringo returns the ringo command with arguments args and more environment.
func ringo(t *testing.T, env []string, args ...string) *exec.Cmd {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), exe, args...)
	cmd.Env = append(append(os.Environ(), asCommand+"=1"), env...)
	return cmd
}

// output runs a command and returns its standard output, its standard error
// output and its exit status.
func output(t *testing.T, cmd *exec.Cmd) (stdout, stderr string, status int) {
	t.Helper()
	var out, diag bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &diag
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return out.String(), diag.String(), cmd.ProcessState.ExitCode()
}

// build builds a package of testdata and returns the file.
func buildTest(t *testing.T, env []string, pkg string, flags ...string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), pkg+".elf")
	args := append(append([]string{"build", "-o", name}, flags...), "./testdata/"+pkg)
	if stdout, stderr, status := output(t, ringo(t, env, args...)); status != 0 || stdout != "" || stderr != "" {
		t.Fatalf("status %d\n%s%s", status, stdout, stderr)
	}
	return name
}

// eachRelease runs a test for all Go releases that are supported.
func eachRelease(t *testing.T, f func(t *testing.T, env []string)) {
	for _, release := range []string{"go1.26.8", "go1.27.4"} {
		t.Run(release, func(t *testing.T) {
			env := []string{"GOTOOLCHAIN=" + release}
			cmd := exec.Command("go", "version")
			cmd.Env = append(os.Environ(), env...)
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Skipf("%v: %s", err, out)
			}
			f(t, env)
		})
	}
}

func hasNote(t *testing.T, name string) bool {
	t.Helper()
	f, err := elf.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	return f.Section(".note.ringo") != nil
}

// TestProcess runs what ringo build makes as a Linux process.
func TestProcess(t *testing.T) {
	eachRelease(t, func(t *testing.T, env []string) {
		name := buildTest(t, env, "hello", "-ldflags=-s -w")
		if !hasNote(t, name) {
			t.Error("there is no note in it")
		}
		if data, err := os.ReadFile(name); err != nil || bytes.Contains(data, []byte("/ringo/overlay/")) {
			t.Errorf("%v; names of source files are those of the cache", err)
		}
		cmd := exec.Command(name, "7", "x y")
		cmd.Env = []string{"GREETING=hello"}
		if stdout, stderr, status := output(t, cmd); stdout != "hello [7 x y]\n" || stderr != "" || status != 7 {
			t.Errorf("%q, %q, status %d", stdout, stderr, status)
		}
	})
}

// start starts a command and returns a reader of what it prints. The command
// ends with the test.
func start(t *testing.T, cmd *exec.Cmd) *bufio.Reader {
	t.Helper()
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	return bufio.NewReader(stdout)
}

// checkWeb asks testdata/web, built by a release, for all that it has.
func checkWeb(t *testing.T, addr, release string) {
	t.Helper()
	for path, want := range map[string]string{
		"/":    "hello from " + release,
		"/nil": "runtime error: invalid memory address or nil pointer dereference",
	} {
		r, err := http.Get("http://" + addr + path)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(r.Body)
		r.Body.Close()
		if err != nil || string(body) != want {
			t.Errorf("%s: %q, %v; want %q", path, body, err, want)
		}
	}
}

// TestProcessWeb serves HTTP from a Linux process.
func TestProcessWeb(t *testing.T) {
	eachRelease(t, func(t *testing.T, env []string) {
		out := start(t, exec.CommandContext(t.Context(), buildTest(t, env, "web")))
		addr, err := out.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		checkWeb(t, strings.TrimSpace(addr), strings.TrimPrefix(env[0], "GOTOOLCHAIN="))
	})
}

// TestSysUnix looks at the system calls that the overlay does not reach.
func TestSysUnix(t *testing.T) {
	eachRelease(t, func(t *testing.T, env []string) {
		name := buildTest(t, env, "xsys")
		commands := []*exec.Cmd{exec.Command(name)}
		if os.Getenv(noKVM) == "" {
			commands = append(commands, ringo(t, nil, "run", "--net=none", name))
		}
		for _, cmd := range commands {
			if stdout, stderr, status := output(t, cmd); stdout != "true true false true\n" || status != 0 {
				t.Errorf("%s: %q, %q, status %d", cmd, stdout, stderr, status)
			}
		}
		f, err := elf.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		symbols, err := f.Symbols()
		if err != nil {
			t.Fatal(err)
		}
		text := f.Section(".text")
		redirected := 0
		for _, s := range symbols {
			if !strings.HasPrefix(s.Name, "golang.org/x/sys/unix.") || !strings.HasSuffix(s.Name, "yscallNoError.abi0") {
				continue
			}
			redirected++
			var code [1]byte
			if _, err := text.ReadAt(code[:], int64(s.Value-text.Addr)); err != nil {
				t.Fatal(err)
			}
			if code[0] != 0xe9 {
				t.Errorf("%s begins with %#x, and not with a jump", s.Name, code)
			}
		}
		if redirected != 2 {
			t.Errorf("%d functions were redirected, want 2", redirected)
		}
	})
}

// TestBuildAgain builds a program twice; the second time is for nothing.
func TestBuildAgain(t *testing.T) {
	name := filepath.Join(t.TempDir(), "hello.elf")
	var files [2]os.FileInfo
	for i := range files {
		cmd := ringo(t, nil, "build", "-o", name, "./testdata/hello")
		if _, stderr, status := output(t, cmd); status != 0 || stderr != "" {
			t.Fatalf("status %d: %s", status, stderr)
		}
		var err error
		if files[i], err = os.Stat(name); err != nil {
			t.Fatal(err)
		}
	}
	if !os.SameFile(files[0], files[1]) {
		t.Error("it was linked again")
	}
}

// TestEnv builds with the plain go command.
func TestEnv(t *testing.T) {
	eachRelease(t, func(t *testing.T, env []string) {
		vars, stderr, status := output(t, ringo(t, env, "env"))
		if status != 0 || stderr != "" {
			t.Fatalf("status %d: %s", status, stderr)
		}
		name := filepath.Join(t.TempDir(), "hello.elf")
		cmd := exec.Command("sh", "-ec", vars+"\ngo vet ./testdata/hello\ngo build -o \"$0\" ./testdata/hello", name)
		cmd.Env = append(append(os.Environ(), asCommand+"=1"), env...)
		if stdout, stderr, status := output(t, cmd); status != 0 {
			t.Fatalf("status %d: %s%s", status, stdout, stderr)
		}
		if !hasNote(t, name) {
			t.Error("there is no note in it")
		}

		// The environment can be extended a second time.
		cmd = exec.Command("sh", "-ec", vars+"\nexec \"$0\" env --json", ringo(t, nil).Path)
		cmd.Env = append(append(os.Environ(), asCommand+"=1"), env...)
		stdout, stderr, status := output(t, cmd)
		var again map[string]string
		if err := json.Unmarshal([]byte(stdout), &again); err != nil || status != 0 {
			t.Fatalf("status %d: %v: %s%s", status, err, stdout, stderr)
		}
		if goflags := again["GOFLAGS"]; strings.Count(goflags, "-overlay=") != 1 || strings.Count(goflags, "-toolexec=") != 1 {
			t.Errorf("GOFLAGS=%s", goflags)
		}
	})
}

// TestErrors checks that mistakes give status 125 and one line that says what to do.
func TestErrors(t *testing.T) {
	text := filepath.Join(t.TempDir(), "text")
	if err := os.WriteFile(text, []byte("not a program\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	foreign := filepath.Join(t.TempDir(), "hello")
	plain := exec.Command("go", "build", "-o", foreign, "./testdata/hello")
	plain.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := plain.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for _, test := range []struct {
		name string
		env  []string
		args []string
		want string
	}{
		{"unknown command", nil, []string{"frobnicate"}, "unknown command"},
		{"unknown flag", nil, []string{"env", "--frobnicate"}, "ringo env --help"},
		{"unknown flag of run", nil, []string{"run", "--frobnicate", "./testdata/hello"}, "ringo run --help"},
		{"cgo", nil, []string{"build", "./testdata/cgo"}, "uses cgo"},
		{"no program", nil, []string{"build", "./testdata/lib"}, "package main"},
		{"run of no program", nil, []string{"run", "./testdata/lib"}, "package main"},
		{"flag of ringo's own", nil, []string{"build", "-overlay=x.json", "./testdata/hello"}, "-overlay"},
		{"overlay in GOFLAGS", []string{"GOFLAGS=-overlay=x.json"}, []string{"build", "./testdata/hello"}, "in GOFLAGS, -overlay cannot be given"},
		{"version", nil, []string{"run", "example.com/program@v1.2.3"}, "go get example.com/program@v1.2.3"},
		{"race detector", nil, []string{"build", "-race", "./testdata/hello"}, "go build"},
		{"old release", []string{"GOTOOLCHAIN=local", "PATH=" + fakeGo(t, "go1.25.3")}, []string{"build", "./testdata/hello"}, "go1.26 and go1.27"},
		{"no go command", []string{"PATH=" + t.TempDir()}, []string{"build", "./testdata/hello"}, "install Go"},
		{"no ELF file", nil, []string{"run", "--net=none", text}, "ringo build"},
		{"no guest", nil, []string{"run", "--net=none", foreign}, "ringo build"},
		{"no such file", nil, []string{"run", "./none.elf"}, "ringo build"},
		{"no argument", nil, []string{"run"}, "ringo run --help"},
		{"two arguments", nil, []string{"run", "a", "b"}, "after --"},
		{"network", nil, []string{"run", "--net=foo", "./testdata/hello"}, "tap:NAME"},
		{"address", nil, []string{"run", "--ip=10.0.0.1", "./testdata/hello"}, "10.0.0.2/24"},
		{"address without tap", nil, []string{"run", "--ip=10.0.0.1/24", "./testdata/hello"}, "tap:NAME"},
		{"port without network", nil, []string{"run", "--net=none", "-p", "8080:8080", "./testdata/hello"}, "--net user"},
		{"port", nil, []string{"run", "-p", "http", "./testdata/hello"}, "HOST:GUEST"},
		{"size", nil, []string{"run", "-m", "much", "./testdata/hello"}, "64M"},
		{"vmm", nil, []string{"run", "--vmm=xen", "./testdata/hello"}, "process"},
		{"host name", nil, []string{"run", "--hostname", strings.Repeat("a", 65), "./testdata/hello"}, "1 to 64 bytes"},
		{"working directory", nil, []string{"run", "-w", "data", "./testdata/hello"}, "absolute path"},
		{"variable", nil, []string{"run", "-e", "=x", "./testdata/hello"}, "K=V"},
	} {
		t.Run(test.name, func(t *testing.T) {
			stdout, stderr, status := output(t, ringo(t, test.env, test.args...))
			if status != exitFatal || stdout != "" {
				t.Errorf("status %d, %q", status, stdout)
			}
			if !strings.HasPrefix(stderr, "ringo: ") || strings.Count(stderr, "\n") != 1 || !strings.Contains(stderr, test.want) {
				t.Errorf("got %q, want one line with %q", stderr, test.want)
			}
		})
	}
}

// TestFewFiles starts ringo where it may open next to no files.
func TestFewFiles(t *testing.T) {
	for n := 4; n < 20; n++ { // libc needs one, in a ringo that was built with cgo
		cmd := ringo(t, nil, "version")
		cmd.Args = append([]string{"sh", "-c", fmt.Sprintf(`ulimit -n %d; exec "$0" "$@"`, n), cmd.Path}, cmd.Args[1:]...)
		cmd.Path = "/bin/sh"
		_, stderr, status := output(t, cmd)
		if status != exitFatal || !strings.HasPrefix(stderr, "ringo: ") || !strings.Contains(stderr, "ulimit") {
			t.Errorf("%d files: status %d: %s", n, status, stderr)
		}
	}
}

// fakeGo returns a directory with a go command of another release.
func fakeGo(t *testing.T, release string) string {
	t.Helper()
	dir := t.TempDir()
	script := "#!/bin/sh\necho '{\"GOROOT\": \"/nonexistent\", \"GOVERSION\": \"" + release + "\", \"GOMODCACHE\": \"/nonexistent/mod\"}'\n"
	if err := os.WriteFile(filepath.Join(dir, "go"), []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}
