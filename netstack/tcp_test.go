package netstack

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"math/rand"
	"net/netip"
	"os"
	"syscall"
	"testing"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip"

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
