package target

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"ringo.dev/ringo"
	"ringo.dev/ringo/rt/overlay"
)

// variable returns the value of a variable in an environment.
func variable(t *testing.T, env []string, name string) string {
	t.Helper()
	for _, v := range env {
		if value, ok := strings.CutPrefix(v, name+"="); ok {
			return value
		}
	}
	t.Fatalf("there is no %s in %q", name, env)
	return ""
}

// TestEnv extends an environment that is a guest's already.
func TestEnv(t *testing.T) {
	target := Target{
		Overlay: &overlay.Overlay{File: "/cache/new/overlay.json", GOROOT: "/cache/new/goroot"},
		Ringo:   "/a b/ringo",
		Go:      &Go{Flags: "-overlay=/cache/old/overlay.json -v '-toolexec=/old/ringo toolexec' -race=false"},
	}
	t.Setenv("PATH", "/bin:/cache/old/goroot/bin:/usr/bin")
	env, err := target.Env()
	if err != nil {
		t.Fatal(err)
	}
	flags, err := splitFlags(variable(t, env, "GOFLAGS"))
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"-v", "-race=false", "-overlay=/cache/new/overlay.json", "-toolexec='/a b/ringo' toolexec"}; !slices.Equal(flags, want) {
		t.Errorf("GOFLAGS %q, want %q", flags, want)
	}
	if got, want := variable(t, env, "PATH"), "/cache/new/goroot/bin:/bin:/usr/bin"; got != want {
		t.Errorf("PATH %s, want %s", got, want)
	}
	for _, theirs := range []string{"-overlay=/theirs.json", "--toolexec=time", "-race"} {
		target.Go.Flags = "-v " + theirs
		if env, err := target.Env(); err == nil {
			t.Errorf("%s: %q", theirs, env)
		}
	}
}

// TestFindGo finds the installed release behind a mirror.
func TestFindGo(t *testing.T) {
	g, err := FindGo(t.Context(), ".")
	if err != nil {
		t.Fatal(err)
	}
	o, err := generate(t.Context(), g)
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("GOROOT", o.GOROOT)
	again, err := FindGo(t.Context(), ".")
	if err != nil || *again != *g {
		t.Errorf("%+v, %v; want %+v", again, err, g)
	}
}

// TestFindGoLevel wants a level that the compiler knows, for whatever processor the
// environment builds otherwise.
func TestFindGoLevel(t *testing.T) {
	t.Setenv("GOARCH", "arm64")
	for level, ok := range map[string]bool{"": true, "v1": true, "v4": true, "v5": false, "3": false} {
		t.Setenv("GOAMD64", level)
		if _, err := FindGo(t.Context(), "."); (err == nil) != ok || err != nil && !strings.Contains(err.Error(), "GOAMD64="+level) {
			t.Errorf("%q: %v", level, err)
		}
	}
}

// TestFindGoFlags finds flags that go env -w has written.
func TestFindGoFlags(t *testing.T) {
	file := filepath.Join(t.TempDir(), "env")
	if err := os.WriteFile(file, []byte("GOFLAGS=-tags=theirs\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("GOENV", file)
	t.Setenv("GOFLAGS", "")
	if g, err := FindGo(t.Context(), "."); err != nil || g.Flags != "-tags=theirs" {
		t.Errorf("%+v, %v", g, err)
	}
}

// TestDownload gets the source of a module at the version in our go.mod,
// whatever module the user is in.
func TestDownload(t *testing.T) {
	g, err := FindGo(t.Context(), ".")
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("GOFLAGS", "-mod=vendor")
	t.Chdir(t.TempDir())
	dir, err := g.download(context.Background(), "gvisor.dev/gvisor", ringo.Source)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "pkg", "tcpip", "tcpip.go")); err != nil {
		t.Error(err)
	}
	if _, err := g.download(context.Background(), "example.invalid/none", ringo.Source); err == nil {
		t.Error("a module that is not required is no error")
	}
}

func TestKeep(t *testing.T) {
	exe := filepath.Join(t.TempDir(), "exe")
	if err := os.WriteFile(exe, []byte("#!/bin/sh\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "bin")
	first, err := keep(exe, dir)
	if err != nil {
		t.Fatal(err)
	}
	second, err := keep(exe, dir)
	if err != nil || second != first {
		t.Errorf("%s, %v; want %s", second, err, first)
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 1 {
		t.Errorf("%v, %v", entries, err)
	}
	if info, err := os.Stat(first); err != nil || info.Mode().Perm() != 0o755 {
		t.Errorf("%v, %v", info, err)
	}
}
