package vmm

import (
	"os"

	"golang.org/x/sys/unix"

	"ringo.dev/ringo/vmm/space"
)

// largeReader reads from a file such that what the host has yet to read for it lies in
// large pages in the host's cache. What comes there by read(2) alone lies in small ones for as
// long as it is there, and cannot be mapped by large pages, neither in this VM nor in
// one that is started later.
type largeReader struct{ file *os.File }

// ReadAt implements io.ReaderAt.
func (r largeReader) ReadAt(b []byte, off int64) (int, error) {
	var there unix.Cachestat_t
	at := unix.CachestatRange{Off: uint64(off), Len: uint64(len(b))}
	if unix.Cachestat(uint(r.file.Fd()), &at, &there, 0) == nil && there.Cache == 0 {
		r.fetch(off &^ (space.LargePage - 1))
	}
	return r.file.ReadAt(b, off)
}

// fetch has the host read the large page at an offset of the file. If it cannot, it reads
// nothing.
func (r largeReader) fetch(off int64) {
	piece, err := unix.Mmap(int(r.file.Fd()), off, unix.Getpagesize(), unix.PROT_READ, unix.MAP_PRIVATE)
	if err != nil {
		return
	}
	defer unix.Munmap(piece)
	if unix.Madvise(piece, unix.MADV_HUGEPAGE) == nil {
		unix.Madvise(piece, unix.MADV_POPULATE_READ)
	}
}
