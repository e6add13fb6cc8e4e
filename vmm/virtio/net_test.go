package virtio

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	driver "ringo.dev/ringo/drivers/virtio"
	"ringo.dev/ringo/drivers/virtio/spec"
	"ringo.dev/ringo/vmm/net"
)

// echo is a backend that sends every frame back.
type echo struct {
	mtu   int
	card  net.Card
	frame []byte
	wait  bool // for the guest to offer buffers; otherwise frames are dropped
	sent  atomic.Int64
}

func (e *echo) Features() uint64 {
	return spec.NetCSum | spec.NetGuestCSum | spec.NetHostTSO4 | spec.NetGuestTSO4
}
func (e *echo) MTU() int                                 { return e.mtu }
func (e *echo) Attach(c net.Card, features uint64) error { e.card = c; return nil }
func (e *echo) Detach()                                  {}
func (e *echo) Close() error                             { return nil }
func (e *echo) Flush()                                   { e.card.Flush() }

func (e *echo) Send(frame [][]byte) error {
	e.sent.Add(1)
	e.frame = e.frame[:0]
	for _, p := range frame {
		e.frame = append(e.frame, p...)
	}
	for {
		if mem := e.card.Reserve(len(e.frame)); mem != nil {
			b := e.frame
			for _, p := range mem {
				b = b[copy(p, b):]
			}
			e.card.Commit(len(e.frame))
			return nil
		}
		if e.card.Flush(); !e.wait || !e.card.Wait() {
			return nil
		}
	}
}

// sink is a driver.RxHandler that hands packets to a function.
type sink struct {
	size    int
	packet  func(h *driver.NetHeader, data []byte)
	data    []byte
	flushed int
}

func (s *sink) Buffer() ([]byte, any) {
	b := make([]byte, s.size)
	return b, b
}

func (s *sink) Packet(h *driver.NetHeader, parts []driver.RxPart) {
	s.data = s.data[:0]
	for _, p := range parts {
		s.data = append(s.data, p.Owner.([]byte)[p.Off:][:p.Len]...)
	}
	s.packet(h, s.data)
}

func (s *sink) Flush() { s.flushed++ }

// owner counts the packets released.
type owner struct{ n atomic.Int64 }

func (o *owner) DecRef() { o.n.Add(1) }

func TestNetEcho(t *testing.T) {
	for name, lazy := range map[string]bool{"doorbells": false, "polled": true} {
		t.Run(name, func(t *testing.T) { testNetEcho(t, lazy) })
	}
}

func testNetEcho(t *testing.T, lazy bool) {
	e := &echo{mtu: 1400, wait: true}
	mac := [6]byte{2, 0, 0, 0, 0, 7}
	tr, regs := connect(t, NewNet(e, mac))
	regs.lazy = lazy
	n, err := driver.OpenNet(tr)
	if err != nil {
		t.Fatal(err)
	}
	// To identify the device, to read its features and to accept them, to start it.
	if lists := regs.lists.Load(); lists > 4 {
		t.Errorf("%d lists of accesses, each of them an exit, to start the card", lists)
	}
	if n.MAC() != mac || n.MTU() != 1400 || !n.TxChecksum() {
		t.Errorf("MAC %x, MTU %d, checksum offload %v", n.MAC(), n.MTU(), n.TxChecksum())
	}
	if v4, v6 := n.TSO(); !v4 || v6 {
		t.Errorf("TSO is %v, %v", v4, v6)
	}

	rnd := rand.New(rand.NewPCG(1, 2))
	type packet struct {
		h    driver.NetHeader
		data []byte
	}
	var packets []packet
	for i := range 3000 {
		size := rnd.IntN(2000)
		switch i % 10 {
		case 0:
			size = rnd.IntN(65000)
		case 1:
			size = rnd.IntN(100)
		}
		p := packet{data: make([]byte, size)}
		for j := range p.data {
			p.data[j] = byte(i + j)
		}
		p.h = driver.NetHeader{Flags: spec.NetNeedsCSum, CSumStart: uint16(i), CSumOffset: 16, GSOSize: uint16(size)}
		packets = append(packets, p)
	}

	var mu sync.Mutex
	got, done := 0, make(chan bool)
	go n.Rx.Serve(&sink{size: 2048, packet: func(h *driver.NetHeader, data []byte) {
		mu.Lock()
		defer mu.Unlock()
		if got == len(packets) {
			return
		}
		want := packets[got]
		buffers := max(1, (len(data)+spec.NetHeaderLen+2047)/2048)
		if want.h.NumBuffers = uint16(buffers); *h != want.h || !bytes.Equal(data, want.data) {
			t.Errorf("packet %d of %d bytes came back as %d bytes with header %+v", got, len(want.data), len(data), *h)
		}
		if got++; got == len(packets) {
			close(done)
		}
	}})

	var o owner
	for batch := range slices.Chunk(packets, 7) {
		n.Tx.Begin()
		for _, p := range batch {
			var pieces [][]byte
			for rest := p.data; len(rest) > 0; {
				k := min(len(rest), 1+rnd.IntN(9000))
				pieces = append(pieces, rest[:k])
				rest = rest[k:]
			}
			if err := n.Tx.Send(&p.h, pieces, &o); err != nil {
				t.Fatal(err)
			}
		}
		n.Tx.End()
	}
	select {
	case <-done:
	case <-time.After(20 * time.Second):
		t.Fatalf("%d of %d packets came back, the backend has seen %d", got, len(packets), e.sent.Load())
	}
	for i := 0; o.n.Load() < int64(len(packets)); i++ {
		n.Tx.Begin() // takes back what was sent
		n.Tx.End()
		if time.Sleep(time.Millisecond); i > 1000 {
			t.Fatalf("%d of %d packets were released", o.n.Load(), len(packets))
		}
	}
}

// TestNetLongPacket sends packets of many pieces: too many for an indirect
// table, and for the ring.
func TestNetLongPacket(t *testing.T) {
	e := &echo{mtu: 1500}
	tr, _ := connect(t, NewNet(e, [6]byte{2}))
	n, err := driver.OpenNet(tr)
	if err != nil {
		t.Fatal(err)
	}
	var o owner
	pieces := func(k int) (p [][]byte) {
		for range k {
			p = append(p, make([]byte, 10, 20))
		}
		return p
	}
	n.Tx.Begin()
	if err := n.Tx.Send(&driver.NetHeader{}, pieces(100), &o); err != nil {
		t.Error(err)
	}
	if err := n.Tx.Send(&driver.NetHeader{}, pieces(1000), &o); err == nil {
		t.Error("a packet of more pieces than the ring has places was sent")
	}
	if err := n.Tx.Send(&driver.NetHeader{}, pieces(100), &o); err != nil {
		t.Error(err)
	}
	n.Tx.End()
	for e.sent.Load() < 2 {
		runtime.Gosched()
	}
}

// discard is a backend that is a hole.
type discard struct{ echo }

func (d *discard) Send(frame [][]byte) error { d.sent.Add(1); return nil }
func (d *discard) Flush()                    {}

func BenchmarkNetTransmit(b *testing.B) {
	for _, size := range []int{60, 1514, 65000} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			e := &discard{echo{mtu: 1500}}
			tr, regs := connect(b, NewNet(e, [6]byte{2}))
			n, err := driver.OpenNet(tr)
			if err != nil {
				b.Fatal(err)
			}
			pieces := [][]byte{make([]byte, min(size, 66)), make([]byte, size-min(size, 66))}
			var o owner
			b.SetBytes(int64(size))
			b.ReportAllocs()
			for i := 0; i < b.N; i += 16 {
				n.Tx.Begin()
				for range 16 {
					n.Tx.Send(&driver.NetHeader{}, pieces, &o)
				}
				n.Tx.End()
			}
			b.ReportMetric(float64(regs.rings.Load())/float64(b.N), "bells/op")
		})
	}
}

// BenchmarkNetPingPong is the time for one packet to go to the backend and back,
// both sides sleeping in between.
func BenchmarkNetPingPong(b *testing.B) {
	e := &echo{mtu: 1500, wait: true}
	tr, _ := connect(b, NewNet(e, [6]byte{2}))
	n, err := driver.OpenNet(tr)
	if err != nil {
		b.Fatal(err)
	}
	back := make(chan bool)
	go n.Rx.Serve(&sink{size: 2048, packet: func(*driver.NetHeader, []byte) { back <- true }})
	var o owner
	pieces := [][]byte{make([]byte, 60)}
	b.ReportAllocs()
	for b.Loop() {
		n.Tx.Begin()
		n.Tx.Send(&driver.NetHeader{}, pieces, &o)
		n.Tx.End()
		<-back
	}
}
