package overlay

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestNetstackOnPatchedStack runs package netstack's tests on gVisor's stack as
// guests have it, changed by netstackRules. Elsewhere they run on the original.
func TestNetstackOnPatchedStack(t *testing.T) {
	if testing.Short() {
		t.Skip("compiles a changed network stack")
	}
	dir := t.TempDir()
	original := output(t, "go", "list", "-m", "-f", "{{.Dir}}", "gvisor.dev/gvisor")
	copyPatched(t, original, filepath.Join(dir, "gvisor"))

	root := filepath.Dir(output(t, "go", "env", "GOMOD"))
	for _, name := range []string{"go.mod", "go.sum"} {
		data, err := os.ReadFile(filepath.Join(root, name))
		if err != nil {
			t.Fatal(err)
		}
		if name == "go.mod" {
			data = append(data, "\nreplace gvisor.dev/gvisor => "+filepath.Join(dir, "gvisor")+"\n"...)
		}
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command("go", "test", "-short", "-modfile", filepath.Join(dir, "go.mod"), module+"/netstack")
	cmd.Env = append(os.Environ(), "NETSTACK_TEST_PATCHED=1")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v: %v\n%s", cmd, err, out)
	}
}

func output(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := exec.Command(name, args...).Output()
	if err != nil {
		t.Fatalf("%s %v: %v", name, args, err)
	}
	return strings.TrimSpace(string(out))
}

// copyPatched copies gVisor's packages, applies netstackRules and plainDefers, and adds
// the files that guests have in addition.
func copyPatched(t *testing.T, from, to string) {
	t.Helper()
	write := func(name string, data []byte) {
		t.Helper()
		if strings.HasSuffix(name, ".go") {
			var err error
			if data, err = plainDefers(name, data); err != nil {
				t.Fatal(err)
			}
		}
		if err := writeFile(filepath.Join(to, name), data); err != nil {
			t.Fatal(err)
		}
	}
	rules := netstackRules()
	walk(t, os.DirFS(from), "pkg", func(name string, data []byte) {
		if strings.HasSuffix(name, omitted) {
			return
		}
		for _, r := range rules {
			if !r.isFor("gvisor.dev/gvisor/" + name) {
				continue
			}
			var err error
			if data, err = r.apply(data, "go1.26"); err != nil {
				t.Fatal(err)
			}
		}
		write(name, data)
	})
	// A go.mod with what these packages need: that of gVisor requires the world.
	write("go.mod", []byte("module gvisor.dev/gvisor\n\ngo 1.26.0\n"))
	walk(t, os.DirFS("../goroot"), "internal/ringo/gvisor", func(name string, data []byte) {
		write(filepath.Join("pkg", strings.TrimPrefix(name, "internal/ringo/gvisor/")), stripConstraint(data))
	})
}

// walk calls f for the Go and assembly files below a directory.
func walk(t *testing.T, fsys fs.FS, dir string, f func(name string, data []byte)) {
	t.Helper()
	err := fs.WalkDir(fsys, dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Ext(name) != ".go" && filepath.Ext(name) != ".s" {
			return err
		}
		data, err := fs.ReadFile(fsys, name)
		if err == nil {
			f(name, data)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
