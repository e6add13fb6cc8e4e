package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"ringo.dev/ringo/tests/harness"
)

// builder builds one program in a module of its own.
type builder struct {
	ringo *harness.Ringo
	dir   string // of the module
}

// build makes the module and builds the program, unless an earlier run did so.
func (b *builder) build(ctx context.Context, p *program) (file string, err error) {
	if err := os.MkdirAll(b.dir, 0o777); err != nil {
		return "", err
	}
	if _, err := os.Stat(filepath.Join(b.dir, "go.sum")); err != nil {
		if err := b.prepare(ctx, p); err != nil {
			return "", err
		}
	}
	file = filepath.Join(b.dir, p.name+".elf")
	cmd := b.ringo.Command(ctx, append(append([]string{"build", "-mod=mod", "-o", file}, p.flags...), p.pkg)...)
	if err := b.do(cmd); err != nil || p.client == "" {
		return file, err
	}
	return file, b.do(exec.CommandContext(ctx, "go", "build", "-mod=mod", "-o", clientOf(file), p.client))
}

// clientOf names the client that is built for a program's file.
func clientOf(file string) string { return strings.TrimSuffix(file, ".elf") + "-client" }

// prepare writes the module's go.mod and go.sum.
func (b *builder) prepare(ctx context.Context, p *program) error {
	if p.module == "" {
		if err := os.CopyFS(b.dir, os.DirFS(filepath.Join("tests/wild/testdata", p.name))); err != nil {
			return fmt.Errorf("%w (run it in the root of ringo's source)", err)
		}
		return b.do(exec.CommandContext(ctx, "go", "mod", "tidy"))
	}
	if err := b.do(exec.CommandContext(ctx, "go", "mod", "init", "ringo.example/"+p.name)); err != nil {
		return err
	}
	return b.do(exec.CommandContext(ctx, "go", "get", p.module+"@"+p.version))
}

// do runs a command in the module.
func (b *builder) do(cmd *exec.Cmd) error {
	cmd.Dir = b.dir
	cmd.Env = append(cmd.Environ(), "GOFLAGS=", "GOWORK=off")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", cmd, err, out)
	}
	return nil
}
