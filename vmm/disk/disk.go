// Package disk is what the VMM's block devices, and the tools that work on
// volumes, keep data in: a raw file of the host, or one of its block devices,
// locked for as long as it is open (File), with the host's page cache or without
// (OpenDirect). Volatile stands in front of a disk
// for tests of what a power cut leaves behind.
package disk

import "ringo.dev/ringo/kernel/block"

// Disk is a disk of the host: a block.Device that takes memory in pieces, as
// the guest's memory comes. Methods may be called by several goroutines at once.
type Disk interface {
	block.Device
	// ReadV fills pieces, one after the other, from the bytes at off. WriteV is
	// its counterpart.
	ReadV(pieces [][]byte, off int64) error
	WriteV(pieces [][]byte, off int64) error
	// TryReadV is ReadV if that need not wait for the medium. Else it reports
	// false, and what pieces hold is undefined.
	TryReadV(pieces [][]byte, off int64) (bool, error)
}
