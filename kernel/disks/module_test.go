package disks

import (
	"bytes"
	"testing"

	"ringo.dev/ringo/kernel/block"
)

func TestModule(t *testing.T) {
	var d block.Device = module("a file")
	if d.Size() != moduleSector || !d.ReadOnly() {
		t.Errorf("%d bytes, read only: %v", d.Size(), d.ReadOnly())
	}
	p := bytes.Repeat([]byte{1}, moduleSector)
	if err := d.ReadAt(p, 0); err != nil || string(p) != "a file"+string(make([]byte, moduleSector-6)) {
		t.Errorf("%v, %q", err, p)
	}
	for _, off := range []int64{-1, 1, moduleSector, 1 << 62} {
		if d.ReadAt(p, off) == nil {
			t.Errorf("reading at %d: no error", off)
		}
	}
	if d.WriteAt(p, 0) == nil || d.Discard(0, moduleSector) == nil || block.Zero(d, 0, moduleSector, false) == nil {
		t.Error("it can be written")
	}
}
