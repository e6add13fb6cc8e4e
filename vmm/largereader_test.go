package vmm

import (
	"bytes"
	"os"
	"testing"

	"golang.org/x/sys/unix"

	"ringo.dev/ringo/vmm/space"
)

// TestLargeReader: what is not in the host's cache comes there as a whole large page, and
// reads as it does from the file.
func TestLargeReader(t *testing.T) {
	const size, off = 3 * space.LargePage, space.LargePage + 5000
	want := make([]byte, size)
	for i := range want {
		want[i] = byte(i / 100)
	}
	f, err := os.Create(t.TempDir() + "/file")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.Write(want); err != nil {
		t.Fatal(err)
	}
	if err := f.Sync(); err != nil {
		t.Fatal(err)
	}
	if err := unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_DONTNEED); err != nil {
		t.Fatal(err)
	}
	cached := func() uint64 {
		var there unix.Cachestat_t
		at := unix.CachestatRange{Off: space.LargePage, Len: space.LargePage}
		if err := unix.Cachestat(uint(f.Fd()), &at, &there, 0); err != nil {
			t.Skip("the host does not tell what is in its cache: ", err)
		}
		return there.Cache
	}
	before := cached()
	got := make([]byte, 100)
	if _, err := (largeReader{f}).ReadAt(got, off); err != nil || !bytes.Equal(got, want[off:off+100]) {
		t.Errorf("%v, %v", got, err)
	}
	if after, pages := cached(), uint64(space.LargePage/os.Getpagesize()); before == 0 && after != pages {
		t.Errorf("%d pages of %d were read", after, pages)
	}
	if _, err := (largeReader{f}).ReadAt(got, size-50); err == nil {
		t.Error("no error at the end of the file")
	}
}
