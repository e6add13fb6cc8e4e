package syscalls

import (
	"strconv"

	"ringo.dev/ringo/kernel"
	"ringo.dev/ringo/rt"
)

// attachDisks is the function that knows of disks (kernel/disks.Attach), in a
// guest that has it.
const attachDisks = "internal/ringo/kernel/disks.Attach"

// findDisks adds the machine's disks to k, unless the program cannot open files.
func findDisks(k *kernel.Kernel) {
	if attach := rt.Linked[func(*kernel.Kernel)](attachDisks); attach != nil {
		attach(k)
	}
}

// partitions is /proc/partitions.
func partitions(disks []kernel.BlockDevice) []byte {
	b := []byte("major minor  #blocks  name\n\n")
	for _, d := range disks {
		major, minor := kernel.SplitDev(d.Rdev)
		b = appendColumns(b, major, minor, uint64(d.Size>>10))
		b = append(append(b, d.Name...), '\n')
	}
	return b
}

// diskStats is /proc/diskstats.
func diskStats(disks []kernel.BlockDevice) (b []byte) {
	for _, d := range disks {
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
