package main

import (
	"slices"
	"testing"
)

func TestRenameSources(t *testing.T) {
	args := []string{"/tool/compile", "-o", "x", "-trimpath", "/tmp/b001=>;/cache/o/a.go=>/cache/goroot/src/a.go;/x.go=>/home/x.go", "-p", "runtime"}
	renameSources(args, "/cache/goroot")
	want := []string{"/tool/compile", "-o", "x", "-trimpath", "/tmp/b001=>;/cache/o/a.go=>$GOROOT/src/a.go;/x.go=>/home/x.go", "-p", "runtime"}
	if !slices.Equal(args, want) {
		t.Errorf("%q, want %q", args, want)
	}
}

func TestWithProfile(t *testing.T) {
	std := []string{"/tool/compile", "-o", "x", "-p", "net", "-std", "-pack", "a.go"}
	if got, want := withProfile(std, "/p"), append([]string{"/tool/compile", "-pgoprofile=/p"}, std[1:]...); !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	if got := withProfile(std, ""); !slices.Equal(got, std) {
		t.Errorf("%q without a profile", got)
	}
	for _, args := range [][]string{
		{"/tool/compile", "-o", "x", "-p", "main", "a.go"},
		{"/tool/compile", "-o", "x", "-p", "net", "-std", "-pgoprofile=/own", "a.go"},
	} {
		if got := withProfile(args, "/p"); !slices.Equal(got, args) {
			t.Errorf("%q, want %q", got, args)
		}
	}
}

func TestLinkOutput(t *testing.T) {
	for want, args := range map[string][]string{
		"x":   {"-s", "-o", "x", "-importcfg", "y"},
		"x=y": {"-o=x=y"},
		"":    {"-s", "-o"},
	} {
		if got := linkOutput(args); got != want {
			t.Errorf("%q: %q, want %q", args, got, want)
		}
	}
}
