package volume

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"syscall"
	"testing"

	"ringo.dev/ringo/kernel/block/blocktest"
)

// TestErrors makes and opens volumes where none can be.
func TestErrors(t *testing.T) {
	small := blocktest.New(100 << 10)
	var format *FormatError
	if err := Format(small, [16]byte{}); !errors.As(err, &format) {
		t.Error(err)
	}
	if _, err := Open(blocktest.New(4<<20), Options{}); !errors.As(err, &format) {
		t.Error(err)
	}
}

// failing is a disk that fails from some write or flush on.
type failing struct {
	*recorder
	after int
}

var errFailing = errors.New("the disk is broken")

func (d *failing) broken() bool { d.after--; return d.after < 0 }

func (d *failing) WriteAt(p []byte, off int64) error {
	if d.broken() {
		return errFailing
	}
	return d.recorder.WriteAt(p, off)
}

func (d *failing) Flush() error {
	if d.broken() {
		return errFailing
	}
	return d.recorder.Flush()
}

// TestFailingDisk breaks a disk at every point of some changes. What cannot be written
// is an error, what was read before can be read, and another machine finds what was
// synced.
func TestFailingDisk(t *testing.T) {
	fresh := format(t, 2<<20)
	for after := range 60 {
		disk := &failing{newRecorder(fresh.Clone()), after}
		v, err := Open(disk, Options{})
		if err != nil {
			t.Fatal(err)
		}
		synced, made := -1, -1
		for i := 0; err == nil && i < 100; i++ {
			var ino uint64
			if ino, err = v.create(RootInode, fmt.Sprint("file", i), syscall.S_IFREG|0o644, 0, ""); err != nil {
				break
			}
			err = v.storeAll(grow, ino, 0, pattern(BlockSize*(1+i%8), uint64(i)), BlockSize, 0)
			if err == nil {
				made = i
			}
			if err == nil && i%2 == 0 {
				if err = v.Sync(); err == nil {
					synced = i
				}
			}
			if err == nil && i%7 == 0 {
				err = v.Commit()
			}
		}
		if !errors.Is(err, errFailing) {
			t.Fatalf("after %d: %v", after, err)
		}
		if err := v.Sync(); err == nil && synced < made {
			t.Errorf("after %d: a sync succeeds on a broken disk", after)
		}
		for range 3 {
			cut := disk.cut(rand.New(rand.NewPCG(uint64(after), 1)))
			checkClean(t, cut)
			w := open(t, cut)
			for i := range synced + 1 {
				e, err := w.files.find(RootInode, fmt.Sprint("file", i))
				if err != nil {
					t.Fatalf("after %d: file %d of %d: %v", after, i, synced, err)
				}
				b := make([]byte, BlockSize)
				if err := (&FS{v: w, tree: &w.files}).read(e.ino, 0, b); err != nil || !bytes.Equal(b, pattern(BlockSize, uint64(i))) {
					t.Fatalf("after %d: file %d: %v", after, i, err)
				}
			}
		}
	}
}

// TestFailingDiskReports wants few reports of a disk that fails each of many writes, and
// the last of them to say so.
func TestFailingDiskReports(t *testing.T) {
	disk := &failing{newRecorder(format(t, 2<<20).Clone()), 1000}
	var reports []string
	v, err := Open(disk, Options{Report: func(err error) { reports = append(reports, err.Error()) }})
	if err != nil {
		t.Fatal(err)
	}
	ino, err := v.create(RootInode, "file", syscall.S_IFREG|0o644, 0, "")
	if err != nil {
		t.Fatal(err)
	}
	disk.after = 0
	for i := range 100 {
		if err := v.storeAll(grow, ino, 0, pattern(64*BlockSize, uint64(i)), 64*BlockSize, 0); !errors.Is(err, errFailing) {
			t.Fatalf("write %d: %v", i, err)
		}
	}
	if len(reports) != maxDeviceReports+1 || !strings.Contains(reports[len(reports)-1], "not reported") {
		t.Errorf("%d reports, the last of them %q", len(reports), reports[max(0, len(reports)-1):])
	}
}
