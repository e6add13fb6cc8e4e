package userdata

import (
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// TestParse reads arguments and variables, in all the ways to write them.
func TestParse(t *testing.T) {
	for _, c := range []struct {
		data, args, env, late string
	}{
		{data: "#ringo", args: `["web" "-old"]`, env: "[]"},
		{data: "#ringo\n", args: `["web" "-old"]`, env: "[]"},
		{data: "#ringo \r\n-http :80\r\n", args: `["web" "-http" ":80"]`, env: "[]"},
		{data: "#ringo\nringo.env.TZ=UTC\n\n\tringo.env.TEXT=\"two\nlines\"\n", args: `["web" "-old"]`, env: `[{"TZ" "UTC"} {"TEXT" "two\nlines"}]`},
		{data: "#ringo\nringo.env.A= ringo.env.A=b=c\n\\#x", args: `["web" "#x"]`, env: `[{"A" ""} {"A" "b=c"}]`},
		{data: "#ringo\nringo.program=other", args: `["other" "-old"]`, env: "[]"},
		{data: "#ringo\nringo.program=other a ringo.net.ip=10.0.0.2/24 ringo.seed=00", args: `["other" "a"]`, env: "[]", late: "ringo.net.ip ringo.seed"},
	} {
		for _, data := range []string{c.data, base64.StdEncoding.EncodeToString([]byte(c.data)) + "\n"} {
			got, err := parse([]byte(data))
			if err != nil {
				t.Errorf("%q: %v", data, err)
				continue
			}
			args := fmt.Sprintf("%q", got.Arguments([]string{"web", "-old"}))
			env := fmt.Sprintf("%q", got.Env)
			if args != c.args || env != c.env || strings.Join(got.Late, " ") != c.late {
				t.Errorf("%q: arguments %s, variables %s, late %q", data, args, env, got.Late)
			}
		}
	}
}

// TestParseRefused wants no half of what cannot be used as a whole.
func TestParseRefused(t *testing.T) {
	for data, want := range map[string]string{
		"":                                     "left alone",
		"#cloud-config\nruncmd: []":            "left alone",
		"#!/bin/sh\n":                          "left alone",
		"#ringos\n-x":                          "left alone",
		" #ringo\n-x":                          "left alone",
		"!!!!":                                 "left alone",
		"#ringo\na b\x00c":                     "zero byte",
		"#ringo\nringo.env.A":                  "want ringo.env.NAME=VALUE",
		"#ringo\na ringo.env.B=1 ringo.env.=2": "want ringo.env.NAME=VALUE",
	} {
		_, err := parse([]byte(data))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", data, err, want)
		}
	}
}

// TestNoArguments is a program that has not even a name.
func TestNoArguments(t *testing.T) {
	if got := new(Text).Arguments(nil); !slices.Equal(got, []string{""}) {
		t.Errorf("%q", got)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte("#ringo\n-http :80 ringo.env.A=\"b c\" \\"))
	f.Add([]byte("I3JpbmdvCmE="))
	f.Fuzz(func(t *testing.T, data []byte) {
		got, err := parse(data)
		if err != nil {
			return
		}
		n := 0
		for _, a := range got.Arguments([]string{"x"}) {
			n += len(a)
		}
		for _, v := range got.Env {
			if v.Name == "" || strings.ContainsAny(v.Name, "=\x00") {
				t.Errorf("variable %q", v.Name)
			}
			n += len(v.Name) + len(v.Value)
		}
		if n > len(data)+1 {
			t.Errorf("%d bytes of %d", n, len(data))
		}
	})
}
