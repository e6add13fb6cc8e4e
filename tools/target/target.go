// Package target is the build target that makes guests of Go programs: the
// stock go command, given an overlay of its own standard library.
package target

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"

	"ringo.dev/ringo"
	"ringo.dev/ringo/rt/overlay"
)

// Target is what the go command needs to build guests.
type Target struct {
	Go      *Go
	Overlay string // path of the overlay's JSON file
}

// New prepares the target for the Go release that is selected in dir.
func New(ctx context.Context, dir string) (*Target, error) {
	cache, err := cacheDir()
	if err != nil {
		return nil, err
	}
	g, err := FindGo(ctx, dir, cache)
	if err != nil {
		return nil, err
	}
	name, err := overlay.Generate(overlay.Config{
		Source:  ringo.Source,
		GOROOT:  g.Root,
		Release: g.Release,
		Cache:   filepath.Join(cache, "overlay"),
		Download: func(module string) (string, error) {
			files, err := moduleFiles()
			if err != nil {
				return "", err
			}
			return g.download(ctx, module, files)
		},
	})
	if err != nil {
		return nil, err
	}
	return &Target{Go: g, Overlay: name}, nil
}

// cacheDir is where ringo keeps what it can make again.
func cacheDir() (string, error) {
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("%w; set HOME or XDG_CACHE_HOME", err)
	}
	return filepath.Join(dir, "ringo"), nil
}

// moduleFiles returns the go.mod and go.sum of ringo's own module.
func moduleFiles() (map[string][]byte, error) {
	files := make(map[string][]byte)
	for _, name := range []string{"go.mod", "go.sum"} {
		data, err := fs.ReadFile(ringo.Source, name)
		if err != nil {
			return nil, err
		}
		files[name] = data
	}
	return files, nil
}

// Env returns the environment variables that the go command needs.
func (t *Target) Env() []string {
	return append([]string{"GOOS=linux", "GOARCH=amd64", "CGO_ENABLED=0"}, t.Go.env...)
}

// Flags returns the build flags that the go command needs.
func (t *Target) Flags() []string {
	return []string{"-overlay=" + t.Overlay}
}

// Command returns a go command that works for the target: build, list, test and
// so on, with the flags that make guests, and then args.
func (t *Target) Command(ctx context.Context, verb string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, t.Go.Command, append(append([]string{verb}, t.Flags()...), args...)...)
	cmd.Env = append(os.Environ(), t.Env()...)
	return cmd
}
