package disks

import (
	"strconv"
	"syscall"

	"ringo.dev/ringo/kernel"
	"ringo.dev/ringo/kernel/block"
	"ringo.dev/ringo/rt"
)

// moduleMajor is the major number of Linux's disks in memory.
const moduleMajor = 1

// attachModules adds the boot loader's modules to k as disks and returns them.
func attachModules(k *kernel.Kernel) (found []*disk) {
	for i := 0; rt.Module(i) != nil; i++ {
		found = append(found, &disk{
			name:   "ram" + strconv.Itoa(i),
			rdev:   kernel.MakeDev(moduleMajor, uint64(i)),
			device: block.NewMeter(module(rt.Module(i))),
		})
	}
	addTo(k, found)
	return found
}

// module is a block.Device of a file in memory. Zeros fill its last sector.
type module []byte

const moduleSector = 512

func (m module) Size() int64 {
	return (int64(len(m)) + moduleSector - 1) &^ (moduleSector - 1)
}

func (m module) SectorSize() int { return moduleSector }
func (m module) ReadOnly() bool  { return true }

func (m module) ReadAt(p []byte, off int64) error {
	if off < 0 || off > m.Size()-int64(len(p)) {
		return syscall.EIO
	}
	n := copy(p, m[min(off, int64(len(m))):])
	clear(p[n:])
	return nil
}

func (m module) WriteAt(p []byte, off int64) error { return syscall.EROFS }
func (m module) Flush() error                      { return nil }
func (m module) Discard(off, n int64) error        { return syscall.EROFS }
func (m module) Zero(off, n int64, _ bool) error   { return syscall.EROFS }
