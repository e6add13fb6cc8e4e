package line

import "testing"

func TestKnown(t *testing.T) {
	for key, want := range map[string]bool{
		"net.verbose": true, "net": true, "seed": true, "env.A": true, "mount.0": true, "mount.12": true, "user-data.wait": true,
		"": false, "net.verbsoe": false, "Net": false, "env.": false, "env": false, "mount.": false, "mount.x": false, "mount": false,
	} {
		if got := Known(key); got != want {
			t.Errorf("%q: %v", key, got)
		}
	}
}
