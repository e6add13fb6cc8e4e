package share

import (
	"fmt"
	"strconv"
	"strings"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
	"ringo.dev/ringo/kernel/fuse/wire"
)

// tree is the objects of a directory that the guest knows. Its methods that
// answer requests are in requests.go.
type tree struct {
	readOnly bool
	self     int // /proc/self/fd: by a name in it, a descriptor is opened anew
	most     int // descriptors that the guest may have us hold

	mu       sync.Mutex // guards what follows
	nodes    map[uint64]*node
	byObject map[object]*node
	files    map[uint64]*file
	last     uint64 // number of a node or file
}

// object is a file system object of the host.
type object struct{ dev, ino uint64 }

// node is an object that the guest has looked up.
type node struct {
	object
	number uint64
	fd     int // O_PATH
	kind   uint32

	// The node is forgotten when both are 0; tree.mu guards them.
	lookups uint64 // that were not taken back
	uses    int    // requests under way
}

// file is an open file or directory.
type file struct {
	fd   int
	refs int // 1 unless released, and requests under way; tree.mu guards it

	mu sync.Mutex // of a directory: orders reading
}

// reserved is the number of descriptors that the guest leaves to the rest of
// the process, and atLeast what it has in any case.
const (
	reserved = 256
	atLeast  = 64
)

func newTree(root int, readOnly bool) (*tree, error) {
	self, err := unix.Open("/proc/self/fd", unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("/proc/self/fd: %w", err)
	}
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		unix.Close(self)
		return nil, fmt.Errorf("getrlimit: %w", err)
	}
	t := &tree{readOnly: readOnly, self: self}
	t.most = max(atLeast, int(min(limit.Cur, 1<<20))-reserved)
	t.clear()
	r := &node{number: wire.RootID, fd: root, kind: unix.S_IFDIR}
	st, err := r.stat()
	if err != nil {
		unix.Close(self)
		return nil, err
	}
	r.object = object{st.Dev, st.Ino}
	t.enter(r)
	return t, nil
}

func (t *tree) clear() {
	t.nodes, t.byObject, t.files = map[uint64]*node{}, map[object]*node{}, map[uint64]*file{}
	t.last = wire.RootID
}

// enter makes a node known. t.mu is held, or t not yet shared.
func (t *tree) enter(n *node) {
	t.nodes[n.number] = n
	t.byObject[n.object] = n
}

// reset forgets everything but the root.
func (t *tree) reset() {
	t.mu.Lock()
	defer t.mu.Unlock()
	root := t.nodes[wire.RootID]
	for _, n := range t.nodes {
		if n != root {
			unix.Close(n.fd)
		}
	}
	for _, f := range t.files {
		unix.Close(f.fd)
	}
	t.clear()
	t.enter(root)
}

func (t *tree) close() {
	t.reset()
	unix.Close(t.nodes[wire.RootID].fd)
	unix.Close(t.self)
}

// node calls f with the node of a number, and returns what has come of it. The
// node's descriptor stays open meanwhile.
func (t *tree) node(number uint64, f func(n *node) error) error {
	t.mu.Lock()
	n := t.nodes[number]
	if n == nil {
		t.mu.Unlock()
		return syscall.ESTALE
	}
	n.uses++
	t.mu.Unlock()
	defer func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		n.uses--
		t.forget(n, 0)
	}()
	return f(n)
}

// directory is node for a directory and a name in it.
func (t *tree) directory(number uint64, name string, f func(n *node) error) error {
	switch {
	case name == "" || name == "." || name == ".." || strings.ContainsAny(name, "/\x00"):
		return syscall.EINVAL
	case len(name) > unix.NAME_MAX:
		return syscall.ENAMETOOLONG
	}
	return t.node(number, func(n *node) error {
		if n.kind != unix.S_IFDIR {
			return syscall.ENOTDIR
		}
		return f(n)
	})
}

// change is directory for a request that changes something there.
func (t *tree) change(number uint64, name string, f func(n *node) error) error {
	if t.readOnly {
		return syscall.EROFS
	}
	return t.directory(number, name, f)
}

// forget takes lookups of a node back, and closes it if nobody needs it any more.
// t.mu is held.
func (t *tree) forget(n *node, lookups uint64) {
	n.lookups -= min(lookups, n.lookups)
	if n.lookups > 0 || n.uses > 0 || n.number == wire.RootID {
		return
	}
	delete(t.nodes, n.number)
	delete(t.byObject, n.object)
	unix.Close(n.fd)
}

// room reports an error if the guest has too many descriptors. t.mu is held.
func (t *tree) room() error {
	if len(t.nodes)+len(t.files) >= t.most {
		return syscall.ENFILE
	}
	return nil
}

// look looks a name up in a directory and describes what it is.
func (t *tree) look(dir *node, name string, out *wire.EntryOut) error {
	fd, err := unix.Openat(dir.fd, name, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	return t.adopt(fd, out)
}

// adopt makes a descriptor (O_PATH), which it takes, a node that was looked up
// once more.
func (t *tree) adopt(fd int, out *wire.EntryOut) error {
	n := &node{fd: fd}
	st, err := n.stat()
	if err != nil {
		unix.Close(fd)
		return err
	}
	n.object, n.kind = object{st.Dev, st.Ino}, st.Mode&unix.S_IFMT
	t.mu.Lock()
	defer t.mu.Unlock()
	if known := t.byObject[n.object]; known != nil {
		unix.Close(fd)
		n = known
	} else {
		if err := t.room(); err != nil {
			unix.Close(fd)
			return err
		}
		t.last++
		n.number = t.last
		t.enter(n)
	}
	n.lookups++
	out.Node, out.Attr = n.number, attributes(&st)
	return nil
}

// stat describes a node.
func (n *node) stat() (st unix.Stat_t, err error) {
	err = unix.Fstat(n.fd, &st) // of an O_PATH descriptor: of the object itself
	return st, err
}

// name is the node's name in tree.self.
func (n *node) name() string { return strconv.Itoa(n.fd) }

// open opens a node, a regular file or directory, for more than its name.
func (t *tree) open(n *node, flags int) (fd int, err error) {
	if n.kind != unix.S_IFREG && n.kind != unix.S_IFDIR {
		return -1, syscall.EACCES
	}
	return unix.Openat(t.self, n.name(), flags|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
}

// hold makes a descriptor, which it takes, an open file of the guest's.
func (t *tree) hold(fd int) (number uint64, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if err := t.room(); err != nil {
		unix.Close(fd)
		return 0, err
	}
	t.last++
	t.files[t.last] = &file{fd: fd, refs: 1}
	return t.last, nil
}

// take returns the open file of a number, which stays open until leave.
func (t *tree) take(number uint64) (*file, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	f := t.files[number]
	if f == nil {
		return nil, syscall.EBADF
	}
	f.refs++
	return f, nil
}

// leave gives up a reference to an open file.
func (t *tree) leave(f *file) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if f.refs--; f.refs == 0 {
		unix.Close(f.fd)
	}
}

// file calls do with the open file of a number, and returns what has come of it.
func (t *tree) file(number uint64, do func(f *file) error) error {
	f, err := t.take(number)
	if err != nil {
		return err
	}
	defer t.leave(f)
	return do(f)
}

// release closes an open file, when no request uses it any more.
func (t *tree) release(number uint64) {
	t.mu.Lock()
	f := t.files[number]
	delete(t.files, number)
	t.mu.Unlock()
	if f != nil {
		t.leave(f)
	}
}
