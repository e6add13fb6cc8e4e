package share

import (
	"errors"
	"strings"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
	"ringo.dev/ringo/kernel/fuse/wire"
)

// request is a request of the guest. Its memory is the guest's, which can change it
// meanwhile: so everything is copied before it is looked at, but for the data of files.
type request struct {
	node   uint64
	names  []string
	body   pieces // what was not taken yet
	answer pieces // memory for the answer, without its header
	used   int    // bytes of it
}

// none is the structure of requests and answers that have none.
type none = struct{}

// errNoRoom says that the guest has left no room for the answer. There is none then.
var errNoRoom = errors.New("no room for the answer")

// maxNames bounds the names of a request: two paths, with the bytes that end them.
const maxNames = 2 * unix.PathMax

// handle takes a request apart that consists of a structure In and some names, has do
// carry it out, and answers with a structure Out.
func handle[In, Out any](r *request, names int, do func(r *request, in *In, out *Out) error) error {
	var in In
	var out Out
	if !r.body.read(wire.BytesOf(&in)) {
		return syscall.EINVAL
	}
	if names > 0 {
		if err := r.takeNames(names); err != nil {
			return err
		}
	}
	if r.answer.size() < int(unsafe.Sizeof(out)) {
		return errNoRoom
	}
	if err := do(r, &in, &out); err != nil {
		return err
	}
	r.put(wire.BytesOf(&out))
	return nil
}

// takeNames takes n names, each of which a zero byte ends.
func (r *request) takeNames(n int) error {
	size := r.body.size()
	if size > maxNames {
		return syscall.ENAMETOOLONG
	}
	b := make([]byte, size)
	r.body.read(b)
	r.names = strings.SplitN(string(b), "\x00", n+1)
	if len(r.names) != n+1 {
		return syscall.EINVAL
	}
	return nil
}

// put appends b to the answer, as far as there is room.
func (r *request) put(b []byte) { r.used += r.answer.skip(r.used).write(b) }

// Handle answers the request that stands in the pieces of in, and returns how
// many bytes of out, from the start, the answer takes: none if the request has
// no answer, or is not one. in and out are memory that the guest can change
// meanwhile. Several requests may be handled at once.
func (d *Dir) Handle(in, out [][]byte) (n int) {
	// Whatever a guest can send, it must not end this process.
	defer func() {
		if recover() != nil {
			n = 0
		}
	}()
	var h wire.InHeader
	body, answer := pieces(in), pieces(out)
	size := body.size()
	if !body.read(wire.BytesOf(&h)) || uint64(h.Length) != uint64(size) {
		return 0
	}
	r := &request{node: h.Node, body: body, answer: answer.skip(wire.OutHeaderSize)}
	if h.Op != wire.OpForget && answer.size() < wire.OutHeaderSize {
		return 0
	}
	err := d.tree.serve(h.Op, r)
	if h.Op == wire.OpForget || err == errNoRoom {
		return 0
	}
	reply := wire.OutHeader{Unique: h.Unique}
	if err != nil {
		errno := syscall.EIO
		errors.As(err, &errno)
		reply.Errno, r.used = -int32(errno), 0
	}
	n = wire.OutHeaderSize + r.used
	reply.Length = uint32(n)
	answer.write(wire.BytesOf(&reply))
	return n
}

// serve carries a request out.
func (t *tree) serve(op wire.Opcode, r *request) error {
	switch op {
	case wire.OpInit:
		return handle(r, 0, t.init)
	case wire.OpLookup:
		return handle(r, 1, t.lookup)
	case wire.OpForget:
		return handle(r, 0, t.forgetNode)
	case wire.OpGetAttr:
		return handle(r, 0, t.getAttr)
	case wire.OpSetAttr:
		return handle(r, 0, t.setAttr)
	case wire.OpReadlink:
		return handle(r, 0, t.readlink)
	case wire.OpSymlink:
		return handle(r, 2, t.symlink)
	case wire.OpMknod:
		return handle(r, 1, t.mknod)
	case wire.OpMkdir:
		return handle(r, 1, t.mkdir)
	case wire.OpUnlink:
		return handle(r, 1, t.unlink)
	case wire.OpRmdir:
		return handle(r, 1, t.rmdir)
	case wire.OpLink:
		return handle(r, 1, t.link)
	case wire.OpRename2:
		return handle(r, 2, t.rename)
	case wire.OpOpen:
		return handle(r, 0, t.openFile)
	case wire.OpCreate:
		return handle(r, 1, t.create)
	case wire.OpRead:
		return handle(r, 0, t.read)
	case wire.OpWrite:
		return handle(r, 0, t.write)
	case wire.OpLseek:
		return handle(r, 0, t.lseek)
	case wire.OpFsync:
		return handle(r, 0, t.fsync)
	case wire.OpFallocate:
		return handle(r, 0, t.fallocate)
	case wire.OpOpenDir:
		return handle(r, 0, t.openDir)
	case wire.OpReadDir:
		return handle(r, 0, t.readDir)
	case wire.OpFsyncDir:
		return handle(r, 0, t.fsyncDir)
	case wire.OpRelease, wire.OpReleaseDir:
		return handle(r, 0, t.releaseFile)
	case wire.OpStatfs:
		return handle(r, 0, t.statfs)
	}
	return syscall.ENOSYS
}

// init begins the protocol.
func (t *tree) init(_ *request, in *wire.InitIn, out *wire.InitOut) error {
	if in.Major != wire.MajorVersion {
		return syscall.EPROTO
	}
	*out = wire.InitOut{
		Major: wire.MajorVersion, Minor: wire.MinorVersion,
		Flags: in.Flags & wire.BigWrites, MaxWrite: MaxTransfer,
	}
	return nil
}
