// Package share gives a guest a directory of the host. It answers the requests
// of the FUSE protocol that virtio-fs carries (virtio 1.x, 5.11).
//
// The guest is confined to the directory. It never names a path: a request
// names an object that the guest has looked up before, and one name in it. Each
// object is a descriptor (O_PATH) that was opened below another one, by a single
// name, without following a symbolic link; so there is no ".." to climb by, and
// whatever the guest renames or links meanwhile, a descriptor stays what it is.
// Symbolic links are text to us: the guest follows them, among its own files.
// Only regular files and directories are opened beyond that, never a FIFO or a
// device that lies in the directory.
//
// Nothing is cached: what the host, or another guest, changes in the directory
// is seen at the next request.
package share

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// MaxTransfer is the most that one request reads or writes, in bytes.
const MaxTransfer = 256 << 10

// ErrShare is wrapped by the errors of Open.
var ErrShare = errors.New("directory cannot be shared")

// Dir is a directory that a guest may use.
type Dir struct {
	tree *tree
}

// Open opens the directory at path. What a guest creates in it belongs to the
// user of this process, and has the mode that the guest gives it less the
// process's umask. Set-user-ID and set-group-ID bits are not passed on.
func Open(path string, readOnly bool) (*Dir, error) {
	root, err := unix.Open(path, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrShare, &os.PathError{Op: "open", Path: path, Err: err})
	}
	t, err := newTree(root, readOnly)
	if err != nil {
		unix.Close(root)
		return nil, fmt.Errorf("%w: %w", ErrShare, err)
	}
	return &Dir{t}, nil
}

// Reset forgets what the guest has looked up and opened, when another one takes
// over. No request may be under way.
func (d *Dir) Reset() { d.tree.reset() }

// Close closes everything. No request may be under way.
func (d *Dir) Close() error {
	d.tree.close()
	return nil
}
