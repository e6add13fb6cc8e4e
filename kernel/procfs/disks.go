package procfs

import (
	"strconv"

	"ringo.dev/ringo/kernel"
)

// partitions is /proc/partitions.
func (fs *FS) partitions() []byte {
	b := []byte("major minor  #blocks  name\n\n")
	for _, d := range fs.kernel.BlockDevices() {
		major, minor := kernel.SplitDev(d.Rdev)
		b = appendColumns(b, major, minor, uint64(d.Size>>10))
		b = append(append(b, d.Name...), '\n')
	}
	return b
}

// diskStats is /proc/diskstats.
func (fs *FS) diskStats() (b []byte) {
	for _, d := range fs.kernel.BlockDevices() {
		major, minor := kernel.SplitDev(d.Rdev)
		b = append(append(appendColumns(b, major, minor), d.Name...), ' ')
		counters := d.Counters()
		b = appendColumns(b, counters[:]...)
		b[len(b)-1] = '\n'
	}
	return b
}

// appendColumns appends numbers, each with a blank behind it.
func appendColumns(b []byte, list ...uint64) []byte {
	for _, n := range list {
		b = append(strconv.AppendUint(b, n, 10), ' ')
	}
	return b
}
