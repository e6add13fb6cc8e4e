package overlay

import (
	"slices"
	"strings"
	"testing"
)

func TestRewriteImports(t *testing.T) {
	const src = `// Package p.
package p

import "fmt"
import (
	x "ringo.dev/ringo/vmm/abi" // "ringo.dev/ringo/vmm/abi"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
	_ "golang.org/x/time/rate"
	"internal/abi"
)

const s = "ringo.dev/ringo/vmm/abi"
`
	out, imports, err := rewriteImports("p.go", []byte(src))
	if err != nil {
		t.Fatal(err)
	}
	want := strings.NewReplacer(
		`x "ringo.dev/ringo/vmm/abi"`, `x "internal/ringo/vmm/abi"`,
		`"gvisor.dev/gvisor/pkg/tcpip/stack"`, `"internal/ringo/gvisor/tcpip/stack"`,
		`"golang.org/x/time/rate"`, `"internal/ringo/x/golang.org/x/time/rate"`,
	).Replace(src)
	if string(out) != want {
		t.Errorf("got\n%s\nwant\n%s", out, want)
	}
	if want := []string{"ringo.dev/ringo/vmm/abi", "gvisor.dev/gvisor/pkg/tcpip/stack", "golang.org/x/time/rate"}; !slices.Equal(imports, want) {
		t.Errorf("imports %q, want %q", imports, want)
	}
}

func TestStripConstraint(t *testing.T) {
	for _, c := range []struct{ src, want string }{
		{"package p\n", "package p\n"},
		{"//go:build ringo\n\npackage p\n", "//\n\npackage p\n"},
		{"// License.\n\n//go:build !amd64\n// +build !amd64\n\npackage p\n", "// License.\n\n//\n//\n\npackage p\n"},
		{"//go:build ringo\n\n#include \"textflag.h\"\n", "//\n\n#include \"textflag.h\"\n"},
		{"package p\n\n//go:build ringo\n", "package p\n\n//go:build ringo\n"},
	} {
		if got := string(stripConstraint([]byte(c.src))); got != c.want {
			t.Errorf("%q: got %q, want %q", c.src, got, c.want)
		}
	}
}
