package volume

import (
	"strconv"
	"syscall"
)

// FormatError says why a device cannot be used as a volume.
type FormatError struct{ Reason string }

func (e *FormatError) Error() string { return "volume: " + e.Reason }

// DamageError says that what the disk holds is not what was written there.
// Programs see it as EIO.
type DamageError struct {
	What  string // what was read, and what is wrong with it
	Block uint64 // where on the disk, in blocks of BlockSize bytes
}

func (e *DamageError) Error() string {
	return "volume: block " + decimal(e.Block) + ": " + e.What
}

// Is lets errors.Is find EIO.
func (e *DamageError) Is(target error) bool { return target == error(syscall.EIO) }

// deviceError says that the device failed to read or write a block.
type deviceError struct {
	what  string
	block uint64
	err   error
}

func (e *deviceError) Error() string {
	return "volume: " + e.what + " of block " + decimal(e.block) + " failed: " + e.err.Error()
}

func (e *deviceError) Unwrap() error { return e.err }

func decimal(n uint64) string { return strconv.FormatUint(n, 10) }
