package overlay

import (
	"crypto/sha256"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// key returns the name under which an overlay is cached: a hash of everything
// that it is made from. The generator and its rules are part of Source.
func (c *Config) key() (string, error) {
	h := sha256.New()
	fmt.Fprintf(h, "%q %q\n", c.GOROOT, c.Release)
	err := fs.WalkDir(c.Source, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || strings.HasSuffix(name, "_test.go") {
			return err
		}
		f, err := c.Source.Open(name)
		if err != nil {
			return err
		}
		defer f.Close()
		info, err := f.Stat()
		if err != nil {
			return err
		}
		fmt.Fprintf(h, "%q %d\n", name, info.Size())
		_, err = io.Copy(h, f)
		return err
	})
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%x", h.Sum(nil)[:12]), nil
}

// maxAge is how long an overlay stays in the cache without being used.
const maxAge = 30 * 24 * time.Hour

// prune removes the overlays that were not used since then. It is not needed
// for anything to work, so it has no errors.
func prune(cache string, then time.Time) {
	entries, err := os.ReadDir(cache)
	if err != nil {
		return
	}
	for _, e := range entries {
		if info, err := e.Info(); err == nil && info.ModTime().Before(then) {
			os.RemoveAll(filepath.Join(cache, e.Name()))
		}
	}
}
