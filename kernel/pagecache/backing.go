// Package pagecache keeps the data of files in memory, between a file system on
// a disk and the calls of the program.
//
// A file system makes one File for each of its inodes that is in use, and gives it a
// Backing: what reads and writes the file's pages on the disk. The File does the
// rest of what kernel.Content asks for: reads and writes of any size, read-ahead,
// writing back later and in order, and mmap. All Files of a file system belong to
// one Volume, and all Volumes to one Cache, which bounds the memory and decides
// what stays.
package pagecache

import "syscall"

// Errno is a Linux error number; 0 means success.
type Errno = syscall.Errno

// PageSize is the unit of caching and of everything that Backing transfers.
const PageSize = 4096

// Backing is a file as the file system stores it. Methods may be called by several
// goroutines at once, but never two of them for overlapping pages, and
// SetSize only while no other call for the file is under way. They may block. They
// must not call methods of the File, and not wait for a call that does.
//
// Offsets are multiples of PageSize. Memory that is passed stays as it is until
// the method returns (a file system may compute checksums over it), and is
// not the Backing's after that.
type Backing interface {
	// ReadPages fills p, which are consecutive pages in pieces of one or more,
	// with the file's data from off on. Holes and what lies beyond the file's end
	// are zeroes. EIO if the disk fails, or what it holds is damaged: then
	// nothing of p is used.
	ReadPages(off int64, p [][]byte) Errno

	// WritePages stores p, consecutive pages in pieces of one or more, from off
	// on. size is the file's size as the program sees it: the size on the disk
	// becomes at least the smaller of size and the end of p. Bytes in p beyond
	// size are zeroes. All pages were announced with Reserve since they were last
	// written, so there is room. The data need not be durable before
	// Volume's Commit; but size and mapping must not become durable before the
	// data is. After an error the pages count as not written: they keep
	// their reservation and are written again later.
	WritePages(off int64, p [][]byte, size int64) Errno

	// Reserve makes sure that n bytes from off on can be written by WritePages
	// later, once, or answers ENOSPC (or EFBIG, EDQUOT): it is called when
	// clean pages become dirty, so that a write fails at once and not when nobody
	// listens. The pages may have space on the disk already. WritePages ends the
	// reservation of the pages that it has written.
	Reserve(off, n int64) Errno
	// Unreserve ends the reservation of pages that will not be written after
	// all, since the file was truncated or removed.
	Unreserve(off, n int64)

	// SetSize sets the size on the disk and gives back the space of whole pages
	// beyond it. Bytes of the last page beyond size read as zeroes from then on.
	SetSize(size int64) Errno

	// Modified notes that the program has changed the file's data: it sets mtime
	// and ctime. It is called for every write, and does no transfer.
	Modified()
}

// Puncher is a Backing that can give back the space of pages within the file.
// Without it, punched holes are written as zeroes.
type Puncher interface {
	// Punch makes n bytes from off on a hole. The pages have no reservation.
	Punch(off, n int64) Errno
}

// Preallocater is a Backing that can give pages space before they are written
// (fallocate(2)). Without it, fallocate writes zeroes.
type Preallocater interface {
	// Preallocate makes sure that n bytes from off on have space of their own,
	// beyond the end too. What had none reads as zeroes. It does not change the size.
	Preallocate(off, n int64) Errno
}

// HoleSeeker is a Backing that knows its holes. Pages that are dirty in the cache
// count as data, whatever it says.
type HoleSeeker interface {
	// SeekData returns the first offset from off on that has data, or with hole
	// the first that has not. If there is no data, the result is the size on the
	// disk or more.
	SeekData(off int64, hole bool) (int64, Errno)
}

// Committer is the file system behind a Volume.
type Committer interface {
	// Commit makes everything durable that Backings have written and all changes
	// of names and attributes before it was called. It is called by Volume.Sync
	// after the data was written, and every few seconds when something changed.
	Commit() Errno
}
