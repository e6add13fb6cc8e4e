package netstack

import (
	"io"
	"net/netip"
	"testing"
)

// pairs are the ways between two sockets that are measured.
func pairs(b *testing.B, f func(b *testing.B, from, to *Stack, addr netip.Addr)) {
	b.Run("loopback", func(b *testing.B) {
		s := newLocal(b)
		f(b, s, s, netip.MustParseAddr("127.0.0.1"))
	})
	b.Run("offload", func(b *testing.B) {
		from, to := newPair(b, true, faults{})
		f(b, from.Stack, to.Stack, to.ip4)
	})
	b.Run("frames", func(b *testing.B) {
		from, to := newPair(b, false, faults{})
		f(b, from.Stack, to.Stack, to.ip4)
	})
}

func BenchmarkStream(b *testing.B) {
	pairs(b, func(b *testing.B, from, to *Stack, addr netip.Addr) {
		const size = 64 << 10
		l := listen(b, to, netip.AddrPortFrom(addr, 0))
		defer l.close()
		done := make(chan struct{})
		go func() {
			defer close(done)
			c := l.accept()
			defer c.close()
			buf := make([]byte, size)
			for {
				if _, err := c.Read(buf); err != nil {
					return
				}
			}
		}()
		c := dial(b, from, l.local())
		buf := make([]byte, size)
		b.SetBytes(size)
		b.ReportAllocs()
		for b.Loop() {
			c.Write(buf)
		}
		c.close()
		<-done
	})
}

func BenchmarkPingPong(b *testing.B) {
	pairs(b, func(b *testing.B, from, to *Stack, addr netip.Addr) {
		l := listen(b, to, netip.AddrPortFrom(addr, 0))
		defer l.close()
		go func() {
			c := l.accept()
			defer c.close()
			io.Copy(c, c)
		}()
		c := dial(b, from, l.local())
		defer c.close()
		buf := make([]byte, 64)
		b.ReportAllocs()
		for b.Loop() {
			c.Write(buf)
			io.ReadFull(c, buf)
		}
	})
}

// BenchmarkConnect opens a connection, gets a byte and sees the end.
func BenchmarkConnect(b *testing.B) {
	pairs(b, func(b *testing.B, from, to *Stack, addr netip.Addr) {
		l := listen(b, to, netip.AddrPortFrom(addr, 0))
		defer l.close()
		go func() {
			for {
				c := l.accept()
				_, err := c.Write([]byte{1})
				c.close()
				if err != nil {
					return
				}
			}
		}()
		b.ReportAllocs()
		buf := make([]byte, 1)
		for b.Loop() {
			c := dial(b, from, l.local())
			io.ReadFull(c, buf)
			c.close()
		}
	})
}

func BenchmarkDatagram(b *testing.B) {
	pairs(b, func(b *testing.B, from, to *Stack, addr netip.Addr) {
		server := bound(b, to, netip.AddrPortFrom(addr, 0))
		defer server.close()
		client := open(b, from, familyOf(addr), 2, 0)
		defer client.close()
		if err := client.s.Connect(sockaddr(server.local())); err != 0 {
			b.Fatal(err)
		}
		buf := make([]byte, 64)
		b.ReportAllocs()
		for b.Loop() {
			client.Write(buf)
			server.Read(buf)
		}
	})
}

// BenchmarkNew makes a stack, as every boot does.
func BenchmarkNew(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		s, err := New()
		if err != nil {
			b.Fatal(err)
		}
		s.ip.Close()
	}
}
