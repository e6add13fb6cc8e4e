package overlay

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"
)

func TestRuleCount(t *testing.T) {
	src := fstest.MapFS{"p/a.s": {Data: []byte("\tX\n\tX\n\tY\n")}}
	rule := Rule{File: "p/a.s", Match: `(?m)^\tX$`, Replace: "\tZ $$0", Count: 2, Counts: map[string]int{"go1.27": 3}, Why: "test"}

	files, err := patch(src, []Rule{rule}, "go1.26")
	if err != nil {
		t.Fatal(err)
	}
	if got, want := string(files["p/a.s"]), "\tZ $0\n\tZ $0\n\tY\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}

	_, err = patch(src, []Rule{rule}, "go1.27")
	if err == nil {
		t.Fatal("a rule that matches too seldom is no error")
	}
	for _, part := range []string{"go1.27", "p/a.s", "matches 2 times", "must match 3 times", "test"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%q does not say %q", err, part)
		}
	}
}

// TestRuleAs copies a file, and leaves it as it is.
func TestRuleAs(t *testing.T) {
	src := fstest.MapFS{"p/a.go": {Data: []byte("package p")}}
	rules := []Rule{
		{File: "p/a.go", As: "q/a.go", Match: `\bp$`, Replace: "q", Count: 1},
		{File: "p/a.go", As: "q/a.go", Match: `q`, Replace: "r", Count: 1},
	}
	files, err := patch(src, rules, "go1.26")
	if err != nil || len(files) != 1 || string(files["q/a.go"]) != "package r" {
		t.Errorf("%q, %v", files, err)
	}
}

// TestRulePattern has a rule for several files of a package, and for none of another.
func TestRulePattern(t *testing.T) {
	rule := Rule{File: "example.org/p/*_mutex.go"}
	for name, want := range map[string]bool{
		"example.org/p/a_mutex.go": true, "example.org/p/b_mutex.go": true,
		"example.org/p/a.go": false, "example.org/p/q/a_mutex.go": false,
	} {
		if got := rule.isFor(name); got != want {
			t.Errorf("%s: got %v", name, got)
		}
	}
}

func TestRuleMissingFile(t *testing.T) {
	rule := Rule{File: "p/none.go", Match: `x`, Count: 1, Why: "test"}
	if _, err := patch(fstest.MapFS{}, []Rule{rule}, "go1.26"); err == nil {
		t.Error("a rule for a file that does not exist is no error")
	}
}

// TestSyscallSites applies the rules to the Go releases, and checks that no
// SYSCALL is left without its dispatch, and that no jump that counts
// instructions leads over one.
func TestSyscallSites(t *testing.T) {
	for _, release := range []string{"go1.26.8", "go1.27.4"} {
		t.Run(release, func(t *testing.T) {
			cmd := exec.Command("go", "env", "GOROOT")
			cmd.Env = append(os.Environ(), "GOTOOLCHAIN="+release)
			out, err := cmd.Output()
			if err != nil {
				t.Skip(err)
			}
			testSyscallSites(t, strings.TrimSpace(string(out)), release)
		})
	}
}

func testSyscallSites(t *testing.T, goroot, release string) {
	minor, err := minorRelease(release)
	if err != nil {
		t.Fatal(err)
	}
	files, err := patch(os.DirFS(filepath.Join(goroot, "src")), rules(), minorName(minor))
	if err != nil {
		t.Fatal(err)
	}
	jump := regexp.MustCompile(`^J[A-Z]+\s+(-?\d+)\(PC\)$`)
	sites := 0
	for name, data := range files {
		if !strings.HasSuffix(name, ".s") {
			continue
		}
		insts := instructions(string(data))
		for i, inst := range insts {
			if inst == "SYSCALL" {
				sites++
				if i == 0 || insts[i-1] != "JMP\t2(PC)" {
					t.Errorf("%s: a SYSCALL follows %q", name, insts[max(0, i-1)])
				}
			}
			m := jump.FindStringSubmatch(inst)
			if m == nil || inst == "JMP\t2(PC)" && insts[i+1] == "SYSCALL" || inst == "JEQ\t3(PC)" && insts[i+3] == "SYSCALL" {
				continue
			}
			n, err := strconv.Atoi(m[1])
			if err != nil {
				t.Fatal(err)
			}
			// The dispatch is passed as a whole, and not entered in the middle.
			if to := i + n; insts[to] == "SYSCALL" || strings.HasPrefix(insts[to], "CALL\truntime·ringoSyscall") {
				t.Errorf("%s: %q leads into a system call", name, inst)
			}
			if n < 0 && !strings.HasPrefix(insts[i+n], "MOVL\t$111, DI") {
				t.Errorf("%s: %q leads to %q", name, inst, insts[i+n])
			}
		}
	}
	if sites != 46 {
		t.Errorf("%d sites, want 46", sites)
	}
}

// instructions returns the instructions of an assembly file.
func instructions(src string) []string {
	var list []string
	for line := range strings.Lines(src) {
		line, _, _ = strings.Cut(line, "//")
		if strings.HasPrefix(line, "\t") && strings.TrimSpace(line) != "" {
			list = append(list, strings.TrimSpace(line))
		}
	}
	return list
}
