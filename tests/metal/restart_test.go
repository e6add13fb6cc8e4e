package metal

import (
	"context"
	"strings"
	"testing"

	"ringo.dev/ringo/tests/harness"
)

// TestRestart has a program start its machine anew, twice.
func TestRestart(t *testing.T) {
	image, err := ringo.Program("tests/programs/restart")
	if err != nil {
		t.Fatal(err)
	}
	for _, kind := range []string{"q35", "pc", "microvm", "microvm,acpi=off"} {
		t.Run(kind, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			m := machine{Type: kind, CPU: "max", Args: []string{"-smp", "2", "-action", "reboot=reset"}}
			g, err := harness.StartGuest(m.command(ctx, t, image, "yes"))
			if err != nil {
				t.Fatal(err)
			}
			defer g.Stop()
			if err := g.Await(ctx, strings.Repeat("started\n", 3)); err != nil {
				t.Error(err)
			}
		})
	}
}
