package kernel

import (
	"sync"
	"syscall"
)

// BlockDevice is a disk, or a part of one.
type BlockDevice struct {
	Name string // in /dev
	Rdev uint64
	Size int64 // bytes
	Open func(flags int) (BlockFile, Errno)
	// Counters returns what has been done with it: the numbers of a line of
	// /proc/diskstats, behind the name.
	Counters func() [17]uint64
}

// BlockFile is an open block device.
type BlockFile interface {
	File
	ReaderAt
	WriterAt
	Seeker
	Syncer
	Allocater
	Ioctler
}

// blockDevices are the machine's. They are looked for when they are first
// needed, which for most programs is never.
type blockDevices struct {
	once sync.Once
	find func(*Kernel) // nil: there are none
	list []BlockDevice
}

// SetDisks lets find look for the machine's disks, when they are first needed.
// It calls AddBlockDevice, and RegisterFileSystem for what can be on a disk.
func (k *Kernel) SetDisks(find func(*Kernel)) { k.blockDevices.find = find }

// AddBlockDevice adds a device. It is for the function given to SetDisks.
func (k *Kernel) AddBlockDevice(d BlockDevice) {
	k.blockDevices.list = append(k.blockDevices.list, d)
}

// BlockDevices returns the machine's disks and their partitions.
func (k *Kernel) BlockDevices() []BlockDevice {
	b := &k.blockDevices
	b.once.Do(func() {
		if b.find != nil {
			b.find(k)
		}
	})
	return b.list
}

// openBlock opens the block device with a number for its node.
func (k *Kernel) openBlock(node Inode, rdev uint64, flags int) (File, Errno) {
	for _, d := range k.BlockDevices() {
		if d.Rdev == rdev {
			f, err := d.Open(flags)
			if err != 0 {
				return nil, err
			}
			return blockNode{f, node}, 0
		}
	}
	return nil, syscall.ENXIO
}

// blockNode is an open block device that shows the attributes of its node.
type blockNode struct {
	BlockFile
	node Inode
}

func (f blockNode) Stat(st *syscall.Stat_t) Errno { return f.node.Stat(st) }
