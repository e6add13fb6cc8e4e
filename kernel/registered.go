package kernel

import (
	"strings"
	"sync"
	"syscall"
)

// registered is what other packages bring along. Of each kind there are a few, which
// are looked for one after the other. The lists are only ever appended to: whoever has
// taken one with mu held may read it without.
type registered struct {
	mu          sync.Mutex
	families    []family
	fileSystems []fileSystemType
	procs       []procFile
	provided    []providedFile
}

type family struct {
	domain int // AF_*
	make   SocketFamily
}

type fileSystemType struct {
	name string
	open func(source string) (FileSystem, Errno)
}

// procFile is a file that others than package procfs have below /proc.
type procFile struct {
	name     string // path below /proc
	generate func() []byte
}

type providedFile struct {
	name    string // path
	content func() string
}

// RegisterFamily lets f make the sockets of an address family (AF_*).
func RegisterFamily(domain int, f SocketFamily) {
	if k := current.Load(); k != nil {
		r := &k.registered
		r.mu.Lock()
		r.families = append(r.families, family{domain, f})
		r.mu.Unlock()
	}
}

// family returns what makes the sockets of an address family, or nil.
func (k *Kernel) family(domain int) SocketFamily {
	if domain == syscall.AF_UNIX {
		return k.newUnixSocket
	}
	k.registered.mu.Lock()
	list := k.registered.families
	k.registered.mu.Unlock()
	for _, f := range list {
		if f.domain == domain {
			return f.make
		}
	}
	return nil
}

// RegisterFileSystem says how file systems of a type are made from a source,
// which is what the type takes it for: a device, a tag, nothing.
func (k *Kernel) RegisterFileSystem(typ string, open func(source string) (FileSystem, Errno)) {
	r := &k.registered
	r.mu.Lock()
	r.fileSystems = append(r.fileSystems, fileSystemType{typ, open})
	r.mu.Unlock()
}

// fileSystemTypes returns those that are registered.
func (k *Kernel) fileSystemTypes() []fileSystemType {
	k.registered.mu.Lock()
	defer k.registered.mu.Unlock()
	return k.registered.fileSystems
}

// FileSystemTypes returns the names of the types that can be mounted.
func (k *Kernel) FileSystemTypes() (names []string) {
	for _, t := range k.fileSystemTypes() {
		names = append(names, t.name)
	}
	return names
}

// RegisterProc adds a file below /proc, such as "net/dev", whose content is
// made by generate when it is opened.
func RegisterProc(name string, generate func() []byte) {
	if k := current.Load(); k != nil {
		r := &k.registered
		r.mu.Lock()
		r.procs = append(r.procs, procFile{name, generate})
		r.mu.Unlock()
	}
}

// EachProc calls f for every file added with RegisterProc.
func (k *Kernel) EachProc(f func(name string, generate func() []byte)) {
	k.registered.mu.Lock()
	list := k.registered.procs
	k.registered.mu.Unlock()
	for _, p := range list {
		f(p.name, p.generate)
	}
}

// Provide offers the content of a file, once, for parts of the guest that are linked
// only into programs which need it. The file is made, in one of the directories
// that package syscalls names, when that directory is first looked into.
func Provide(name string, content func() string) {
	if k := current.Load(); k != nil {
		r := &k.registered
		r.mu.Lock()
		r.provided = append(r.provided, providedFile{name, content})
		r.mu.Unlock()
	}
}

// EachProvided calls f for every file offered with Provide whose name begins
// with dir, with the rest of the name.
func (k *Kernel) EachProvided(dir string, f func(name string, content func() string)) {
	k.registered.mu.Lock()
	list := k.registered.provided
	k.registered.mu.Unlock()
	for _, p := range list {
		if rest, ok := strings.CutPrefix(p.name, dir); ok {
			f(rest, p.content)
		}
	}
}
