package overlay

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"slices"
	"strings"
)

// plainDefers makes plain calls of a Go file's deferred ones where that is simple: in a
// function all of whose deferred calls are like "defer e.mu.Unlock()", that is, at its top
// level and of what the function does not change (see isPlain). It is then called before
// each return that follows, when the results are computed. Lines stay where they are.
//
// The compiler never inlines a function that defers, and a deferred call is a function of
// its own and several times as long as a plain one. The difference shows if the function
// panics, for then what it locked remains so. Neither gVisor nor our packages recover from
// a panic, which would be a fault of theirs. It ends the program; or the program recovers
// and must not go on with what the function was about to change.
func plainDefers(name string, src []byte) ([]byte, error) {
	if !bytes.Contains(src, []byte("defer ")) {
		return src, nil
	}
	fset := token.NewFileSet()
	f, err := parser.ParseFile(fset, name, src, parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	p := deferPatch{src: src, base: f.FileStart}
	ast.Inspect(f, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.FuncDecl:
			p.function(n.Type, n.Body)
		case *ast.FuncLit:
			p.function(n.Type, n.Body)
		}
		return true
	})
	return p.apply(), nil
}

// deferPatch collects the changes of a file.
type deferPatch struct {
	src   []byte
	base  token.Pos // of its first byte
	edits []edit
}

// edit puts text in the place of the bytes from one offset to another.
type edit struct {
	from, to int
	text     string
}

func (p *deferPatch) replace(from, to token.Pos, text string) {
	p.edits = append(p.edits, edit{int(from - p.base), int(to - p.base), text})
}

func (p *deferPatch) insert(at token.Pos, text string) { p.replace(at, at, text) }

// text returns a node as it is written.
func (p *deferPatch) text(n ast.Node) string { return string(p.src[n.Pos()-p.base : n.End()-p.base]) }

// apply returns the file with the changes.
func (p *deferPatch) apply() []byte {
	slices.SortStableFunc(p.edits, func(a, b edit) int { return a.from - b.from })
	var out []byte
	done := 0
	for _, e := range p.edits {
		out = append(append(out, p.src[done:e.from]...), e.text...)
		done = e.to
	}
	return append(out, p.src[done:]...)
}

// function makes plain calls of all of a function's deferred ones, or leaves them.
func (p *deferPatch) function(typ *ast.FuncType, body *ast.BlockStmt) {
	if body == nil {
		return
	}
	var defers []*ast.DeferStmt
	for _, s := range body.List {
		if d, ok := s.(*ast.DeferStmt); ok && isPlain(d, body) {
			defers = append(defers, d)
		}
	}
	returns, others := exits(body)
	if len(defers) == 0 || others > len(defers) {
		return
	}
	for _, d := range defers {
		p.replace(d.Pos(), d.End(), "")
	}
	types := p.resultTypes(typ)
	for _, r := range returns {
		if calls := p.callsAt(r.Pos(), defers); calls != "" {
			p.beforeReturn(r, types, calls)
		}
	}
	if _, returned := body.List[len(body.List)-1].(*ast.ReturnStmt); len(types) == 0 && !returned {
		p.insert(body.Rbrace, "; "+p.callsAt(body.Rbrace, defers))
	}
}

// callsAt returns the calls that a function makes when it is left at a position.
func (p *deferPatch) callsAt(at token.Pos, defers []*ast.DeferStmt) string {
	calls := ""
	for _, d := range slices.Backward(defers) {
		if d.Pos() < at {
			calls += p.text(d.Call) + "; "
		}
	}
	return calls
}

// beforeReturn makes the calls between the computation of a function's results, which
// are of the given types, and its end.
func (p *deferPatch) beforeReturn(r *ast.ReturnStmt, types []string, calls string) {
	var names []string
	for i := range types {
		names = append(names, fmt.Sprintf("result%d", i))
	}
	results := strings.Join(names, ", ")
	switch len(r.Results) {
	case 0: // none, or they have names
		p.insert(r.Pos(), "{ "+calls)
		p.insert(r.End(), " }")
		return
	case len(types):
		for i, e := range r.Results {
			p.insert(e.Pos(), "("+types[i]+")(")
			p.insert(e.End(), ")")
		}
	}
	p.replace(r.Pos(), r.Pos()+token.Pos(len("return")), "{ "+results+" :=")
	p.insert(r.End(), "; "+calls+"return "+results+" }")
}

// resultTypes returns the types of a function's results, as they are written.
func (p *deferPatch) resultTypes(typ *ast.FuncType) []string {
	if typ.Results == nil {
		return nil
	}
	var types []string
	for _, f := range typ.Results.List {
		types = append(types, slices.Repeat([]string{p.text(f.Type)}, max(1, len(f.Names)))...)
	}
	return types
}

// exits returns the return statements of a function, but not of functions in it, and how
// many statements it has that defer, or jump where they want.
func exits(body *ast.BlockStmt) (returns []*ast.ReturnStmt, others int) {
	ast.Inspect(body, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.FuncLit:
			return false
		case *ast.ReturnStmt:
			returns = append(returns, n)
		case *ast.DeferStmt:
			others++
			return false
		case *ast.BranchStmt:
			if n.Tok == token.GOTO {
				others++
			}
		}
		return true
	})
	return returns, others
}

// isPlain reports whether a deferred call does the same when it is made later in the
// function. It then has only names in it, as in "defer r.Release()" or "defer put(b)", or
// unlocks a part of something, as in "defer e.mu.Unlock()"; and from there on none of them
// is assigned to, hidden by another variable, or pointed to.
func isPlain(d *ast.DeferStmt, body *ast.BlockStmt) bool {
	var names []string
	for i, e := range append([]ast.Expr{d.Call.Fun}, d.Call.Args...) {
		name := dotted(e)
		dots := strings.Count(name, ".")
		if name == "" || dots > 0 && i > 0 || dots > 1 && !strings.HasSuffix(name, "Unlock") {
			return false
		}
		names = append(names, name)
	}
	changed := false
	changes := func(exprs ...ast.Expr) {
		for _, e := range exprs {
			at := dotted(e)
			changed = changed || at != "" && slices.ContainsFunc(names, func(name string) bool {
				return strings.HasPrefix(name+".", at+".")
			})
		}
	}
	ast.Inspect(body, func(n ast.Node) bool {
		if n == nil || n.Pos() < d.Pos() {
			return true
		}
		switch n := n.(type) {
		case *ast.AssignStmt:
			changes(n.Lhs...)
		case *ast.RangeStmt:
			changes(n.Key, n.Value)
		case *ast.ValueSpec:
			for _, name := range n.Names {
				changes(name)
			}
		case *ast.UnaryExpr:
			if n.Op == token.AND {
				changes(n.X)
			}
		}
		return true
	})
	return !changed
}

// dotted returns a name, or names joined by dots, as it is written, and "" for any other
// expression.
func dotted(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.Ident:
		return e.Name
	case *ast.SelectorExpr:
		if of := dotted(e.X); of != "" {
			return of + "." + e.Sel.Name
		}
	}
	return ""
}
