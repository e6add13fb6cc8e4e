package overlay

import (
	"bytes"
	"fmt"
	"go/build/constraint"
	"go/parser"
	"go/token"
	"strconv"
	"strings"
)

// module is the path of ringo's own module, and guestRoot the path below which
// packages that are not of the standard library are found in a guest.
const (
	module    = "ringo.dev/ringo"
	gvisor    = "gvisor.dev/gvisor/pkg"
	guestRoot = "internal/ringo"
)

// isStandard reports whether an import path is of the standard library.
func isStandard(pkg string) bool {
	first, _, _ := strings.Cut(pkg, "/")
	return !strings.Contains(first, ".")
}

// guestPath returns the import path in a guest of a package that is not of the
// standard library.
func guestPath(pkg string) string {
	if rest, ok := strings.CutPrefix(pkg, module+"/"); ok {
		return guestRoot + "/" + rest
	}
	if rest, ok := strings.CutPrefix(pkg, gvisor+"/"); ok {
		return guestRoot + "/gvisor/" + rest
	}
	return guestRoot + "/x/" + pkg
}

// rewriteImports replaces the import paths in a Go file by those in a guest and
// returns the file, and the original paths of what is not of the standard
// library. Lines stay where they are.
func rewriteImports(name string, src []byte) (out []byte, imports []string, err error) {
	fset := token.NewFileSet()
	f, err := parser.ParseFile(fset, name, src, parser.ImportsOnly)
	if err != nil {
		return nil, nil, err
	}
	done := 0 // bytes of src that are in out
	for _, spec := range f.Imports {
		pkg, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			return nil, nil, fmt.Errorf("%s: import %s: %w", name, spec.Path.Value, err)
		}
		if isStandard(pkg) {
			continue
		}
		imports = append(imports, pkg)
		start := fset.Position(spec.Path.Pos()).Offset
		out = append(out, src[done:start]...)
		out = strconv.AppendQuote(out, guestPath(pkg))
		done = start + len(spec.Path.Value)
	}
	return append(out, src[done:]...), imports, nil
}

// stripConstraint makes empty comments of a file's build constraints.
func stripConstraint(src []byte) []byte {
	lines := bytes.SplitAfter(src, []byte("\n"))
	for i, line := range lines {
		text := strings.TrimSpace(string(line))
		if constraint.IsGoBuild(text) || constraint.IsPlusBuild(text) {
			lines[i] = []byte("//\n")
		} else if text != "" && !strings.HasPrefix(text, "//") {
			break
		}
	}
	return bytes.Join(lines, nil)
}
