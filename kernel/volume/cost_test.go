package volume

import (
	"bytes"
	"testing"

	"ringo.dev/ringo/kernel"
	"ringo.dev/ringo/kernel/block/blocktest"
)

// TestSyncCost wants fsync of a little data to be one write and one flush.
func TestSyncCost(t *testing.T) {
	disk := &counter{Disk: format(t, 256<<20)}
	m := mount(t, disk)
	f, err := m.create("file")
	if err != 0 {
		t.Fatal(err)
	}
	const n = 100
	for i := range int64(n + 1) {
		if i == 1 {
			disk.writes, disk.flushes = 0, 0
		}
		writeAll(f, pattern(BlockSize, 1), i*7%n*BlockSize)
		if err := f.(kernel.Syncer).Sync(); err != 0 {
			t.Fatal(err)
		}
	}
	f.Close()
	if disk.writes != n || disk.flushes != n {
		t.Errorf("%d writes and %d flushes for %d times fsync", disk.writes, disk.flushes, n)
	}
	m.unmount()
}

// TestRewriteCost wants data that was replaced before it came to its place not to be
// written there.
func TestRewriteCost(t *testing.T) {
	disk := &counter{Disk: format(t, 256<<20)}
	m := mount(t, disk)
	f, err := m.create("file")
	if err != 0 {
		t.Fatal(err)
	}
	for i := range uint64(100) {
		writeAll(f, pattern(BlockSize, i), 0)
		if err := f.(kernel.Syncer).Sync(); err != 0 {
			t.Fatal(err)
		}
	}
	f.Close()
	disk.bytes = 0
	m.unmount()
	const most = 10 // the block, nodes up to the root, the space map, and superblocks
	if disk.bytes > most*BlockSize {
		t.Errorf("%d blocks are written for one", disk.bytes/BlockSize)
	}
	m = mount(t, disk)
	if got, err := m.read("file"); err != 0 || !bytes.Equal(got, pattern(BlockSize, 99)) {
		t.Errorf("what is read is not what was written last, or: %v", err)
	}
	m.unmount()
	checkClean(t, disk)
}

// counter is a disk that counts.
type counter struct {
	*blocktest.Disk
	writes, flushes, bytes int
}

func (c *counter) WriteAt(p []byte, off int64) error {
	c.writes++
	c.bytes += len(p)
	return c.Disk.WriteAt(p, off)
}

func (c *counter) Flush() error {
	c.flushes++
	return nil
}
