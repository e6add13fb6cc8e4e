package syscalls

import (
	"go/ast"
	"go/parser"
	"go/printer"
	"go/token"
	"slices"
	"strings"
	"testing"
)

// TestTypedMethods wants package syscall and this one to mean the same by a typed call:
// nobody else compares the two interfaces, which are one variable's.
func TestTypedMethods(t *testing.T) {
	here := methods(t, "typed_guest.go")
	there := methods(t, "../rt/goroot/syscall/ringo_typed.go")
	for i, m := range here {
		here[i] = strings.ReplaceAll(m, "syscall.", "")
	}
	if len(here) == 0 || !slices.Equal(here, there) {
		t.Errorf("typed_guest.go:\n%s\n\nringo_typed.go:\n%s", strings.Join(here, "\n"), strings.Join(there, "\n"))
	}
}

// methods returns the methods of the interface in a Go file, as they are written.
func methods(t *testing.T, file string) []string {
	t.Helper()
	fset := token.NewFileSet()
	f, err := parser.ParseFile(fset, file, nil, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	ast.Inspect(f, func(n ast.Node) bool {
		i, ok := n.(*ast.InterfaceType)
		if !ok {
			return true
		}
		for _, m := range i.Methods.List {
			var text strings.Builder
			if err := printer.Fprint(&text, fset, m.Type); err != nil {
				t.Fatal(err)
			}
			list = append(list, m.Names[0].Name+strings.TrimPrefix(text.String(), "func"))
		}
		return true
	})
	return list
}
