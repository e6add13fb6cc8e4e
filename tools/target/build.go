package target

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"ringo.dev/ringo/tools/files"
)

// Build runs go build with the arguments args, and puts files into the program: what
// mounts says, and the ringo.json beside the program's source. What the go command
// has to say goes to the standard error output.
func (t *Target) Build(ctx context.Context, args []string, mounts []files.Mount) error {
	programs, err := t.build(ctx, args)
	if err != nil {
		return err
	}
	if len(programs) == 1 {
		file, err := outputFile(args, programs[0].name)
		if err != nil || file == os.DevNull {
			return err // go build makes no file then
		}
		return addFiles(file, programs[0].dir, mounts)
	}
	if len(mounts) > 0 {
		return errors.New("files are for one program; name one package")
	}
	for _, p := range programs {
		if list, err := files.ReadConfig(p.dir); err != nil || len(list) > 0 {
			return errors.Join(err, fmt.Errorf("%s has files; build it on its own", p.dir))
		}
	}
	return nil
}

// build runs go build.
func (t *Target) build(ctx context.Context, args []string) ([]program, error) {
	programs, err := t.check(ctx, args)
	if err != nil {
		return nil, err
	}
	cmd, err := t.Command(ctx, append([]string{"build"}, args...)...)
	if err != nil {
		return nil, err
	}
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	if err := cmd.Run(); err != nil {
		if cgo := t.usesCgo(ctx, args); cgo != nil {
			return nil, cgo
		}
		return nil, fmt.Errorf("go build: %w", err)
	}
	return programs, nil
}

// outputFile returns the file that go build with the arguments args has made.
func outputFile(args []string, name string) (string, error) {
	dir, _, args := cutDir(args)
	values, _ := CutFlag(args, "o")
	file := name
	if len(values) > 0 {
		file = values[len(values)-1]
	}
	if !filepath.IsAbs(file) {
		file = filepath.Join(dir, file)
	}
	info, err := os.Stat(file)
	if err == nil && info.IsDir() && len(values) > 0 {
		file = filepath.Join(file, name)
	}
	return file, err
}

// addFiles puts the files of a program into its executable. dir is where its source
// is.
func addFiles(executable, dir string, mounts []files.Mount) error {
	own, err := files.ReadConfig(dir)
	if err != nil {
		return err
	}
	return files.Add(executable, files.Merge(own, mounts))
}

// BuildCached builds a package in the cache, with flags of go build and with files as
// Build has it, and returns the file's name. If it is there and up to date, this takes
// little more than asking for that.
func (t *Target) BuildCached(ctx context.Context, pkg string, mounts []files.Mount, flags ...string) (string, error) {
	cache, err := CacheDir("run")
	if err != nil {
		return "", err
	}
	wd, err := os.Getwd()
	if err != nil {
		return "", err
	}
	key := sha256.Sum256(fmt.Appendf(nil, "%q %q %q %q %q", wd, pkg, t.Go.Root, mounts, flags))
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
	programs, err := t.build(ctx, append(slices.Clone(flags), "-o", dir+string(filepath.Separator), pkg))
	if err != nil {
		return "", err
	}
	file, err := newest(dir)
	if err != nil || len(programs) != 1 {
		return file, err
	}
	return file, addFiles(file, programs[0].dir, mounts)
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
