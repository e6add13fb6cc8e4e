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

func TestParse(t *testing.T) {
	for text, want := range map[string]uint64{"v1": 1, "v4": 4, "v0": 0, "v5": 0, "3": 0, "": 0, "v": 0, "v-1": 0} {
		if got, err := Parse(text); got != want || (err == nil) != (want != 0) {
			t.Errorf("%q: %d, %v, want %d", text, got, err, want)
		}
	}
}
