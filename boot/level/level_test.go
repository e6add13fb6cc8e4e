package level

import "testing"

// TestNeeded checks the masks against those of Go's runtime, but for OSXSAVE,
// which is XSAVE here.
func TestNeeded(t *testing.T) {
	for level, want := range map[uint64]Features{
		1: {},
		2: {0x00982201, 0x01, 0},
		3: {0x34d83201, 0x21, 0x00000128},
		4: {0x34d83201, 0x21, 0xd0030128},
	} {
		if got, err := Needed(level); err != nil || got != want {
			t.Errorf("v%d: %#x, %v, want %#x", level, got, err, want)
		}
	}
	for _, level := range []uint64{0, 5} {
		if _, err := Needed(level); err == nil {
			t.Errorf("v%d is known", level)
		}
	}
}
