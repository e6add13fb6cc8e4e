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

	"ringo.dev/ringo/boot/level"
	"ringo.dev/ringo/rt/overlay"
)

// Go is a Go release on this machine.
type Go struct {
	Root    string // its GOROOT
	Release string // its name, such as "go1.26.8"
	Flags   string // GOFLAGS, from the environment or from go env -w
}

// ErrNoGo is returned when there is no go command.
var ErrNoGo = errors.New("there is no go command in PATH; install Go from https://go.dev/dl/ or with apt-get install golang")

// FindGo returns the Go release that the go command selects in dir. It is the
// one in PATH, or another one because of a toolchain line or GOTOOLCHAIN.
func FindGo(ctx context.Context, dir string) (*Go, error) {
	command, err := exec.LookPath("go")
	if err != nil {
		return nil, ErrNoGo
	}
	cmd := exec.CommandContext(ctx, command, "env", "-json", "GOROOT", "GOVERSION", "GOFLAGS", "GOAMD64")
	cmd.Dir = dir
	cmd.Env = append(cmd.Environ(), "GOARCH=amd64") // GOAMD64 is nothing for others
	out, err := output(cmd)
	if err != nil {
		return nil, err
	}
	var env struct{ GOROOT, GOVERSION, GOFLAGS, GOAMD64 string }
	if err := json.Unmarshal(out, &env); err != nil {
		return nil, fmt.Errorf("go env: %w", err)
	}
	// The go command takes any text, and hands it to the assembler. Releases that are
	// too old have no such variable.
	if env.GOAMD64 != "" {
		if _, err := level.Parse(env.GOAMD64); err != nil {
			return nil, err
		}
	}
	// The environment may be that of ringo env.
	return &Go{Root: overlay.Installed(env.GOROOT), Release: env.GOVERSION, Flags: env.GOFLAGS}, nil
}

// Command returns this release's go command.
func (g *Go) Command(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, filepath.Join(g.Root, "bin", "go"), args...)
	cmd.Env = append(os.Environ(), "GOROOT="+g.Root, "GOTOOLCHAIN=local")
	return cmd
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
	cmd := g.Command(ctx, "mod", "download", "-json", mod)
	cmd.Dir = tmp
	cmd.Env = append(cmd.Env, "GOFLAGS=-mod=mod", "GOWORK=off", "PWD="+tmp)
	out, err := output(cmd)
	// A failure is in the output, if there is any.
	var info struct{ Dir, Error string }
	if json.Unmarshal(out, &info) == nil && info.Error != "" {
		return "", fmt.Errorf("its source cannot be downloaded, which is needed once: go mod download: %s", strings.TrimSpace(info.Error))
	}
	if err != nil {
		return "", err
	}
	if info.Dir == "" {
		return "", fmt.Errorf("go mod download %s: no directory", mod)
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

// output runs a go command and returns what it prints, also if it fails. The
// error holds what it says on its standard error.
func output(cmd *exec.Cmd) ([]byte, error) {
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		if msg := strings.TrimSpace(stderr.String()); msg != "" {
			err = errors.New(msg)
		}
		return out, fmt.Errorf("%s: %w", strings.Join(cmd.Args[:min(3, len(cmd.Args))], " "), err)
	}
	return out, nil
}
