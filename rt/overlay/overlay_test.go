package overlay

import (
	"encoding/json"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
)

// testSource is a module with a little of everything.
func testSource() fstest.MapFS {
	text := func(s string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(s)} }
	return fstest.MapFS{
		"go.mod":                      text("module ringo.dev/ringo\n\nrequire example.org/dep v1.0.0\n"),
		"rt/goroot/os/kernel.go":      text("//go:build ringo\n\npackage os\n\nimport _ \"ringo.dev/ringo/kernel\"\n"),
		"rt/goroot/os/kernel_test.go": text("package os\n"),
		"rt/goroot/os/ringo_other.go": text("//go:build ringo && !linux\n\npackage os\n"),
		"rt/goroot/runtime/a_amd64.s": text("//go:build ringo\n"),
		"rt/goroot/runtime/b_arm64.s": text("//go:build ringo\n"),
		"kernel/kernel.go":            text("package kernel\n\nimport (\n\t_ \"embed\"\n\n\t\"example.org/dep/sub\"\n)\n\n//go:embed *.der\nvar data string\n"),
		"kernel/data.der":             text("//go:build ringo\n"),
		"kernel/guest.go":             text("//go:build ringo\n\npackage kernel\n"),
		"kernel/host.go":              text("//go:build !ringo\n\npackage kernel\n\nimport \"ringo.dev/ringo/unused\"\n"),
		"kernel/kernel_test.go":       text("package kernel\n"),
		"rt/network.pgo":              text("profile"),
		"unused/unused.go":            text("package unused\n"),
	}
}

// testGOROOT is a directory like a GOROOT.
func testGOROOT(t *testing.T) string {
	dir := t.TempDir()
	for _, name := range []string{"VERSION", "bin/go", "src/os/file.go", "src/internal/abi/abi.go"} {
		if err := writeFile(filepath.Join(dir, name), []byte(name)); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// testConfig makes the overlay of testSource without rules.
func testConfig(t *testing.T) Config {
	dep := t.TempDir()
	for name, data := range map[string]string{
		"sub/sub.go":     "package sub\n",
		"sub/amd64.go":   "//go:build amd64\n\npackage sub\n",
		"sub/generic.go": "//go:build !amd64\n\npackage sub\n",
		"sub/asm.s":      "//go:build amd64\n",
	} {
		if err := writeFile(filepath.Join(dep, name), []byte(data)); err != nil {
			t.Fatal(err)
		}
	}
	old := rules
	rules = func() []Rule { return nil }
	t.Cleanup(func() { rules = old })
	return Config{
		Source:   testSource(),
		GOROOT:   testGOROOT(t),
		Release:  "go1.26.8",
		Cache:    filepath.Join(t.TempDir(), "cache"),
		Download: func(string) (string, error) { return dep, nil },
	}
}

func TestGenerate(t *testing.T) {
	c := testConfig(t)
	o, err := Generate(c)
	if err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(o.File)
	if err != nil {
		t.Fatal(err)
	}
	var overlay struct{ Replace map[string]string }
	if err := json.Unmarshal(data, &overlay); err != nil {
		t.Fatal(err)
	}
	want := []string{
		"internal/ringo/kernel/data.der",
		"internal/ringo/kernel/guest.go",
		"internal/ringo/kernel/kernel.go",
		"internal/ringo/x/example.org/dep/sub/generic.go",
		"internal/ringo/x/example.org/dep/sub/sub.go",
		"os/ringo_kernel.go",
		"runtime/ringo_a_amd64.s",
	}
	for i, name := range want {
		want[i] = filepath.Join(o.GOROOT, "src", name)
	}
	if got := slices.Sorted(maps.Keys(overlay.Replace)); !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	for path, file := range overlay.Replace {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Errorf("%s: %v", path, err)
		}
		if strings.Contains(string(data), "go:build") != (filepath.Ext(path) == ".der") {
			t.Errorf("%s has a build constraint, or embedded data is changed", path)
		}
	}

	// What is there is not made again.
	c.Download = nil
	again, err := Generate(c)
	if err != nil || *again != *o {
		t.Errorf("again: %+v, %v; want %+v", again, err, o)
	}
	// Tests of the source do not count, all else does.
	c.Source.(fstest.MapFS)["kernel/kernel_test.go"] = &fstest.MapFile{}
	if key, _ := c.key(); filepath.Base(filepath.Dir(o.File)) != key {
		t.Error("a test changes the key")
	}
	c.Source.(fstest.MapFS)["unused/unused.go"] = &fstest.MapFile{}
	if key, _ := c.key(); filepath.Base(filepath.Dir(o.File)) == key {
		t.Error("a change of the source does not change the key")
	}
}

func TestGenerateErrors(t *testing.T) {
	for _, test := range []struct {
		name   string
		change func(*Config, fstest.MapFS)
		want   string
	}{
		{"release", func(c *Config, _ fstest.MapFS) { c.Release = "go1.25.3" }, "go1.25.3 is not supported"},
		{"devel", func(c *Config, _ fstest.MapFS) { c.Release = "devel go1.28-abc" }, "not supported"},
		{"module", func(_ *Config, src fstest.MapFS) {
			src["kernel/kernel.go"] = &fstest.MapFile{Data: []byte("package kernel\n\nimport _ \"example.net/x\"\n")}
		}, "example.net/x"},
		{"package", func(_ *Config, src fstest.MapFS) { delete(src, "kernel/kernel.go"); delete(src, "kernel/guest.go") }, "kernel"},
		{"embed", func(_ *Config, src fstest.MapFS) { delete(src, "kernel/data.der") }, "go:embed *.der"},
		{"clash", func(_ *Config, src fstest.MapFS) { src["rt/goroot/os/ringo_kernel.go"] = src["rt/goroot/os/kernel.go"] }, "already"},
		{"syntax", func(_ *Config, src fstest.MapFS) {
			src["kernel/kernel.go"] = &fstest.MapFile{Data: []byte("package\n")}
		}, "kernel.go"},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := testConfig(t)
			test.change(&c, c.Source.(fstest.MapFS))
			_, err := Generate(c)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want an error with %q", err, test.want)
			}
			if entries, err := fs.Glob(os.DirFS(c.Cache), "*"); err != nil || len(entries) != 0 {
				t.Errorf("left in the cache: %q, %v", entries, err)
			}
		})
	}
}

// TestUnusedRule has a rule for a file that a package of the overlay lacks.
func TestUnusedRule(t *testing.T) {
	c := testConfig(t)
	rules = func() []Rule {
		return []Rule{{File: "example.org/dep/sub/gone.go", Match: "x", Count: 1, Why: "test"}}
	}
	if _, err := Generate(c); err == nil || !strings.Contains(err.Error(), "gone.go") {
		t.Errorf("got %v, want an error about gone.go", err)
	}
}

func TestMinorRelease(t *testing.T) {
	for release, want := range map[string]int{"go1.26.8": 26, "go1.27.4": 27, "go1.27rc1": 27, "go1.26": 26, "go1.26.8-X:nodwarf5": 26} {
		if got, err := minorRelease(release); err != nil || got != want {
			t.Errorf("%s: %d, %v", release, got, err)
		}
	}
}

func TestMirror(t *testing.T) {
	c := testConfig(t)
	o, err := Generate(c)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"VERSION", "bin/go", "src/os/file.go", "src/internal/abi/abi.go"} {
		if data, err := os.ReadFile(filepath.Join(o.GOROOT, name)); err != nil || string(data) != name {
			t.Errorf("%s: %q, %v", name, data, err)
		}
	}
	// The go command calls vet in the directories of packages.
	if info, err := os.Stat(filepath.Join(o.GOROOT, "src/internal/ringo/kernel")); err != nil || !info.IsDir() {
		t.Errorf("%v, %v", info, err)
	}
	if got := Installed(o.GOROOT); got != c.GOROOT {
		t.Errorf("a mirror of %s, want %s", got, c.GOROOT)
	}
	if got := Installed(c.GOROOT); got != c.GOROOT {
		t.Errorf("no mirror, but of %s", got)
	}
	if data, err := os.ReadFile(Profile(o.GOROOT)); err != nil || string(data) != "profile" {
		t.Errorf("profile: %q, %v", data, err)
	}
	if got := Profile(c.GOROOT); got != "" {
		t.Errorf("no mirror, but profile %s", got)
	}
}
