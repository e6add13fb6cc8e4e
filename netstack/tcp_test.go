package netstack

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"math/rand"
	"net/netip"
	"os"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"

	"ringo.dev/ringo/kernel"
)

// links are the kinds of wire that transfers are tried over.
var links = []struct {
	name   string
	tso    bool
	faults faults
	size   int
}{
	{"offload", true, faults{}, 64 << 20},
	{"frames", false, faults{}, 32 << 20},
	{"loss", false, faults{loss: 0.05}, 1 << 20},
	{"reorder", false, faults{reorder: 0.05}, 4 << 20},
	{"corrupt", false, faults{corrupt: 0.02}, 2 << 20},
	{"all", false, faults{loss: 0.02, reorder: 0.02, corrupt: 0.01, duplicate: 0.02}, 1 << 20},
	{"overshoot", false, faults{queue: 64}, 32 << 20},
	{"large overshoot", true, faults{queue: 16}, 16 << 20},
}

// TestTransfer sends data one way and expects its hash back the other, over
// half-closed connections of both address families.
func TestTransfer(t *testing.T) {
	for _, l := range links {
		for _, v6 := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/v6=%v", l.name, v6), func(t *testing.T) {
				t.Parallel()
				a, b := newPair(t, l.tso, l.faults)
				addr := b.ip4
				if v6 {
					addr = b.ip6
				}
				size := l.size
				if testing.Short() || raceEnabled {
					size /= 8
				}
				transfer(t, a.Stack, b.Stack, addr, size)
			})
		}
	}
}

func TestTransferLoopback(t *testing.T) {
	s := newLocal(t)
	transfer(t, s, s, netip.MustParseAddr("127.0.0.1"), 64<<20)
	transfer(t, s, s, netip.IPv6Loopback(), 64<<20)
	transfer(t, s, s, netip.MustParseAddr("127.99.1.2"), 1<<20)
}

func transfer(t *testing.T, from, to *Stack, addr netip.Addr, size int) {
	t.Helper()
	l := listen(t, to, netip.AddrPortFrom(addr, 0))
	defer l.close()
	done := make(chan error, 1)
	go func() {
		c := l.accept()
		defer c.close()
		h := sha256.New()
		_, err := io.CopyBuffer(h, c, make([]byte, 64<<10))
		if err == nil {
			_, err = c.Write(h.Sum(nil))
		}
		done <- err
	}()
	c := dial(t, from, l.local())
	defer c.close()
	h := sha256.New()
	data := make([]byte, 100_000)
	rand.New(rand.NewSource(3)).Read(data)
	for left := size; left > 0; {
		part := data[:min(left, len(data))]
		h.Write(part)
		if _, err := c.Write(part); err != nil {
			t.Fatalf("write: %v", err)
		}
		left -= len(part)
	}
	if err := c.s.Shutdown(syscall.SHUT_WR); err != 0 {
		t.Fatalf("shutdown: %v", err)
	}
	if _, err := c.Write([]byte{1}); err != syscall.EPIPE {
		t.Errorf("write after shutdown: %v, want EPIPE", err)
	}
	sum, err := io.ReadAll(c)
	if err != nil {
		t.Fatalf("read: %v", err)
	}
	if err := <-done; err != nil {
		t.Fatalf("receiver: %v", err)
	}
	if !bytes.Equal(sum, h.Sum(nil)) {
		t.Errorf("SHA-256 differs after %d bytes", size)
	}
}

// TestEcho exchanges small messages, one connection after another.
func TestEcho(t *testing.T) {
	a, b := newPair(t, true, faults{})
	l := listen(t, b.Stack, netip.AddrPortFrom(netip.IPv6Unspecified(), 80))
	defer l.close()
	go func() {
		for range 20 {
			c := l.accept()
			io.Copy(c, c)
			c.close()
		}
	}()
	for i := range 20 {
		c := dial(t, a.Stack, netip.AddrPortFrom(b.ip4, 80))
		for j := range 50 {
			msg := fmt.Appendf(nil, "message %d of connection %d", j, i)
			c.Write(msg)
			got := make([]byte, len(msg))
			if _, err := io.ReadFull(c, got); err != nil || !bytes.Equal(got, msg) {
				t.Fatalf("got %q, %v, want %q", got, err, msg)
			}
		}
		c.s.Shutdown(syscall.SHUT_WR)
		if n, err := c.Read(make([]byte, 1)); n != 0 || err != io.EOF {
			t.Fatalf("read at the end: %d, %v", n, err)
		}
		c.close()
	}
}

// TestDualStack connects by IPv4 to an IPv6 wildcard listener: the peers see
// IPv4 addresses in IPv6 form.
func TestDualStack(t *testing.T) {
	s := newLocal(t)
	l := listen(t, s, netip.AddrPortFrom(netip.IPv6Unspecified(), 0))
	defer l.close()
	c := dial(t, s, netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), l.local().Port()))
	defer c.close()
	got := l.accept()
	defer got.close()
	if want := netip.MustParseAddr("::ffff:127.0.0.1"); got.remote().Addr() != want || got.local().Addr() != want {
		t.Errorf("accepted %v from %v, want %v", got.local(), got.remote(), want)
	}
	if got.remote().Port() != c.local().Port() {
		t.Errorf("ports differ: %v, %v", got.remote(), c.local())
	}

	only := open(t, s, syscall.AF_INET6, syscall.SOCK_STREAM, 0)
	defer only.close()
	if err := only.s.SetOption(syscall.IPPROTO_IPV6, syscall.IPV6_V6ONLY, int32Bytes(1)); err != 0 {
		t.Fatal(err)
	}
	if err := only.s.Connect(sockaddr(netip.MustParseAddrPort("127.0.0.1:80"))); err != syscall.EAFNOSUPPORT {
		t.Errorf("IPv4 connect with V6ONLY: %v", err)
	}
}

func TestConnectErrors(t *testing.T) {
	a, b := newPair(t, true, faults{})
	t.Run("refused", func(t *testing.T) {
		c := open(t, a.Stack, syscall.AF_INET, syscall.SOCK_STREAM, 0)
		defer c.close()
		if err := c.connect(netip.AddrPortFrom(b.ip4, 9)); err != syscall.ECONNREFUSED {
			t.Errorf("got %v", err)
		}
	})
	t.Run("refused on loopback", func(t *testing.T) {
		c := open(t, a.Stack, syscall.AF_INET6, syscall.SOCK_STREAM, 0)
		defer c.close()
		if err := c.connect(netip.AddrPortFrom(netip.IPv6Loopback(), 9)); err != syscall.ECONNREFUSED {
			t.Errorf("got %v", err)
		}
	})
	t.Run("no route", func(t *testing.T) {
		c := open(t, a.Stack, syscall.AF_INET, syscall.SOCK_STREAM, 0)
		defer c.close()
		if err := c.connect(netip.MustParseAddrPort("192.0.2.1:80")); err != syscall.ENETUNREACH {
			t.Errorf("got %v", err)
		}
	})
	t.Run("nobody there", func(t *testing.T) {
		c := open(t, a.Stack, syscall.AF_INET, syscall.SOCK_STREAM, 0)
		defer c.close()
		if err := c.connect(netip.MustParseAddrPort("10.1.0.99:80")); err != syscall.EHOSTUNREACH {
			t.Errorf("got %v", err)
		}
	})
	t.Run("states", func(t *testing.T) {
		l := listen(t, b.Stack, netip.AddrPortFrom(b.ip4, 0))
		defer l.close()
		c := open(t, a.Stack, syscall.AF_INET, syscall.SOCK_STREAM, 0)
		defer c.close()
		if c.s.Ready()&kernel.EventHup == 0 {
			t.Error("a new socket does not report HUP")
		}
		if _, err := c.s.PeerAddr(); err != syscall.ENOTCONN {
			t.Errorf("getpeername: %v", err)
		}
		to := sockaddr(l.local())
		if err := c.s.Connect(to); err != syscall.EINPROGRESS {
			t.Fatalf("first connect: %v", err)
		}
		c.wait(kernel.EventOut)
		if err := c.s.Connect(to); err != 0 {
			t.Errorf("second connect: %v", err)
		}
		if err := c.s.Connect(to); err != syscall.EISCONN {
			t.Errorf("third connect: %v", err)
		}
	})
}

// TestPortExhaustion runs out of local ports.
func TestPortExhaustion(t *testing.T) {
	s := newLocal(t)
	if err := s.ip.SetPortRange(50000, 50003); err != nil {
		t.Fatal(err)
	}
	l := listen(t, s, netip.MustParseAddrPort("127.0.0.1:80"))
	defer l.close()
	for range 10 {
		c := open(t, s, syscall.AF_INET, syscall.SOCK_STREAM, 0)
		defer c.close()
		switch err := c.connect(l.local()); err {
		case 0:
		case syscall.EADDRNOTAVAIL:
			return
		default:
			t.Fatalf("connect: %v", err)
		}
	}
	t.Error("never ran out of ports")
}

func TestBindErrors(t *testing.T) {
	s := newLocal(t)
	l := listen(t, s, netip.MustParseAddrPort("127.0.0.1:0"))
	defer l.close()
	c := open(t, s, syscall.AF_INET, syscall.SOCK_STREAM, 0)
	defer c.close()
	if err := c.s.Bind(sockaddr(l.local())); err != syscall.EADDRINUSE {
		t.Errorf("port in use: %v", err)
	}
	if err := c.s.Bind(sockaddr(netip.MustParseAddrPort("192.0.2.1:80"))); err != syscall.EADDRNOTAVAIL {
		t.Errorf("foreign address: %v", err)
	}
	if err := c.s.Bind(sockaddr(netip.MustParseAddrPort("[::1]:80"))); err != syscall.EAFNOSUPPORT {
		t.Errorf("other family: %v", err)
	}
	if err := c.s.Bind([]byte{2}); err != syscall.EINVAL {
		t.Errorf("short address: %v", err)
	}
}

func TestReset(t *testing.T) {
	s := newLocal(t)
	l := listen(t, s, netip.MustParseAddrPort("127.0.0.1:0"))
	defer l.close()
	c := dial(t, s, l.local())
	defer c.close()
	peer := l.accept()
	linger := append(int32Bytes(1), int32Bytes(0)...)
	if err := peer.s.SetOption(syscall.SOL_SOCKET, syscall.SO_LINGER, linger); err != 0 {
		t.Fatal(err)
	}
	peer.close()
	if _, err := c.Read(make([]byte, 1)); err != syscall.ECONNRESET {
		t.Errorf("read: %v, want ECONNRESET", err)
	}
}

func TestReceiveFlags(t *testing.T) {
	s := newLocal(t)
	l := listen(t, s, netip.MustParseAddrPort("127.0.0.1:0"))
	defer l.close()
	c := dial(t, s, l.local())
	defer c.close()
	peer := l.accept()
	defer peer.close()
	peer.Write([]byte("0123456789"))
	c.wait(kernel.EventIn)

	receive := func(size, flags int) (string, int, kernel.Errno) {
		b := make([]byte, size)
		m := kernel.Message{Data: [][]byte{b[:size/2], b[size/2:]}}
		n, err := c.s.Receive(&m, flags)
		return string(b[:min(n, size)]), n, err
	}
	if got, _, err := receive(4, syscall.MSG_PEEK); got != "0123" || err != 0 {
		t.Errorf("peek: %q, %v", got, err)
	}
	if _, n, err := receive(100, syscall.MSG_PEEK|syscall.MSG_TRUNC); n != 10 || err != 0 {
		t.Errorf("peek of the length: %d, %v", n, err)
	}
	if got, n, err := receive(3, syscall.MSG_TRUNC); n != 3 || got != "\x00\x00\x00" || err != 0 {
		t.Errorf("discard: %q, %d, %v", got, n, err)
	}
	if got, _, err := receive(100, 0); got != "3456789" || err != 0 {
		t.Errorf("read: %q, %v", got, err)
	}
	if _, _, err := receive(100, syscall.MSG_DONTWAIT); err != syscall.EAGAIN {
		t.Errorf("empty: %v", err)
	}
}

// TestLingerWaits closes with SO_LINGER while the peer does not read.
func TestLingerWaits(t *testing.T) {
	s := newLocal(t)
	l := listen(t, s, netip.MustParseAddrPort("127.0.0.1:0"))
	defer l.close()
	c := dial(t, s, l.local())
	peer := l.accept()
	defer peer.close()
	linger := append(int32Bytes(1), int32Bytes(1)...)
	if err := c.s.SetOption(syscall.SOL_SOCKET, syscall.SO_LINGER, linger); err != 0 {
		t.Fatal(err)
	}
	for { // until the peer's window and our buffer are full
		if _, err := c.s.Write(make([]byte, 1<<20)); err == syscall.EAGAIN {
			break
		}
	}
	start := time.Now()
	c.close()
	if d := time.Since(start); d < 900*time.Millisecond || d > 10*time.Second {
		t.Errorf("close took %v, want 1s", d)
	}
}

// TestManyConnections opens and closes connections at a server that closes
// first, as HTTP/1.0 servers do: none fails, and the closed ones are bounded.
func TestManyConnections(t *testing.T) {
	a, b := newPair(t, true, faults{})
	b.closed.soft, b.closed.hard = 50, 200
	n := 3000
	if testing.Short() || raceEnabled {
		n = 300
	}
	l := listen(t, b.Stack, netip.AddrPortFrom(b.ip4, 80))
	defer l.close()
	const clients = 20
	go func() {
		for range n / clients * clients {
			c := l.accept()
			go func() {
				defer c.close()
				b := make([]byte, 16)
				if m, err := c.Read(b); err == nil {
					c.Write(b[:m])
				}
			}()
		}
	}()
	done := make(chan error)
	for range clients {
		go func() {
			for range n / clients {
				c := dial(t, a.Stack, l.local())
				c.Write([]byte("hello"))
				got, err := io.ReadAll(c)
				c.close()
				if err != nil || string(got) != "hello" {
					done <- fmt.Errorf("got %q, %v", got, err)
					return
				}
			}
			done <- nil
		}()
	}
	for range clients {
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	}
	waitUntil(t, func() bool { return b.closed.count() <= b.closed.soft+clients })
	waitUntil(t, func() bool { return a.closed.count() <= a.closed.soft })
}

// waitUntil polls for a condition.
func waitUntil(t testing.TB, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("timeout")
		}
	}
}

// countFrames returns the frames that cross a wire in both directions while f
// runs, once they have ceased.
func countFrames(a, b *host, f func()) int {
	count := func() int { return a.card.sent() + b.card.sent() }
	before := count()
	f()
	for n := count(); ; n = count() {
		time.Sleep(100 * time.Millisecond)
		if count() == n {
			return n - before
		}
	}
}

// TestAnswersCarryAcknowledgements counts the packets of an exchange: two each
// way, or one each way on the stack as guests have it.
func TestAnswersCarryAcknowledgements(t *testing.T) {
	a, b := newPair(t, true, faults{})
	l := listen(t, b.Stack, netip.AddrPortFrom(b.ip4, 0))
	defer l.close()
	go func() {
		c := l.accept()
		defer c.close()
		io.Copy(c, c)
	}()
	c := dial(t, a.Stack, l.local())
	defer c.close()
	const exchanges = 100
	msg := make([]byte, 64)
	frames := countFrames(a, b, func() {
		for range exchanges {
			c.Write(msg)
			if _, err := io.ReadFull(c, msg); err != nil {
				t.Fatal(err)
			}
		}
	})
	t.Logf("%d frames for %d exchanges", frames, exchanges)
	if frames < 2*exchanges || frames > 4*exchanges+4 {
		t.Errorf("%d frames for %d exchanges", frames, exchanges)
	}
	// The last answer is acknowledged in time, although nothing follows it.
	time.Sleep(300 * time.Millisecond)
	if n := a.ip.Stats().TCP.Retransmits.Value() + b.ip.Stats().TCP.Retransmits.Value(); n != 0 {
		t.Errorf("%d retransmissions", n)
	}
}

// TestOwnAddress connects to an address of the machine's own card.
func TestOwnAddress(t *testing.T) {
	a, _ := newPair(t, true, faults{})
	for _, ip := range []netip.Addr{a.ip4, a.ip6} {
		transfer(t, a.Stack, a.Stack, ip, 1<<20)
	}
	l := listen(t, a.Stack, netip.AddrPortFrom(netip.IPv4Unspecified(), 0))
	defer l.close()
	c := dial(t, a.Stack, l.local()) // 0.0.0.0 is the machine itself
	defer c.close()
	if got := c.remote().Addr(); got != netip.MustParseAddr("127.0.0.1") {
		t.Errorf("connected to %v", got)
	}
}

// TestVanishedPeer loses the other end of a connection.
func TestVanishedPeer(t *testing.T) {
	a, b := newPair(t, true, faults{})
	l := listen(t, b.Stack, netip.AddrPortFrom(b.ip4, 0))
	defer l.close()
	c := dial(t, a.Stack, l.local())
	defer c.close()
	if err := c.s.SetOption(syscall.IPPROTO_TCP, tcpUserTimeout, int32Bytes(500)); err != 0 {
		t.Fatal(err)
	}
	b.card.close()
	start := time.Now()
	c.Write([]byte("anybody?"))
	if _, err := c.Read(make([]byte, 1)); err != syscall.ETIMEDOUT {
		t.Errorf("read: %v", err)
	}
	if d := time.Since(start); d < 400*time.Millisecond || d > 10*time.Second {
		t.Errorf("after %v", d)
	}
}

// TestBacklog connects to a listener that does not accept: what its backlog
// cannot hold waits, and gets through when it accepts. As with SYN cookies
// elsewhere, that takes a client that speaks first: only what it sends again
// shows the server that there is a connection.
func TestBacklog(t *testing.T) {
	a, b := newPair(t, true, faults{})
	l := open(t, b.Stack, syscall.AF_INET, syscall.SOCK_STREAM, 0)
	defer l.close()
	if err := l.s.Bind(sockaddr(netip.AddrPortFrom(b.ip4, 80))); err != 0 {
		t.Fatal(err)
	}
	if err := l.s.Listen(2); err != 0 {
		t.Fatal(err)
	}
	const n = 8
	var conns []*conn
	for range n {
		c := open(t, a.Stack, syscall.AF_INET, syscall.SOCK_STREAM, 0)
		defer c.close()
		if err := c.s.Connect(sockaddr(netip.AddrPortFrom(b.ip4, 80))); err != syscall.EINPROGRESS {
			t.Fatal(err)
		}
		conns = append(conns, c)
	}
	done := make(chan error)
	for _, c := range conns {
		go func() {
			c.wait(kernel.EventOut)
			c.Write([]byte("x"))
			_, err := io.ReadFull(c, make([]byte, 1))
			done <- err
		}()
	}
	for range n {
		c := l.accept()
		go io.Copy(c, c)
		defer c.close()
	}
	for range n {
		if err := <-done; err != nil {
			t.Errorf("a connection failed: %v", err)
		}
	}
}

// TestWaitsForConfiguration connects before there is an address.
func TestWaitsForConfiguration(t *testing.T) {
	guest, wire := newWire(true, faults{})
	srv := newDHCPServer(t, wire)
	srv.extra = usualOptions
	g := newDHCPGuest(t, guest)
	result := make(chan kernel.Errno)
	go func() {
		c := open(t, g.Stack, syscall.AF_INET, syscall.SOCK_DGRAM, 0)
		defer c.close()
		result <- c.s.Connect(sockaddr(netip.MustParseAddrPort("192.0.2.1:53")))
	}()
	// What stays on the machine does not wait.
	l := listen(t, g.Stack, netip.MustParseAddrPort("127.0.0.1:0"))
	defer l.close()
	dial(t, g.Stack, l.local()).close()
	select {
	case err := <-result:
		t.Fatalf("connected without an address: %v", err)
	default:
	}
	g.run(t)
	if err := <-result; err != 0 {
		t.Errorf("connect: %v", err)
	}
}

// TestSlowHandshake loses the first answer to a SYN, and the first data of the
// connection that comes of the second: the time that the handshake took must not
// count for a round trip.
func TestSlowHandshake(t *testing.T) {
	if os.Getenv(patchedEnv) == "" {
		t.Skip("for the stack that guests have, on which package rt/overlay runs it")
	}
	ca, cb := newWire(false, faults{})
	lostSYN, lostData := false, false
	cb.faults.lose = func(f *frame) bool {
		eth := header.Ethernet(f.data)
		if eth.Type() != header.IPv4ProtocolNumber {
			return false
		}
		ip := header.IPv4(f.data[header.EthernetMinimumSize:])
		segment := header.TCP(ip.Payload())
		switch {
		case segment.Flags().Contains(header.TCPFlagSyn) && !lostSYN:
			lostSYN = true
			return true
		case len(segment.Payload()) > 0 && !lostData:
			lostData = true
			return true
		}
		return false
	}
	a, b := newHost(t, ca, 1), newHost(t, cb, 2)
	l := listen(t, b.Stack, netip.AddrPortFrom(b.ip4, 0))
	go func() {
		c := l.accept()
		io.WriteString(c, "hello")
	}()
	c := dial(t, a.Stack, l.local())
	start := time.Now()
	if _, err := io.ReadFull(c, make([]byte, 5)); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(start); !lostSYN || !lostData || took > 1700*time.Millisecond { // a second, if nothing was measured (RFC 6298, 2.1)
		t.Errorf("repeating the first data took %v (lost: %v, %v)", took, lostSYN, lostData)
	}
}

// TestRepeatedSYN loses the first answer to a SYN. The SYN is then repeated, and
// that must be answered, at once and with its time stamp: by another answer to the
// first SYN the client would measure a round trip of a second.
func TestRepeatedSYN(t *testing.T) {
	if os.Getenv(patchedEnv) == "" {
		t.Skip("for the stack that guests have, on which package rt/overlay runs it")
	}
	ca, cb := newWire(false, faults{})
	type sent struct {
		flags     header.TCPFlags
		val, echo uint32
	}
	var client, server []sent // what was sent before the connection came about
	record := func(to *[]sent, f *frame) {
		if header.Ethernet(f.data).Type() == header.IPv4ProtocolNumber {
			segment := header.TCP(header.IPv4(f.data[header.EthernetMinimumSize:]).Payload())
			stamps := segment.ParsedOptions()
			*to = append(*to, sent{segment.Flags(), stamps.TSVal, stamps.TSEcr})
		}
	}
	ca.faults.lose = func(f *frame) bool { record(&client, f); return false }
	cb.faults.lose = func(f *frame) bool { record(&server, f); return len(server) == 1 }
	a, b := newHost(t, ca, 1), newHost(t, cb, 2)
	l := listen(t, b.Stack, netip.AddrPortFrom(b.ip4, 0))
	dial(t, a.Stack, l.local())
	l.accept()

	ca.Begin()
	cb.Begin()
	defer ca.End()
	defer cb.End()
	const synACK = header.TCPFlagSyn | header.TCPFlagAck
	if len(client) < 2 || len(server) != 2 || client[1].flags != header.TCPFlagSyn ||
		server[1].flags != synACK || server[1].echo != client[1].val {
		t.Errorf("the client sent %+v, the server %+v", client, server)
	}
}

// TestTimeWaitIsSilent closes a connection whose idle peer is asked for signs of life.
func TestTimeWaitIsSilent(t *testing.T) {
	if os.Getenv(patchedEnv) == "" {
		t.Skip("for the stack that guests have, on which package rt/overlay runs it")
	}
	ca, cb := newWire(false, faults{})
	var packets atomic.Int64
	cb.faults.lose = func(f *frame) bool {
		if header.Ethernet(f.data).Type() == header.IPv4ProtocolNumber {
			packets.Add(1)
		}
		return false
	}
	a, b := newHost(t, ca, 1), newHost(t, cb, 2)
	l := listen(t, b.Stack, netip.AddrPortFrom(b.ip4, 0))
	c := dial(t, a.Stack, l.local())
	s := l.accept()
	for option, value := range map[[2]int]int32{
		{syscall.SOL_SOCKET, syscall.SO_KEEPALIVE}:   1,
		{syscall.IPPROTO_TCP, syscall.TCP_KEEPIDLE}:  1,
		{syscall.IPPROTO_TCP, syscall.TCP_KEEPINTVL}: 1,
	} {
		if err := s.s.SetOption(option[0], option[1], int32Bytes(value)); err != 0 {
			t.Fatal(err)
		}
	}
	s.close()
	if _, err := c.Read(make([]byte, 1)); err != io.EOF {
		t.Fatal(err)
	}
	c.close()
	time.Sleep(200 * time.Millisecond) // all acknowledged
	before := packets.Load()
	time.Sleep(1200 * time.Millisecond)
	if n := packets.Load() - before; n > 0 {
		t.Errorf("%d packets after the end of the connection", n)
	}
}

// TestLostFIN loses the end of the data in one direction, while the other side closes
// the connection: what is acknowledged to it in the meantime comes from beyond that end,
// but is no data that it has no use for, and no reason for a reset.
func TestLostFIN(t *testing.T) {
	if os.Getenv(patchedEnv) == "" {
		t.Skip("for the stack that guests have, on which package rt/overlay runs it")
	}
	ca, cb := newWire(false, faults{})
	lost := false
	ca.faults.lose = func(f *frame) bool {
		if header.Ethernet(f.data).Type() != header.IPv4ProtocolNumber || lost {
			return false
		}
		segment := header.TCP(header.IPv4(f.data[header.EthernetMinimumSize:]).Payload())
		lost = segment.Flags().Contains(header.TCPFlagFin)
		return lost
	}
	a, b := newHost(t, ca, 1), newHost(t, cb, 2)
	l := listen(t, b.Stack, netip.AddrPortFrom(b.ip4, 0))
	c := dial(t, a.Stack, l.local())
	s := l.accept()
	if err := c.s.Shutdown(syscall.SHUT_WR); err != 0 {
		t.Fatal(err)
	}
	if _, err := io.WriteString(s, "bye"); err != nil {
		t.Fatal(err)
	}
	s.close()
	if got, err := io.ReadAll(c); string(got) != "bye" || err != nil {
		t.Errorf("read %q, %v", got, err)
	}
	c.close()
	time.Sleep(300 * time.Millisecond) // the FIN has been repeated
	if n := b.ip.Stats().TCP.ResetsSent.Value(); n != 0 {
		t.Errorf("%d resets", n)
	}
}

// TestLossRecovery wants most of what a link loses to be repeated without waiting
// for a timeout, and hardly anything of what it only reorders.
func TestLossRecovery(t *testing.T) {
	if os.Getenv(patchedEnv) == "" {
		t.Skip("for the stack that guests have, on which package rt/overlay runs it")
	}
	const size = 4 << 20 // some 3000 packets, of which 150 are hit
	send := func(t *testing.T, f faults) tcpip.TCPStats {
		a, b := newPair(t, false, f)
		transfer(t, a.Stack, b.Stack, b.ip4, size)
		return a.ip.Stats().TCP
	}
	t.Run("loss", func(t *testing.T) {
		// An acknowledgement of a whole window is lost now and then.
		if n := send(t, faults{loss: 0.05}).Timeouts.Value(); n > 12 {
			t.Errorf("%d timeouts", n)
		}
	})
	t.Run("reordering", func(t *testing.T) {
		if n := send(t, faults{reorder: 0.05}).Retransmits.Value(); n > 60 {
			t.Errorf("%d packets sent again", n)
		}
	})
}
