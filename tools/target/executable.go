package target

import (
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// Executable returns the path of the running command, by which it can be
// called after it has ended. go run deletes what it runs, so that is kept in
// the cache.
func Executable() (string, error) {
	exe, err := os.Executable()
	if err != nil {
		return "", err
	}
	if !strings.Contains(exe, string(filepath.Separator)+"go-build") {
		return exe, nil
	}
	cache, err := CacheDir("bin")
	if err != nil {
		return "", err
	}
	prune(cache, time.Now().Add(-maxAge))
	return keep(exe, cache)
}

// keep copies an executable to dir, under a name made of its contents.
func keep(exe, dir string) (string, error) {
	in, err := os.Open(exe)
	if err != nil {
		return "", err
	}
	defer in.Close()
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return "", err
	}
	tmp, err := os.CreateTemp(dir, "new-")
	if err != nil {
		return "", err
	}
	defer os.Remove(tmp.Name())
	defer tmp.Close()
	h := sha256.New()
	if _, err := io.Copy(io.MultiWriter(tmp, h), in); err != nil {
		return "", err
	}
	if err := tmp.Chmod(0o755); err != nil {
		return "", err
	}
	if err := tmp.Close(); err != nil {
		return "", err
	}
	name := filepath.Join(dir, fmt.Sprintf("ringo-%x", h.Sum(nil)[:8]))
	return name, os.Rename(tmp.Name(), name)
}
