package overlay

import "testing"

func TestPlainDefers(t *testing.T) {
	for _, c := range []struct{ why, src, want string }{{
		"a function without results",
		`func f() {
	e.mu.Lock()
	defer e.mu.Unlock()
	g()
}`,
		`func f() {
	e.mu.Lock()
	
	g()
; e.mu.Unlock(); }`,
	}, {
		"results are computed first, and have the function's types",
		`func (e *E) f() (a, b Error, n int) {
	defer e.mu.Unlock()
	if x {
		return nil, e, 0
	}
	return e.g()
}`,
		`func (e *E) f() (a, b Error, n int) {
	
	if x {
		{ result0, result1, result2 := (Error)(nil), (Error)(e), (int)(0); e.mu.Unlock(); return result0, result1, result2 }
	}
	{ result0, result1, result2 := e.g(); e.mu.Unlock(); return result0, result1, result2 }
}`,
	}, {
		"what was deferred last is called first, and only if it was",
		`func f() {
	defer a.Release()
	if x {
		return
	}
	defer put(b)
	return
}`,
		`func f() {
	
	if x {
		{ a.Release(); return }
	}
	
	{ put(b); a.Release(); return }
}`,
	}, {
		"functions in functions are on their own",
		`func f() func() int {
	defer a.Unlock()
	return func() int {
		defer b.Unlock()
		return 1
	}
}`,
		`func f() func() int {
	
	{ result0 := (func() int)(func() int {
		
		{ result0 := (int)(1); b.Unlock(); return result0 }
	}); a.Unlock(); return result0 }
}`,
	}} {
		const head = "package p\n\n"
		got, err := plainDefers("p.go", []byte(head+c.src+"\n"))
		if err != nil {
			t.Errorf("%s: %v", c.why, err)
		} else if want := head + c.want + "\n"; string(got) != want {
			t.Errorf("%s:\n%s\nwant\n%s", c.why, got, want)
		}
	}
}

// TestDefersLeft has the functions that stay as they are.
func TestDefersLeft(t *testing.T) {
	for why, body := range map[string]string{
		"some calls only":               "if x { defer e.mu.Unlock() }; g()",
		"one of several":                "defer e.mu.Unlock(); defer func() { g() }()",
		"assigned to":                   "defer p.Release(); p = q",
		"assigned to by another name":   "defer p.Release(); for _, p = range q { g() }",
		"a part assigned to":            "defer e.a.mu.Unlock(); e.a = q",
		"hidden":                        "defer e.mu.Unlock(); if e := q; x { return }",
		"hidden by a declaration":       "defer e.mu.Unlock(); { var e T; g(e); return }",
		"pointed to":                    "defer p.Release(); g(&p)",
		"changed by a function in it":   "defer p.Release(); g(func() { p = q })",
		"a part that others may change": "defer e.route.Release(); g()",
		"an argument of that kind":      "defer put(e.b); g()",
		"an argument to be computed":    "defer put(g()); g()",
		"a method of what is computed":  "defer g().Unlock(); g()",
		"jumps":                         "again: defer e.mu.Unlock(); if x { goto again }",
	} {
		src := "package p\n\nfunc f() { " + body + " }\n"
		got, err := plainDefers("p.go", []byte(src))
		if err != nil {
			t.Errorf("%s: %v", why, err)
		} else if string(got) != src {
			t.Errorf("%s:\n%s", why, got)
		}
	}
}
