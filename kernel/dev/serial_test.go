package dev

import (
	"bytes"
	"io"
	"syscall"
	"testing"
)

// newTestSerial returns a serial that has some input, in pieces, and then none;
// what it echoes; and the signals that it sends.
func newTestSerial(typed bool, pieces ...string) (s *serial, echo *bytes.Buffer, signals *[]syscall.Signal) {
	echo, signals = new(bytes.Buffer), new([]syscall.Signal)
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
		echo:  func(p []byte) { echo.Write(p) },
		raise: func(sig syscall.Signal) { *signals = append(*signals, sig) },
		typed: typed,
	}, echo, signals
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
	} {
		var pieces []string
		for _, k := range []byte(c.keys) {
			pieces = append(pieces, string([]byte{k}))
		}
		for _, pieces := range [][]string{pieces, {c.keys}} {
			s, echo, _ := newTestSerial(true, pieces...)
			p := make([]byte, 100)
			n, err := s.Read(p)
			if got := string(p[:n]); got != c.want || (err == io.EOF) != (c.want == "") || echo.String() != c.echo {
				t.Errorf("%q: %q, %v, echo %q; want %q, %q", c.keys, got, err, echo, c.want, c.echo)
			}
		}
	}
}

func TestSerialInterrupt(t *testing.T) {
	s, _, signals := newTestSerial(true, "\x03\x04")
	if n, err := s.Read(make([]byte, 1)); n != 0 || err != io.EOF || len(*signals) != 1 || (*signals)[0] != syscall.SIGINT {
		t.Errorf("%d, %v, signals %v", n, err, *signals)
	}
}

// TestSerialEnd reads on behind ends, in small pieces.
func TestSerialEnd(t *testing.T) {
	for typed, input := range map[bool]string{true: "hello\r\x04part\x04\x04you\r\x04", false: "\x16\x04\x02hello\n\x04part\x04you\n\x04"} {
		s, _, _ := newTestSerial(typed, input)
		for _, want := range []string{"hello\n", "part", "you\n"} {
			if got, err := io.ReadAll(small{s}); string(got) != want || err != nil {
				t.Errorf("%v: %q, %v, want %q", typed, got, err, want)
			}
		}
	}
}

// small asks for two bytes at a time.
type small struct{ s *serial }

func (r small) Read(p []byte) (int, error) { return r.s.Read(p[:2]) }

// TestSerialPlain reads data of all kinds.
func TestSerialPlain(t *testing.T) {
	var data, quoted []byte
	for c := range 3 * 256 {
		data = append(data, byte(c))
		if byte(c) == end || byte(c) == quote {
			quoted = append(quoted, quote)
		}
		quoted = append(quoted, byte(c))
	}
	s, echo, _ := newTestSerial(false, "lost", "\x02"+string(quoted), "\x04")
	got, err := io.ReadAll(s)
	if err != nil || !bytes.Equal(got, data) || echo.Len() > 0 {
		t.Errorf("%q, %v, echo %q", got, err, echo)
	}
}

// TestSerialLong types a line that is too long.
func TestSerialLong(t *testing.T) {
	s, _, _ := newTestSerial(true, string(bytes.Repeat([]byte("x"), 10000))+"\x04\x04")
	if got, err := io.ReadAll(s); len(got) != 4096 || err != nil {
		t.Errorf("%d bytes, %v", len(got), err)
	}
}
