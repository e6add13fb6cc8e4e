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

// imageFiles is a file system that the image brings along.
type imageFiles struct {
	path string // where it is to be mounted; absolute and clean
	fs   kernel.FileSystem
}

// readFiles returns the file systems in the segment that package abi describes, in the
// order in which they are to be mounted. An error names what is wrong with the image.
func readFiles(segment []byte) ([]imageFiles, error) {
	const damaged = erofs.Error("the table of file systems is damaged; build the image again")
	var files abi.Files
	if _, err := binary.Decode(segment, binary.LittleEndian, &files); err != nil || files.Magic != abi.FilesMagic || files.Count > abi.MaxFiles {
		return nil, damaged
	}
	var list []imageFiles
	for _, e := range files.List[:files.Count] {
		size := uint64(len(segment))
		if e.Offset > size || e.Size > size-e.Offset {
			return nil, damaged
		}
		fs, err := erofs.New(segment[e.Offset:][:e.Size:e.Size])
		if err != nil {
			return nil, err
		}
		name, _, _ := bytes.Cut(e.Path[:], []byte{0})
		list = append(list, imageFiles{string(name), fs})
	}
	return list, nil
}

// mountFiles mounts the file systems in the image's segment, and then what the boot
// configuration asks for, which may be a directory in them; but those that are in a
// directory of the latter come after it. It makes the directories that they cover.
func mountFiles(k *kernel.Kernel, segment []byte, config *Settings) error {
	list, err := readFiles(segment)
	if err != nil {
		return err
	}
	for _, f := range list {
		if !config.mounts(f.path) {
			if err := f.mount(k); err != nil {
				return err
			}
		}
	}
	if err := mountAll(k, config); err != nil {
		return err
	}
	for _, f := range list {
		if config.mounts(f.path) {
			if err := f.mount(k); err != nil {
				return err
			}
		}
	}
	return nil
}

// mounts reports whether a path is below that of a mount.
func (s *Settings) mounts(path string) bool {
	for _, m := range s.Mounts {
		if f := strings.SplitN(m.Value, ",", 4); len(f) == 4 && strings.HasPrefix(path, strings.TrimRight(f[3], "/")+"/") {
			return true
		}
	}
	return false
}

// mount mounts it, read-only.
func (f *imageFiles) mount(k *kernel.Kernel) error {
	err := mkdirAll(k, f.path)
	if err == 0 {
		err = k.Mount(f.fs, f.path, strings.TrimPrefix(f.path, "/"), true)
	}
	if err != 0 {
		return &placeError{"mounting files at " + f.path, err}
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
