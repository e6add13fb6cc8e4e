// Package volume is a file system on a disk: Ringo's own, which a power cut cannot
// corrupt and which knows when the disk does not give back what was written.
//
// Nothing that is in use is overwritten. All files are one tree (tree.go) of
// blocks (node.go), in which a pointer to a block holds the block's checksum; those of
// a file's data are with the pointers to the data (extent.go). A change makes new
// blocks from the leaf up to the root, and two superblocks in turn (format.go) say
// which root is the current one. So at any moment the disk holds one whole state, and
// what is newer is not referred to yet. A commit (commit.go) makes the next state
// current. In between, fsync writes only the items that were changed to a log (log.go),
// with the data if that is little (deferred.go); it is played back when the volume is
// opened.
//
// What is free says a bitmap (space.go). A snapshot (snapshot.go) is a root that is
// kept, with a list of the blocks that only it has.
//
// Above that are inodes (inode.go), directories (dir.go), the data of files (extent.go,
// file.go), extended attributes (xattr.go), and the file system that package kernel
// can mount (fs.go). Check (check.go) goes through everything. docs/storage.md
// tells why it is so, and what it costs.
//
// The same code runs in guests and, for the tools, on the host. It must not
// import os, fmt, log or net.
package volume

import (
	"sync"
	"sync/atomic"

	"ringo.dev/ringo/kernel/block"
)

// Volume is an open volume. Its methods may be called by several goroutines.
//
// Locks are taken in the order of the fields. A commit or a write of the log
// excludes another one (syncing). Changes are made one at a time (write), and seen by
// readers when they are made in memory (mu). Data is read from the disk without these,
// but blocks that became free are not taken again while someone reads (reading).
type Volume struct {
	dev      block.Device
	readOnly bool

	syncing sync.Mutex // also guards log.next and log.number
	write   sync.Mutex // guards super, space, log, dead, touched
	reading sync.RWMutex
	mu      sync.RWMutex

	super superblock // as the last commit left it, but for what the others say
	space spaceMap
	log   intentLog
	dead  []deadRow // what died in the generation in progress, though a snapshot has it

	// Guarded by mu. Who holds write may read them, since changes are made with both.
	files, meta tree
	dirty       map[uint64]*node // nodes of the generation in progress, by address
	deferred    deferred

	cache nodeCache

	touched      bool          // the change in progress has changed something
	changes      atomic.Uint64 // number of changes made
	durable      atomic.Uint64 // changes that survive a power cut
	promised     atomic.Int64  // blocks, to data that will be written later (Reserve)
	floor        atomic.Int64  // blocks that promises leave: the reserve and what a change takes
	kept         atomic.Int64  // those that promises leave which replace data: the reserve
	failure      atomic.Pointer[error]
	open         inodeTable
	report       func(error)
	reported     reports
	deviceErrors atomic.Uint64  // so many; see maxDeviceReports
	views        map[uint64]int // open snapshots, by generation; guarded by write
}

// Options say how a volume is opened.
type Options struct {
	// ReadOnly opens the volume so that nothing is written to the device, not
	// even what a crash has left to do.
	ReadOnly bool
	// Report is called for every block that is found damaged, and for the first
	// errors of the device, with a message for the console. It may be nil.
	Report func(error)
}

func newVolume(dev block.Device, super superblock) *Volume {
	v := &Volume{
		dev:      dev,
		readOnly: dev.ReadOnly(),
		super:    super,
		dirty:    map[uint64]*node{},
		deferred: deferred{},
		views:    map[uint64]int{},
		report:   func(error) {},
	}
	v.files = tree{v, filesTree, super.files}
	v.meta = tree{v, metaTree, super.meta}
	v.space.init(v, super.space)
	v.log.reset()
	return v
}

// Open opens the volume on a device, which is the volume's until Close. What
// was synced before a crash is there again afterwards.
func Open(dev block.Device, o Options) (*Volume, error) {
	super, err := readSuper(dev)
	if err != nil {
		return nil, err
	}
	v := newVolume(dev, super)
	v.readOnly = v.readOnly || o.ReadOnly
	if o.Report != nil {
		v.report = o.Report
	}
	if err := v.replay(); err != nil {
		return nil, err
	}
	if v.readOnly {
		return v, nil
	}
	if v.changes.Load() > 0 {
		if err := v.Commit(); err != nil {
			return nil, err
		}
	}
	// If damage keeps them from being removed, that was reported, and the rest can be used.
	if err := v.removeSnapshots(); err == nil {
		v.removeOrphans()
	}
	return v, nil
}

// readSuper reads the newest superblock.
func readSuper(dev block.Device) (best superblock, err error) {
	size := dev.Size()
	// Where the copies are is in the superblock. If neither of the first two is
	// whole, they are looked for where they would be if the volume filled the device.
	places := []uint64{0, 1}
	if n := volumeBlocks(size); n >= minBlocks {
		places = append(places, n-2, n-1)
	}
	found, b := false, make([]byte, BlockSize)
	for i := 0; i < len(places); i++ {
		at := int64(places[i]) * BlockSize
		if at+BlockSize > size {
			continue
		}
		var sb superblock
		if dev.ReadAt(b, at) != nil {
			continue // one of its copies will do
		}
		ok, err := sb.decode(b)
		if err != nil {
			return best, err
		}
		if !ok {
			continue
		}
		if !found {
			places = append(places, sb.blocks-2, sb.blocks-1)
		}
		if !found || sb.generation > best.generation {
			found, best = true, sb
		}
	}
	switch {
	case !found:
		return best, &FormatError{"there is no volume on this disk (ringo volume create makes one)"}
	case uint64(size)/BlockSize < best.blocks:
		return best, &FormatError{"the disk is too small: the volume has " + decimal(best.blocks*BlockSize) +
			" bytes, the disk " + decimal(uint64(size))}
	}
	return best, nil
}

// Close makes everything durable and ends the use of the device.
func (v *Volume) Close() error {
	if v.readOnly {
		return nil
	}
	return v.Commit()
}

// ID returns the name that the volume got when it was made.
func (v *Volume) ID() [16]byte { return v.super.id }

// generation returns that of the next commit.
func (v *Volume) generation() uint64 { return v.super.generation + 1 }

// usable reports whether n blocks from start on can belong to a file or tree.
func (v *Volume) usable(start, n uint64) bool {
	end := start + n
	return n > 0 && n <= regionBlocks && end <= v.super.blocks-superCopies &&
		start%regionBlocks >= regionHead && start/regionBlocks == (end-1)/regionBlocks &&
		(start >= v.super.logStart+v.super.logBlocks)
}

// readBlock fills b with the block to which p points, and checks it.
func (v *Volume) readBlock(b []byte, p pointer, what string) error {
	if p.addr >= v.super.blocks || p.birth > v.super.generation {
		return v.damage("a pointer to it is impossible: "+what, p.addr)
	}
	if err := v.dev.ReadAt(b, int64(p.addr)*BlockSize); err != nil {
		return v.deviceError("reading", p.addr, err)
	}
	if checksum(b) != p.sum {
		return v.damage("wrong checksum: "+what, p.addr)
	}
	return nil
}

// writeBlocks writes whole blocks.
func (v *Volume) writeBlocks(b []byte, addr uint64, what string) error {
	if err := v.dev.WriteAt(b, int64(addr)*BlockSize); err != nil {
		return v.deviceError("writing "+what, addr, err)
	}
	return nil
}

// damage makes an error of what was found at a block.
func (v *Volume) damage(what string, addr uint64) error {
	err := &DamageError{what, addr}
	if v.reported.add(addr) {
		v.report(err)
	}
	return err
}

// reports are the blocks of which was reported that they are damaged: once is enough.
type reports struct {
	mu     sync.Mutex
	blocks map[uint64]struct{}
}

// add reports whether a block is new, and not one too many.
func (r *reports) add(addr uint64) bool {
	const most = 1000
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, known := r.blocks[addr]; known || len(r.blocks) >= most {
		return false
	}
	if r.blocks == nil {
		r.blocks = map[uint64]struct{}{}
	}
	r.blocks[addr] = struct{}{}
	return true
}

// maxDeviceReports is how many errors of the device are reported. One that fails at all
// fails often: a full disk of the host does with each write.
const maxDeviceReports = 10

// deviceError makes an error of what the device said.
func (v *Volume) deviceError(what string, addr uint64, err error) error {
	err = &deviceError{what, addr, err}
	n := v.deviceErrors.Add(1)
	if n <= maxDeviceReports {
		v.report(err)
	}
	if n == maxDeviceReports {
		v.report(&FormatError{"more errors of the disk are not reported"})
	}
	return err
}

// pointerTo returns where an owned node is, without its checksum.
func (v *Volume) pointerTo(n *node) pointer { return pointer{addr: n.addr(), birth: n.birth()} }

// failed returns the error that ended all changes, if there was one: what is in
// memory then cannot be trusted, and what is on the disk stays as it is.
func (v *Volume) failed() error {
	if e := v.failure.Load(); e != nil {
		return *e
	}
	return nil
}

// fail ends all changes.
func (v *Volume) fail(err error) {
	if v.failure.CompareAndSwap(nil, &err) {
		v.report(&FormatError{"no more changes are possible: " + err.Error()})
	}
}
