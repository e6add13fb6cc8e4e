package kernel

import (
	"strconv"
	"strings"
	"syscall"
)

// place is the result of resolving a path.
type place struct {
	// at is what the path leads to. Its Node is nil if only the last component
	// is missing.
	at Location
	// dir holds, or would hold, the last component, and name is that component.
	// name is empty if the path ended in "/", "." or "..", or by a jump.
	dir  Location
	name string
	// slash tells that the path ended in a slash, so that it means a directory.
	slash bool
}

// startAt returns the directory at which a path begins that is relative to dirfd.
func (k *Kernel) startAt(dirfd int, path string) (Location, Errno) {
	root, cwd := k.vfs.places()
	if path != "" && path[0] == '/' {
		return root, 0
	}
	if dirfd == atFDCWD {
		return cwd, 0
	}
	d, err := k.file(dirfd)
	if err != 0 {
		return Location{}, err
	}
	if _, ok := d.origin.Node.(Directory); !ok {
		return Location{}, syscall.ENOTDIR
	}
	return d.origin.Location, 0
}

// lastStep says what happens to the last component of a path. Without any of
// the bits a symbolic link is left, but before a trailing slash.
type lastStep int

const (
	// follow a symbolic link.
	follow lastStep = 1 << iota
	// entry wants the name in its directory, as calls do that make or remove
	// names: a link is left, and a trailing slash is only noted.
	entry
	// newFile may make a file there, hence refuses a trailing slash (EISDIR).
	newFile

	noFollow lastStep = 0
)

// walk resolves a path. Everything but the last component must exist.
func (k *Kernel) walk(dirfd int, path string, step lastStep) (place, Errno) {
	if path == "" {
		return place{}, syscall.ENOENT
	}
	if len(path) >= maxPath {
		return place{}, syscall.ENAMETOOLONG
	}
	cur, err := k.startAt(dirfd, path)
	if err != 0 {
		return place{}, err
	}
	p := place{at: cur, dir: cur}
	links := 0
	rest := path
	for {
		slash := rest != "" && rest[0] == '/'
		if rest = strings.TrimLeft(rest, "/"); rest == "" {
			p.slash = slash
			break
		}
		cur = p.at
		dir, ok := cur.Node.(Directory)
		if !ok {
			return place{}, syscall.ENOTDIR
		}
		var name string
		name, rest = firstName(rest)
		switch {
		case name == ".":
			p = place{at: cur, dir: cur}
			continue
		case name == "..":
			up := k.parent(cur)
			p = place{at: up, dir: up}
			continue
		case len(name) > maxName:
			return place{}, syscall.ENAMETOOLONG
		}
		last := strings.TrimLeft(rest, "/") == ""
		if last && rest != "" && step&newFile != 0 {
			return place{}, syscall.EISDIR
		}
		node, err := dir.Lookup(name)
		if err == syscall.ENOENT && last {
			return place{dir: cur, name: name, slash: rest != ""}, 0
		}
		if err != 0 {
			return place{}, err
		}
		if link, ok := node.(Symlink); ok && (!last || step&follow != 0 || step&entry == 0 && rest != "") {
			if links++; links > maxLinks {
				return place{}, syscall.ELOOP
			}
			if cur, rest, err = k.followLink(link, cur, rest); err != 0 {
				return place{}, err
			}
			p = place{at: cur, dir: cur}
			continue
		}
		p = place{at: k.vfs.up(Location{cur.Mount, node}), dir: cur, name: name}
	}
	if p.slash && step&entry == 0 {
		if _, ok := p.at.Node.(Directory); !ok {
			return place{}, syscall.ENOTDIR
		}
	}
	return p, 0
}

// firstName returns the first component of a path, and what follows it.
func firstName(path string) (name, rest string) {
	if i := strings.IndexByte(path, '/'); i >= 0 {
		return path[:i], path[i:]
	}
	return path, ""
}

// followLink follows a symbolic link in the directory dir. It returns where to go on, and
// what is left of the path then, which is rest behind the link.
func (k *Kernel) followLink(link Symlink, dir Location, rest string) (Location, string, Errno) {
	if j, ok := link.(Jumper); ok {
		to, err := j.Jump()
		return to, rest, err
	}
	target, err := link.Readlink()
	switch {
	case err != 0:
		return Location{}, "", err
	case target == "":
		return Location{}, "", syscall.ENOENT
	case len(target)+len(rest) >= maxPath:
		return Location{}, "", syscall.ENAMETOOLONG
	case target[0] == '/':
		dir, _ = k.vfs.places()
	}
	return dir, target + rest, 0
}

// lookup resolves a path that must exist.
func (k *Kernel) lookup(dirfd int, path string, step lastStep) (Location, Errno) {
	p, err := k.walk(dirfd, path, step)
	if err == 0 && p.at.Node == nil {
		err = syscall.ENOENT
	}
	return p.at, err
}

// lookupFlags is lookup with the AT_SYMLINK_NOFOLLOW and AT_EMPTY_PATH that
// many calls take. With the latter and an empty path it answers for dirfd
// itself; the description is then returned too.
func (k *Kernel) lookupFlags(dirfd int, path string, flags int) (origin, *Description, Errno) {
	if path == "" && flags&atEmptyPath != 0 {
		if dirfd == atFDCWD {
			_, cwd := k.vfs.places()
			return origin{Location: cwd}, nil, 0
		}
		d, err := k.file(dirfd)
		if err != 0 {
			return origin{}, nil, err
		}
		return d.origin, d, 0
	}
	step := follow
	if flags&atSymlinkNofollow != 0 {
		step = noFollow
	}
	p, err := k.walk(dirfd, path, step)
	if err == 0 && p.at.Node == nil {
		err = syscall.ENOENT
	}
	return origin{p.at, p.dir, p.name}, nil, err
}

// parent is "..": it stays at the process's root and steps down from mounts.
func (k *Kernel) parent(l Location) Location {
	root, _ := k.vfs.places()
	for l != root {
		if l.Mount != nil && l.Node == Inode(l.Mount.FS.Root()) {
			if l.Mount.over.Node == nil {
				return l
			}
			l = l.Mount.over
			continue
		}
		dir, _ := l.Node.(Directory).Parent()
		if dir == nil {
			return l // removed
		}
		return k.vfs.up(Location{l.Mount, dir})
	}
	return l
}

// Reopen returns where opening /proc/self/fd/N leads for a description: to the
// inode. Files without one cannot be opened again.
func (k *Kernel) Reopen(d *Description) (Location, Errno) {
	if d.origin.Node != nil {
		return d.origin.Location, 0
	}
	switch f := d.File.(type) {
	case pipeEnd:
		return Location{Node: f.ring()}, 0
	case Inode:
		return Location{Node: f}, 0
	}
	return Location{}, syscall.ENXIO
}

// DirectoryPath returns the path of a directory as the process sees it. ok is false if
// the directory was removed, or is not below the process's root.
func (k *Kernel) DirectoryPath(l Location) (path string, ok bool) {
	root, _ := k.vfs.places()
	for l != root {
		if l.Mount != nil && l.Node == Inode(l.Mount.FS.Root()) {
			if l = l.Mount.over; l.Node == nil {
				return path, false
			}
			continue
		}
		dir, ok := l.Node.(Directory)
		if !ok {
			return path, false
		}
		up, name := dir.Parent()
		if up == nil {
			return path, false
		}
		path = "/" + name + path
		l = Location{l.Mount, up}
	}
	if path == "" {
		path = "/"
	}
	return path, true
}

// Path returns what /proc/self/fd shows for a description: a path, or a name
// such as "pipe:[12]".
func (k *Kernel) Path(d *Description) string {
	o := &d.origin
	if o.Node == nil {
		if n, ok := d.File.(interface{ Name() string }); ok {
			return n.Name()
		}
		var st syscall.Stat_t
		d.File.Stat(&st)
		kind := "anon_inode"
		switch st.Mode & syscall.S_IFMT {
		case syscall.S_IFIFO:
			kind = "pipe"
		case syscall.S_IFSOCK:
			kind = "socket"
		}
		return kind + ":[" + strconv.FormatUint(st.Ino, 10) + "]"
	}
	if _, ok := o.Node.(Directory); ok {
		path, ok := k.DirectoryPath(o.Location)
		if !ok {
			path += " (deleted)"
		}
		return path
	}
	path := ""
	if o.dir.Node != nil {
		path, _ = k.DirectoryPath(o.dir)
	}
	if !strings.HasSuffix(path, "/") {
		path += "/"
	}
	path += o.name
	var st syscall.Stat_t
	if o.Node.Stat(&st) == 0 && st.Nlink == 0 {
		path += " (deleted)"
	}
	return path
}
