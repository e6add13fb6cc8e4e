package dev

import (
	"bytes"
	"fmt"
	"io"
	"testing"
)

// newTestSerial returns a serial at which some input is typed, in pieces, and then none;
// and what it echoes.
func newTestSerial(pieces ...string) (s *serial, echo *bytes.Buffer) {
	echo = new(bytes.Buffer)
	return &serial{
		came: new(uint32),
		take: func(p []byte) int {
			if len(pieces) == 0 {
				panic("reading waits")
			}
			n := copy(p, pieces[0])
			if pieces[0] = pieces[0][n:]; pieces[0] == "" {
				pieces = pieces[1:]
			}
			return n
		},
		echo: func(p []byte) { echo.Write(p) },
	}, echo
}

func TestSerialTyped(t *testing.T) {
	for _, c := range []struct{ keys, want, echo string }{
		{"hello\r", "hello\n", "hello\n"},
		{"a\nb\n", "a\n", "a\n"},
		{"\r", "\n", "\n"},
		{"helpl\x7f\x7flo\r", "hello\n", "helpl\b \b\b \blo\n"},
		{"\x08\x08x\r", "x\n", "x\n"},
		{"né\x7fe\r", "ne\n", "né\b \be\n"},
		{"wrong\x15ok\r", "ok\n", "wrong\b \b\b \b\b \b\b \b\b \bok\n"},
		{"\x04", "", ""},
		{"part\x04", "part", "part"},
		{"\x16\x04\r", "\x04\n", "^D\n"},
		{"\x16\x04\x7f\r", "\n", "^D\b \b\b \b\n"},
		{"\t\x1b[A\r", "\t\x1b[A\n", "\t^[[A\n"},
		{"lost\x03kept\r", "kept\n", "lost^C\nkept\n"},
		{"lost\x1ckept\r", "kept\n", "lost^\\\nkept\n"},
		{"\x16\x03\x85\r", "\x03\x85\n", "^C\x85\n"},
	} {
		var pieces []string
		for _, k := range []byte(c.keys) {
			pieces = append(pieces, string([]byte{k}))
		}
		for _, pieces := range [][]string{pieces, {c.keys}} {
			s, echo := newTestSerial(pieces...)
			p := make([]byte, 100)
			n, err := s.Read(p)
			if got := string(p[:n]); got != c.want || (err == io.EOF) != (c.want == "") || echo.String() != c.echo {
				t.Errorf("%q: %q, %v, echo %q; want %q, %q", c.keys, got, err, echo, c.want, c.echo)
			}
		}
	}
}

// TestSerialEnd reads on behind ends, in small pieces.
func TestSerialEnd(t *testing.T) {
	s, _ := newTestSerial("hello\r\x04part\x04\x04you\r\x04")
	for _, want := range []string{"hello\n", "part", "you\n"} {
		if got, err := io.ReadAll(small{s}); string(got) != want || err != nil {
			t.Errorf("%q, %v, want %q", got, err, want)
		}
	}
}

// small asks for two bytes at a time.
type small struct{ s *serial }

func (r small) Read(p []byte) (int, error) { return r.s.Read(p[:2]) }

// TestSerialCarried asks for data of all kinds, which comes with signals between, and for
// an end, behind which there is more.
func TestSerialCarried(t *testing.T) {
	var data, input []byte
	for c := range 3 * 256 {
		data = append(data, byte(c))
	}
	rest := data
	s := &serial{came: new(uint32), mark: "mark"}
	s.take = func(p []byte) int {
		n := copy(p, input)
		input = input[n:]
		return n
	}
	s.echo = func(p []byte) {
		var n int
		if k, err := fmt.Sscanf(string(p), "\x10mark%04x", &n); k != 1 || err != nil || n > maxAsk || len(input) > 0 {
			t.Fatalf("asked by %q, with %q to be read", p, input)
		}
		*s.came++
		if len(rest) == 0 {
			input, rest = []byte{end}, []byte("more")
			return
		}
		n = min(n, len(rest), 500)
		input = []byte{0, signals + 1}
		for _, c := range rest[:n] {
			input = append(input, quote, c, signals+2)
		}
		input = append(input, answered)
		rest = rest[n:]
	}
	if got, err := io.ReadAll(s); err != nil || !bytes.Equal(got, data) {
		t.Errorf("%q, %v", got, err)
	}
	b := make([]byte, maxAsk+1)
	if n, err := s.Read(b); string(b[:n]) != "more" || err != nil {
		t.Errorf("behind the end: %q, %v", b[:n], err)
	}
}

// TestSerialLong types a line that is too long.
func TestSerialLong(t *testing.T) {
	s, _ := newTestSerial(string(bytes.Repeat([]byte("x"), 10000)) + "\x04\x04")
	if got, err := io.ReadAll(s); len(got) != 4096 || err != nil {
		t.Errorf("%d bytes, %v", len(got), err)
	}
}
