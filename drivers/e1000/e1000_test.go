package e1000

import (
	"bytes"
	"runtime"
	"testing"
	"unsafe"

	"ringo.dev/ringo/drivers/virtio"
)

// newCard returns a card with rings, whose registers are memory.
func newCard(t *testing.T) *Card {
	registers := new([regSize / 4]uint32)
	t.Cleanup(func() { runtime.KeepAlive(registers) })
	c := &Card{regs: uintptr(unsafe.Pointer(registers))}
	c.rx, c.tx = c.newRing(regRxRing), c.newRing(regTxRing)
	return c
}

// owner counts how often it was released.
type owner int

func (o *owner) DecRef() { *o++ }

func (c *Card) sendOne(o *owner, data ...[]byte) error {
	c.Begin()
	defer c.End()
	return c.Send(nil, data, o)
}

// TestSend wants the packet in one piece in the descriptor's buffer, and the
// card told of it.
func TestSend(t *testing.T) {
	c := newCard(t)
	var o owner
	if err := c.sendOne(&o, []byte("head"), nil, []byte("body")); err != nil || o != 1 {
		t.Fatalf("%v, released %d times", err, o)
	}
	d := &c.tx.descs[0]
	if got := c.tx.buffers[0][:d.length]; string(got) != "headbody" || d.cmd != commandSend || d.status != 0 {
		t.Errorf("%q, %+v", got, d)
	}
	if tail := c.load(regTxRing + ringTail); tail != 1 {
		t.Errorf("the tail is %d", tail)
	}
}

// TestSendTooLong leaves the ring as it was.
func TestSendTooLong(t *testing.T) {
	c := newCard(t)
	var o owner
	if err := c.sendOne(&o, make([]byte, bufferSize), []byte{1}); err == nil || o != 1 || c.tx.next != 0 {
		t.Errorf("%v, released %d times, next %d", err, o, c.tx.next)
	}
	if err := c.sendOne(&o, make([]byte, bufferSize)); err != nil {
		t.Error(err)
	}
}

// TestFull sends one packet more than the ring holds: it has to wait for the card.
func TestFull(t *testing.T) {
	c := newCard(t)
	var o owner
	for range ringSize {
		if err := c.sendOne(&o, []byte{1}); err != nil {
			t.Fatal(err)
		}
	}
	sent := make(chan error)
	go func() { sent <- c.sendOne(&o, []byte{2}) }()
	select {
	case err := <-sent:
		t.Fatalf("it did not wait: %v", err)
	default:
	}
	*c.tx.descs[0].state() = done
	if err := <-sent; err != nil || c.tx.buffers[0][0] != 2 || c.tx.next != 1 {
		t.Errorf("%v, next %d", err, c.tx.next)
	}
}

// packets is a handler that keeps what it gets.
type packets struct {
	got     [][]byte
	current []byte
}

func (p *packets) Buffer() ([]byte, any) {
	p.current = make([]byte, virtio.MinRxBuffer)
	return p.current, nil
}

func (p *packets) Packet(_ *virtio.NetHeader, parts []virtio.RxPart) {
	for _, part := range parts {
		p.got = append(p.got, p.current[part.Off:][:part.Len])
	}
}

func (p *packets) Flush() {}

// fill does what the card does with a packet.
func (c *Card) fill(i int, packet []byte, length uint16, status, errors uint8) {
	d := &c.rx.descs[i%ringSize]
	copy(c.rx.buffers[i%ringSize][:], packet)
	d.length, d.errors, d.status = length, errors, status
}

// TestReceive goes around the ring: with whole packets, pieces and broken ones.
func TestReceive(t *testing.T) {
	c := newCard(t)
	var p packets
	if c.receive(&p) {
		t.Fatal("there is a packet in an empty ring")
	}
	const whole = done | endPacket
	for i := range 2 * ringSize {
		packet := bytes.Repeat([]byte{byte(i)}, 60+i%100)
		switch i % 4 {
		case 0, 1:
			c.fill(i, packet, uint16(len(packet)), whole, 0)
		case 2:
			c.fill(i, packet, uint16(len(packet)), done, 0) // goes on in the next buffer
		case 3:
			c.fill(i, packet, uint16(len(packet)), whole, 1)
		}
		before := len(p.got)
		if !c.receive(&p) || c.receive(&p) {
			t.Fatalf("packet %d: there must be this one", i)
		}
		if i%4 >= 2 {
			if len(p.got) != before {
				t.Fatalf("packet %d is broken", i)
			}
			continue
		}
		if len(p.got) != before+1 || !bytes.Equal(p.got[before], packet) {
			t.Fatalf("packet %d is wrong", i)
		}
		if tail := c.load(regRxRing + ringTail); tail != uint32(i%ringSize) {
			t.Fatalf("after packet %d the tail is %d", i, tail)
		}
	}
}

// FuzzReceive reads descriptors of any contents.
func FuzzReceive(f *testing.F) {
	f.Add(uint16(60), uint8(done|endPacket), uint8(0))
	f.Add(uint16(0xffff), uint8(done|endPacket), uint8(0))
	f.Fuzz(func(t *testing.T, length uint16, status, errors uint8) {
		c := newCard(t)
		var p packets
		c.fill(0, nil, length, status, errors)
		if c.receive(&p) != (status != 0 || errors != 0) {
			t.Error("it was not taken back")
		}
		for _, b := range p.got {
			if len(b) > int(length) || len(b) > bufferSize {
				t.Errorf("%d bytes of %d", len(b), length)
			}
		}
	})
}
