// Package disks has the machine's disks and their partitions: /dev/vda, /dev/vda1
// and so on, and the file systems on them. The files that a boot loader has put
// into memory are disks that can be read only: /dev/ram0 and so on.
//
// It is linked only into programs that can open a file: package os refers to Use
// where it opens one, and the kernel looks Attach up by its name. A program
// without files does not get larger by it.
package disks

import (
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"ringo.dev/ringo/drivers/virtio"
	"ringo.dev/ringo/drivers/virtio/spec"
	"ringo.dev/ringo/kernel"
	"ringo.dev/ringo/kernel/block"
	"ringo.dev/ringo/kernel/pagecache"
	"ringo.dev/ringo/kernel/volume"
	"ringo.dev/ringo/rt"
)

// linked refers to Attach.
var linked atomic.Pointer[func(*kernel.Kernel)]

// Use makes sure that Attach is linked. It does nothing else.
func Use() {
	if linked.Load() == nil {
		attach := Attach
		linked.Store(&attach)
	}
}

// Attach adds the machine's disks, and the file systems that can be on them, to
// k. What does not work is reported on the console.
func Attach(k *kernel.Kernel) {
	found := append(attach(k, openVirtio()), attachModules(k)...)
	prepare := sync.OnceValue(func() *pagecache.Cache {
		syncAtExit(k)
		return newCache()
	})
	k.RegisterFileSystem("volume", mounter(found, func(name string, d block.Device) (kernel.FileSystem, kernel.Errno) {
		tell := func(err error) { report("/dev/"+name, err) }
		v, err := volume.Open(d, volume.Options{ReadOnly: d.ReadOnly(), Report: tell})
		if err != nil {
			tell(err)
			return nil, syscall.EINVAL
		}
		return v.Files(prepare()), 0
	}))
}

// syncAtExit lets everything that was written be on the disks when the program
// ends, unless it is killed.
func syncAtExit(k *kernel.Kernel) {
	rt.AtExit(k.Sync)
	go func() {
		const killed = 128 // a shell's exit status for signal 0
		sig := rt.FatalSignal()
		virtio.WaitIndex(sig, 0)
		k.Sync()
		rt.Exit(killed + int(*sig))
	}()
}

// newCache returns the page cache of all volumes. It gives memory back when the
// machine runs short.
func newCache() *pagecache.Cache {
	_, free := rt.Memory()
	const share = 2 // of the memory that is free now, it may take one part in so many
	return pagecache.New(int64(free / share))
}

// disk is a disk or a partition.
type disk struct {
	name   string // such as "vda1"
	rdev   uint64
	device *block.Meter
	whole  *disk // of a partition: its disk

	// parts is held while part of a sector is replaced, of a whole disk.
	parts sync.Mutex

	mu      sync.Mutex
	writers int               // open files that may write
	mounted kernel.FileSystem // nil: not yet
}

// Numbers of devices: virtio disks have no fixed major number with Linux.
const (
	diskMajor  = 253
	diskMinors = 256 // of each disk; the first is the whole disk's
	maxDisks   = 26  // vda to vdz
)

// openVirtio opens the machine's virtio disks.
func openVirtio() (devices []block.Device) {
	transports, err := virtio.Find(spec.DeviceBlock)
	for _, t := range transports {
		var b *virtio.Block
		if b, err = virtio.OpenBlock(t); err != nil {
			break
		}
		devices = append(devices, b)
	}
	if err != nil {
		report("disks", err)
	}
	return devices
}

// report says on the console what is wrong. A program learns no more than EIO.
func report(what string, err error) {
	rt.ConsoleWrite([]byte("ringo: " + what + ": " + err.Error() + "\n"))
}

// attach adds disks, and their partitions, to k and returns them.
func attach(k *kernel.Kernel, devices []block.Device) (found []*disk) {
	for i, device := range devices {
		if i == maxDisks {
			break
		}
		whole := &disk{name: "vd" + string(rune('a'+i)), rdev: diskNumber(i, 0), device: block.NewMeter(device)}
		found = append(found, whole)
		partitions, err := block.Partitions(device)
		if err != nil {
			report("/dev/"+whole.name+": partitions", err)
		}
		for _, p := range partitions {
			found = append(found, &disk{
				name:   whole.name + strconv.Itoa(p.Number),
				rdev:   diskNumber(i, p.Number),
				device: block.NewMeter(p.Open(whole.device)),
				whole:  whole,
			})
		}
	}
	addTo(k, found)
	return found
}

// addTo makes disks known to k.
func addTo(k *kernel.Kernel, disks []*disk) {
	for _, d := range disks {
		k.AddBlockDevice(kernel.BlockDevice{Name: d.name, Rdev: d.rdev, Size: d.device.Size(), Open: d.openFile, Counters: d.counters})
	}
}

// counters is what the disk is to kernel.BlockDevice.Counters (Linux's
// Documentation/admin-guide/iostats.rst). Requests are not merged here.
func (d *disk) counters() [17]uint64 {
	const sector = 512
	c := d.device.Counters()
	ms := func(t time.Duration) uint64 { return uint64(t / time.Millisecond) }
	return [17]uint64{
		c.Reads.Requests, 0, c.Reads.Bytes / sector, ms(c.Reads.Time),
		c.Writes.Requests, 0, c.Writes.Bytes / sector, ms(c.Writes.Time),
		c.Pending, ms(c.Busy), ms(c.Waited),
		c.Discards.Requests, 0, c.Discards.Bytes / sector, ms(c.Discards.Time),
		c.Flushes.Requests, ms(c.Flushes.Time),
	}
}

// diskNumber returns the device number of a partition, or with 0 of a disk.
func diskNumber(disk, partition int) uint64 {
	return kernel.MakeDev(diskMajor, uint64(disk*diskMinors+partition))
}

// openFunc makes the file system of a type that is on a disk.
type openFunc func(name string, d block.Device) (kernel.FileSystem, kernel.Errno)

// mounter returns how a type of file system is made from a disk's path
// (kernel.RegisterFileSystem). A disk is opened once: a second mount is another
// view of the same file system.
func mounter(found []*disk, open openFunc) func(source string) (kernel.FileSystem, kernel.Errno) {
	return func(source string) (kernel.FileSystem, kernel.Errno) {
		name, ok := strings.CutPrefix(source, "/dev/")
		for _, d := range found {
			if ok && d.name == name {
				return d.mount(open)
			}
		}
		return nil, syscall.ENOENT
	}
}

// mount returns the file system on the disk.
func (d *disk) mount(open openFunc) (fs kernel.FileSystem, err kernel.Errno) {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case d.mounted != nil:
		return d.mounted, 0
	case d.writers > 0:
		return nil, syscall.EBUSY
	}
	if fs, err = open(d.name, d.device); err == 0 {
		d.mounted = fs
	}
	return fs, err
}

// openFile opens the disk's node. What a file system is on cannot be written
// beside it.
func (d *disk) openFile(flags int) (kernel.BlockFile, kernel.Errno) {
	f := &diskFile{disk: d, sync: flags&(syscall.O_SYNC|syscall.O_DSYNC) != 0}
	if flags&syscall.O_ACCMODE == syscall.O_RDONLY {
		return f, 0
	}
	if d.device.ReadOnly() {
		return nil, syscall.EROFS
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.mounted != nil {
		return nil, syscall.EBUSY
	}
	d.writers++
	f.writes = true
	return f, 0
}
