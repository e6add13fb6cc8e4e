package net

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"ringo.dev/ringo/drivers/virtio/spec"
)

// testCard is a Card with one buffer, which hands frames to a channel.
type testCard struct {
	buf    [maxLarge]byte
	frames chan []byte
}

func newTestCard() *testCard { return &testCard{frames: make(chan []byte, 100)} }

func (c *testCard) Reserve(n int) [][]byte { return [][]byte{c.buf[:100], c.buf[100:]} }
func (c *testCard) Commit(n int)           { c.frames <- bytes.Clone(c.buf[:n]) }
func (c *testCard) Flush()                 {}
func (c *testCard) Wait() bool             { return false }

// newTap creates a tap interface with an address, or skips the test.
func newTap(t *testing.T, addr string) string {
	t.Helper()
	name := fmt.Sprintf("rt%d", os.Getpid()%1e6)
	ip := func(args string) {
		if out, err := exec.Command("ip", strings.Fields(args)...).CombinedOutput(); err != nil {
			t.Skipf("ip %s: %v: %s", args, err, out)
		}
	}
	ip("tuntap add " + name + " mode tap vnet_hdr")
	t.Cleanup(func() { exec.Command("ip", "link", "del", name).Run() })
	ip("addr add " + addr + " dev " + name)
	ip("link set " + name + " up")
	return name
}

// TestTapARP asks the host's kernel over a tap for its own Ethernet address.
func TestTapARP(t *testing.T) {
	name := newTap(t, "10.213.77.1/24")
	tap, err := OpenTap(name)
	if err != nil {
		t.Fatal(err)
	}
	defer tap.Close()
	if _, err := OpenTap(name); err == nil || !strings.Contains(err.Error(), "in use") {
		t.Errorf("opening the tap twice: %v", err)
	}
	if tap.MTU() != 1500 {
		t.Errorf("MTU %d", tap.MTU())
	}
	for range 2 { // it can be attached again
		c := newTestCard()
		if err := tap.Attach(c, tap.Features()); err != nil {
			t.Fatal(err)
		}
		ask := func() { askARP(t, tap) }
		if reply := findARP(t, c, ask); !net.IP(reply[28:32]).Equal(net.IPv4(10, 213, 77, 1)) {
			t.Errorf("the reply is %x", reply)
		}
		if err := tap.Send([][]byte{make([]byte, 5)}); err != nil {
			t.Errorf("a frame that makes no sense: %v", err)
		}
		tap.Detach()
	}
}

// askARP asks the host for the Ethernet address of 10.213.77.1.
func askARP(t *testing.T, tap *Tap) {
	t.Helper()
	me := []byte{2, 0, 0, 0, 0, 9}
	arp := make([]byte, 0, 100)
	arp = append(arp, bytes.Repeat([]byte{0xff}, 6)...)
	arp = append(arp, me...)
	for _, w := range []uint16{0x0806, 1, 0x0800, 0x0604, 1} {
		arp = binary.BigEndian.AppendUint16(arp, w)
	}
	arp = append(append(arp, me...), 10, 213, 77, 2)
	arp = append(arp, 0, 0, 0, 0, 0, 0, 10, 213, 77, 1)
	if err := tap.Send([][]byte{make([]byte, spec.NetHeaderLen), arp[:20], nil, arp[20:]}); err != nil {
		t.Fatal(err)
	}
}

// TestTapPoll takes over the watch on a tap, and gives it back.
func TestTapPoll(t *testing.T) {
	tap, err := OpenTap(newTap(t, "10.213.77.1/24"))
	if err != nil {
		t.Fatal(err)
	}
	defer tap.Close()
	if fd := tap.Poll(); fd >= 0 {
		t.Error("there is something to watch before a card is attached")
	}
	c := newTestCard()
	if err := tap.Attach(c, tap.Features()); err != nil {
		t.Fatal(err)
	}
	defer tap.Detach()
	findARP(t, c, func() { askARP(t, tap) }) // the interface is all up

	fd := tap.Poll()
	for range 100 { // while the tap's own goroutine is reading
		if fd >= 0 {
			break
		}
		time.Sleep(10 * time.Millisecond)
		fd = tap.Poll()
	}
	if fd < 0 {
		t.Fatal("Poll returns no descriptor")
	}
	if tap.Poll() >= 0 {
		t.Error("two may watch")
	}
	for len(c.frames) > 0 {
		<-c.frames
	}
	askARP(t, tap)
	fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
	if n, err := unix.Poll(fds, 5000); n != 1 || err != nil {
		t.Fatalf("no answer to watch for: %d, %v", n, err)
	}
	time.Sleep(20 * time.Millisecond)
	if n := len(c.frames); n > 0 {
		t.Errorf("%d frames were received by themselves", n)
	}
	tap.Poll()
	if len(c.frames) == 0 {
		t.Error("Poll received nothing")
	}
	tap.EndPoll()
	findARP(t, c, func() { askARP(t, tap) })
}

// findARP returns the first ARP reply among the frames, without header. It asks
// again and again: the host drops what comes before the interface is all up.
func findARP(t *testing.T, c *testCard, ask func()) []byte {
	t.Helper()
	timeout := time.After(5 * time.Second)
	again := time.NewTicker(200 * time.Millisecond)
	defer again.Stop()
	ask()
	for {
		select {
		case <-again.C:
			ask()
		case f := <-c.frames:
			if f = f[spec.NetHeaderLen:]; len(f) >= 42 && f[12] == 8 && f[13] == 6 && f[21] == 2 {
				return f
			}
		case <-timeout:
			t.Fatal("no ARP reply")
		}
	}
}

func TestTapErrors(t *testing.T) {
	for name, want := range map[string]string{
		"no-such-tap":      "does not exist",
		"lo":               "not a tap",
		"a-name-of-16-byt": "is no name of a network interface",
	} {
		tap, err := OpenTap(name)
		if err == nil {
			tap.Close()
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want … %s …", name, err, want)
		}
	}
}
