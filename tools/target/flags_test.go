package target

import (
	"slices"
	"testing"
)

func TestSplitFlags(t *testing.T) {
	for _, c := range []struct {
		in   string
		want []string
	}{
		{"", nil},
		{"  -v\t-x\n", []string{"-v", "-x"}},
		{`'-ldflags=-s -w' -v`, []string{"-ldflags=-s -w", "-v"}},
		{`"-toolexec='a b' c"`, []string{"-toolexec='a b' c"}},
		{`-ldflags='-s`, []string{"-ldflags='-s"}}, // a quote within a field is nothing special
	} {
		got, err := splitFlags(c.in)
		if err != nil || !slices.Equal(got, c.want) {
			t.Errorf("%q: %q, %v; want %q", c.in, got, err, c.want)
		}
	}
	if _, err := splitFlags("'-v"); err == nil {
		t.Error("a quote without end is no error")
	}
}

func TestJoinFlags(t *testing.T) {
	for _, fields := range [][]string{
		{"-v"}, {"-ldflags=-s -w", "-x"}, {"a'b", `a"b`}, {"-toolexec='/a b/ringo' toolexec"}, {""},
	} {
		s, err := joinFlags(fields)
		if err != nil {
			t.Error(err)
			continue
		}
		if got, err := splitFlags(s); err != nil || !slices.Equal(got, fields) {
			t.Errorf("%q: %s: %q, %v", fields, s, got, err)
		}
	}
	if _, err := joinFlags([]string{`a'b"c`}); err == nil {
		t.Error("quotes of both kinds are no error")
	}
}

func TestCutDir(t *testing.T) {
	for _, c := range []struct {
		args       []string
		dir        string
		flag, rest []string
	}{
		{nil, ".", nil, nil},
		{[]string{"./x"}, ".", nil, []string{"./x"}},
		{[]string{"-C", "d", "./x"}, "d", []string{"-C", "d"}, []string{"./x"}},
		{[]string{"-C=d", "./x"}, "d", []string{"-C=d"}, []string{"./x"}},
		{[]string{"-C"}, ".", []string{"-C"}, nil},
		{[]string{"-v", "-C", "d"}, ".", nil, []string{"-v", "-C", "d"}},
	} {
		dir, flag, rest := cutDir(c.args)
		if dir != c.dir || !slices.Equal(flag, c.flag) || !slices.Equal(rest, c.rest) {
			t.Errorf("%q: %q, %q, %q", c.args, dir, flag, rest)
		}
	}
}

func TestWithoutOutput(t *testing.T) {
	got := withoutOutput([]string{"-o", "f", "-v", "-o=g", "--o=h", "./x", "-o"})
	if want := []string{"-v", "./x"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}
