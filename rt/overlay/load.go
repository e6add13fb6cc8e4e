package overlay

import (
	"errors"
	"fmt"
	"go/build"
	"io"
	"io/fs"
	"path"
	"strings"
)

// goroot is the tree in Source that mirrors GOROOT/src.
const goroot = "rt/goroot"

// omitted are files that gVisor generates for saving its state, which costs
// work at program start and is not used here.
const omitted = "_state_autogen.go"

// loader collects the files that are added to the standard library.
type loader struct {
	config  *Config
	context build.Context
	files   map[string][]byte // the overlay so far
	queue   []string          // import paths outside the standard library, still to load
	seen    map[string]bool   // what was in queue
	ruled   map[string]bool   // Rule.File of those that changed files outside the standard library
	modules *modules          // read when first needed
}

// addGOROOT adds the files of rt/goroot.
func (l *loader) addGOROOT() error {
	context := withFS(l.context, l.config.Source)
	return fs.WalkDir(l.config.Source, goroot, func(name string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) && name == goroot {
			return fs.SkipAll
		}
		if err != nil || d.IsDir() || strings.HasSuffix(name, "_test.go") {
			return err
		}
		dir, base := path.Split(name)
		if match, err := context.MatchFile(dir, base); err != nil || !match {
			return err
		}
		data, err := fs.ReadFile(l.config.Source, name)
		if err != nil {
			return err
		}
		target := strings.TrimPrefix(dir, goroot+"/")
		if !strings.HasPrefix(base, "ringo_") {
			base = "ringo_" + base
		}
		return l.addFile(target+base, name, data)
	})
}

// addImports adds the packages in the queue, and what they import in turn.
// A rule for a file that one of them does not have is an error.
func (l *loader) addImports() error {
	for len(l.queue) > 0 {
		pkg := l.queue[0]
		l.queue = l.queue[1:]
		if err := l.addPackage(pkg); err != nil {
			return fmt.Errorf("package %s: %w", pkg, err)
		}
	}
	for _, r := range rules() {
		if l.seen[path.Dir(r.File)] && !l.ruled[r.File] {
			return fmt.Errorf("the rule to %s: there is no file %s", r.Why, r.File)
		}
	}
	return nil
}

// applyRules applies the rules for a file that is not of the standard library.
func (l *loader) applyRules(name string, data []byte) ([]byte, error) {
	for _, r := range rules() {
		if !r.isFor(name) {
			continue
		}
		var err error
		if data, err = r.apply(data, minorName(len(l.context.ReleaseTags))); err != nil {
			return nil, err
		}
		l.ruled[r.File] = true
	}
	return data, nil
}

// addPackage adds the files of one package.
func (l *loader) addPackage(pkg string) error {
	fsys, dir, err := l.find(pkg)
	if err != nil {
		return err
	}
	context := withFS(l.context, fsys)
	p, err := context.ImportDir(dir, 0)
	if err == nil && len(p.SFiles) > 0 {
		// gVisor's assembly knows where the runtime keeps what. What a package
		// has for an architecture without assembly is used instead.
		context.GOARCH = "none"
		p, err = context.ImportDir(dir, 0)
	}
	if err != nil {
		return err
	}
	if len(p.GoFiles) == 0 {
		return errors.New("it has no files for guests")
	}
	for _, base := range p.GoFiles {
		if strings.HasSuffix(base, omitted) {
			continue
		}
		data, err := fs.ReadFile(fsys, path.Join(dir, base))
		if err != nil {
			return err
		}
		name := path.Join(pkg, base)
		if data, err = l.applyRules(name, data); err != nil {
			return err
		}
		if err := l.addFile(path.Join(guestPath(pkg), base), name, data); err != nil {
			return err
		}
	}
	return l.addEmbedded(pkg, fsys, dir, p.EmbedPatterns)
}

// addEmbedded adds the files that a package embeds. Its patterns match files
// in its own directory.
func (l *loader) addEmbedded(pkg string, fsys fs.FS, dir string, patterns []string) error {
	for _, pattern := range patterns {
		names, err := fs.Glob(fsys, path.Join(dir, pattern))
		if err == nil && len(names) == 0 {
			err = errors.New("no file matches")
		}
		for _, name := range names {
			var data []byte
			if data, err = fs.ReadFile(fsys, name); err != nil {
				break
			}
			l.files[path.Join(guestPath(pkg), path.Base(name))] = data
		}
		if err != nil {
			return fmt.Errorf("go:embed %s: %w", pattern, err)
		}
	}
	return nil
}

// addFile adds a source file as target. Its imports are rewritten and entered
// in the queue; its build constraint, which holds, is removed. Outside of the standard
// library's own packages, most deferred calls become plain ones.
func (l *loader) addFile(target, name string, data []byte) error {
	if _, ok := l.files[target]; ok {
		return fmt.Errorf("%s: there is already a file %s", name, target)
	}
	if strings.HasSuffix(target, ".go") {
		var imports []string
		var err error
		if data, imports, err = rewriteImports(name, data); err != nil {
			return err
		}
		if strings.HasPrefix(target, guestRoot+"/") {
			if data, err = plainDefers(name, data); err != nil {
				return err
			}
		}
		for _, pkg := range imports {
			l.need(pkg)
		}
	}
	l.files[target] = stripConstraint(data)
	return nil
}

// need enters an import path in the queue, once.
func (l *loader) need(pkg string) {
	if l.seen[pkg] {
		return
	}
	l.seen[pkg] = true
	l.queue = append(l.queue, pkg)
}

// find returns the file system and the directory in it that hold a package.
func (l *loader) find(pkg string) (fs.FS, string, error) {
	if dir, ok := strings.CutPrefix(pkg, module+"/"); ok {
		return l.config.Source, dir, nil
	}
	if l.modules == nil {
		m, err := readModules(l.config.Source)
		if err != nil {
			return nil, "", err
		}
		l.modules = m
	}
	return l.modules.find(pkg, l.config.Download)
}

// withFS makes a build context read from fsys.
func withFS(c build.Context, fsys fs.FS) build.Context {
	c.JoinPath = path.Join
	c.IsAbsPath = path.IsAbs
	c.SplitPathList = func(string) []string { return nil }
	c.HasSubdir = func(string, string) (string, bool) { return "", false }
	c.IsDir = func(name string) bool {
		info, err := fs.Stat(fsys, path.Clean(name))
		return err == nil && info.IsDir()
	}
	c.OpenFile = func(name string) (io.ReadCloser, error) { return fsys.Open(path.Clean(name)) }
	c.ReadDir = func(name string) ([]fs.FileInfo, error) {
		entries, err := fs.ReadDir(fsys, path.Clean(name))
		if err != nil {
			return nil, err
		}
		infos := make([]fs.FileInfo, len(entries))
		for i, e := range entries {
			if infos[i], err = e.Info(); err != nil {
				return nil, err
			}
		}
		return infos, nil
	}
	return c
}
