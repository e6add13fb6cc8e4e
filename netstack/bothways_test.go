package netstack

import (
	"io"
	"net/netip"
	"testing"
	"time"
)

// TestBothWays sends much in both directions at once, again and again: with
// the stack's tuning of receive buffers (TCPModerateReceiveBuffer) one of about
// twenty such connections stopped for good, each side waiting for the other.
func TestBothWays(t *testing.T) {
	const size, block = 64 << 20, 64 << 10
	s := newLocal(t)
	for round := range 30 {
		l := listen(t, s, netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), 0))
		go func() {
			c := l.accept()
			defer c.close()
			io.CopyN(c, c, size)
		}()
		c := dial(t, s, l.local())
		go func() {
			b := make([]byte, block)
			for range size / block {
				c.Write(b)
			}
		}()
		done := make(chan error, 1)
		go func() {
			_, err := io.CopyN(io.Discard, c, size)
			done <- err
		}()
		select {
		case err := <-done:
			if err != nil {
				t.Fatalf("round %d: %v", round, err)
			}
		case <-time.After(20 * time.Second):
			t.Fatalf("round %d is stuck", round)
		}
		c.close()
		l.close()
	}
}
