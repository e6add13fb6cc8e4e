package netstack

import (
	"net/netip"
	"testing"

	"ringo.dev/ringo/kernel"
)

// TestSocketsOfOneFlow opens and closes sockets between datagrams of one flow. Each
// datagram has to reach the socket that is responsible for it then.
func TestSocketsOfOneFlow(t *testing.T) {
	a, b := newPair(t, true, faults{})
	peer := netip.AddrPortFrom(a.ip4, 1000)
	server := netip.AddrPortFrom(b.ip4, 53)
	client := bound(t, a.Stack, peer)
	defer client.close()

	var open []*conn
	defer func() {
		for _, c := range open {
			c.close()
		}
	}()
	add := func() *conn {
		c := reusing(t, b.Stack, netip.AddrPortFrom(netip.IPv4Unspecified(), server.Port()))
		open = append(open, c)
		return c
	}
	remove := func(c *conn) {
		for i := range open {
			if open[i] == c {
				open = append(open[:i], open[i+1:]...)
				break
			}
		}
		c.close()
	}
	// receiver sends a datagram, twice, and returns the socket that got both.
	receiver := func(what string) (got *conn) {
		t.Helper()
		for i := range 2 {
			if err := client.sendTo([]byte(what), server); err != 0 {
				t.Fatalf("%s: %v", what, err)
			}
			var this *conn
			waitUntil(t, func() bool {
				for _, c := range open {
					if c.s.Ready()&kernel.EventIn != 0 {
						this = c
						return true
					}
				}
				return false
			})
			buf := make([]byte, 100)
			if n, from, _ := this.receiveFrom(buf); string(buf[:n]) != what || from != peer {
				t.Fatalf("%s: got %q from %v", what, buf[:n], from)
			}
			if i > 0 && this != got {
				t.Fatalf("%s: the second datagram went elsewhere", what)
			}
			got = this
		}
		return got
	}

	first := add()
	receiver("one socket")
	own := add()
	if err := own.s.Connect(sockaddr(peer)); err != 0 {
		t.Fatal(err)
	}
	if receiver("a connected socket") != own {
		t.Error("the socket that is connected to the peer did not get its datagrams")
	}
	remove(own)
	if receiver("without it") != first {
		t.Error("the remaining socket did not get the datagrams")
	}
	add()
	remove(receiver("two sockets"))
	remove(receiver("the other one"))
	add()
	receiver("a new socket")
}
