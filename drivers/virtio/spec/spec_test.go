package spec

import (
	"sync"
	"testing"
	"unsafe"
)

func TestNeedEvent(t *testing.T) {
	for _, c := range []struct {
		event, now, old uint16
		want            bool
	}{
		{event: 5, now: 5, old: 4, want: false}, // not yet there
		{event: 5, now: 6, old: 5, want: true},
		{event: 5, now: 9, old: 3, want: true}, // passed in a batch
		{event: 5, now: 9, old: 6, want: false},
		{event: 0xffff, now: 1, old: 0xfffe, want: true}, // wrapped around
		{event: 0, now: 0, old: 0xfffe, want: false},
		{event: 7, now: 7, old: 7, want: false},
	} {
		if got := NeedEvent(c.event, c.now, c.old); got != c.want {
			t.Errorf("from %d to %d past %d: %v", c.old, c.now, c.event, got)
		}
	}
}

// TestStore16 writes both halves of a word at the same time.
func TestStore16(t *testing.T) {
	var w uint32
	p := unsafe.Pointer(&w)
	var wg sync.WaitGroup
	for half := range 2 {
		wg.Go(func() {
			at := unsafe.Add(p, 2*half)
			for i := range uint16(10000) {
				if Store16(at, i); Load16(at) != i {
					t.Errorf("half %d: lost %d", half, i)
					return
				}
			}
		})
	}
	wg.Wait()
}

func TestNetHeader(t *testing.T) {
	h := NetHeader{Flags: NetNeedsCSum, GSOType: NetGSOTCPv6, HdrLen: 0x102, GSOSize: 0x304, CSumStart: 0x506, CSumOffset: 0x708, NumBuffers: 0x90a}
	b := make([]byte, NetHeaderLen)
	h.Encode(b)
	if want := [NetHeaderLen]byte{1, 4, 2, 1, 4, 3, 6, 5, 8, 7, 10, 9}; [NetHeaderLen]byte(b) != want {
		t.Errorf("encoded as %v", b)
	}
	var back NetHeader
	if back.Decode(b); back != h {
		t.Errorf("%+v came back as %+v", h, back)
	}
}

func TestRingLayout(t *testing.T) {
	if unsafe.Sizeof(Desc{}) != DescSize {
		t.Errorf("a descriptor has %d bytes", unsafe.Sizeof(Desc{}))
	}
	// The sizes in the specification's table (2.7).
	if DescBytes(8) != 128 || AvailBytes(8) != 6+16 || UsedBytes(8) != 6+64 {
		t.Errorf("areas of %d, %d, %d bytes", DescBytes(8), AvailBytes(8), UsedBytes(8))
	}
}

func TestBlockRequest(t *testing.T) {
	r := BlockRequest{Type: 0x4030201, Sector: 0xc0b0a0908070605}
	b := make([]byte, BlockRequestLen)
	r.Encode(b)
	if want := [BlockRequestLen]byte{1, 2, 3, 4, 0, 0, 0, 0, 5, 6, 7, 8, 9, 10, 11, 12}; [BlockRequestLen]byte(b) != want {
		t.Errorf("encoded as %v", b)
	}
	var back BlockRequest
	if back.Decode(b); back != r {
		t.Errorf("%+v came back as %+v", r, back)
	}
	segment := BlockRange{Sector: 0x0807060504030201, Sectors: 0xc0b0a09, Flags: 0x100f0e0d}
	segment.Encode(b)
	if want := [BlockRangeLen]byte{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}; [BlockRangeLen]byte(b) != want {
		t.Errorf("encoded as %v", b)
	}
	var other BlockRange
	if other.Decode(b); other != segment {
		t.Errorf("%+v came back as %+v", segment, other)
	}
}
