package syscalls

import (
	"bytes"
	"encoding/binary"
	"strings"
	"syscall"

	"ringo.dev/ringo/kernel"
	"ringo.dev/ringo/kernel/erofs"
	"ringo.dev/ringo/vmm/abi"
)

// mountFiles mounts the file systems that the image brings along, in the segment
// that package abi describes. It makes the directories that they cover. An error
// names what is wrong with the image.
func mountFiles(k *kernel.Kernel, segment []byte) error {
	if segment == nil {
		return nil
	}
	const damaged = erofs.Error("the table of file systems is damaged; build the image again")
	var files abi.Files
	if _, err := binary.Decode(segment, binary.LittleEndian, &files); err != nil || files.Magic != abi.FilesMagic || files.Count > abi.MaxFiles {
		return damaged
	}
	for _, e := range files.List[:files.Count] {
		size := uint64(len(segment))
		if e.Offset > size || e.Size > size-e.Offset {
			return damaged
		}
		fs, err := erofs.New(segment[e.Offset:][:e.Size:e.Size])
		if err != nil {
			return err
		}
		name, _, _ := bytes.Cut(e.Path[:], []byte{0})
		if err := mountAt(k, fs, string(name)); err != 0 {
			return &mountError{string(name), err}
		}
	}
	return nil
}

// mountError says where an image's files cannot be mounted.
type mountError struct {
	path string
	err  Errno
}

func (e *mountError) Error() string { return "mounting files at " + e.path + ": " + e.err.Error() }

// mountAt mounts a read-only file system at a path, whose directories it makes.
func mountAt(k *kernel.Kernel, fs kernel.FileSystem, path string) Errno {
	const cwd = -100 // AT_FDCWD
	for i := 1; i <= len(path); i++ {
		if i < len(path) && path[i] != '/' {
			continue
		}
		if err := k.Mkdir(cwd, path[:i], 0o755); err != 0 && err != syscall.EEXIST {
			return err
		}
	}
	return k.Mount(fs, path, strings.TrimPrefix(path, "/"), true)
}
