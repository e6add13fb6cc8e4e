// Package volumes works on volumes from the host, with the code that guests run:
// it is what the command ringo volume does.
//
// An open volume has a kernel of its own, whose root directory it is. So paths,
// symbolic links and files mean what they do in a guest, and nothing in a volume leads
// out of it.
package volumes

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"syscall"
	"time"

	"ringo.dev/ringo/kernel"
	"ringo.dev/ringo/kernel/pagecache"
	"ringo.dev/ringo/kernel/volume"
	"ringo.dev/ringo/vmm/disk"
)

// MinSize is that of the smallest volume, in bytes.
const MinSize = volume.MinSize

// Create makes a volume in a new file of size bytes, or with size 0 in one that is
// there, or on a block device, whatever these held. Nobody else may use the file.
func Create(name string, size int64) (err error) {
	if size > 0 {
		f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o644)
		if errors.Is(err, fs.ErrExist) {
			return fmt.Errorf("%s exists already; without --size, and with --force, it becomes a volume as it is, and what is in it is lost", name)
		}
		if err != nil {
			return err
		}
		if err = f.Truncate(size); err == nil {
			err = f.Close()
		}
		if err == nil {
			err = format(name)
		}
		if err != nil {
			os.Remove(name)
		}
		return err
	}
	return format(name)
}

func format(name string) error {
	d, err := disk.Open(name, false)
	if err != nil {
		return err
	}
	defer d.Close()
	var id [16]byte
	rand.Read(id[:])
	if err := volume.Format(d, id); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

// Check reads a whole volume and calls report for everything that is not as it should
// be. Nothing is changed.
func Check(name string, report func(error)) (volume.Summary, error) {
	d, err := disk.Open(name, true)
	if err != nil {
		return volume.Summary{}, err
	}
	defer d.Close()
	sum, err := volume.Check(d, report)
	if err != nil {
		err = fmt.Errorf("%s: %w", name, err)
	}
	return sum, err
}

// Volume is an open volume. Close it.
type Volume struct {
	name   string
	disk   *disk.File
	volume *volume.Volume
	files  *volume.FS
	kernel *kernel.Kernel
}

// Options say how a volume is opened.
type Options struct {
	ReadOnly bool
	Snapshot string // the snapshot to look at, if not the files as they are now
	// Report is called with what is wrong with the disk, which errors of
	// calls do not say.
	Report func(error)
}

// cacheSize bounds the data that is kept in memory, in bytes.
const cacheSize = 64 << 20

// Open opens the volume in a file or on a block device of the host.
func Open(name string, o Options) (_ *Volume, err error) {
	d, err := disk.Open(name, o.ReadOnly)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			d.Close()
			err = fmt.Errorf("%s: %w", name, err)
		}
	}()
	v, err := volume.Open(d, volume.Options{ReadOnly: o.ReadOnly, Report: o.Report})
	if err != nil {
		return nil, err
	}
	cache := pagecache.New(cacheSize)
	files := v.Files(cache)
	if o.Snapshot != "" {
		if files, err = v.SnapshotFiles(o.Snapshot, cache); err != nil {
			return nil, fmt.Errorf("snapshot %s: %w", o.Snapshot, err)
		}
	}
	k := kernel.New(files)
	k.Umask(0)
	return &Volume{name, d, v, files, k}, nil
}

// Close writes what is not on the disk yet, and unlocks it.
func (v *Volume) Close() error {
	var err error
	if e := v.files.Close(); e != 0 {
		err = e
	}
	if e := v.volume.Close(); err == nil {
		err = e
	}
	if e := v.disk.Close(); err == nil {
		err = e
	}
	if err != nil {
		return fmt.Errorf("%s: %w", v.name, err)
	}
	return nil
}

// Snapshots returns the volume's snapshots, the oldest first.
func (v *Volume) Snapshots() ([]volume.Snapshot, error) { return v.volume.Snapshots() }

// CreateSnapshot keeps the files as they are now.
func (v *Volume) CreateSnapshot(name string) error {
	return v.snapshotError(name, v.volume.CreateSnapshot(name))
}

// RemoveSnapshot removes a snapshot.
func (v *Volume) RemoveSnapshot(name string) error {
	return v.snapshotError(name, v.volume.RemoveSnapshot(name))
}

func (v *Volume) snapshotError(name string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, syscall.EEXIST):
		return fmt.Errorf("%s: snapshot %s exists already, or nothing was changed since the last one", v.name, name)
	}
	return fmt.Errorf("%s: snapshot %s: %w", v.name, name, err)
}

// Space returns the size of the volume, and how much of it is free to be used, in bytes.
func (v *Volume) Space() (size, free int64) {
	var st syscall.Statfs_t
	v.files.Statfs(&st)
	return int64(st.Blocks) * st.Bsize, int64(st.Bavail) * st.Bsize
}

// Info describes a file of a volume.
type Info struct {
	Name   string
	Mode   fs.FileMode
	Size   int64 // bytes
	Used   int64 // bytes on the disk
	Time   time.Time
	Target string // of a symbolic link
}

// Stat describes what a path leads to, or with follow false a symbolic link itself.
func (v *Volume) Stat(path string, follow bool) (Info, error) {
	const noFollow = 0x100 // AT_SYMLINK_NOFOLLOW
	flags := noFollow
	if follow {
		flags = 0
	}
	var st syscall.Stat_t
	if err := v.kernel.Stat(kernel.FDCWD, path, &st, flags); err != 0 {
		return Info{}, v.wrap(path, err)
	}
	const sector = 512 // the unit of st_blocks
	i := Info{
		Name: path[strings.LastIndexByte(path, '/')+1:],
		Mode: mode(st.Mode),
		Size: st.Size,
		Used: st.Blocks * sector,
		Time: time.Unix(st.Mtim.Unix()),
	}
	if i.Mode&fs.ModeSymlink != 0 {
		b := make([]byte, st.Size+1)
		n, err := v.kernel.Readlink(kernel.FDCWD, path, b)
		if err != 0 {
			return i, v.wrap(path, err)
		}
		i.Target = string(b[:n])
	}
	return i, nil
}

// mode is a mode of Linux as package fs has it.
func mode(m uint32) fs.FileMode {
	out := fs.FileMode(m & 0o777)
	switch m & syscall.S_IFMT {
	case syscall.S_IFDIR:
		out |= fs.ModeDir
	case syscall.S_IFLNK:
		out |= fs.ModeSymlink
	case syscall.S_IFIFO:
		out |= fs.ModeNamedPipe
	case syscall.S_IFSOCK:
		out |= fs.ModeSocket
	case syscall.S_IFCHR:
		out |= fs.ModeDevice | fs.ModeCharDevice
	case syscall.S_IFBLK:
		out |= fs.ModeDevice
	}
	return out
}

// wrap says where in which volume an error happened.
func (v *Volume) wrap(path string, err kernel.Errno) error {
	return fmt.Errorf("%s:%s: %w", v.name, path, err)
}

// List describes what is in a directory, in the order of names.
func (v *Volume) List(path string) ([]Info, error) {
	names, err := v.names(path)
	if err != nil {
		return nil, err
	}
	var list []Info
	for _, name := range names {
		i, err := v.Stat(strings.TrimSuffix(path, "/")+"/"+name, false)
		if err != nil {
			return list, err
		}
		list = append(list, i)
	}
	return list, nil
}
