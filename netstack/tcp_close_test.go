package netstack

import (
	"io"
	"net/netip"
	"os"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip/header"
)

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
