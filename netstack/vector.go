package netstack

import (
	"io"

	"gvisor.dev/gvisor/pkg/tcpip"
)

// vector is a scatter/gather list that the stack reads from or writes to. It
// lives in its socket, so that a transfer allocates nothing.
type vector struct {
	cur  []byte
	rest [][]byte
}

var (
	_ tcpip.Payloader = (*vector)(nil)
	_ io.Writer       = (*vectorWriter)(nil)
)

// set makes v consist of one buffer, or of list.
func (v *vector) set(one []byte, list [][]byte) { v.cur, v.rest = one, list }

// clear forgets the buffers, which are the caller's.
func (v *vector) clear() { v.cur, v.rest = nil, nil }

// next moves on to the next buffer that has bytes left; false: there is none.
func (v *vector) next() bool {
	for len(v.cur) == 0 {
		if len(v.rest) == 0 {
			return false
		}
		v.cur, v.rest = v.rest[0], v.rest[1:]
	}
	return true
}

// Len returns the bytes left.
func (v *vector) Len() int {
	n := len(v.cur)
	for _, b := range v.rest {
		n += len(b)
	}
	return n
}

// Read takes bytes out of v. With an empty p it says whether any are left.
func (v *vector) Read(p []byte) (int, error) {
	n := 0
	for {
		if !v.next() {
			if n == 0 {
				return 0, io.EOF
			}
			return n, nil
		}
		if n == len(p) {
			return n, nil
		}
		m := copy(p[n:], v.cur)
		v.cur = v.cur[m:]
		n += m
	}
}

// vectorWriter is a vector to be filled.
type vectorWriter struct{ vector }

// Write puts p into v; io.ErrShortWrite says that v is full.
func (v *vectorWriter) Write(p []byte) (int, error) {
	n := 0
	for n < len(p) {
		if !v.next() {
			return n, io.ErrShortWrite
		}
		m := copy(v.cur, p[n:])
		v.cur = v.cur[m:]
		n += m
	}
	return n, nil
}

// discarder is a writer that drops up to n bytes.
type discarder struct{ n int }

func (d *discarder) Write(p []byte) (int, error) {
	if len(p) > d.n {
		m := d.n
		d.n = 0
		return m, io.ErrShortWrite
	}
	d.n -= len(p)
	return len(p), nil
}
