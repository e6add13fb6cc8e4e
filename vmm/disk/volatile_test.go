package disk

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"ringo.dev/ringo/kernel/block"
)

// TestVolatile checks that what is read is what was written, that Flush brings all
// of it to the disk, and that without it some is there and some is not.
func TestVolatile(t *testing.T) {
	const size = 256 << 10
	d := open(t, newFile(t, size), false)
	v := NewVolatile(d, 1)
	want, behind := make([]byte, size), make([]byte, size)
	r := rand.New(rand.NewPCG(2, 2))
	torn := false
	for i := range 400 {
		off, n := 512*r.IntN(size/512-16), 512*(1+r.IntN(16))
		p := bytes.Repeat([]byte{byte(i)}, n)
		if i%7 == 0 {
			clear(p)
			if err := block.Zero(v, int64(off), int64(n), true); err != nil {
				t.Fatal(err)
			}
		} else if err := v.WriteV([][]byte{p[:1], p[1:]}, int64(off)); err != nil {
			t.Fatal(err)
		}
		copy(want[off:], p)
		if i%50 == 49 {
			if err := v.Flush(); err != nil {
				t.Fatal(err)
			}
		}
		got := make([]byte, size)
		if err := v.ReadV([][]byte{got[:7], got[7:]}, 0); err != nil || !bytes.Equal(got, want) {
			t.Fatalf("after %d writes: %v, or what is read is not what was written", i, err)
		}
		if err := d.ReadAt(behind, 0); err != nil {
			t.Fatal(err)
		}
		if flushed := bytes.Equal(behind, want); i%50 == 49 && !flushed {
			t.Fatalf("after %d writes and a flush, the disk does not hold all of it", i)
		}
		first, last := behind[off:off+512], behind[off+n-512:off+n]
		torn = torn || n > 512 && i%7 != 0 && bytes.Equal(first, p[:512]) != bytes.Equal(last, p[:512])
	}
	if !torn {
		t.Error("no write reached the disk in part")
	}
	for _, off := range []int64{-512, size, 100} {
		if err := v.WriteAt(make([]byte, 512), off); err == nil {
			t.Errorf("writing at %d: accepted", off)
		}
	}
	if err := v.Discard(0, 4096); err != nil {
		t.Fatal(err)
	}
}
