package netstack

import (
	"math/rand"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"testing"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"

	"ringo.dev/ringo/drivers/virtio"
	"ringo.dev/ringo/drivers/virtio/spec"
	"ringo.dev/ringo/netstack/config"
)

// frame is what crosses a wire: as between two virtio cards, so that with tso a
// frame may be a large segment with an incomplete checksum.
type frame struct {
	h    virtio.NetHeader
	data []byte
}

// faults are how a wire maltreats frames.
type faults struct {
	loss, reorder, corrupt, duplicate float64 // parts, of 1, of the frames

	queue int // of frames that wait to be received: others are lost; 0: no limit

	lose func(f *frame) bool // loses chosen frames; nil: none
}

// testCard is one end of a wire: a card whose queues never fill.
type testCard struct {
	mac    [6]byte
	tso    bool
	faults faults
	peer   *testCard
	rng    *rand.Rand // held by the sending side
	held   []frame    // frames overtaken by others
	frames atomic.Int64

	txMu sync.Mutex

	mu     sync.Mutex
	cond   sync.Cond
	in     []frame
	closed bool
}

// newWire returns the two ends of a wire.
func newWire(tso bool, f faults) (a, b *testCard) {
	a = &testCard{mac: [6]byte{2, 0, 0, 0, 0, 1}, tso: tso, faults: f, rng: rand.New(rand.NewSource(1))}
	b = &testCard{mac: [6]byte{2, 0, 0, 0, 0, 2}, tso: tso, faults: f, rng: rand.New(rand.NewSource(2))}
	a.peer, b.peer = b, a
	a.cond.L, b.cond.L = &a.mu, &b.mu
	return a, b
}

func (c *testCard) MAC() [6]byte       { return c.mac }
func (c *testCard) MTU() int           { return 1500 }
func (c *testCard) TSO() (v4, v6 bool) { return c.tso, c.tso }
func (c *testCard) Begin()             { c.txMu.Lock() }
func (c *testCard) End()               { c.txMu.Unlock() }

func (c *testCard) Send(h *virtio.NetHeader, data [][]byte, owner virtio.Owner) error {
	f := frame{h: *h}
	for _, b := range data {
		f.data = append(f.data, b...)
	}
	owner.DecRef()
	c.frames.Add(1)
	c.send(f)
	return nil
}

// sent returns how many frames the card was given to send.
func (c *testCard) sent() int { return int(c.frames.Load()) }

// send puts a frame on the wire, between Begin and End.
func (c *testCard) send(f frame) {
	hit := func(p float64) bool { return p > 0 && c.rng.Float64() < p }
	if hit(c.faults.loss) || c.faults.lose != nil && c.faults.lose(&f) {
		return
	}
	if hit(c.faults.corrupt) {
		f.data = append([]byte(nil), f.data...)
		f.data[c.rng.Intn(len(f.data))] ^= 1 << c.rng.Intn(8)
	}
	if hit(c.faults.reorder) {
		c.held = append(c.held, f)
		return
	}
	c.peer.receive(f)
	if hit(c.faults.duplicate) {
		c.peer.receive(f)
	}
	for _, late := range c.held {
		c.peer.receive(late)
	}
	c.held = nil
}

func (c *testCard) receive(f frame) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if limit := c.faults.queue; !c.closed && (limit == 0 || len(c.in) < limit) {
		c.in = append(c.in, f)
		c.cond.Signal()
	}
}

func (c *testCard) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	c.cond.Signal()
}

// Serve delivers what arrives until the card is closed.
func (c *testCard) Serve(h virtio.RxHandler) error {
	for {
		c.mu.Lock()
		for len(c.in) == 0 && !c.closed {
			c.cond.Wait()
		}
		if c.closed {
			c.mu.Unlock()
			return nil
		}
		batch := c.in
		c.in = nil
		c.mu.Unlock()
		for i := range batch {
			deliver(h, &batch[i])
		}
		h.Flush()
	}
}

// deliver hands a frame to h the way a card with mergeable buffers does.
func deliver(h virtio.RxHandler, f *frame) {
	var parts []virtio.RxPart
	off := spec.NetHeaderLen
	for data := f.data; ; off = 0 {
		b, owner := h.Buffer()
		n := copy(b[off:], data)
		parts = append(parts, virtio.RxPart{Owner: owner, Off: off, Len: n})
		if data = data[n:]; len(data) == 0 {
			break
		}
	}
	h.Packet(&f.h, parts)
}

// patchedEnv is set when the tests run on gVisor's stack as guests have it.
const patchedEnv = "NETSTACK_TEST_PATCHED"

// host is a stack at the end of a wire.
type host struct {
	*Stack
	nic  tcpip.NICID
	card *testCard
	ip4  netip.Addr
	ip6  netip.Addr
}

// newHost makes a stack with a card and the addresses 10.1.0.n and fd01::n.
func newHost(t testing.TB, c *testCard, n byte) *host {
	t.Helper()
	s, err := New()
	if err != nil {
		t.Fatal(err)
	}
	l := newLink(c, c, c)
	nic, err := s.addCard("eth0", l)
	if err != nil {
		t.Fatal(err)
	}
	if os.Getenv(patchedEnv) != "" {
		rack := tcpip.TCPRACKLossDetection
		if err := s.ip.SetTransportProtocolOption(tcp.ProtocolNumber, &rack); err != nil {
			t.Fatal(err)
		}
	}
	h := &host{
		Stack: s, nic: nic, card: c,
		ip4: netip.AddrFrom4([4]byte{10, 1, 0, n}),
		ip6: netip.AddrFrom16([16]byte{0: 0xfd, 1: 0x01, 15: n}),
	}
	cfg := config.Config{IP4: netip.PrefixFrom(h.ip4, 24), IP6: netip.PrefixFrom(h.ip6, 64)}
	if err := s.configure(nic, l, &cfg); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		c.close()
		s.ip.Close()
	})
	return h
}

// newPair returns two hosts on one wire.
func newPair(t testing.TB, tso bool, f faults) (a, b *host) {
	ca, cb := newWire(tso, f)
	return newHost(t, ca, 1), newHost(t, cb, 2)
}

// newLocal returns a stack that has only its loopback.
func newLocal(t testing.TB) *Stack {
	t.Helper()
	s, err := New()
	if err != nil {
		t.Fatal(err)
	}
	s.gate.open()
	t.Cleanup(s.ip.Close)
	return s
}

// discardNetwork is a stack that drops everything.
type discardNetwork struct{}

func (discardNetwork) DeliverNetworkPacket(tcpip.NetworkProtocolNumber, *stack.PacketBuffer) {}
func (discardNetwork) DeliverLinkPacket(tcpip.NetworkProtocolNumber, *stack.PacketBuffer)    {}
