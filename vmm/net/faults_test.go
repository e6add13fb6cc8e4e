package net

import (
	"bytes"
	"testing"
	"time"

	"ringo.dev/ringo/drivers/virtio/spec"
)

// wire is a Backend that counts what it is sent, and sends what it is told to.
type wire struct {
	card Card
	got  [][]byte
}

func (w *wire) Features() uint64              { return tapFeatures | spec.NetMTU }
func (w *wire) MTU() int                      { return 1500 }
func (w *wire) Attach(c Card, _ uint64) error { w.card = c; return nil }
func (w *wire) Detach()                       {}
func (w *wire) Close() error                  { return nil }
func (w *wire) Flush()                        {}
func (w *wire) Send(frame [][]byte) error {
	w.got = append(w.got, bytes.Join(frame, nil))
	return nil
}

func (w *wire) receive(frame []byte) {
	copy(w.card.Reserve(len(frame))[0], frame)
	w.card.Commit(len(frame))
	w.card.Flush()
}

// frames returns n different frames.
func frames(n int) [][]byte {
	var f [][]byte
	for i := range n {
		b := make([]byte, 100)
		b[50], b[51] = byte(i), byte(i>>8)
		f = append(f, b)
	}
	return f
}

func TestFaults(t *testing.T) {
	const n = 10000
	within := func(name string, got int, p float64) {
		if want := p * n; float64(got) < 0.8*want || float64(got) > 1.2*want {
			t.Errorf("%s: %d of %d frames, with a probability of %v", name, got, n, p)
		}
	}
	w := new(wire)
	l := WithFaults(w, Faults{Drop: 0.1, Seed: 1})
	if l.Features() != spec.NetMTU {
		t.Errorf("features %#x", l.Features())
	}
	for _, f := range frames(n) {
		l.Send([][]byte{f[:10], f[10:]})
	}
	within("lost", n-len(w.got), 0.1)

	w = new(wire)
	l = WithFaults(w, Faults{Duplicate: 0.1, Seed: 1})
	for _, f := range frames(n) {
		l.Send([][]byte{f})
	}
	within("duplicated", len(w.got)-n, 0.1)

	w = new(wire)
	l = WithFaults(w, Faults{Corrupt: 0.1, Seed: 1})
	changed := 0
	for _, f := range frames(n) {
		l.Send([][]byte{f})
		if got := w.got[len(w.got)-1]; !bytes.Equal(got, f) {
			changed++
			if !bytes.Equal(got[:spec.NetHeaderLen], f[:spec.NetHeaderLen]) {
				t.Error("the header was corrupted")
			}
		}
	}
	within("corrupted", changed, 0.1)
}

// TestFaultsReorder sends frames the other way, towards the card.
func TestFaultsReorder(t *testing.T) {
	w, c := new(wire), newTestCard()
	l := WithFaults(w, Faults{Reorder: 0.3, ReorderBy: 5 * time.Millisecond, Seed: 1})
	if err := l.Attach(c, 0); err != nil {
		t.Fatal(err)
	}
	const n = 50
	for _, f := range frames(n) {
		w.receive(f)
	}
	late, last := 0, -1
	for range n {
		f := <-c.frames
		i := int(f[50]) | int(f[51])<<8
		if i < last {
			late++
		}
		last = max(last, i)
	}
	if late < n/10 || late > n/2 {
		t.Errorf("%d of %d frames were overtaken", late, n)
	}
	l.Detach()
}
