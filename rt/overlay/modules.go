package overlay

import (
	"errors"
	"io/fs"
	"os"
	"path"
	"strings"

	"golang.org/x/mod/modfile"
)

// modules are the modules that ringo's go.mod requires.
type modules struct {
	paths []string
	dirs  map[string]string // where those are that were downloaded
}

// readModules reads the go.mod file in source.
func readModules(source fs.FS) (*modules, error) {
	data, err := fs.ReadFile(source, "go.mod")
	if err != nil {
		return nil, err
	}
	f, err := modfile.ParseLax("go.mod", data, nil)
	if err != nil {
		return nil, err
	}
	m := &modules{dirs: make(map[string]string)}
	for _, r := range f.Require {
		m.paths = append(m.paths, r.Mod.Path)
	}
	return m, nil
}

// find returns the file system of the module that holds a package, and the
// package's directory in it.
func (m *modules) find(pkg string, download func(module string) (string, error)) (fs.FS, string, error) {
	mod := ""
	for _, p := range m.paths {
		if (pkg == p || strings.HasPrefix(pkg, p+"/")) && len(p) > len(mod) {
			mod = p
		}
	}
	if mod == "" {
		return nil, "", errors.New("it is in none of the modules that ringo requires")
	}
	dir, ok := m.dirs[mod]
	if !ok {
		var err error
		if dir, err = download(mod); err != nil {
			return nil, "", err
		}
		m.dirs[mod] = dir
	}
	rest := strings.TrimPrefix(strings.TrimPrefix(pkg, mod), "/")
	return os.DirFS(dir), path.Clean(rest), nil
}
