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
			return &placeError{"mounting files at " + string(name), err}
		}
	}
	return nil
}

// placeError says what is wrong with a place in the file system.
type placeError struct {
	what string
	err  Errno
}

func (e *placeError) Error() string {
	return e.what + ": " + e.err.Error()
}

// mountAt mounts a read-only file system at a path, whose directories it makes.
func mountAt(k *kernel.Kernel, fs kernel.FileSystem, path string) Errno {
	if err := mkdirAll(k, path); err != 0 {
		return err
	}
	return k.Mount(fs, path, strings.TrimPrefix(path, "/"), true)
}

// changeDirectory makes path, which is absolute, the working directory; it is made if
// it is missing.
func changeDirectory(k *kernel.Kernel, path string) error {
	err := mkdirAll(k, path)
	if err == 0 || err == syscall.EROFS {
		err = k.Chdir(path)
	}
	if err != 0 {
		return &placeError{"the working directory " + path, err}
	}
	return nil
}
