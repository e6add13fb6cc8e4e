// Package files packs directories of the host into guests: as EROFS file systems
// in the executable, which the guest mounts when it boots.
package files

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/erofs/go-erofs"
	"ringo.dev/ringo/boot"
)

// Mount is a directory of the host, and where the guest finds it.
type Mount struct {
	Dir  string
	Path string // absolute and clean
}

// ParseMount parses DIR:/path.
func ParseMount(s string) (Mount, error) {
	i := strings.LastIndex(s, ":/")
	if i <= 0 {
		return Mount{}, fmt.Errorf("%s: want DIR:/path, such as ./static:/srv", s)
	}
	return mount(s[:i], s[i+1:])
}

// mount checks a directory and a path.
func mount(dir, at string) (Mount, error) {
	if !path.IsAbs(at) || path.Clean(at) == "/" {
		return Mount{}, fmt.Errorf("%s: files cannot be at %q; name an absolute path below /, such as /srv", dir, at)
	}
	info, err := os.Stat(dir)
	if err != nil {
		return Mount{}, err
	}
	if !info.IsDir() {
		return Mount{}, fmt.Errorf("%s is no directory; name the one that it is in", dir)
	}
	return Mount{dir, path.Clean(at)}, nil
}

// ConfigName is the name of the file, beside a program's source, that says what
// belongs to it.
const ConfigName = "ringo.json"

// config is that file's content.
type config struct {
	// Files maps paths in the guest to directories, relative to the file.
	Files map[string]string `json:"files"`
}

// ReadConfig returns what the ringo.json in a directory says of files; nothing if
// there is none.
func ReadConfig(dir string) ([]Mount, error) {
	name := filepath.Join(dir, ConfigName)
	data, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var c config
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(&c); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, fmt.Errorf("%s: there is more than one value", name)
	}
	var list []Mount
	for at, from := range c.Files {
		if !filepath.IsAbs(from) {
			from = filepath.Join(dir, from)
		}
		m, err := mount(from, at)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		list = append(list, m)
	}
	sortMounts(list)
	return list, nil
}

// Merge returns the mounts of both lists. Where they have the same path, that of
// second counts.
func Merge(first, second []Mount) []Mount {
	byPath := map[string]Mount{}
	for _, m := range append(slices.Clone(first), second...) {
		byPath[m.Path] = m
	}
	var list []Mount
	for _, m := range byPath {
		list = append(list, m)
	}
	sortMounts(list)
	return list
}

// sortMounts puts them in the order in which they can be mounted: what lies below
// another one comes after it.
func sortMounts(list []Mount) {
	slices.SortFunc(list, func(a, b Mount) int { return strings.Compare(a.Path, b.Path) })
}

// Add puts directories into an executable, in the place of what it has.
func Add(executable string, mounts []Mount) error {
	var list []boot.Files
	for _, m := range mounts {
		f, err := os.CreateTemp("", "ringo-files-")
		if err != nil {
			return err
		}
		defer f.Close()
		if err := os.Remove(f.Name()); err != nil {
			return err
		}
		if err := Pack(f, m.Dir, below(mounts, m)...); err != nil {
			return err
		}
		list = append(list, boot.Files{Path: m.Path, Image: f})
	}
	return boot.AddFiles(executable, list)
}

// below returns where other mounts are in that of m, by paths from there.
func below(list []Mount, m Mount) (places []string) {
	for _, other := range list {
		if place, ok := strings.CutPrefix(other.Path, m.Path+"/"); ok {
			places = append(places, place)
		}
	}
	return places
}

// Pack writes the directory dir as an EROFS file system, with a directory at each of
// the places, where something else is to be mounted. All files are root's; permissions
// and times are as in dir. It is the same for the same directory.
func Pack(out io.WriteSeeker, dir string, places ...string) error {
	w := erofs.Create(out, erofs.WithBuildTime(0, 0))
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	err = fs.WalkDir(root.FS(), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return add(w, root, name, d)
	})
	if err == nil {
		err = addPlaces(w, root, places)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		return fmt.Errorf("packing %s: %w", dir, err)
	}
	return nil
}

// addPlaces adds the directories that lead to places, unless root has them. Where a
// symbolic link leads is left to the guest.
func addPlaces(w *erofs.Writer, root *os.Root, places []string) error {
	added := map[string]bool{}
	for _, place := range places {
		for end := range len(place) + 1 {
			if end < len(place) && place[end] != '/' || added[place[:end]] {
				continue
			}
			name := place[:end]
			info, err := root.Lstat(name)
			switch {
			case errors.Is(err, fs.ErrNotExist):
				added[name] = true
				err = w.Mkdir("/"+name, 0o755)
			case err == nil && !info.IsDir() && info.Mode().Type() != fs.ModeSymlink:
				err = fmt.Errorf("%s is no directory, and files are to be mounted at %s", name, place)
			}
			if err != nil {
				return err
			}
			if info != nil && info.Mode().Type() == fs.ModeSymlink {
				break
			}
		}
	}
	return nil
}

// add adds one file of a directory.
func add(w *erofs.Writer, root *os.Root, name string, d fs.DirEntry) error {
	info, err := d.Info()
	if err != nil {
		return err
	}
	to := path.Join("/", name)
	switch mode := info.Mode(); mode.Type() {
	case fs.ModeDir:
		err = w.Mkdir(to, mode.Perm())
	case fs.ModeSymlink:
		var target string
		if target, err = root.Readlink(name); err == nil {
			err = w.Symlink(target, to)
		}
	case 0:
		err = addFile(w, root, name, to)
	default:
		return fmt.Errorf("%s is a %s; remove it, an image has files, directories and symbolic links", name, kind(mode))
	}
	if err != nil {
		return err
	}
	if info.Mode().Type() != fs.ModeSymlink {
		if err := w.Chmod(to, info.Mode()&(fs.ModePerm|fs.ModeSetuid|fs.ModeSetgid|fs.ModeSticky)); err != nil {
			return err
		}
	}
	return w.Chtimes(to, time.Time{}, info.ModTime())
}

func addFile(w *erofs.Writer, root *os.Root, name, to string) error {
	in, err := root.Open(name)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := w.Create(to)
	if err != nil {
		return err
	}
	if _, err := io.Copy(out, in); err != nil {
		return err
	}
	return out.Close()
}

// kind says what a special file is.
func kind(mode fs.FileMode) string {
	switch {
	case mode&fs.ModeSocket != 0:
		return "socket"
	case mode&fs.ModeNamedPipe != 0:
		return "named pipe"
	case mode&fs.ModeDevice != 0:
		return "device"
	}
	return "special file"
}
