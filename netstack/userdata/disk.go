package userdata

import (
	"errors"
	"fmt"
	"strings"
	"syscall"
)

// A cloud without a service gives its machines a small disk with the user data, in a
// file system with a label by which it is known: cloud-init's NoCloud and OpenStack's
// config drive. Such a disk is a CD's image here; FAT, the other way to make one, is
// not read.

// seeds are the files with user data, and the labels of the disks that have them. (A map
// would be made at the start of every program with a network.)
var seeds = [...]struct {
	label string
	path  []string
}{
	{"cidata", []string{"user-data"}},
	{"config-2", []string{"openstack", "latest", "user_data"}},
}

// diskNames are how the disks' names begin: virtio's, and what a loader has put into
// memory.
var diskNames = []string{"vd", "ram"}

// maxDisks is more than the kernel has of either.
const maxDisks = 26

// fromDisks returns the user data of the first disk in dir with a label that is known,
// or nil if there is no such disk, or no such file there.
func fromDisks(dir string) ([]byte, error) {
	for _, kind := range diskNames {
		for i := range maxDisks {
			name := dir + "/" + kind + string(rune('a'+i))
			if kind == "ram" {
				name = fmt.Sprintf("%s/%s%d", dir, kind, i)
			}
			data, err := fromDisk(name)
			if err == syscall.ENOENT {
				break // nor are there more
			}
			if err != nil {
				return nil, fmt.Errorf("%s: %w", name, err)
			}
			if data != nil {
				return data, nil
			}
		}
	}
	return nil, nil
}

// fromDisk returns the user data of a disk, or nil if it has none.
func fromDisk(name string) ([]byte, error) {
	fd, err := syscall.Open(name, syscall.O_RDONLY|syscall.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	defer syscall.Close(fd)
	v, err := openVolume(func(p []byte, off int64) error {
		for len(p) > 0 {
			n, err := syscall.Pread(fd, p, off)
			switch {
			case err == syscall.EINTR:
				continue
			case err != nil:
				return err
			case n == 0:
				return errDamaged
			}
			p, off = p[n:], off+int64(n)
		}
		return nil
	})
	if err != nil {
		return nil, nil // another kind of disk, or an empty one
	}
	for _, s := range seeds {
		if s.label != strings.ToLower(v.label) {
			continue
		}
		data, err := v.readFile(s.path, maxData)
		if err == errNoFile {
			return nil, nil
		}
		return data, err
	}
	return nil, nil
}

// What reading a CD's image returns if it cannot be read.
var (
	errNotVolume = errors.New("there is no file system of a CD with Joliet's names")
	errDamaged   = errors.New("the file system is damaged")
	errNoFile    = errors.New("there is no such file")
)
