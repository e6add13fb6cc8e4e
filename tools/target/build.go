package target

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// Build runs go build with the arguments args. What the go command has to say
// goes to the standard error output.
func (t *Target) Build(ctx context.Context, args []string) error {
	if err := t.check(ctx, args); err != nil {
		return err
	}
	cmd, err := t.Command(ctx, append([]string{"build"}, args...)...)
	if err != nil {
		return err
	}
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	if err := cmd.Run(); err != nil {
		if cgo := t.usesCgo(ctx, args); cgo != nil {
			return cgo
		}
		return fmt.Errorf("go build: %w", err)
	}
	return nil
}

// BuildCached builds a package in the cache and returns the file's name. If it
// is there and up to date, this takes little more than asking for that.
func (t *Target) BuildCached(ctx context.Context, pkg string) (string, error) {
	cache, err := CacheDir("run")
	if err != nil {
		return "", err
	}
	wd, err := os.Getwd()
	if err != nil {
		return "", err
	}
	key := sha256.Sum256(fmt.Appendf(nil, "%q %q %q", wd, pkg, t.Go.Root))
	dir := filepath.Join(cache, fmt.Sprintf("%x", key[:8]))
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return "", err
	}
	now := time.Now()
	if err := os.Chtimes(dir, now, now); err != nil {
		return "", err
	}
	prune(cache, now.Add(-maxAge))
	// The go command chooses the file's name, and leaves it alone if it is up
	// to date.
	if err := t.Build(ctx, []string{"-o", dir + string(filepath.Separator), pkg}); err != nil {
		return "", err
	}
	return newest(dir)
}

// newest returns the file in dir that was written last: a package's program can
// change its name.
func newest(dir string) (string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return "", err
	}
	var name string
	var last int64
	for _, e := range entries {
		info, err := e.Info()
		if err != nil {
			return "", err
		}
		if t := info.ModTime().UnixNano(); name == "" || t > last {
			name, last = e.Name(), t
		}
	}
	if name == "" {
		return "", errors.New("go build made no program; name one package whose clause is package main")
	}
	return filepath.Join(dir, name), nil
}
