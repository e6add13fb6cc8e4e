package abi

// An image may bring file systems along: in its last segment, which is read-only
// and not counted as memory of the guest. The segment begins with a page that holds
// a Files; the file systems follow, in EROFS.

// FilesMagic is Files.Magic ("RINGOFIL").
const FilesMagic = 0x4c49464f474e4952

// MaxFiles is the most file systems of an image.
const MaxFiles = 15

// Files is what the segment begins with, little endian.
type Files struct {
	Magic uint64
	Count uint64
	List  [MaxFiles]FilesEntry
}

// FilesEntry is one file system.
type FilesEntry struct {
	Offset uint64    // from Files, a multiple of PageSize
	Size   uint64    // in bytes
	Path   [240]byte // where it is mounted: an absolute path, filled up with zeroes
}
