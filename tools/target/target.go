// Package target is the build target that makes guests of Go programs: the
// stock go command, given an overlay of its own standard library and a step
// after the linker's. All it needs is in environment variables, so that any
// go command (build, test, list, run, vet) works with it.
package target

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"ringo.dev/ringo"
	"ringo.dev/ringo/rt/overlay"
)

// Target is what the go command needs to build guests.
type Target struct {
	Go      *Go
	Overlay *overlay.Overlay
	Ringo   string // path of the ringo command, which the go command calls
}

// New prepares the target for the Go release that is selected in dir. ringo is
// the path of the ringo command.
func New(ctx context.Context, dir, ringo string) (*Target, error) {
	g, err := FindGo(ctx, dir)
	if err != nil {
		return nil, err
	}
	o, err := generate(ctx, g)
	if err != nil {
		return nil, err
	}
	return &Target{Go: g, Overlay: o, Ringo: ringo}, nil
}

// generate returns the overlay for a Go release.
func generate(ctx context.Context, g *Go) (*overlay.Overlay, error) {
	cache, err := CacheDir("overlay")
	if err != nil {
		return nil, err
	}
	o, err := overlay.Generate(overlay.Config{
		Source:  ringo.Source,
		GOROOT:  g.Root,
		Release: g.Release,
		Cache:   cache,
		Download: func(module string) (string, error) {
			return g.download(ctx, module, ringo.Source)
		},
	})
	prune(cache, time.Now().Add(-maxAge))
	return o, err
}

// Env returns the environment variables, as NAME=VALUE, that make the go
// command build guests. They extend what the environment says already.
func (t *Target) Env() ([]string, error) {
	flags, err := splitFlags(t.Go.Flags)
	if err != nil {
		return nil, err
	}
	flags = slices.DeleteFunc(flags, t.isOwn)
	if err := refuse(flags); err != nil {
		return nil, fmt.Errorf("in GOFLAGS, %w", err)
	}
	toolexec, err := joinFlags([]string{t.Ringo, "toolexec"})
	if err != nil {
		return nil, err
	}
	goflags, err := joinFlags(append(flags, "-overlay="+t.Overlay.File, "-toolexec="+toolexec))
	if err != nil {
		return nil, err
	}
	return []string{
		"GOOS=linux",
		"GOARCH=amd64",
		"CGO_ENABLED=0",
		"GOROOT=" + t.Overlay.GOROOT,
		"GOTOOLCHAIN=local", // another release would build without the overlay
		"GOFLAGS=" + goflags,
		"PATH=" + t.path(os.Getenv("PATH")),
	}, nil
}

// isOwn reports whether a flag in GOFLAGS is there because this target, or one
// that it takes the place of, has put it there.
func (t *Target) isOwn(flag string) bool {
	name, value, _ := strings.Cut(strings.TrimPrefix(strings.TrimPrefix(flag, "-"), "-"), "=")
	switch name {
	case "overlay":
		return t.inCache(value)
	case "toolexec":
		args, err := splitFlags(value)
		return err == nil && len(args) == 2 && args[1] == "toolexec"
	}
	return false
}

// path puts the go command at the beginning of a search path.
func (t *Target) path(path string) string {
	dirs := []string{filepath.Join(t.Overlay.GOROOT, "bin")}
	for _, d := range filepath.SplitList(path) {
		if !t.inCache(d) {
			dirs = append(dirs, d)
		}
	}
	return strings.Join(dirs, string(filepath.ListSeparator))
}

// inCache reports whether a file belongs to an overlay, this one or another.
func (t *Target) inCache(file string) bool {
	cache := filepath.Dir(filepath.Dir(t.Overlay.File))
	return strings.HasPrefix(file, cache+string(filepath.Separator))
}

// Command returns a go command that works for the target.
func (t *Target) Command(ctx context.Context, args ...string) (*exec.Cmd, error) {
	env, err := t.Env()
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, filepath.Join(t.Overlay.GOROOT, "bin", "go"), args...)
	cmd.Env = append(os.Environ(), env...)
	return cmd, nil
}
