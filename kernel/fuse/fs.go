// Package fuse is a file system that somebody else keeps: a client of the FUSE
// protocol, for directories that the host shares by virtio-fs.
//
// Nothing is kept here: neither data nor attributes nor names. Every call asks
// the other side, so that a change which the host, or another guest, makes there
// is seen at once, and a rename is one for all who share the directory. Only which
// object is which is remembered, as the kernel wants the same Inode for the same
// object; when the garbage collector finds that nobody uses an Inode any more,
// the other side is told to forget it, too.
package fuse

import (
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"weak"

	"ringo.dev/ringo/kernel"
	"ringo.dev/ringo/kernel/fuse/wire"
)

// Transport carries requests. Call sends the pieces of in, and stores the answer
// in those of out; n is the number of bytes that were stored. It waits, and may be
// called by several goroutines. An error means that the other side is gone.
type Transport interface {
	Call(in, out [][]byte) (n int, err error)
}

// FS is a file system. It implements kernel.FileSystem.
type FS struct {
	transport Transport
	report    func(error)
	failed    sync.Once
	unique    atomic.Uint64
	maxWrite  int
	root      *dir

	mu    sync.Mutex
	known map[uint64]weak.Pointer[inode] // by number
	fresh freshFile
}

var _ kernel.FileSystem = (*FS)(nil)

// maxTransfer is the most that is read or written with one request. Linux'
// limit is 256 pages.
const maxTransfer = 256 << 10

// New begins the protocol. report is called once if the other side turns out to
// be gone or not to keep to the protocol; all calls fail with EIO from then on.
func New(t Transport, report func(error)) (*FS, kernel.Errno) {
	fs := &FS{transport: t, report: report, known: map[uint64]weak.Pointer[inode]{}}
	in := wire.InitIn{Major: wire.MajorVersion, Minor: wire.MinorVersion, Flags: wire.BigWrites}
	var out wire.InitOut
	if _, err := fs.call(wire.OpInit, 0, wire.BytesOf(&in), nil, wire.BytesOf(&out), nil); err != 0 {
		return nil, err
	}
	if out.Major != wire.MajorVersion || out.MaxWrite < 4096 {
		return nil, syscall.EPROTO
	}
	fs.maxWrite = int(min(out.MaxWrite, maxTransfer))
	fs.root = &dir{inode: inode{fs: fs, number: wire.RootID, kind: syscall.S_IFDIR}}
	fs.root.self = fs.root
	fs.known[wire.RootID] = weak.Make(&fs.root.inode) // fs keeps it
	return fs, 0
}

// Root implements kernel.FileSystem.
func (fs *FS) Root() kernel.Directory { return fs.root }

// Type implements kernel.FileSystem.
func (fs *FS) Type() string { return "virtiofs" }

// Statfs implements kernel.FileSystem.
func (fs *FS) Statfs(st *syscall.Statfs_t) kernel.Errno {
	var out wire.StatfsOut
	if _, err := fs.call(wire.OpStatfs, wire.RootID, nil, nil, wire.BytesOf(&out), nil); err != 0 {
		return err
	}
	const fuseMagic = 0x65735546
	*st = syscall.Statfs_t{
		Type: fuseMagic, Bsize: int64(out.BlockSize), Frsize: int64(out.FragmentSize), Namelen: int64(out.NameLen),
		Blocks: out.Blocks, Bfree: out.Free, Bavail: out.Available, Files: out.Files, Ffree: out.FreeFiles,
	}
	return 0
}

// Sync implements kernel.FileSystem: it has the other side make everything
// durable. Nothing is held back on this side.
func (fs *FS) Sync() kernel.Errno {
	file, err := fs.root.open()
	if err != 0 {
		return err
	}
	defer fs.root.release(wire.OpReleaseDir, file, 0)
	in := wire.FsyncIn{File: file}
	_, err = fs.call(wire.OpFsyncDir, wire.RootID, wire.BytesOf(&in), nil, nil, nil)
	return err
}

// call makes a request about a node, with an argument and data after it, and
// takes the answer's fixed part and data. Each may be nil. It returns how much
// data came.
func (fs *FS) call(op wire.Opcode, node uint64, arg, data, reply, to []byte) (n int, err kernel.Errno) {
	n, err = fs.try(op, node, arg, data, reply, to)
	for tries := 0; err == syscall.ENFILE && tries < 3; tries++ {
		// The other side remembers too many nodes: those that nobody here
		// needs any more have to be found.
		runtime.GC()
		runtime.Gosched()
		n, err = fs.try(op, node, arg, data, reply, to)
	}
	return n, err
}

// message is what begins every request and its answer.
type message struct {
	in  wire.InHeader
	out wire.OutHeader
}

func (fs *FS) try(op wire.Opcode, node uint64, arg, data, reply, to []byte) (int, kernel.Errno) {
	m := &message{in: wire.InHeader{
		Length: uint32(wire.InHeaderSize + len(arg) + len(data)),
		Op:     op,
		Unique: fs.unique.Add(1),
		Node:   node,
	}}
	n, err := fs.transport.Call([][]byte{wire.BytesOf(&m.in), arg, data}, [][]byte{wire.BytesOf(&m.out), reply, to})
	if err != nil {
		fs.fail(err)
		return 0, syscall.EIO
	}
	h := m.out // the other side could change it meanwhile
	if n < wire.OutHeaderSize || h.Length != uint32(n) || h.Unique != m.in.Unique {
		return 0, syscall.EIO
	}
	const maxErrno = 4095
	switch {
	case h.Errno < -maxErrno || h.Errno > 0:
		return 0, syscall.EIO
	case h.Errno < 0:
		return 0, syscall.Errno(-h.Errno)
	case n < wire.OutHeaderSize+len(reply) || n > wire.OutHeaderSize+len(reply)+len(to):
		return 0, syscall.EIO
	}
	return n - wire.OutHeaderSize - len(reply), 0
}

func (fs *FS) fail(err error) { fs.failed.Do(func() { fs.report(err) }) }

// lookups counts how often the other side has told of a node: that many are to
// be taken back. It is apart from the inode, whose end it outlives.
type lookups struct {
	fs     *FS
	number uint64
	n      atomic.Uint64
}

// forget takes them back, when the inode is gone.
func (l *lookups) forget() {
	fs := l.fs
	fs.mu.Lock()
	if p, ok := fs.known[l.number]; ok && p.Value() == nil {
		delete(fs.known, l.number)
	}
	fs.mu.Unlock()
	in := wire.ForgetIn{Lookups: l.n.Load()}
	h := wire.InHeader{Length: wire.InHeaderSize + 8, Op: wire.OpForget, Unique: fs.unique.Add(1), Node: l.number}
	if _, err := fs.transport.Call([][]byte{wire.BytesOf(&h), wire.BytesOf(&in)}, nil); err != nil {
		fs.fail(err)
	}
}

// enter returns the inode that the other side has told of, in a directory under
// a name.
func (fs *FS) enter(e *wire.EntryOut, parent *dir, name string) (kernel.Inode, kernel.Errno) {
	kind := e.Attr.Mode & syscall.S_IFMT
	if e.Node == 0 || e.Node == wire.RootID {
		return nil, syscall.EIO
	}
	fs.mu.Lock()
	defer fs.mu.Unlock()
	n := fs.known[e.Node].Value()
	if n == nil {
		n = fs.newInode(e.Node, kind)
		fs.known[e.Node] = weak.Make(n)
	}
	if n.kind != kind {
		return nil, syscall.EIO
	}
	n.lookups.n.Add(1)
	if d, ok := n.self.(*dir); ok {
		d.parent, d.name = parent, name
	}
	return n.self, 0
}

// newInode makes the inode of a node. fs.mu is held.
func (fs *FS) newInode(number uint64, kind uint32) *inode {
	var n *inode
	switch kind {
	case syscall.S_IFDIR:
		d := &dir{}
		n, d.self = &d.inode, d
	case syscall.S_IFREG:
		f := &regular{}
		n, f.self = &f.inode, f
	case syscall.S_IFLNK:
		l := &symlink{}
		n, l.self = &l.inode, l
	default:
		s := &special{}
		n, s.self = &s.inode, s
	}
	n.fs, n.number, n.kind = fs, number, kind
	n.lookups = &lookups{fs: fs, number: number}
	runtime.AddCleanup(n, (*lookups).forget, n.lookups)
	return n
}
