package machine

import (
	"bytes"
	"context"
	"io"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"
)

// carried returns what comes of a serialPort to its first end of input.
func carried(t *testing.T, s *serialPort, in io.Reader) string {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	r, w := io.Pipe()
	defer r.Close()
	go s.carry(ctx, w)
	go s.read(ctx, in)
	var got []byte
	for !bytes.HasSuffix(got, []byte{serialEnd}) {
		b := make([]byte, 100)
		n, err := r.Read(b)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, b[:n]...)
	}
	return string(got)
}

func TestSerialPort(t *testing.T) {
	begin := strings.Repeat("\x00", serialFiller) + "\x02"
	for _, c := range []struct {
		in   io.Reader
		want string
	}{
		{nil, "\x04"},
		{strings.NewReader(""), "\x04"},
		{strings.NewReader("hi\x02\x03"), "hi\x02\x03\x04"},
		{strings.NewReader("\x16\x7f\x80\x9f\xa0."), "\x16\x16\x7f\x16\x80\x16\x9f\xa0.\x04"},
	} {
		if got := carried(t, newSerialPort(), c.in); got != begin+c.want {
			t.Errorf("%q, want %q", got, begin+c.want)
		}
	}
}

// TestSerialPortSignals wants signals to be carried while there is no input, and more
// of them than there is room for not to be waited for.
func TestSerialPortSignals(t *testing.T) {
	s := newSerialPort()
	for range 2 * cap(s.signals) {
		s.signal(syscall.SIGTERM)
	}
	in, end, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	go func() {
		for len(s.signals) > 0 {
			time.Sleep(time.Millisecond)
		}
		end.Close()
	}()
	want := strings.Repeat("\x00", serialFiller) + "\x02" + strings.Repeat("\x8f", cap(s.signals)) + "\x04"
	if got := carried(t, s, in); got != want {
		t.Errorf("%q, want %q", got, want)
	}
}
