// Package overlay makes what turns the stock go command into one that builds
// ringo guests: an overlay (go help build, -overlay) over a GOROOT.
//
// An overlay has three parts:
//
//   - Files of the standard library, changed by rules (Rule). A rule says how
//     often it must match, so that a Go release that differs is noticed here
//     and not in a guest.
//   - Files added to the standard library: the tree rt/goroot mirrors
//     GOROOT/src. They are named ringo_* there.
//   - The packages that the added files import, directly or not, and that are
//     not of the standard library: ringo's own as internal/ringo/PATH, gVisor's
//     as internal/ringo/gvisor/PATH, others as internal/ringo/x/PATH. As
//     packages of the standard library they do not show in the user's go.mod,
//     and cannot change the versions that it selects. They defer less than they
//     are written to (plainDefers).
//
// Of each package the files for linux/amd64 with the build tag ringo are taken.
// Build constraints are evaluated here and removed, since the user's build does
// not set the tag.
package overlay

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// Config says what to generate from.
type Config struct {
	// Source holds ringo's own module: its go.mod, go.sum, rt/goroot and the
	// packages that run in guests. Everything in it counts for the cache.
	Source fs.FS
	// GOROOT is where a Go release is installed.
	GOROOT string
	// Release is the Go release in GOROOT, such as "go1.26.8".
	Release string
	// Cache is the directory in which overlays are kept, each in a directory
	// whose time of modification is when it was used last.
	Cache string
	// Download returns the directory that holds a module, at the version that
	// Source's go.mod requires. It is called only if the overlay is not in the
	// cache.
	Download func(module string) (string, error)
}

// Overlay is an overlay in the cache.
type Overlay struct {
	// File is the JSON file for the go command's flag -overlay.
	File string
	// GOROOT is the directory that the overlay is for: a mirror of the one in
	// the configuration.
	GOROOT string
}

// jsonFile is the name of Overlay.File.
const jsonFile = "overlay.json"

// Generate returns the overlay. It comes from the cache if it is there. Several
// processes may generate at the same time.
func Generate(c Config) (*Overlay, error) {
	minor, err := minorRelease(c.Release)
	if err != nil {
		return nil, err
	}
	key, err := c.key()
	if err != nil {
		return nil, fmt.Errorf("overlay: %w", err)
	}
	dir := filepath.Join(c.Cache, key)
	o := &Overlay{File: filepath.Join(dir, jsonFile), GOROOT: filepath.Join(dir, "goroot")}
	now := time.Now()
	if os.Chtimes(dir, now, now) == nil { // it is there, and in use
		return o, nil
	}
	files, err := c.files(minor)
	if err != nil {
		return nil, fmt.Errorf("overlay for %s: %w", c.Release, err)
	}
	if err := c.write(dir, o.GOROOT, files); err != nil {
		return nil, fmt.Errorf("overlay: %w", err)
	}
	return o, nil
}

// files returns the overlay's files by their slash-separated path below GOROOT/src.
func (c *Config) files(minor int) (map[string][]byte, error) {
	files, err := patch(os.DirFS(filepath.Join(c.GOROOT, "src")), rules(), minorName(minor))
	if err != nil {
		return nil, err
	}
	l := loader{
		config:  c,
		context: guestContext(minor),
		files:   files,
		seen:    make(map[string]bool),
		ruled:   make(map[string]bool),
	}
	if err := l.addGOROOT(); err != nil {
		return nil, err
	}
	if err := l.addImports(); err != nil {
		return nil, err
	}
	return l.files, nil
}

// write stores the overlay in a directory that appears complete or not at all.
func (c *Config) write(dir, goroot string, files map[string][]byte) error {
	if err := os.MkdirAll(c.Cache, 0o777); err != nil {
		return err
	}
	tmp, err := os.MkdirTemp(c.Cache, "new-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp)

	var overlay struct{ Replace map[string]string }
	overlay.Replace = make(map[string]string)
	for path, data := range files {
		file := filepath.FromSlash(path)
		if err := writeFile(filepath.Join(tmp, file), data); err != nil {
			return err
		}
		overlay.Replace[filepath.Join(goroot, "src", file)] = filepath.Join(dir, file)
	}
	err = mirror(c.GOROOT, filepath.Join(tmp, filepath.Base(goroot)), filepath.Join(dir, guestRoot))
	if err != nil {
		return err
	}
	profile, err := fs.ReadFile(c.Source, profileSource)
	if err != nil {
		return err
	}
	if err := writeFile(filepath.Join(tmp, profileFile), profile); err != nil {
		return err
	}
	data, err := json.MarshalIndent(overlay, "", "\t")
	if err != nil {
		return err
	}
	if err := writeFile(filepath.Join(tmp, jsonFile), data); err != nil {
		return err
	}
	if err := os.Chmod(tmp, 0o755); err != nil {
		return err
	}
	err = os.Rename(tmp, dir)
	if errors.Is(err, fs.ErrExist) {
		return nil // another process was faster, with the same contents
	}
	return err
}

// writeFile writes a file and makes the directories above it.
func writeFile(name string, data []byte) error {
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return err
	}
	return os.WriteFile(name, data, 0o644)
}
