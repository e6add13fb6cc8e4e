package machine

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"strings"
	"syscall"
	"testing"
)

// carrying starts a serialPort with some input. What it writes can be read from the
// second result.
func carrying(t *testing.T, in io.Reader) (*serialPort, io.Reader) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	r, w := io.Pipe()
	t.Cleanup(func() { r.Close() })
	s := newSerialPort()
	go s.carry(ctx, w)
	go s.read(ctx, in)
	return s, r
}

// expect wants r to have some text.
func expect(t *testing.T, r io.Reader, want string) {
	t.Helper()
	got := make([]byte, len(want))
	if _, err := io.ReadFull(r, got); string(got) != want || err != nil {
		t.Fatalf("%q, %v, want %q", got, err, want)
	}
}

func TestSerialPort(t *testing.T) {
	const filler = "\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"
	in := strings.NewReader("some\x03\x00\x04\x05\x16\x7f\x80\x9f\xa0.")
	s, r := carrying(t, in)
	s.signal(syscall.SIGTERM)
	expect(t, r, filler+"\x8f")
	s.asked <- 3
	expect(t, r, "som\x05")
	s.signal(syscall.SIGHUP)
	expect(t, r, "\x81")
	if in.Len() != 11 {
		t.Errorf("%d bytes are left, want what was not asked for", in.Len())
	}
	s.asked <- 1 << 16
	expect(t, r, "e\x03\x16\x00\x16\x04\x16\x05\x16\x16\x7f\x16\x80\x16\x9f\xa0.\x05")
	for range 2 {
		s.asked <- 1
		expect(t, r, "\x04")
	}
	s, r = carrying(t, nil)
	s.asked <- 1
	expect(t, r, filler+"\x04")
}

// TestSerialPortSignals wants more signals than there is room for not to be waited for.
func TestSerialPortSignals(t *testing.T) {
	s := newSerialPort()
	for range 2 * cap(s.signals) {
		s.signal(syscall.SIGTERM)
	}
}

// TestRequests wants requests to be found however the output is cut, and the rest to be
// passed on, and not to wait for more.
func TestRequests(t *testing.T) {
	s := newSerialPort()
	mark := "\x10" + s.mark
	for _, c := range []struct {
		output, want string
		asked        []int
	}{
		{"hello\n", "hello\n", nil},
		{"a" + mark + "00ffb" + mark + "0001", "ab", []int{255, 1}},
		{"\x10\x10" + mark[:5] + mark + "0010\x10a" + mark[:10], "\x10\x10" + mark[:5] + "\x10a" + mark[:10], []int{16}},
		{mark + "nonea" + mark + "00", "a" + mark + "00", nil},
	} {
		for size := 1; size <= len(c.output); size++ {
			var got bytes.Buffer
			var asked []int
			r := requests{w: &got, port: s}
			for rest := []byte(c.output); len(rest) > 0; {
				n := min(size, len(rest))
				if k, err := r.Write(rest[:n]); k != n || err != nil {
					t.Fatal(k, err)
				}
				rest = rest[n:]
				for more := true; more; {
					select {
					case n := <-s.asked:
						asked = append(asked, n)
					default:
						more = false
					}
				}
				if len(r.held) > 0 && r.held[0] != serialAsk {
					t.Errorf("%q is held back", r.held)
				}
			}
			if err := r.flush(); got.String() != c.want || err != nil {
				t.Errorf("%q in pieces of %d: %q, %v, want %q", c.output, size, got.String(), err, c.want)
			}
			if size < len(mark) && fmt.Sprint(asked) != fmt.Sprint(c.asked) {
				t.Errorf("%q in pieces of %d: asked for %v, want %v", c.output, size, asked, c.asked)
			}
		}
	}
}
