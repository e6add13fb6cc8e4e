package userdata

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
)

// TestParseResponse reads complete responses, and each as if it came byte by byte.
func TestParseResponse(t *testing.T) {
	const okay = "HTTP/1.1 200 OK\r\n"
	big := strings.Repeat("x", maxData)
	for _, c := range []struct {
		text   string
		open   bool // the body goes on to the connection's end
		status int
		body   string
	}{
		{okay + "Content-Length: 3\r\n\r\nabc", false, 200, "abc"},
		{okay + "content-length:3\r\nX: y\r\n\r\nabc and more", false, 200, "abc"},
		{okay + "Content-Length: 0\r\n\r\n", false, 200, ""},
		{okay + "Server: x\r\n\r\nabc", true, 200, "abc"},
		{"HTTP/1.0 404 Not Found\r\n\r\n", true, 404, ""},
		{"HTTP/1.1 204\r\n\r\n", false, 204, ""},
		{okay + "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0a;x=y\r\n0123456789\r\n0\r\n\r\n", false, 200, "abc0123456789"},
		{okay + fmt.Sprintf("Content-Length: %d\r\n\r\n", len(big)) + big, false, 200, big},
	} {
		r, err := parseResponse([]byte(c.text), c.open)
		if err != nil || r.status != c.status || string(r.body) != c.body {
			t.Errorf("%.60q: %d, %.60q, %v", c.text, r.status, r.body, err)
		}
		if len(c.body) > 100 {
			continue
		}
		for n := range len(c.text) {
			r, err := parseResponse([]byte(c.text[:n]), false)
			if err != errShort && (err != nil || string(r.body) != c.body) {
				t.Errorf("%d bytes of %q: %q, %v", n, c.text, r.body, err)
			}
		}
	}
}

func TestParseResponseRefused(t *testing.T) {
	const okay = "HTTP/1.1 200 OK\r\n"
	const chunked = okay + "Transfer-Encoding: chunked\r\n\r\n"
	for text, want := range map[string]error{
		"SSH-2.0-x\r\n":                                   errNotHTTP,
		"HTTP/1.1 abc\r\n\r\n":                            errNotHTTP,
		"HTTP/1.1 +20 OK\r\n\r\n":                         errNotHTTP,
		"HTTP/1.1 99\r\n\r\n":                             errNotHTTP,
		"HTTP/2 200\r\n\r\n":                              errNotHTTP,
		okay + "Content-Length: -1\r\n\r\n":               errNotHTTP,
		okay + "Content-Length: 70000\r\n\r\n":            errLong,
		okay + "\r\n" + strings.Repeat("x", maxData+1):    errLong,
		okay + "Transfer-Encoding: gzip\r\n\r\n":          errNotHTTP,
		chunked + "ffffffff\r\n":                          errNotHTTP,
		chunked + "7fffffff\r\n":                          errLong,
		chunked + "-1\r\n":                                errNotHTTP,
		chunked + "1\r\nab\r\n":                           errNotHTTP,
		chunked + strings.Repeat("1\r\na\r\n", maxData+1): errLong,
		okay + "Content-Length: 5\r\n\r\nabc":             errShort,
	} {
		if r, err := parseResponse([]byte(text), true); err != want {
			t.Errorf("%.60q: %+v, %v, want %v", text, r, err, want)
		}
	}
}

func FuzzParseResponse(f *testing.F) {
	f.Add([]byte("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"), false)
	f.Add([]byte("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc"), true)
	f.Fuzz(func(t *testing.T, b []byte, ended bool) {
		r, err := parseResponse(b, ended)
		if err == nil && (len(r.body) > min(len(b), maxData) || r.status < 100 || r.status > 999) {
			t.Errorf("status %d, %d bytes", r.status, len(r.body))
		}
		if err != nil || ended {
			return
		}
		// What was complete stays so, with more behind it.
		more, err := parseResponse(append(bytes.Clone(b), "\r\nmore"...), false)
		if err == nil && !bytes.Equal(more.body, r.body) {
			t.Errorf("%q became %q", r.body, more.body)
		}
	})
}
