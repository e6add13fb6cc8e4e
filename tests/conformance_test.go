package tests

import (
	"slices"
	"testing"
	"time"

	"ringo.dev/ringo/tests/conformance/suites"
)

// TestConformance runs the shorter ones of the tests that others have written; all
// of them are go run ./tests/conformance.
func TestConformance(t *testing.T) {
	needKVM(t)
	r := &suites.Runner{Ringo: ringo, Dir: t.TempDir(), Go: "conformance/modules", Short: true}
	for _, s := range suites.All {
		if !slices.Contains([]string{"io/fs", "path/filepath", "os", "net", "net/http"}, s.Name) {
			continue
		}
		t.Run(s.Name, func(t *testing.T) {
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
