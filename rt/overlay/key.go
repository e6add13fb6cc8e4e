package overlay

import (
	"crypto/sha256"
	"fmt"
	"io"
	"io/fs"
	"strings"
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
