package target

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Go is a Go release on this machine.
type Go struct {
	// Command is the path of its go command.
	Command string
	// Root is its GOROOT.
	Root string
	// Release is its name, such as "go1.26.8".
	Release string

	env []string // for Command, beside os.Environ
}

// ErrNoGo is returned when there is no go command.
var ErrNoGo = errors.New("there is no go command in PATH; install Go from https://go.dev/dl/ or with apt-get install golang")

// FindGo returns the Go release that the go command selects in dir. It is the
// one in PATH, or another one because of a toolchain line or GOTOOLCHAIN.
func FindGo(ctx context.Context, dir, cache string) (*Go, error) {
	command, err := exec.LookPath("go")
	if err != nil {
		return nil, ErrNoGo
	}
	cmd := exec.CommandContext(ctx, command, "env", "-json", "GOROOT", "GOVERSION", "GOMODCACHE")
	cmd.Dir = dir
	out, err := output(cmd)
	if err != nil {
		return nil, err
	}
	var env struct{ GOROOT, GOVERSION, GOMODCACHE string }
	if err := json.Unmarshal(out, &env); err != nil {
		return nil, fmt.Errorf("go env: %w", err)
	}
	g := &Go{Command: command, Root: env.GOROOT, Release: env.GOVERSION}
	if rel, err := filepath.Rel(env.GOMODCACHE, env.GOROOT); err == nil && filepath.IsLocal(rel) {
		if err := g.leaveModuleCache(cache); err != nil {
			return nil, err
		}
	}
	return g, nil
}

// Moved reports whether Command is not the go command in PATH, but one that it
// has selected.
func (g *Go) Moved() bool { return g.env != nil }

// leaveModuleCache makes g refer to its GOROOT by a symbolic link in cache.
// The go command refuses overlays of files in the module cache, which is where
// GOTOOLCHAIN puts releases.
func (g *Go) leaveModuleCache(cache string) error {
	link := filepath.Join(cache, g.Release)
	if old, err := os.Readlink(link); err != nil || old != g.Root {
		if err := os.MkdirAll(cache, 0o777); err != nil {
			return err
		}
		tmp := fmt.Sprintf("%s.%d", link, os.Getpid())
		if err := os.Symlink(g.Root, tmp); err != nil {
			return err
		}
		if err := os.Rename(tmp, link); err != nil {
			return err
		}
	}
	g.Root = link
	g.Command = filepath.Join(link, "bin", "go")
	g.env = []string{"GOROOT=" + link, "GOTOOLCHAIN=local"}
	return nil
}

// download returns the directory of a module that source's go.mod requires,
// after checking it against source's go.sum.
func (g *Go) download(ctx context.Context, mod string, source fs.FS) (string, error) {
	tmp, err := os.MkdirTemp("", "ringo-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(tmp)
	if err := writeModule(source, tmp); err != nil {
		return "", err
	}
	cmd := exec.CommandContext(ctx, g.Command, "mod", "download", "-json", mod)
	cmd.Dir = tmp
	cmd.Env = append(os.Environ(), g.env...)
	cmd.Env = append(cmd.Env, "GOFLAGS=-mod=mod", "GOWORK=off", "PWD="+tmp)
	out, err := output(cmd)
	if err != nil {
		return "", err
	}
	var info struct{ Dir, Error string }
	if err := json.Unmarshal(out, &info); err != nil {
		return "", fmt.Errorf("go mod download: %w", err)
	}
	if info.Error != "" {
		return "", fmt.Errorf("go mod download: %s", info.Error)
	}
	return info.Dir, nil
}

// writeModule writes the go.mod and go.sum of ringo's own module to dir.
func writeModule(source fs.FS, dir string) error {
	for _, name := range []string{"go.mod", "go.sum"} {
		data, err := fs.ReadFile(source, name)
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o666); err != nil {
			return err
		}
	}
	return nil
}

// output runs a go command and returns what it prints. Its error holds what it
// says on its standard error.
func output(cmd *exec.Cmd) ([]byte, error) {
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		if msg := strings.TrimSpace(stderr.String()); msg != "" {
			err = errors.New(msg)
		}
		return nil, fmt.Errorf("%s: %w", strings.Join(cmd.Args[:min(3, len(cmd.Args))], " "), err)
	}
	return out, nil
}
