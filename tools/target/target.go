// Package target is the build target that makes guests of Go programs: the
// stock go command, given an overlay of its own standard library and a step
// after the linker's. All it needs is in environment variables, so that any
// go command (build, test, list, run) works with it.
package target

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"ringo.dev/ringo"
	"ringo.dev/ringo/rt/overlay"
)

// Target is what the go command needs to build guests.
type Target struct {
	Go      *Go
	Overlay string // path of the overlay's JSON file
	Ringo   string // path of the ringo command, which the go command calls
}

// New prepares the target for the Go release that is selected in dir. ringo is
// the path of the ringo command.
func New(ctx context.Context, dir, ringo string) (*Target, error) {
	cache, err := CacheDir()
	if err != nil {
		return nil, err
	}
	g, err := FindGo(ctx, dir, cache)
	if err != nil {
		return nil, err
	}
	name, err := generate(ctx, g, cache)
	if err != nil {
		return nil, err
	}
	return &Target{Go: g, Overlay: name, Ringo: ringo}, nil
}

// generate returns the overlay's JSON file.
func generate(ctx context.Context, g *Go, cache string) (string, error) {
	return overlay.Generate(overlay.Config{
		Source:  ringo.Source,
		GOROOT:  g.Root,
		Release: g.Release,
		Cache:   filepath.Join(cache, "overlay"),
		Download: func(module string) (string, error) {
			return g.download(ctx, module, ringo.Source)
		},
	})
}

// CacheDir is where ringo keeps what it can make again.
func CacheDir() (string, error) {
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("%w; set HOME or XDG_CACHE_HOME", err)
	}
	return filepath.Join(dir, "ringo"), nil
}

// Env returns the environment variables, as NAME=VALUE, that make the go
// command build guests. They extend what the environment says already.
func (t *Target) Env() ([]string, error) {
	flags, err := splitFlags(os.Getenv("GOFLAGS"))
	if err != nil {
		return nil, err
	}
	flags = slices.DeleteFunc(flags, t.isOwn)
	toolexec, err := joinFlags([]string{t.Ringo, "toolexec"})
	if err != nil {
		return nil, err
	}
	goflags, err := joinFlags(append(flags, "-overlay="+t.Overlay, "-toolexec="+toolexec))
	if err != nil {
		return nil, err
	}
	env := []string{"GOOS=linux", "GOARCH=amd64", "CGO_ENABLED=0", "GOFLAGS=" + goflags}
	return append(env, t.Go.env...), nil
}

// isOwn reports whether a flag in GOFLAGS is there because this target, or one
// that it takes the place of, has put it there.
func (t *Target) isOwn(flag string) bool {
	name, value, _ := strings.Cut(strings.TrimPrefix(strings.TrimPrefix(flag, "-"), "-"), "=")
	switch name {
	case "overlay":
		return filepath.Dir(filepath.Dir(value)) == filepath.Dir(filepath.Dir(t.Overlay))
	case "toolexec":
		args, err := splitFlags(value)
		return err == nil && len(args) == 2 && args[1] == "toolexec" && strings.Contains(filepath.Base(args[0]), "ringo")
	}
	return false
}

// Command returns a go command that works for the target.
func (t *Target) Command(ctx context.Context, args ...string) (*exec.Cmd, error) {
	env, err := t.Env()
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, t.Go.Command, args...)
	cmd.Env = append(os.Environ(), env...)
	return cmd, nil
}
