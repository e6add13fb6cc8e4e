package xen

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"ringo.dev/ringo/drivers/virtio"
	"ringo.dev/ringo/drivers/virtio/spec"
)

const backDomain = 3

// newNet returns a card that is set up, and the rings' other sides.
func newNet(t testing.TB) (n *Net, x *fakeXen, tx, rx *backRing) {
	t.Helper()
	x = newFakeXen(backDomain)
	n = &Net{xen: x, backend: backDomain, pieces: true, tso: [2]bool{true, true}}
	if err := n.setUp(); err != nil {
		t.Fatal(err)
	}
	return n, x, newBackRing(n.tx), newBackRing(n.rx)
}

func TestConnect(t *testing.T) {
	const back = "/local/domain/3/backend/vif/1/0"
	f, s := startStore(t, map[string]string{
		"device/vif/0/backend":       back,
		"device/vif/0/backend-id":    strconv.Itoa(backDomain),
		"device/vif/0/mac":           "00:16:3e:01:02:fF",
		"device/vif/0/mtu":           "1400",
		back + "/state":              strconv.Itoa(stateInitWait),
		back + "/feature-rx-copy":    "1",
		back + "/feature-sg":         "1",
		back + "/feature-gso-tcpv4":  "1",
		back + "/feature-gso-tcpv6":  "0",
		"device/vif/0/handle":        "0",
		"device/vif/0/feature-other": "1",
	})
	f.changed = func(path string) {
		if path == "device/vif/0/state" {
			f.set(back+"/state", strconv.Itoa(stateConnected))
		}
	}
	x := newFakeXen(backDomain)
	n, err := connect(x, s, "device/vif/0")
	if err != nil {
		t.Fatal(err)
	}
	if n.MAC() != [6]byte{0x00, 0x16, 0x3e, 1, 2, 0xff} || n.MTU() != 1400 {
		t.Errorf("address %x, MTU %d", n.MAC(), n.MTU())
	}
	if v4, v6 := n.TSO(); !v4 || v6 {
		t.Errorf("TSO %v, %v", v4, v6)
	}
	for name, want := range map[string]*page{"tx-ring-ref": n.tx.mem, "rx-ring-ref": n.rx.mem} {
		ref, err := strconv.Atoi(f.node("device/vif/0/" + name))
		if err != nil || x.page(uint32(ref)) != want {
			t.Errorf("%s is %d, %v", name, ref, err)
		}
	}
	if port := f.node("device/vif/0/event-channel"); port != "7" {
		t.Errorf("event channel %s", port)
	}
}

// TestConnectBad changes one node each, so that the card cannot be used.
func TestConnectBad(t *testing.T) {
	const path = "device/vif/0"
	for _, c := range []struct{ node, value string }{
		{path + "/mac", "00:16:3e:01:02"},
		{path + "/mac", "00:16:3e:01:02-03"},
		{path + "/backend-id", "70000"},
		{path + "/mtu", "10"},
		{"/back/feature-rx-copy", "0"},
		{"/back/feature-sg", "perhaps"},
	} {
		nodes := map[string]string{
			path + "/backend": "/back", path + "/backend-id": "3", path + "/mac": "00:16:3e:01:02:03",
			"/back/state": "2", "/back/feature-rx-copy": "1",
		}
		nodes[c.node] = c.value
		_, s := startStore(t, nodes)
		if _, err := connect(newFakeXen(backDomain), s, path); !errors.Is(err, ErrBackend) {
			t.Errorf("%s = %s: %v", c.node, c.value, err)
		}
	}
}

// owner counts how often it was released.
type owner struct{ released atomic.Int32 }

func (o *owner) DecRef() { o.released.Add(1) }

// pattern returns n bytes that differ by place and by seed.
func pattern(n, seed int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i*7 + i>>8 + seed)
	}
	return b
}

// sent is a packet that the other side got.
type sent struct {
	data  []byte
	flags uint16
	gso   []byte // the extra slot
}

// takeSent takes a packet from the transmit ring, without answering.
func takeSent(t *testing.T, x *fakeXen, tx *backRing) (p sent, ids []uint16, ok bool) {
	t.Helper()
	var b [txSlot]byte
	le := binary.LittleEndian
	total := 0
	for more := true; more; {
		if !tx.take(b[:]) {
			if len(ids) > 0 {
				t.Fatal("a part of a packet")
			}
			return p, nil, false
		}
		mem := x.page(le.Uint32(b[:]))
		offset, flags, id, size := le.Uint16(b[4:]), le.Uint16(b[6:]), le.Uint16(b[8:]), le.Uint16(b[10:])
		n := int(size)
		if len(ids) == 0 {
			total = n
			n = min(n, pageSize)
			p.flags = flags
		}
		p.data = append(p.data, mem[offset:][:n]...)
		ids = append(ids, id)
		if flags&txExtra != 0 {
			tx.take(b[:])
			p.gso = bytes.Clone(b[:])
		}
		more = flags&txMore != 0
	}
	if total != len(p.data) {
		t.Errorf("a packet of %d bytes has pieces of %d", total, len(p.data))
	}
	return p, ids, true
}

// answerSent gives a packet's pages back, in another order.
func answerSent(tx *backRing, p sent, ids []uint16) {
	var b [txSlot]byte
	for i := range ids {
		binary.LittleEndian.PutUint16(b[:], ids[len(ids)-1-i])
		tx.answer(b[:])
	}
	if p.gso != nil {
		binary.LittleEndian.PutUint16(b[:], 0xffff)
		binary.LittleEndian.PutUint16(b[2:], statusNull)
		tx.answer(b[:])
	}
}

func TestSend(t *testing.T) {
	n, x, tx, _ := newNet(t)
	o := new(owner)
	sizes := []int{60, 1514, pageSize, pageSize + 1, 3 * pageSize, maxSent}
	const rounds = 200 // several times around the ring
	count := 0
	for round := range rounds {
		for _, size := range sizes {
			want := pattern(size, round)
			var h virtio.NetHeader
			if size > 1514 {
				h = virtio.NetHeader{Flags: spec.NetNeedsCSum, GSOType: spec.NetGSOTCPv6, GSOSize: 1440}
			}
			n.Begin()
			err := n.Send(&h, [][]byte{want[:20], nil, want[20:]}, o)
			n.End()
			if count++; err != nil || int(o.released.Load()) != count {
				t.Fatalf("%d bytes: %v; released %d times of %d", size, err, o.released.Load(), count)
			}
			p, ids, ok := takeSent(t, x, tx)
			if !ok || !bytes.Equal(p.data, want) {
				t.Fatalf("%d bytes: %d came", size, len(p.data))
			}
			if large := size > 1514; large != (p.gso != nil) || large != (p.flags&txChecksumBlank != 0) {
				t.Fatalf("%d bytes: flags %#x, extra slot %x", size, p.flags, p.gso)
			}
			if p.gso != nil && !bytes.Equal(p.gso[:5], []byte{extraGSO, 0, 1440 & 0xff, 1440 >> 8, extraGSOTCP6}) {
				t.Fatalf("extra slot %x", p.gso)
			}
			answerSent(tx, p, ids)
		}
	}
	if err := n.Send(new(virtio.NetHeader), [][]byte{make([]byte, maxSent+1)}, o); err == nil {
		t.Error("a packet of impossible size was sent")
	}
}

// TestSendFull sends while the other side takes packets slowly, so that the ring
// is full most of the time.
func TestSendFull(t *testing.T) {
	n, x, tx, _ := newNet(t)
	const packets = 2000
	failed := make(chan error, 1)
	go func() {
		o := new(owner)
		for i := range packets {
			n.Begin()
			err := n.Send(new(virtio.NetHeader), [][]byte{pattern(100+i, i)}, o)
			n.End()
			if err != nil {
				failed <- fmt.Errorf("packet %d: %w", i, err)
				return
			}
		}
		failed <- nil
	}()
	for i := 0; i < packets; {
		p, ids, ok := takeSent(t, x, tx)
		if !ok {
			time.Sleep(10 * time.Microsecond)
			continue
		}
		if !bytes.Equal(p.data, pattern(100+i, i)) {
			t.Fatalf("packet %d: %d bytes that are not those sent", i, len(p.data))
		}
		answerSent(tx, p, ids)
		i++
	}
	if err := <-failed; err != nil {
		t.Error(err)
	}
}

// taker is an RxHandler that keeps the packets.
type taker struct {
	t       testing.TB
	packets [][]byte
	flags   []uint8
	flushed int
}

func (k *taker) Buffer() ([]byte, any) {
	b := make([]byte, 2048)
	return b, b
}

func (k *taker) Packet(h *virtio.NetHeader, parts []virtio.RxPart) {
	var p []byte
	for _, part := range parts {
		b := part.Owner.([]byte)
		if part.Off < 0 || part.Len < 0 || part.Off+part.Len > len(b) {
			k.t.Errorf("a part of %d bytes at %d of %d", part.Len, part.Off, len(b))
			return
		}
		p = append(p, b[part.Off:][:part.Len]...)
	}
	k.packets = append(k.packets, p)
	k.flags = append(k.flags, h.Flags)
}

func (k *taker) Flush() { k.flushed++ }

// deliver puts a packet into the receive ring, in pieces of at most a page that
// begin at an offset, with a number of extra slots.
func deliver(t *testing.T, x *fakeXen, rx *backRing, data []byte, offset, extras int, flags uint16) {
	t.Helper()
	var req, rsp [rxSlot]byte
	for first := true; first || len(data) > 0; first = false {
		if !rx.take(req[:]) {
			t.Fatal("there is no room to receive")
		}
		id, mem := binary.LittleEndian.Uint16(req[:]), x.page(binary.LittleEndian.Uint32(req[4:]))
		n := copy(mem[offset:], data)
		data = data[n:]
		f := uint16(0)
		if first {
			if f = flags; extras > 0 {
				f |= rxExtra
			}
		}
		if len(data) > 0 {
			f |= rxMore
		}
		binary.LittleEndian.PutUint16(rsp[0:], id)
		binary.LittleEndian.PutUint16(rsp[2:], uint16(offset))
		binary.LittleEndian.PutUint16(rsp[4:], f)
		binary.LittleEndian.PutUint16(rsp[6:], uint16(n))
		rx.answer(rsp[:])
		for first && extras > 0 {
			extras--
			rx.take(req[:])
			extra := [rxSlot]byte{extraGSO, 0, 0xb4, 0x05, extraGSOTCP4}
			if extras > 0 {
				extra[1] = extraMore
			}
			rx.answer(extra[:])
		}
	}
}

func TestReceive(t *testing.T) {
	n, x, _, rx := newNet(t)
	k := &taker{t: t}
	for round := range 200 {
		for i, c := range []struct {
			size, offset, extras int
			flags                uint16
			want                 uint8
		}{
			{60, 0, 0, 0, 0},
			{1514, 64, 0, rxDataValidated, spec.NetDataValid},
			{pageSize + 1, 0, 1, rxChecksumBlank | rxDataValidated, spec.NetNeedsCSum | spec.NetDataValid},
			{maxPacket, 0, 2, rxChecksumBlank, spec.NetNeedsCSum},
			{2048, 2048, 1, 0, 0},
		} {
			want := pattern(c.size, round+i)
			deliver(t, x, rx, want, c.offset, c.extras, c.flags)
			if err := n.packet(k); err != nil {
				t.Fatal(err)
			}
			n.push(n.rx)
			last := len(k.packets) - 1
			if last != 0 || !bytes.Equal(k.packets[0], want) || k.flags[0] != c.want {
				t.Fatalf("%+v: %d packets, %v", c, last+1, k.flags)
			}
			k.packets, k.flags = nil, nil
		}
	}
}

// TestReceiveError checks that a packet with an error is dropped, and the next
// one is not.
func TestReceiveError(t *testing.T) {
	n, x, _, rx := newNet(t)
	k := &taker{t: t}
	var req, rsp [rxSlot]byte
	rx.take(req[:])
	failed := int16(-1)
	copy(rsp[:2], req[:2])
	binary.LittleEndian.PutUint16(rsp[6:], uint16(failed))
	rx.answer(rsp[:])
	want := pattern(100, 0)
	deliver(t, x, rx, want, 0, 0, 0)
	for range 2 {
		if err := n.packet(k); err != nil {
			t.Fatal(err)
		}
	}
	if len(k.packets) != 1 || !bytes.Equal(k.packets[0], want) {
		t.Errorf("%d packets", len(k.packets))
	}
}

// TestServe receives while the other side sends, up to its fault.
func TestServe(t *testing.T) {
	n, x, _, rx := newNet(t)
	k := &taker{t: t}
	ended := make(chan error)
	go func() { ended <- n.Serve(k) }()
	const packets = 1000
	for i := range packets {
		for atomic.LoadUint32(rx.word(ringRequests)) == rx.taken {
			time.Sleep(10 * time.Microsecond)
		}
		deliver(t, x, rx, pattern(1000, i), 0, 0, 0)
	}
	time.Sleep(10 * time.Millisecond)
	atomic.StoreUint32(rx.word(ringResponses), rx.answered+n.rx.size+1)
	if err := <-ended; !errors.Is(err, ErrBackend) {
		t.Errorf("Serve ended with %v", err)
	}
	if len(k.packets) != packets || k.flushed == 0 {
		t.Errorf("%d packets of %d, flushed %d times", len(k.packets), packets, k.flushed)
	}
}

// TestHostile has the other side return what it should not.
func TestHostile(t *testing.T) {
	rsp := func(id, offset, flags, size uint16) []byte {
		b := make([]byte, rxSlot)
		for i, v := range []uint16{id, offset, flags, size} {
			binary.LittleEndian.PutUint16(b[2*i:], v)
		}
		return b
	}
	for name, b := range map[string][]byte{
		"another page":     rsp(1, 0, 0, 100),
		"an unknown page":  rsp(0xffff, 0, 0, 100),
		"a long piece":     rsp(0, 0, 0, pageSize+1),
		"a piece at 65535": rsp(0, 0xffff, 0, 0x7fff),
	} {
		n, _, _, rx := newNet(t)
		rx.answer(b)
		if err := n.packet(&taker{t: t}); !errors.Is(err, ErrBackend) {
			t.Errorf("%s: %v", name, err)
		}
	}
	n, _, tx, _ := newNet(t)
	tx.answer(make([]byte, txSlot))
	if err := n.Send(new(virtio.NetHeader), [][]byte{{1}}, new(owner)); !errors.Is(err, ErrBackend) {
		t.Errorf("a packet that was not sent comes back: %v", err)
	}
	// All slots are answered as if they had been extra ones.
	n, _, tx, _ = newNet(t)
	null := make([]byte, txSlot)
	null[2] = statusNull
	var err error
	for range 2 * n.tx.size {
		if err = n.Send(new(virtio.NetHeader), [][]byte{{1}}, new(owner)); err != nil {
			break
		}
		n.tx.publish()
		tx.answer(null)
	}
	if !errors.Is(err, ErrBackend) {
		t.Errorf("no page comes back: %v", err)
	}
}

// FuzzNet is the card with a hostile other side, which fills both rings with
// content, and answers a number of requests.
func FuzzNet(f *testing.F) {
	f.Add([]byte{0, 0, 0, 0, 0, 0, 100, 0}, uint16(1))
	f.Add([]byte{0, 0, 0, 0, 4, 0, 100, 0, 1, 0, 0, 0, 0, 0, 100, 0}, uint16(2))
	f.Add([]byte{0, 0, 0, 0, 8, 0, 100, 0, 1, 1, 0, 0, 0, 0, 0, 0}, uint16(200))
	f.Add(bytes.Repeat([]byte{0xff}, 64), uint16(256))
	f.Add([]byte{}, uint16(300))
	f.Fuzz(func(t *testing.T, content []byte, answered uint16) {
		n, _, tx, rx := newNet(t)
		for i := range n.tx.size / 2 {
			if err := n.Send(new(virtio.NetHeader), [][]byte{pattern(10, int(i))}, new(owner)); err != nil {
				t.Fatal(err)
			}
		}
		n.tx.publish()
		for _, r := range []*backRing{tx, rx} {
			for off := ringSlots; off < pageSize && len(content) > 0; off += len(content) {
				copy(r.mem[off:], content)
			}
			atomic.StoreUint32(r.word(ringResponses), uint32(answered))
		}
		n.reclaim()
		// Whoever waits for more gets an error at last.
		end := time.AfterFunc(5*time.Millisecond, func() { atomic.StoreUint32(rx.word(ringResponses), uint32(answered)+1<<31+1) })
		defer end.Stop()
		if err := n.Serve(&taker{t: t}); !errors.Is(err, ErrBackend) {
			t.Errorf("Serve ended with %v", err)
		}
	})
}
