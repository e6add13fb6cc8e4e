package tests

import (
	"testing"
	"time"

	"ringo.dev/ringo/tests/conformance/suites"
)

// TestConformance runs the shorter ones of the tests that others have written, those of
// files also with their files on a disk; all of them are go run ./tests/conformance.
func TestConformance(t *testing.T) {
	needKVM(t)
	r := &suites.Runner{Ringo: ringo, Dir: t.TempDir(), Go: "conformance/modules", Short: true}
	places := map[string][]string{
		"io/fs":         {"tmpfs", "disk"},
		"path/filepath": {"tmpfs", "disk"},
		"os":            {"tmpfs", "disk"},
		"os/signal":     {"tmpfs", "disk"},
		"net":           {"tmpfs"},
		"net/http":      {"tmpfs"},
	}
	for _, s := range suites.All {
		for _, place := range places[s.Name] {
			t.Run(s.Name+"/"+place, func(t *testing.T) {
				r.Disk = place == "disk"
				got, err := r.Run(limit(t, 4*time.Minute), &s)
				if err != nil {
					t.Fatal(err)
				}
				if len(got.Failed) > 0 || got.Passed == 0 {
					t.Errorf("%d passed, failed: %v\n%s", got.Passed, got.Failed, got.Output)
				}
			})
		}
	}
}
