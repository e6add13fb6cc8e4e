package syscalls

import (
	"syscall"

	"ringo.dev/ringo/drivers/virtio"
	"ringo.dev/ringo/kernel"
	"ringo.dev/ringo/kernel/fuse"
	"ringo.dev/ringo/rt"
)

// openShared makes the file system of a directory that the host shares by the
// virtio-fs device with a tag.
func openShared(tag string) (kernel.FileSystem, Errno) {
	report := func(err error) {
		rt.ConsoleWrite([]byte("ringo: shared directory " + tag + ": " + err.Error() + "\n"))
	}
	device, err := virtio.FindFS(tag)
	if err != nil {
		report(err)
		return nil, syscall.EIO
	}
	if device == nil {
		return nil, syscall.ENODEV
	}
	fs, errno := fuse.New(device, report)
	if errno != 0 {
		return nil, errno
	}
	return fs, 0
}
